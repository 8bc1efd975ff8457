"""Cards about orders that a broker must refuse, and what a refusal leaves behind: nothing."""

from decimal import Decimal

from brokergw.model.capability import Feature
from brokergw.model.outcome import Absent
from brokergw.model.terms import OrderTerms, Side
from brokergw.ports.broker import BrokerAdapter
from tests.conformance.adapter.bench import Ability, Bench
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import look_for, market, new_id, rejected, resting
from tests.fixtures.permits import permit


async def refuses(bench: Bench, broker: BrokerAdapter, terms: OrderTerms, reason: str) -> None:
    """Send an order that must be refused, and insist that nothing came of it."""
    client_order_id = new_id()
    rejected(await broker.submit_order(permit(client_order_id), terms), reason)
    assert bench.at_broker(client_order_id) == 0
    assert await look_for(bench, broker, client_order_id, terms) == Absent()


@card("C35")
async def too_expensive(bench: Bench, broker: BrokerAdapter) -> None:
    """An order that the account cannot pay for is refused for want of funds."""
    await refuses(bench, broker, market(bench.stock, quantity="1000000"), "INSUFFICIENT_FUNDS")


@card("C36")
async def unknown_symbol(bench: Bench, broker: BrokerAdapter) -> None:
    """A symbol that the broker does not know is refused as such."""
    await refuses(bench, broker, market(bench.unknown), "UNKNOWN_SYMBOL")


@card("C37")
async def halted_symbol(bench: Bench, broker: BrokerAdapter) -> None:
    """A symbol that does not trade is refused as such."""
    await refuses(bench, broker, market(bench.halted), bench.closed)


@card("C38", Feature.FRACTIONAL)
async def fraction_of_the_indivisible(bench: Bench, broker: BrokerAdapter) -> None:
    """A fraction of what trades in whole units only is refused as such."""
    await refuses(bench, broker, market(bench.whole_only, quantity="1.5"), bench.indivisible)


@card("C39")
async def off_the_grid(bench: Bench, broker: BrokerAdapter) -> None:
    """A price between two ticks is refused as an invalid price."""
    await refuses(bench, broker, resting(bench.stock, price="90.123"), "INVALID_PRICE")


@card("C40", Feature.SHORT, Ability.LENDING)
async def short_sale_of_the_unshortable(bench: Bench, broker: BrokerAdapter) -> None:
    """What cannot be borrowed cannot be sold short."""
    await refuses(bench, broker, market(bench.whole_only, Side.SELL), "SHORT_NOT_ALLOWED")


@card("C41")
async def no_quantity(bench: Bench, broker: BrokerAdapter) -> None:
    """An order for nothing is refused definitively."""
    client_order_id = new_id()
    outcome = await broker.submit_order(permit(client_order_id), market(bench.stock, quantity=str(Decimal(0))))
    assert type(outcome).__name__ == "Rejected", outcome
    assert bench.at_broker(client_order_id) == 0
