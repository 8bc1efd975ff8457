"""Options and arguments that several verbs share, and how their text is read."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from brokergw.cli.session import Session

Account = Annotated[
    str | None,
    typer.Option(help="The account, acc_…; may be left out when you have only one (see `brokergw account`)."),
]

Key = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        help="A UUID of version 4 or 7, one per intent; made when left out. Repeat with it to find out an outcome.",
        show_default=False,
    ),
]


async def account_ids(session: Session) -> list[str]:
    """List the caller's accounts, oldest first."""
    found: list[str] = []
    token = ""
    while True:
        page = await session.client.list_accounts(page_size=500, page_token=token)
        found += [each.account_id for each in page.accounts]
        token = page.next_page_token
        if not token:
            return found


async def the_account(session: Session, given: str | None) -> str:
    """Take the account that is given, or the only one there is; several or none is a wrong command line."""
    if given:
        return given
    found = await account_ids(session)
    if len(found) == 1:
        return found[0]
    named = ", ".join(found) if found else "you have none: see `brokergw connections create`"
    raise typer.BadParameter(f"say which account: {named}", param_hint="--account")


def as_moment(given: datetime | None) -> datetime | None:
    """Read a time without a zone as UTC."""
    return None if given is None else given.replace(tzinfo=UTC)


def moment(time_ns: int | None) -> str:
    """Write a time in nanoseconds as UTC, to the second; empty where there is none."""
    return "" if time_ns is None else datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()
