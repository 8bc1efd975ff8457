"""Options and arguments that several verbs share, and how their text is read."""

from datetime import UTC, datetime
from typing import Annotated

import typer

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account, acc_… (see `brokergw account`).")]

Key = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        help="A UUID of version 4 or 7, one per intent; made when left out. Repeat with it to find out an outcome.",
        show_default=False,
    ),
]


def as_moment(given: datetime | None) -> datetime | None:
    """Read a time without a zone as UTC."""
    return None if given is None else given.replace(tzinfo=UTC)
