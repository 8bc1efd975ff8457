"""Bringing orders into doubt, and looking at what became of them."""

from dataclasses import replace
from decimal import Decimal

from brokergw.model.account import Position
from brokergw.model.capability import ResolutionClass
from brokergw.model.commands import SubmitOrder
from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import BrokerFill, BrokerOrder, Inconclusive, Outcome, Unknown
from brokergw.model.terms import OrderTerms
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.scripted_broker import Bench, broker_order, filled

SECOND = 1_000_000_000


async def lost(_: str, __: OrderTerms) -> Outcome:
    """Answer as a broker whose reply was lost."""
    return Unknown("no reply in time")


async def doubtful(
    bench: Bench, way: ResolutionClass = ResolutionClass.BY_CLIENT_ID, command: SubmitOrder | None = None
) -> Order:
    """Submit an order whose answer is lost, at a broker of some class."""
    bench.broker.capabilities = replace(bench.broker.capabilities, resolution=way)
    bench.broker.submit = lost
    order: Order = (await bench.submit(command or bench.order())).order
    assert order.state is State.IN_DOUBT
    return order


def stands(bench: Bench, order: Order) -> Order:
    """Give the order as it is on record."""
    return bench.journal.by_id[order.order_id]


def seen(bench: Bench, order: Order, broker_order_id: str = "b-1", **more: object) -> BrokerOrder:
    """Make the broker's order that came of ours, entered a second after its permit, without an id of ours."""
    assert order.submit_time_ns is not None
    entered = order.submit_time_ns + SECOND
    return replace(
        broker_order("", order.terms, broker_order_id=broker_order_id, submit_time_ns=entered),
        **more,  # type: ignore[arg-type]
    )


def with_fill(client_id: str, terms: OrderTerms) -> tuple[BrokerOrder, tuple[BrokerFill, ...]]:
    """Make a filled order as an answer tells it."""
    order, fill = filled(client_id, terms)
    return order, (fill,)


def held(symbol: str, quantity: Decimal) -> Position:
    """Make a position."""
    return Position(
        symbol=symbol,
        asset_class=AssetClass.STOCK,
        quantity=quantity,
        available_quantity=quantity,
        average_price=None,
        cost_basis=None,
        market_price=None,
        market_value=None,
        unrealized_profit=None,
        as_of_ns=0,
    )


def actions(bench: Bench, order: Order) -> list[str]:
    """List the audited steps of an order."""
    return [row.action for row in bench.journal.audit if row.order_id == order.order_id]


def unreachable() -> Inconclusive:
    """Fail as a query does."""
    raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "no route")
