"""`brokergw brokers`: which brokers there are and what each can do."""

from typing import Annotated

import typer

from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.tables import brokers_table


def register(app: typer.Typer) -> None:
    """Hang the verb on the command line."""
    app.command(epilog="Example: brokergw brokers alpaca")(brokers)


@gateway_verb
async def brokers(
    session: Session,
    *,
    broker: Annotated[str | None, typer.Argument(metavar="[BROKER]", help="Only this one.")] = None,
) -> None:
    """Show which brokers there are and what each can do."""
    if broker:
        found = [await session.client.get_broker(broker)]
    else:
        found = list((await session.client.list_brokers(page_size=500)).brokers)
    session.screen.show(found, brokers_table(found))
