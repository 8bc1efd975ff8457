"""Orders in doubt at a broker that knows our id: found, absent, born late, for an operator, and never a guess."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from brokergw.model.errors import GatewayError, OrderEffect, Reason, Retry
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Absent, Accepted, Found, Inconclusive, Outcome
from brokergw.model.terms import OrderTerms, Side, TimeInForce
from tests.fixtures.scripted_broker import Bench, D, broker_order, filled, report
from tests.unit.desk.in_doubt import SECOND, actions, doubtful, stands, unreachable, with_fill


async def test_a_failed_lookup_never_counts_as_absence(bench: Bench) -> None:
    """R4: an hour of failures, of both kinds, leaves the order in doubt, and the next clear answer settles it."""
    order = await doubtful(bench)
    answers: list[Callable[[], Inconclusive]] = [lambda: Inconclusive("502"), unreachable]
    bench.broker.find = lambda _: answers[len(bench.journal.audit) % 2]()
    await bench.clock.pass_time(3600)
    assert stands(bench, order).state is State.IN_DOUBT
    bench.broker.find = lambda client_id: Found(broker_order(client_id, order.terms))
    await bench.clock.pass_time(40)
    assert stands(bench, order).state is State.WORKING


async def test_failures_between_clear_answers_do_not_shorten_the_proof(bench: Bench) -> None:
    """Absence takes three clear answers over the visibility window, however many failures lie between."""
    order = await doubtful(bench)
    answers: Iterator[Absent | Inconclusive] = iter([Absent(), *[Inconclusive("502")] * 8, Absent()])
    asked: list[object] = []

    def find(_: str) -> Absent | Inconclusive:
        asked.append(None)
        return next(answers, Inconclusive("502"))

    bench.broker.find = find
    await bench.clock.pass_time(600)
    assert len(asked) > 10
    assert stands(bench, order).state is State.IN_DOUBT


async def test_lookups_slow_down_to_one_in_half_a_minute(bench: Bench) -> None:
    """R14: an order that stays in doubt for an hour is asked for at most every thirty seconds, and never forgotten."""
    await doubtful(bench)
    asked: list[float] = []

    def find(_: str) -> Inconclusive:
        asked.append(bench.clock.monotonic())
        return Inconclusive("502")

    bench.broker.find = find
    await bench.clock.pass_time(3600)
    assert 100 <= len(asked) <= 130
    assert all(30 <= after - before <= 33 for before, after in itertools.pairwise(asked[8:]))


async def test_a_slow_broker_is_believed_later(bench: Bench) -> None:
    """A broker that shows orders late has a longer window before absence is believed."""
    bench.broker.capabilities = replace(bench.broker.capabilities, visibility_s=300)
    order = await doubtful(bench)
    await bench.clock.pass_time(290)
    assert stands(bench, order).state is State.IN_DOUBT
    await bench.clock.pass_time(60)
    assert stands(bench, order).state is State.RESOLVED_ABSENT


async def test_absence_waits_until_no_sender_can_be_at_work(bench: Bench) -> None:
    """Even where orders show at once, absence is not believed while the permit is young."""
    bench.broker.capabilities = replace(bench.broker.capabilities, visibility_s=0)
    order = await doubtful(bench)
    await bench.clock.pass_time(29)
    assert stands(bench, order).state is State.IN_DOUBT
    await bench.clock.pass_time(35)
    assert stands(bench, order).state is State.RESOLVED_ABSENT


@pytest.mark.parametrize(
    ("late_s", "bringer"),
    [(120, "look-up"), (120, "stream"), (3600, "stream")],
    ids=["look-up in quarantine", "stream in quarantine", "stream after it"],
)
async def test_a_late_birth_is_adopted_reported_and_answered(bench: Bench, late_s: float, bringer: str) -> None:
    """An order born after its absence was proved is on record as it is, and its key answers with it from then on."""
    command = bench.order()
    order = await doubtful(bench, command=command)
    await bench.clock.pass_time(late_s)
    believed = State.RESOLVED_ABSENT if late_s < 900 else State.ABSENT
    assert stands(bench, order).state is believed
    if bringer == "stream":
        await bench.tell(report(*filled(order.broker_client_order_id, order.terms)))
    else:
        bench.broker.find = lambda client_id: Found(filled(client_id, order.terms)[0])
        bench.broker.fills = [report(*filled(order.broker_client_order_id, order.terms))]
        await bench.clock.pass_time(700)
    assert stands(bench, order).state is State.FILLED
    assert stands(bench, order).reject_reason == ""
    assert actions(bench, order)[-1] == "order.born_late"
    replay = await bench.submit(command)
    assert (replay.replayed, replay.order.state) == (True, State.FILLED)
    assert len(bench.broker.sent) == 1


async def test_the_wait_for_a_late_birth_slows_down_and_ends_with_a_last_question(bench: Bench) -> None:
    """In a quarantine of fifteen minutes the broker is asked a handful of times, the last time when it is over."""
    order = await doubtful(bench)
    await bench.clock.pass_time(40)
    assert stands(bench, order).state is State.RESOLVED_ABSENT
    began = stands(bench, order).update_time_ns
    asked: list[int] = []

    def find(_: str) -> Absent:
        asked.append(bench.clock.now_ns())
        return Absent()

    bench.broker.find = find
    await bench.clock.pass_time(3600)
    assert stands(bench, order).state is State.ABSENT
    assert 4 <= len(asked) <= 6
    assert asked[-1] >= began + 900 * SECOND


async def test_a_quarantine_does_not_end_on_a_failed_question(bench: Bench) -> None:
    """What could not be asked is not absent: the wait goes on until the broker answers clearly."""
    order = await doubtful(bench)
    await bench.clock.pass_time(40)
    bench.broker.find = lambda _: Inconclusive("503")
    await bench.clock.pass_time(7200)
    assert stands(bench, order).state is State.RESOLVED_ABSENT


async def test_an_order_with_an_expiry_is_waited_for_until_then(bench: Bench) -> None:
    """As long as its time in force lasts an order may be born late and trade."""
    ends_ns = bench.clock.now_ns() + 7200 * SECOND
    bench.broker.capabilities = replace(
        bench.broker.capabilities,
        times_in_force={
            asset: times | {TimeInForce.GTD} for asset, times in bench.broker.capabilities.times_in_force.items()
        },
    )
    order = await doubtful(bench, command=bench.order(time_in_force=TimeInForce.GTD, expire_time_ns=ends_ns))
    await bench.clock.pass_time(7000)
    assert stands(bench, order).state is State.RESOLVED_ABSENT
    await bench.clock.pass_time(900)
    assert stands(bench, order).state is State.ABSENT


async def test_the_key_of_an_absent_order_says_possible_first_and_none_at_last(bench: Bench) -> None:
    """During the wait the caller may only ask again; after it a new key is safe."""
    command = bench.order()
    await doubtful(bench, command=command)
    await bench.clock.pass_time(60)
    for effect, retry in ((OrderEffect.POSSIBLE, Retry.SAME_KEY), (OrderEffect.NONE, Retry.NEW_KEY)):
        with pytest.raises(GatewayError) as caught:
            await bench.submit(command)
        assert caught.value.reason is Reason.ORDER_NOT_PLACED
        assert (caught.value.effect, caught.value.retry) == (effect, retry)
        await bench.clock.pass_time(1000)


async def test_another_order_under_our_id_is_for_an_operator(bench: Bench) -> None:
    """D12: what is found under our id with other terms is not taken for ours, and no report moves it afterwards."""
    order = await doubtful(bench)
    other = replace(order.terms, side=Side.SELL, quantity=D(7))
    bench.broker.find = lambda client_id: Found(broker_order(client_id, other))
    await bench.clock.pass_time(1)
    manual = stands(bench, order)
    assert manual.state is State.MANUAL
    assert "side SELL instead of BUY" in manual.broker_message
    assert "quantity 7 instead of 10" in manual.broker_message
    assert bench.journal.audit[-1].detail == manual.broker_message
    await bench.tell(report(*filled(order.broker_client_order_id, other)))
    assert stands(bench, order) == manual
    assert bench.journal.by_fill_id == {}


async def test_a_report_that_contradicts_an_order_in_doubt_is_not_taken_for_it(bench: Bench) -> None:
    """The stream may be faster than the look-up: it brings no foreign terms and no foreign fill onto the record."""
    order = await doubtful(bench)
    other = replace(order.terms, quantity=D(3))
    await bench.tell(report(*filled(order.broker_client_order_id, other)))
    assert stands(bench, order).state is State.IN_DOUBT
    assert bench.journal.by_fill_id == {}


async def test_an_answer_about_another_order_than_was_sent_is_no_acceptance(bench: Bench) -> None:
    """C9, L9: an answer under our id with other terms leaves the order in doubt, and the look-up decides."""

    async def answer(client_id: str, terms: OrderTerms) -> Outcome:
        return Accepted(*with_fill(client_id, replace(terms, symbol="OTHER")))

    bench.broker.submit = answer
    order = (await bench.submit(bench.order())).order
    assert order.state is State.IN_DOUBT
    assert bench.journal.by_fill_id == {}
    bench.broker.find = lambda client_id: Found(broker_order(client_id, order.terms))
    await bench.clock.pass_time(1)
    assert stands(bench, order).state is State.WORKING
