"""`brokergw positions`, `account`, `flatten` and `close-all`: what is held, and closing it."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from brokergw.cli.exits import Exit
from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.tables import accounts_table, cancels_table, orders_table, positions_table, residuals_table
from brokergw.cli.values import Account, Key, account_ids, the_account


def register(app: typer.Typer) -> None:
    """Hang the verbs on the command line."""
    app.command(epilog="Example: brokergw positions --account acc_1 --json | jq .quantity")(positions)
    app.command(epilog="Example: brokergw account")(account)
    app.command(epilog="Example: brokergw flatten --symbol AAPL")(flatten)
    app.command("close-all", epilog="Example: brokergw close-all --yes")(close_all)


@gateway_verb
async def positions(
    session: Session,
    *,
    account: Annotated[list[str] | None, typer.Option(help="Only this account; may be given again.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Leave out brokers that cannot be reached.")] = False,
) -> None:
    """Ask the brokers what is held."""
    answer = await session.client.get_positions(account or (), return_partial_success=partial)
    session.screen.show(answer.positions, positions_table(answer.positions))
    for missing in answer.unreachable:
        session.screen.say(f"the broker of {missing} cannot be reached: its positions are not known", "yellow")


@gateway_verb
async def account(
    session: Session,
    *,
    account: Annotated[str | None, typer.Argument(metavar="[ACCOUNT]", help="One account; all when left out.")] = None,
) -> None:
    """Ask the brokers how the accounts stand."""
    wanted = [account] if account else await account_ids(session)
    found = [await session.client.get_account(each) for each in wanted]
    session.screen.show(found, accounts_table(found))


@gateway_verb
async def flatten(
    session: Session,
    *,
    account: Account = None,
    symbol: Annotated[str, typer.Option(help="Only this symbol; all when left out.", show_default=False)] = "",
    key: Key = None,
) -> Exit:
    """Cancel the open orders and close the positions of an account at market.

    Status 4 when something could not be cancelled or closed.
    """
    chosen = await the_account(session, account)
    answer = await session.client.flatten(chosen, symbol=symbol, idempotency_key=session.begin(key))
    return _swept(session, answer, answer.residuals)


@gateway_verb
async def close_all(
    session: Session,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    key: Key = None,
) -> Exit:
    """The panic button: cancel everything and close everything, over every account of yours.

    Status 4 when something could not be cancelled or closed.
    """
    if not yes:
        typer.confirm("Cancel every order and close every position of every account?", abort=True, err=True)
    answer = await session.client.close_all(idempotency_key=session.begin(key))
    return _swept(session, answer, answer.residuals)


def _swept(session: Session, answer: Any, residuals: Sequence[Any]) -> Exit:
    screen = session.screen
    if screen.json:
        screen.show([answer], "")
    else:
        if answer.cancels:
            screen.out.print(cancels_table(answer.cancels))
        if answer.orders:
            screen.out.print(orders_table(answer.orders))
        if residuals:
            screen.out.print(residuals_table(residuals))
        if not (answer.cancels or answer.orders or residuals):
            screen.say("there was nothing to cancel or close", "green")
    refused = any(not each.accepted for each in answer.cancels)
    return Exit.UNKNOWN if residuals or refused else Exit.OK
