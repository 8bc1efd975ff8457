"""Cards about what an attempt comes to: its permit lets one out, and an answer proves only what the table says."""

from decimal import Decimal

from brokergw.model.outcome import Accepted, NotSent, Unknown
from brokergw.ports.broker import BrokerAdapter, Change
from tests.conformance.adapter.bench import Ability, Bench
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


@card("C103", Ability.NETWORK, Ability.STATUSES)
async def statuses_without_sense(bench: Bench, broker: BrokerAdapter) -> None:
    """For every status, with a body of no sense, an order is unknown unless the status alone proves more."""
    # A broker that threw one away is left alone for a while, so that comes last.
    statuses = sorted({*range(200, 600)} - _BODILESS, key=lambda status: (status in bench.throwing_away, status))
    for status in statuses:
        bench.answer_with(status, "{ this is no answer")
        outcome = await broker.submit_order(permit(new_id()), resting(bench.stock))
        expected = NotSent if status in bench.throwing_away else Unknown
        assert isinstance(outcome, expected), (status, outcome)
        bench.forgive()
    assert bench.sent() == len(statuses)
    assert bench.orders_at_broker() == 0


_BODILESS = frozenset({204, 304})
"""Statuses that HTTP gives no body; a success without an order, and nothing new."""
