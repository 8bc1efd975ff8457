"""`brokergw leverage`: how a symbol is traded in an account, and choosing it."""

from typing import Annotated

import typer

from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.tables import settings_table
from brokergw.cli.values import Account, the_account


def register(app: typer.Typer) -> None:
    """Hang the verb on the command line."""
    app.command(epilog="Example: brokergw leverage BTC/USDT:PERP --set 5 --margin isolated")(leverage)


@gateway_verb
async def leverage(
    session: Session,
    *,
    symbol: Annotated[str, typer.Argument(help="The symbol, as GetInstrument names it.")],
    account: Account = None,
    chosen: Annotated[int | None, typer.Option("--set", help="Choose this leverage.", show_default=False)] = None,
    margin: Annotated[str, typer.Option(help="Choose cross or isolated.", show_default=False)] = "",
    mode: Annotated[str, typer.Option(help="Choose one-way or hedge, for the whole account.", show_default=False)] = "",
) -> None:
    """Show how a symbol is traded, as the broker tells it, after choosing what is given."""
    where = await the_account(session, account)
    if chosen is None and not margin and not mode:
        told = await session.client.get_trading_settings(where, symbol)
    else:
        told = await session.client.update_trading_settings(
            where, symbol, leverage=chosen, margin_type=margin, position_mode=mode
        )
    session.screen.show([told], settings_table([told]))
