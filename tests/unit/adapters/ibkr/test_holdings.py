"""Positions with what is held of them, between two readings of the order list."""

from dataclasses import replace
from decimal import Decimal

from brokergw.model.outcome import Accepted, Rejected
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.sim.faults import Fault, FaultName
from tests.fixtures.ibkr_world import ibkr_world
from tests.fixtures.permits import permit

BUY = OrderTerms(
    symbol="AAPL", side=Side.BUY, type=OrderType.MARKET, time_in_force=TimeInForce.DAY, quantity=Decimal(10)
)
SELL = replace(BUY, side=Side.SELL, type=OrderType.LIMIT, quantity=Decimal(4), limit_price=Decimal(400))


async def test_what_was_sent_since_the_list_was_read_holds_a_position_too() -> None:
    """The list may be seconds old: an order that we sent since then is counted, also where its answer was lost."""
    async with ibkr_world() as world:
        broker = world.open()
        await broker.submit_order(permit("o-1"), BUY)
        # As in production, where a list cannot be read again at once.
        broker._api._recent_s = 60.0
        held = await broker.get_position("AAPL")
        assert held is not None
        assert held.available_quantity == 10
        assert isinstance(await broker.submit_order(permit("o-2"), SELL), Accepted)
        world.server.faults.arm(Fault(name=FaultName.LOST_REPLY, path="/v1/api/iserver/account/*/orders"))
        await broker.submit_order(permit("o-3"), SELL)
        held = await broker.get_position("AAPL")
        assert held is not None
        assert (held.quantity, held.available_quantity) == (Decimal(10), Decimal(2))
        assert isinstance(await broker.flatten("AAPL"), Rejected)
        await broker.disconnect()


async def test_an_order_that_increases_a_position_holds_nothing_of_it() -> None:
    """Only what would close counts."""
    async with ibkr_world() as world:
        broker = world.open()
        await broker.submit_order(permit("o-1"), BUY)
        await broker.submit_order(permit("o-2"), replace(SELL, side=Side.BUY, limit_price=Decimal(100)))
        held = await broker.get_position("AAPL")
        assert held is not None
        assert held.available_quantity == 10
        await broker.disconnect()
