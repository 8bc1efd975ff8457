"""Changes whose answer was lost, at a broker that makes a new order of each and need not say which."""

from dataclasses import replace

import pytest

from brokergw.model.alerts import AlertKind
from brokergw.model.capability import ResolutionClass
from brokergw.model.commands import ModifyOrder, SettleOrder
from brokergw.model.errors import GatewayError, OrderEffect, Reason, Retry
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import BrokerOrder, Found, Lookup, Outcome, Unknown
from brokergw.model.terms import Side
from brokergw.ports.broker import Change
from tests.fixtures.memory_alerts import HeardAlerts
from tests.fixtures.scripted_broker import Bench, D, broker_order
from tests.unit.desk.in_doubt import actions, doubtful, held, seen, stands


async def _silent(_: str, __: Change) -> Outcome:
    return Unknown("no reply in time")


async def _changed_and_unheard(bench: Bench) -> Order:
    """Bring a change of an order's price on its way, whose answer is lost, at a broker that hears no id of ours."""
    order = await _working(bench)
    await _change(bench, order)
    return order


async def _working(bench: Bench) -> Order:
    bench.broker.capabilities = replace(bench.broker.capabilities, resolution=ResolutionClass.BY_CONTENT)
    order: Order = (await bench.submit(bench.order())).order
    return order


async def _change(bench: Bench, order: Order) -> None:
    bench.broker.modify = _silent
    command = ModifyOrder(idempotency_key="7f6c", order_id=order.order_id, limit_price=D(49))
    cleared = await bench.desk.clear(bench.caller, command)
    await bench.desk.modify(bench.caller, cleared)  # type: ignore[arg-type]
    assert stands(bench, order).state is State.PENDING_MODIFY
    bench.broker.get = lambda name: Found(_replaced(order, name))


def _replaced(order: Order, name: str) -> BrokerOrder:
    old = name == order.broker_order_id
    told = broker_order("", order.terms, State.PENDING_MODIFY if old else State.WORKING, broker_order_id=name)
    return replace(told, successor_unknown=old)


@pytest.mark.parametrize(("after_s", "state"), [(120, State.PENDING_MODIFY), (300, State.MANUAL)])
async def test_a_change_into_no_order_that_can_be_told_is_for_an_operator(
    bench: Bench, after_s: float, state: State
) -> None:
    """Class C: where nobody can say which order a change has made, a person hears of it after three minutes."""
    heard = HeardAlerts()
    bench.desk._resolver._notifier = heard
    order = await _changed_and_unheard(bench)
    await bench.clock.pass_time(after_s)
    manual = state is State.MANUAL
    assert stands(bench, order).state is state
    assert (actions(bench, order)[-1] == "order.manual") is manual
    assert [alert.kind for alert in heard.alerts] == [AlertKind.ORDER_IN_DOUBT] * manual


async def test_a_successor_that_is_told_late_is_taken_over(bench: Bench) -> None:
    """Class C: within three minutes the broker may still say which order the change has made."""
    order = await _changed_and_unheard(bench)
    await bench.clock.pass_time(60)
    new = replace(order.terms, limit_price=D(49))

    def get(name: str) -> Lookup:
        if name == "b-new":
            return Found(broker_order("", new, broker_order_id=name, replaces=order.broker_order_id))
        return Found(replace(_replaced(order, name), replaced_by="b-new", successor_unknown=False))

    bench.broker.get = get
    await bench.clock.pass_time(120)
    assert stands(bench, order).state is State.WORKING
    assert stands(bench, order).broker_order_id == "b-new"
    assert stands(bench, order).terms.limit_price == D(49)


async def test_no_verdict_says_that_a_confirmed_order_was_never_placed(bench: Bench) -> None:
    """An operator names the order that the change has made; that there was none, the broker's own word refutes."""
    order = await _changed_and_unheard(bench)
    await bench.clock.pass_time(300)
    manual = stands(bench, order)
    assert manual.state is State.MANUAL
    verdict = SettleOrder(
        idempotency_key="9b1e", order_id=order.order_id, etag=manual.etag, placed_as="", evidence="seen by nobody"
    )
    with pytest.raises(GatewayError) as caught:
        await bench.desk.settle_order(bench.caller, verdict)
    assert caught.value.reason is Reason.VERDICT_REFUTED
    await bench.desk.settle_order(bench.caller, replace(verdict, placed_as="b-new", evidence="seen at the broker"))
    assert stands(bench, order).state is State.WORKING
    assert stands(bench, order).broker_order_ids == (order.broker_order_id, "b-new")


async def test_what_a_change_may_have_made_is_not_taken_for_the_order_in_doubt(bench: Bench) -> None:
    """D7, class C: while it is not known into which order another one was changed, nothing is matched by content."""
    changed = await _working(bench)
    order = await doubtful(bench, ResolutionClass.BY_CONTENT)
    await _change(bench, changed)
    bench.broker.get = lambda _: Found(broker_order("", changed.terms, State.PENDING_MODIFY))
    bench.broker.open_now = lambda: [seen(bench, order)]
    await bench.clock.pass_time(170)
    assert stands(bench, order).state is State.IN_DOUBT
    bench.broker.get = lambda name: Found(_replaced(changed, name))
    await bench.clock.pass_time(300)
    assert stands(bench, changed).state is State.MANUAL
    assert stands(bench, order).state is State.MANUAL


@pytest.mark.parametrize(
    ("way", "side", "goes"),
    [
        (ResolutionClass.BY_CONTENT, Side.BUY, False),
        (ResolutionClass.BY_CONTENT, Side.SELL, True),
        (ResolutionClass.BY_TAG, Side.BUY, True),
    ],
)
async def test_no_new_order_joins_a_change_that_could_not_be_told_apart_from_it(
    bench: Bench, way: ResolutionClass, side: Side, *, goes: bool
) -> None:
    """Class C: what a change makes is a new order of its side, so no other leaves until it is known by its id."""
    await _changed_and_unheard(bench)
    bench.broker.capabilities = replace(bench.broker.capabilities, resolution=way)
    bench.broker.positions = [held("ACME", D(100))]
    if goes:
        assert (await bench.submit(bench.order(side=side, limit_price=D(51)))).order.state is State.WORKING
        return
    with pytest.raises(GatewayError) as caught:
        await bench.submit(bench.order(side=side))
    assert caught.value.reason is Reason.IN_DOUBT_ORDER_EXISTS
    assert (caught.value.effect, caught.value.retry) == (OrderEffect.NONE, Retry.SAME_KEY)
