"""`brokergw reconcile`: comparing accounts with their brokers, and settling what differs."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from brokergw.cli.exits import Exit
from brokergw.cli.screen import table
from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.tables import moment
from brokergw.cli.values import Account, the_account
from brokergw.client.messages import Difference, Reconciliation, words

app = typer.Typer(help="Compare accounts with their brokers, and settle what differs.", no_args_is_help=True)

_STYLES = {"AGREED": "green", "WARNED": "yellow", "MISMATCH": "bold red", "INCONCLUSIVE": "yellow", "FAILED": "red"}


@app.command(epilog="Example: brokergw reconcile run --account acc_1")
@gateway_verb
async def run(session: Session, *, account: Account = None) -> Exit:
    """Compare an account with its broker now. What differs is looked at twice, so it may take some seconds.

    Status 4 unless record and broker agree, or all that differs is explained.
    """
    chosen = await the_account(session, account)
    found = await session.client.reconcile_account(chosen)
    session.screen.show([found], _table([found]))
    return Exit.OK if words(found, "finding") in {"AGREED", "WARNED"} else Exit.UNKNOWN


@app.command("list", epilog="Example: brokergw reconcile list --open")
@gateway_verb
async def list_(
    session: Session,
    *,
    account: Annotated[list[str] | None, typer.Option(help="Only this account; may be given again.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only mismatches that stand.")] = False,
    all_users: Annotated[
        bool, typer.Option("--all-users", help="What stands for every user (scope operations.read).")
    ] = False,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=500)] = 20,
) -> None:
    """List what comparisons came to, newest first."""
    found: Sequence[Reconciliation]
    if all_users:
        found = (await session.client.list_mismatches(page_size=limit)).reconciliations
    else:
        page = await session.client.list_reconciliations(account or (), open_only=open_only, page_size=limit)
        found = page.reconciliations
    session.screen.show(found, _table(found))


@app.command(epilog='Example: brokergw reconcile settle rec_1 --evidence "the broker split the share 4:1"')
@gateway_verb
async def settle(
    session: Session,
    *,
    mismatch: Annotated[str, typer.Argument(help="The mismatch, rec_…", metavar="MISMATCH")],
    evidence: Annotated[str, typer.Option(help="Why the broker is right, 10 to 1000 characters; the audit keeps it.")],
) -> None:
    """Make the broker's positions the record's, and lift the halt that the mismatch caused (scope operations.write)."""
    answer = await session.client.settle_reconciliation(mismatch, evidence=evidence)
    session.screen.show([answer], _table([answer.reconciliation]))
    note = (
        "the halt is lifted" if answer.halt_lifted else "no halt was lifted: see `brokergw reconcile list --all-users`"
    )
    session.screen.say(note, "green" if answer.halt_lifted else "yellow")


@app.command(epilog="Example: brokergw reconcile policy bob --positions ADOPT --cash WARN --cash-tolerance 1")
@gateway_verb
async def policy(
    session: Session,
    *,
    user: Annotated[str, typer.Argument(help="The user.", metavar="USER")],
    positions: Annotated[str, typer.Option(help="HALT or ADOPT.", show_default=False)] = "",
    cash: Annotated[str, typer.Option(help="HALT, WARN or IGNORE.", show_default=False)] = "",
    cash_tolerance: Annotated[str, typer.Option(help="What cash may be off.", show_default=False)] = "",
) -> None:
    """Show what a user's comparisons tolerate (scope admin.read), or change it (scope admin.write)."""
    found = await session.client.get_reconciliation_policy(user)
    if positions or cash or cash_tolerance:
        found = await session.client.update_reconciliation_policy(
            user,
            positions=positions or words(found, "positions"),
            cash=cash or words(found, "cash"),
            cash_tolerance=cash_tolerance or found.cash_tolerance,
        )
    shown = table("positions", "cash", ">tolerance")
    shown.add_row(words(found, "positions"), words(found, "cash"), found.cash_tolerance)
    session.screen.show([found], shown)


def _table(found: Sequence[Reconciliation]) -> Table:
    made = table("id", "account", "finding", "as of", ">rounds", "what differs", "settled")
    for each in found:
        word = words(each, "finding")
        made.add_row(
            each.reconciliation_id,
            each.account_id,
            f"[{_STYLES.get(word, '')}]{word}[/]" if word in _STYLES else word,
            moment(each.as_of),
            str(each.rounds),
            "\n".join(map(_difference, each.differences)) or each.detail,
            each.settled_by or moment(each.settle_time),
        )
    return made


def _difference(each: Difference) -> str:
    detail = f" ({each.detail})" if each.detail else ""
    return f"{words(each, 'kind')} {each.subject}: record {each.record}, broker {each.broker}{detail}"
