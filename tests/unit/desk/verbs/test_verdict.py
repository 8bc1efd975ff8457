"""An operator's verdict on an order in doubt: when it is taken, what is checked, and what it leaves on the record."""

import uuid
from dataclasses import replace

import pytest

from brokergw.model.commands import SettleOrder
from brokergw.model.errors import GatewayError, NotFound, OrderEffect, Reason
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Absent, Found, Inconclusive, Lookup, Outcome, Unknown
from brokergw.model.principal import Caller, Principal, Scope
from brokergw.model.terms import OrderTerms, Side
from brokergw.ports.journal import Commit
from tests.fixtures.scripted_broker import Bench, D, broker_order, filled, report

OPERATOR = Caller(Principal("olga", "key_9", frozenset(Scope)), "req_9")
EVIDENCE = "seen on the broker's own site at 14:03"


async def lost(_: str, __: OrderTerms) -> Outcome:
    """Answer as a broker whose reply was lost."""
    return Unknown("no reply in time")


async def in_hand(bench: Bench) -> Order:
    """Bring an order into an operator's hands: another order was found under its id."""
    bench.broker.submit = lost
    order: Order = (await bench.submit(bench.order())).order
    bench.broker.find = lambda client_id: Found(broker_order(client_id, replace(order.terms, quantity=D(7))))
    await bench.clock.pass_time(1)
    manual = bench.journal.by_id[order.order_id]
    assert manual.state is State.MANUAL
    return manual


def placed(order: Order, broker_order_id: str = "b-77", **changes: object) -> SettleOrder:
    """Make the verdict that the broker has the order."""
    command = SettleOrder(
        idempotency_key=str(uuid.uuid4()),
        order_id=order.order_id,
        etag=order.etag,
        placed_as=broker_order_id,
        evidence=EVIDENCE,
    )
    return replace(command, **changes)  # type: ignore[arg-type]


def not_placed(order: Order, **changes: object) -> SettleOrder:
    """Make the verdict that the broker does not have the order."""
    return placed(order, "", **changes)


async def refused(bench: Bench, command: SettleOrder) -> GatewayError:
    """Give a verdict that is not taken."""
    before = bench.journal.by_id[command.order_id]
    with pytest.raises(GatewayError) as caught:
        await bench.desk.settle_order(OPERATOR, command)
    assert bench.journal.by_id[command.order_id] == before
    assert not [record for record in bench.journal.keys if record.method == "SettleOrder"]
    return caught.value


async def test_a_placed_order_is_adopted_with_its_fills(bench: Bench) -> None:
    """The broker is asked for the id, its order is taken over, and the order's own key answers with it."""
    order = await in_hand(bench)
    done, fill = filled("", order.terms)
    done = replace(done, broker_order_id="b-77")
    bench.broker.get = lambda _: Found(done)
    bench.broker.fills = [report(done, fill)]
    result = await bench.desk.settle_order(OPERATOR, placed(order))
    assert (result.order.state, result.order.broker_order_id) == (State.FILLED, "b-77")
    assert (result.order.cum_quantity, result.order.broker_message) == (D(10), "")
    row = next(row for row in bench.journal.audit if row.action == "order.settled")
    assert (row.user_id, row.key_id, row.reason) == ("olga", "key_9", "PLACED b-77")
    assert row.detail.startswith(f"{EVIDENCE}; fil_")
    assert (row.order_id, row.outcome) == (order.order_id, "FILLED")


async def test_the_orders_own_key_answers_with_what_was_settled(bench: Bench) -> None:
    """The caller that placed the order learns the verdict by repeating its call."""
    bench.broker.submit = lost
    command = bench.order()
    order = (await bench.submit(command)).order
    bench.broker.find = lambda client_id: Found(broker_order(client_id, replace(order.terms, side=Side.SELL)))
    await bench.clock.pass_time(1)
    assert (await bench.submit(command)).order.state is State.MANUAL
    await bench.desk.settle_order(OPERATOR, not_placed(bench.journal.by_id[order.order_id]))
    with pytest.raises(GatewayError) as caught:
        await bench.submit(command)
    assert (caught.value.reason, caught.value.effect) == (Reason.ORDER_NOT_PLACED, OrderEffect.NONE)
    assert bench.journal.by_id[order.order_id].state is State.ABSENT
    assert len(bench.broker.sent) == 1


@pytest.mark.parametrize(
    ("lookup", "reason", "words"),
    [
        (Absent(), Reason.VERDICT_REFUTED, "does not know it"),
        (Inconclusive("502"), Reason.BROKER_UNREACHABLE, "502"),
    ],
)
async def test_a_placed_order_that_the_broker_does_not_show_is_not_believed(
    bench: Bench, lookup: Lookup, reason: Reason, words: str
) -> None:
    """A verdict that the broker refutes, or cannot be asked about, changes nothing and uses up no key."""
    order = await in_hand(bench)
    bench.broker.get = lambda _: lookup
    refusal = await refused(bench, placed(order))
    assert refusal.reason is reason
    assert words in refusal.message


async def test_an_order_with_other_terms_is_taken_only_when_that_is_said(bench: Bench) -> None:
    """The differences are named; with override_mismatch the order becomes the one that the broker has."""
    order = await in_hand(bench)
    other = replace(order.terms, quantity=D(7), limit_price=D("49.00"))
    bench.broker.get = lambda _: Found(broker_order("", other, broker_order_id="b-77"))
    refusal = await refused(bench, placed(order))
    assert refusal.metadata["mismatch"] == "quantity 7 instead of 10"
    result = await bench.desk.settle_order(OPERATOR, placed(order, override_mismatch=True))
    assert (result.order.state, result.order.terms) == (State.WORKING, other)


async def test_another_orders_id_is_refused(bench: Bench) -> None:
    """I8: one order of the broker's belongs to one order of the record at most."""
    first = (await bench.submit(bench.order())).order
    order = await in_hand(bench)
    bench.broker.get = lambda _: Found(broker_order("", order.terms, broker_order_id=first.broker_order_id))
    refusal = await refused(bench, placed(order, first.broker_order_id))
    assert first.order_id in refusal.metadata["mismatch"]


async def test_a_generation_that_was_replaced_is_refused(bench: Bench) -> None:
    """The operator is told which id stands now."""
    order = await in_hand(bench)
    bench.broker.get = lambda _: Found(broker_order("", order.terms, broker_order_id="b-77", replaced_by="b-78"))
    assert "b-78" in (await refused(bench, placed(order))).message


async def test_a_verdict_on_what_has_changed_since_is_refused(bench: Bench) -> None:
    """The etag says what the operator has seen; a newer version must be looked at again."""
    order = await in_hand(bench)
    refusal = await refused(bench, not_placed(order, etag='"1"'))
    assert (refusal.reason, refusal.metadata["etag"]) == (Reason.ETAG_MISMATCH, order.etag)


async def test_the_gateway_has_five_minutes_to_find_out_by_itself(bench: Bench) -> None:
    """An order in doubt is not for a verdict at first; later it is, also when its absence is proved."""
    bench.broker.submit = lost
    bench.broker.find = lambda _: Inconclusive("502")
    order = (await bench.submit(bench.order())).order
    await bench.clock.pass_time(299)
    assert (await refused(bench, not_placed(order))).reason is Reason.ORDER_NOT_IN_DOUBT
    await bench.clock.pass_time(1)
    result = await bench.desk.settle_order(OPERATOR, not_placed(order))
    assert result.order.state is State.ABSENT


async def test_what_is_not_in_doubt_is_not_settled(bench: Bench) -> None:
    """A working order and one that nobody knows are not for a verdict."""
    order = (await bench.submit(bench.order())).order
    assert (await refused(bench, not_placed(order))).reason is Reason.ORDER_NOT_IN_DOUBT
    with pytest.raises(NotFound):
        await bench.desk.settle_order(OPERATOR, not_placed(replace(order, order_id="ord_none")))


async def test_a_verdict_is_replayed_under_its_key(bench: Bench) -> None:
    """The same call again gives the settled order, and another verdict under the key is refused."""
    order = await in_hand(bench)
    command = not_placed(order)
    await bench.desk.settle_order(OPERATOR, command)
    again = await bench.desk.recall(OPERATOR, command)
    assert again is not None
    assert again.replayed
    with pytest.raises(GatewayError) as caught:
        await bench.desk.recall(OPERATOR, replace(command, evidence="something quite different"))
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_REUSED


async def test_a_verdict_that_did_not_reach_its_order_is_gone_through_again(bench: Bench) -> None:
    """D14: killed between the claim and the verdict, the same call settles the order after all."""
    order = await in_hand(bench)
    command = not_placed(order)
    written: list[Commit] = []

    def die(unit: Commit) -> None:
        written.append(unit)
        if unit.updates:
            raise AssertionError("the process died")

    bench.journal.before_commit = die
    with pytest.raises(AssertionError, match="died"):
        await bench.desk.settle_order(OPERATOR, command)
    bench.journal.before_commit = lambda _: None
    assert written[0].claim is not None
    assert await bench.desk.recall(OPERATOR, command) is None
    assert (await bench.desk.settle_order(OPERATOR, command)).order.state is State.ABSENT


async def test_the_list_shows_every_users_orders_with_what_is_known(bench: Bench) -> None:
    """In doubt, proved absent so far, in an operator's hands: each with its age and when a verdict is taken."""
    manual = await in_hand(bench)
    bench.broker.find = lambda _: Inconclusive("502")
    doubtful = (await bench.submit(bench.order())).order
    await bench.clock.pass_time(60)
    found = {item.order.order_id: item for item in await bench.desk.list_orders_in_doubt(OPERATOR)}
    assert found.keys() == {manual.order_id, doubtful.order_id}
    assert found[manual.order_id].settle_time_ns <= bench.clock.now_ns()
    assert found[doubtful.order_id].age_ns == 60_000_000_000
    assert found[doubtful.order_id].settle_time_ns == bench.clock.now_ns() + 240_000_000_000


async def test_a_settled_order_lives_on_like_any_other(bench: Bench) -> None:
    """After the verdict the stream moves the order again."""
    order = await in_hand(bench)
    working = broker_order("", order.terms, broker_order_id="b-77")
    bench.broker.get = lambda _: Found(working)
    await bench.desk.settle_order(OPERATOR, placed(order))
    done, fill = filled("", order.terms)
    await bench.tell(report(replace(done, broker_order_id="b-77"), fill))
    assert bench.journal.by_id[order.order_id].state is State.FILLED
