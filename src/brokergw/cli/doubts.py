"""`brokergw orders in-doubt` and `brokergw orders settle`: what an operator does about orders of open outcome."""

from typing import Annotated

import typer

from brokergw.cli.exits import Exit
from brokergw.cli.orders import Etag, OrderId
from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.tables import doubts_table, order_card
from brokergw.cli.values import Key
from brokergw.client.messages import OrderInDoubt


def register(app: typer.Typer) -> None:
    """Put the verbs among those of orders."""
    app.command("in-doubt", epilog="Example: brokergw orders in-doubt")(in_doubt)
    app.command(epilog='Example: brokergw orders settle ord_1 --placed b-17 --evidence "seen there at 14:03"')(settle)


@gateway_verb
async def in_doubt(session: Session) -> None:
    """List the orders of all users whose outcome is open, oldest first (scope operations.read)."""
    found = await _all(session)
    session.screen.show(found, doubts_table(found))


@gateway_verb
async def settle(
    session: Session,
    *,
    order: OrderId,
    evidence: Annotated[str, typer.Option(help="How it is known, 10 to 1000 characters; the audit keeps it.")],
    placed: Annotated[str, typer.Option(help="The broker has it, under this id.", show_default=False)] = "",
    not_placed: Annotated[bool, typer.Option("--not-placed", help="The broker does not have it.")] = False,
    override_mismatch: Annotated[
        bool, typer.Option("--override-mismatch", help="Take the broker's order although its terms differ.")
    ] = False,
    etag: Etag = "",
    key: Key = None,
) -> Exit:
    """Settle an order that only a person can settle (scope operations.write).

    The verdict is on the order as it stands now, unless --etag names what you have seen.
    """
    if bool(placed) is not_placed:
        raise typer.BadParameter("give exactly one of --placed and --not-placed")
    answer = await session.client.settle_order(
        order,
        etag=etag or await _etag_of(session, order),
        evidence=evidence,
        placed_as=placed,
        override_mismatch=override_mismatch,
        idempotency_key=session.begin(key),
    )
    note = "the key had been used before: nothing was changed now" if answer.replayed else ""
    session.screen.show([answer], order_card(answer.order, note))
    return Exit.OK


async def _etag_of(session: Session, order_id: str) -> str:
    for each in await _all(session):
        if each.order.order_id == order_id:
            return each.order.etag
    raise typer.BadParameter(f"{order_id} is not in doubt; `brokergw orders in-doubt` lists what is")


async def _all(session: Session) -> list[OrderInDoubt]:
    found: list[OrderInDoubt] = []
    token = ""
    while True:
        page = await session.client.list_orders_in_doubt(page_size=500, page_token=token)
        found += page.orders
        token = page.next_page_token
        if not token:
            return found
