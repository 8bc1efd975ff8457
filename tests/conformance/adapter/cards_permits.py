"""Cards about permits: no byte of an order leaves without one, and each lets out one attempt."""

from decimal import Decimal

from brokergw.model.outcome import Accepted, NotSent, Unknown
from brokergw.ports.broker import BrokerAdapter, Change
from tests.conformance.adapter.bench import Bench
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import new_id, place, resting, show
from tests.fixtures.permits import expired_permit, permit


@card("C100")
async def expired_submit(bench: Bench, broker: BrokerAdapter) -> None:
    """An order whose permit has expired is provably not sent, also on a connection that is warm."""
    await broker.ping()
    assert isinstance(await broker.submit_order(expired_permit(new_id()), resting(bench.stock)), NotSent)
    assert bench.orders_at_broker() == 0


@card("C101")
async def expired_modify(bench: Bench, broker: BrokerAdapter) -> None:
    """A change whose permit has expired is provably not sent, and the order stands."""
    order = await place(broker, resting(bench.stock))
    outcome = await broker.modify_order(expired_permit(new_id()), order.broker_order_id, Change(quantity=Decimal(11)))
    assert isinstance(outcome, NotSent)
    assert (await show(broker, order.broker_order_id)).terms == order.terms
    assert bench.orders_at_broker() == 1


@card("C102")
async def spent_permit(bench: Bench, broker: BrokerAdapter) -> None:
    """A permit lets one attempt out; another one under it is unknown, since the first may have arrived."""
    right = permit(new_id())
    assert isinstance(await broker.submit_order(right, resting(bench.stock)), Accepted)
    assert right.spent
    assert isinstance(await broker.submit_order(right, resting(bench.stock)), Unknown)
    assert bench.orders_at_broker() == 1
