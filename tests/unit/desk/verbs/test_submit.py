"""Submit, ending by ending."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.model.errors import GatewayError, NotFound, OrderEffect, PreflightDenied, Reason
from brokergw.model.events import EventKind
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Accepted, Found, NotSent, Outcome, Rejected, Unknown
from brokergw.model.terms import OrderTerms
from brokergw.ports.journal import Commit, CommitResult
from tests.fixtures.memory_leases import MemoryLeases
from tests.fixtures.scripted_broker import Bench, broker_order, filled, report

D = Decimal


async def test_an_accepted_order_is_recorded_before_and_after_the_send(bench: Bench) -> None:
    """The journal shows SENDING before the broker sees the order, and the broker's state after it answered."""
    states_at_send: list[State] = []

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        states_at_send.extend(order.state for order in bench.journal.by_id.values())
        return Accepted(broker_order(client_id, terms))

    bench.broker.submit = submit
    result = await bench.submit(bench.order())
    assert states_at_send == [State.SENDING]
    assert result.order.state is State.WORKING
    assert [e.payload.state for e in bench.journal.log["acc_1"]] == [State.SENDING, State.WORKING]  # type: ignore[union-attr]


async def test_fills_told_by_the_answer_and_by_the_stream_are_one_fill(bench: Bench) -> None:
    """The same execution told twice is one fill, one event, and the totals count it once."""

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        order, fill = filled(client_id, terms)
        return Accepted(order, (fill,))

    bench.broker.submit = submit
    result = await bench.submit(bench.order())
    client_id, terms = bench.broker.sent[0]
    await bench.tell(report(*filled(client_id, terms)))
    assert result.order.state is State.FILLED
    assert [e.kind for e in bench.journal.log["acc_1"]].count(EventKind.FILL) == 1
    assert bench.journal.by_id[result.order.order_id].cum_quantity == D(10)


async def test_a_fill_that_overtakes_its_own_answer_is_bound_to_the_order(bench: Bench) -> None:
    """A report that arrives while the send still waits finds the order, and the late answer changes nothing back."""
    answer = asyncio.Event()

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        await answer.wait()
        return Accepted(broker_order(client_id, terms))

    bench.broker.submit = submit
    call = asyncio.create_task(bench.submit(bench.order()))
    while not bench.broker.sent:
        await asyncio.sleep(0)
    await bench.tell(report(*filled(*bench.broker.sent[0])))
    async with asyncio.timeout(5):
        while not bench.journal.by_fill_id:
            await asyncio.sleep(0.01)
    assert not call.done()
    answer.set()
    result = await call
    assert result.order.state is State.FILLED
    assert len(bench.journal.by_id) == 1
    assert len(bench.journal.by_fill_id) == 1


async def test_a_rejection_is_final_for_its_key(bench: Bench) -> None:
    """The broker's refusal is an error with no effect, and the same key gets it again without a second send."""

    async def submit(_: str, __: OrderTerms) -> Outcome:
        return Rejected("INSUFFICIENT_FUNDS", "403", "too little")

    bench.broker.submit = submit
    command = bench.order()
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            await bench.submit(command)
        assert caught.value.reason is Reason.BROKER_REJECTED
        assert caught.value.metadata["brokerReason"] == "INSUFFICIENT_FUNDS"
    assert len(bench.broker.sent) == 1
    assert [o.state for o in bench.journal.by_id.values()] == [State.REJECTED_BY_BROKER]


async def test_what_was_proved_not_sent_may_be_tried_again_under_its_key_three_times(bench: Bench) -> None:
    """The same order is sent again under the same broker-level id, until the attempts are used up."""

    async def submit(_: str, __: OrderTerms) -> Outcome:
        return NotSent("connection refused")

    bench.broker.submit = submit
    command = bench.order()
    for _ in range(4):
        with pytest.raises(GatewayError) as caught:
            await bench.submit(command)
        assert caught.value.reason is Reason.BROKER_UNREACHABLE
        assert caught.value.effect is OrderEffect.NONE
    assert len(bench.broker.sent) == 3
    assert len({client_id for client_id, _ in bench.broker.sent}) == 1


async def test_a_second_attempt_after_a_proof_can_succeed(bench: Bench) -> None:
    """An order that was not sent at first becomes the same order, placed."""
    outcomes: list[Outcome | None] = [NotSent("refused"), None]

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        return outcomes.pop(0) or Accepted(broker_order(client_id, terms))

    bench.broker.submit = submit
    command = bench.order()
    with pytest.raises(GatewayError) as caught:
        await bench.submit(command)
    result = await bench.submit(command)
    assert result.order.order_id == caught.value.order_id
    assert (result.order.state, result.order.attempt) == (State.WORKING, 2)


async def test_a_key_whose_second_attempt_is_in_doubt_tells_of_the_order(bench: Bench) -> None:
    """The proof for the first attempt is no longer the last word: nothing is tried again, the replay is the order."""
    outcomes: list[Outcome] = [NotSent("refused"), Unknown("the reply was lost")]

    async def submit(_: str, __: OrderTerms) -> Outcome:
        return outcomes.pop(0)

    bench.broker.submit = submit
    command = bench.order()
    with pytest.raises(GatewayError):
        await bench.submit(command)
    assert (await bench.submit(command)).order.state is State.IN_DOUBT

    replay = await bench.submit(command)
    assert replay.replayed
    assert replay.order.state is State.IN_DOUBT
    await bench.tell(report(broker_order(*bench.broker.sent[1])))
    assert (await bench.submit(command)).order.state is State.WORKING
    assert len(bench.broker.sent) == 2


async def test_a_lost_answer_is_in_doubt_until_the_broker_is_asked(bench: Bench) -> None:
    """Unknown becomes IN_DOUBT, the same key never sends again, and the look-up settles it with its fills."""

    async def submit(_: str, __: OrderTerms) -> Outcome:
        return Unknown("no reply in time")

    bench.broker.submit = submit
    command = bench.order()
    result = await bench.submit(command)
    assert result.order.state is State.IN_DOUBT
    order, fill = filled(*bench.broker.sent[0])
    bench.broker.find = lambda _: Found(order)
    bench.broker.fills = [report(order, fill)]
    await bench.clock.pass_time(0.3)
    again = await bench.submit(command)
    assert again.replayed
    assert again.order.state is State.FILLED
    assert len(bench.broker.sent) == 1
    assert len(bench.journal.by_fill_id) == 1


async def test_absence_is_believed_only_after_half_a_minute_of_clear_answers(bench: Bench) -> None:
    """Three early not-founds prove nothing; after thirty seconds they do, and a late birth is adopted even then."""

    async def submit(_: str, __: OrderTerms) -> Outcome:
        return Unknown("no reply in time")

    bench.broker.submit = submit
    command = bench.order()
    order_id = (await bench.submit(command)).order.order_id
    await bench.clock.pass_time(10)
    assert bench.journal.by_id[order_id].state is State.IN_DOUBT
    await bench.clock.pass_time(60)
    assert bench.journal.by_id[order_id].state is State.RESOLVED_ABSENT
    with pytest.raises(GatewayError) as caught:
        await bench.submit(command)
    assert (caught.value.reason, caught.value.effect) == (Reason.ORDER_NOT_PLACED, OrderEffect.POSSIBLE)
    await bench.clock.pass_time(16 * 60)
    assert bench.journal.by_id[order_id].state is State.ABSENT
    with pytest.raises(GatewayError) as caught:
        await bench.submit(command)
    assert (caught.value.reason, caught.value.effect) == (Reason.ORDER_NOT_PLACED, OrderEffect.NONE)
    await bench.tell(report(broker_order(*bench.broker.sent[0])))
    assert bench.journal.by_id[order_id].state is State.WORKING


async def test_a_caller_that_leaves_does_not_take_the_order_along(bench: Bench) -> None:
    """The send goes on after its caller was cancelled, and its ending is on the record."""
    answer = asyncio.Event()

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        await answer.wait()
        return Accepted(broker_order(client_id, terms))

    bench.broker.submit = submit
    call = asyncio.create_task(bench.submit(bench.order()))
    while not bench.broker.sent:
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    answer.set()
    assert await bench.desk.settle(1.0) == 0
    assert [o.state for o in bench.journal.by_id.values()] == [State.WORKING]


async def test_calls_under_one_key_at_once_are_one_order(bench: Bench) -> None:
    """Twenty calls together make one send and twenty answers about one order."""
    command = bench.order()
    results = await asyncio.gather(*(bench.submit(command) for _ in range(20)))
    assert len(bench.broker.sent) == 1
    assert len({r.order.order_id for r in results}) == 1
    assert [r.replayed for r in results].count(False) == 1


async def test_another_request_under_a_used_key_is_refused_with_the_first_order(bench: Bench) -> None:
    """The refusal names the order that the key stands for."""
    command = bench.order()
    first = await bench.submit(command)
    other = replace(command, terms=replace(command.terms, quantity=D(11)))
    with pytest.raises(GatewayError) as caught:
        await bench.submit(other)
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_REUSED
    assert caught.value.order_id == first.order.order_id


async def test_the_replay_of_an_order_that_has_moved_on_carries_its_first_answer(bench: Bench) -> None:
    """`order` is the present one, `original` the one that the first call answered."""
    command = bench.order()
    await bench.submit(command)
    await bench.tell(report(*filled(*bench.broker.sent[0])))
    again = await bench.submit(command)
    assert (again.order.state, again.original.state) == (State.FILLED, State.WORKING)


async def test_a_denial_by_a_gate_is_recorded_and_final(bench: Bench) -> None:
    """What a gate refused stays refused under its key, also when it would pass now; nothing was sent."""
    bench.broker.buying_power = D(100)
    command = bench.order()
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(command)
    assert caught.value.reason is Reason.INSUFFICIENT_BUYING_POWER
    bench.broker.buying_power = D(1_000_000)
    with pytest.raises(PreflightDenied) as again:
        await bench.submit(command)
    assert again.value.objections == caught.value.objections
    assert [o.state for o in bench.journal.by_id.values()] == [State.DENIED]
    assert bench.broker.sent == []


async def test_a_foreign_account_answers_like_a_missing_one_and_uses_up_no_key(bench: Bench) -> None:
    """Nobody learns from the answer whether an account exists."""
    stranger = replace(bench.caller, principal=replace(bench.caller.principal, user_id="mallory"))
    words = []
    for account_id in ("acc_1", "acc_none"):
        command = replace(bench.order(), account_id=account_id)
        with pytest.raises(NotFound) as caught:
            await bench.desk.clear(stranger, command)
        words.append((caught.value.reason, caught.value.message))
    assert words[0] == words[1]
    assert not bench.journal.keys


async def test_an_order_being_sent_when_the_process_died_is_looked_for_at_start(bench: Bench) -> None:
    """Start-up puts it in doubt and asks the broker; it is not sent again."""
    await bench.submit(bench.order())
    (order,) = bench.journal.by_id.values()
    bench.journal.by_id[order.order_id] = replace(order, state=State.SENDING, broker_order_ids=())
    client_id, terms = bench.broker.sent[0]
    bench.broker.find = lambda _: Found(broker_order(client_id, terms))
    await bench.desk.stop()
    desk = type(bench.desk)(
        bench.journal,
        bench.desk._sessions._directory,
        {"scripted": bench.broker},
        bench.clock,
        bench.desk._gate_settings,
        MemoryLeases(bench.leases.table, "ins_2"),
        bench.desk.live,
    )
    await desk.start()
    assert bench.journal.by_id[order.order_id].state is State.IN_DOUBT
    await bench.clock.pass_time(0.3)
    assert bench.journal.by_id[order.order_id].state is State.WORKING
    assert len(bench.broker.sent) == 1
    await desk.stop()


async def test_an_order_made_outside_the_gateway_is_adopted(bench: Bench) -> None:
    """A report of an order that nobody placed here becomes an external order with its fill."""
    await bench.tell(report(*filled("made-at-the-broker", bench.order().terms)))
    (order,) = bench.journal.by_id.values()
    assert (order.external, order.state, order.cum_quantity) == (True, State.FILLED, D(10))
    assert len(bench.journal.by_fill_id) == 1


async def test_an_adapter_that_fails_in_the_middle_leaves_the_order_in_doubt(bench: Bench) -> None:
    """Nobody knows whether a byte left, so the order is looked up like after a lost answer."""

    async def submit(_: str, __: OrderTerms) -> Outcome:
        raise KeyError("a bug")

    bench.broker.submit = submit
    command = bench.order()
    assert (await bench.submit(command)).order.state is State.IN_DOUBT
    bench.broker.find = lambda _: Found(broker_order(*bench.broker.sent[0]))
    await bench.clock.pass_time(0.3)
    assert (await bench.submit(command)).order.state is State.WORKING
    assert len(bench.broker.sent) == 1


async def test_a_gate_that_closed_before_the_second_attempt_says_so(bench: Bench) -> None:
    """The same key may come a third time, once the gate is open again."""
    outcomes: list[Outcome | None] = [NotSent("refused"), None]

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        return outcomes.pop(0) or Accepted(broker_order(client_id, terms))

    bench.broker.submit = submit
    command = bench.order()
    with pytest.raises(GatewayError):
        await bench.submit(command)
    bench.broker.buying_power = D(1)
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(command)
    assert caught.value.order_id is not None
    bench.broker.buying_power = D(100_000)
    assert (await bench.submit(command)).order.state is State.WORKING


async def test_an_answer_waits_for_a_journal_that_is_away(bench: Bench) -> None:
    """What the broker said is recorded once the journal is back; the caller waits so long."""
    failures = [Reason.JOURNAL_UNAVAILABLE, Reason.JOURNAL_OUTCOME_UNKNOWN]

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        bench.journal.before_commit = fail
        return Accepted(broker_order(client_id, terms))

    def fail(_: object) -> None:
        if failures:
            raise GatewayError(failures.pop(0), "away")

    bench.broker.submit = submit
    call = asyncio.create_task(bench.submit(bench.order()))
    while not call.done():
        await bench.clock.pass_time(0.1)
    assert (await call).order.state is State.WORKING
    assert not failures


async def test_an_admission_of_unknown_outcome_is_looked_up_and_sent_once(bench: Bench) -> None:
    """The commit's reply was lost but the admission is there: the order goes out, once."""
    lost = [True]
    commit = bench.journal.commit

    async def commit_and_lose(unit: Commit) -> CommitResult:
        result = await commit(unit)
        if lost and unit.claim is not None:
            lost.clear()
            raise GatewayError(Reason.JOURNAL_OUTCOME_UNKNOWN, "the reply was lost")
        return result

    bench.journal.commit = commit_and_lose  # type: ignore[method-assign]
    assert (await bench.submit(bench.order())).order.state is State.WORKING
    assert len(bench.broker.sent) == 1
