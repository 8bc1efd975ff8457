"""Submit at its crash points: commits whose replies are lost, senders that freeze, answers that come late."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from brokergw.desk.record.endings import submit_scope
from brokergw.desk.record.transitions import move
from brokergw.model.errors import GatewayError, OrderEffect, Reason
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.terms import OrderTerms
from brokergw.model.whose import Whose
from brokergw.ports.journal import Commit, CommitResult, KeyTaken
from tests.fixtures.scripted_broker import Bench, broker_order, report

UNKNOWN = Reason.JOURNAL_OUTCOME_UNKNOWN


class Lossy:
    """Stands before a bench's journal and loses the replies of chosen commits; a loss may come before the commit."""

    def __init__(self, bench: Bench, chosen: Callable[[Commit], bool], *, lands: bool = True) -> None:
        self.commit = bench.journal.commit
        self.chosen = chosen
        self.lands = lands
        self.late: list[Commit] = []
        self.times = 0
        bench.journal.commit = self  # type: ignore[method-assign]

    async def __call__(self, unit: Commit) -> CommitResult:
        if self.times or not self.chosen(unit):
            return await self.commit(unit)
        self.times += 1
        if self.lands:
            await self.commit(unit)
        else:
            self.late.append(unit)
        raise GatewayError(UNKNOWN, "the reply was lost")

    async def land(self) -> Sequence[CommitResult]:
        """Let what was held back come onto the record after all."""
        return [await self.commit(unit) for unit in self.late]


def admits(unit: Commit) -> bool:
    """Tell whether a unit lets an order be sent."""
    return any(order.state is State.SENDING for order in (*unit.inserts, *unit.updates))


def readmits(unit: Commit) -> bool:
    """Tell whether a unit lets an order be sent once more."""
    return any(order.state is State.SENDING for order in unit.updates)


def settles(unit: Commit) -> bool:
    """Tell whether a unit records an answer."""
    return any(order.state is not State.SENDING for order in unit.updates)


async def only_order(bench: Bench) -> Order:
    (order,) = bench.journal.by_id.values()
    return order


async def test_an_admission_that_landed_is_sent_once(bench: Bench) -> None:
    """C4: the reply to the admission was lost, the admission is there and young: the order goes out, once."""
    Lossy(bench, admits)
    assert (await bench.submit(bench.order())).order.state is State.WORKING
    assert len(bench.broker.sent) == 1


async def test_an_admission_that_landed_too_late_is_not_sent(bench: Bench) -> None:
    """C4, C6: by the time its admission is known to be there the permit has expired; nothing leaves."""
    lossy = Lossy(bench, admits)
    really = lossy.commit

    async def slow(unit: Commit) -> CommitResult:
        bench.clock.advance(2.5)
        return await really(unit)

    lossy.commit = slow
    command = bench.order()
    with pytest.raises(GatewayError) as caught:
        await bench.submit(command)
    assert (caught.value.reason, caught.value.effect) == (Reason.BROKER_UNREACHABLE, OrderEffect.NONE)
    assert bench.broker.sent == []
    assert (await only_order(bench)).state is State.NOT_SENT
    lossy.commit = really
    assert (await bench.submit(command)).order.attempt == 2


async def test_an_admission_that_may_still_come_is_never_sent_and_is_taken_back(bench: Bench) -> None:
    """C2: it is not there when looked for, so the call ends without a send; it comes later and becomes NOT_SENT."""
    lossy = Lossy(bench, admits, lands=False)
    command = bench.order()
    with pytest.raises(GatewayError) as caught:
        await bench.submit(command)
    assert caught.value.reason is UNKNOWN
    await lossy.land()
    assert (await only_order(bench)).state is State.SENDING
    await bench.clock.pass_time(1)
    assert (await only_order(bench)).state is State.NOT_SENT
    assert bench.broker.sent == []
    assert (await bench.submit(command)).order.state is State.WORKING
    assert len(bench.broker.sent) == 1


async def test_an_admission_that_never_came_leaves_the_key_free(bench: Bench) -> None:
    """C2: the same key starts afresh, and what was held back can never come any more."""
    lossy = Lossy(bench, admits, lands=False)
    command = bench.order()
    with pytest.raises(GatewayError):
        await bench.submit(command)
    result = await bench.submit(command)
    assert result.order.state is State.WORKING
    assert [type(each) for each in await lossy.land()] == [KeyTaken]
    assert len(bench.broker.sent) == 1


async def test_an_admission_that_cannot_be_looked_up_is_not_sent(bench: Bench) -> None:
    """C4: with the journal away nobody knows; the caller hears so, nothing leaves, and the survivor takes it back."""
    Lossy(bench, admits)
    look = bench.journal.order

    async def away(whose: Whose, order_id: str) -> Order | None:
        raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "away")

    bench.journal.order = away  # type: ignore[method-assign]
    with pytest.raises(GatewayError) as caught:
        await bench.submit(bench.order())
    assert caught.value.reason is UNKNOWN
    await bench.clock.pass_time(1)
    assert (await only_order(bench)).state is State.SENDING
    bench.journal.order = look  # type: ignore[method-assign]
    await bench.clock.pass_time(3)
    assert (await only_order(bench)).state is State.NOT_SENT
    assert bench.broker.sent == []


async def test_a_key_that_another_process_won_meanwhile_is_joined(bench: Bench) -> None:
    """C2: the lost commit was refused in truth, since another process holds the key; nothing is sent here."""
    commit = bench.journal.commit

    async def another_wins(unit: Commit) -> CommitResult:
        if unit.claim is None or not admits(unit):
            return await commit(unit)
        theirs = replace(unit.inserts[0], order_id="ord_theirs", sender="gw_other")
        await commit(replace(unit, claim=replace(unit.claim, subject=theirs.order_id), inserts=(theirs,), events=()))
        raise GatewayError(UNKNOWN, "the reply was lost")

    bench.journal.commit = another_wins  # type: ignore[method-assign]
    with pytest.raises(GatewayError) as caught:
        await bench.submit(bench.order())
    assert (caught.value.reason, caught.value.order_id) == (Reason.IDEMPOTENCY_IN_PROGRESS, "ord_theirs")
    assert bench.broker.sent == []


@pytest.mark.parametrize("lands", [True, False])
async def test_a_second_attempt_is_as_careful_as_the_first(bench: Bench, lands: bool) -> None:  # noqa: FBT001 - a parameter of the case
    """C4: a re-drive whose admission's reply is lost goes out only if it is there; what comes late is taken back."""
    answers: list[Outcome] = [NotSent("refused")]

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        return answers.pop() if answers else Accepted(broker_order(client_id, terms))

    bench.broker.submit = submit
    command = bench.order()
    with pytest.raises(GatewayError):
        await bench.submit(command)
    lossy = Lossy(bench, readmits, lands=lands)
    if lands:
        assert (await bench.submit(command)).order.attempt == 2
        return
    with pytest.raises(GatewayError) as caught:
        await bench.submit(command)
    assert caught.value.reason is UNKNOWN
    await lossy.land()
    await bench.clock.pass_time(1)
    order = await only_order(bench)
    assert (order.state, order.attempt) == (State.NOT_SENT, 2)
    assert len(bench.broker.sent) == 1
    assert (await bench.submit(command)).order.attempt == 3


async def test_a_settlement_whose_reply_was_lost_is_recorded_once(bench: Bench) -> None:
    """C11: the second try finds its own version; one event, one audit row, the same answer."""
    Lossy(bench, settles)
    call = asyncio.create_task(bench.submit(bench.order()))
    while not call.done():
        await bench.clock.pass_time(0.1)
    result = await call
    assert result.order.state is State.WORKING
    assert [e.payload.state for e in bench.journal.log["acc_1"]] == [State.SENDING, State.WORKING]  # type: ignore[union-attr]
    assert [row.action for row in bench.journal.audit] == ["order.admitted", "order.accepted"]


async def test_an_answer_waits_for_its_journal_however_long(bench: Bench) -> None:
    """C13: ten minutes without a journal are ten minutes of waiting, never UNAVAILABLE."""

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        bench.journal.before_commit = away
        return Accepted(broker_order(client_id, terms))

    def away(_: Commit) -> None:
        raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "away")

    bench.broker.submit = submit
    call = asyncio.create_task(bench.submit(bench.order()))
    await bench.clock.pass_time(600)
    assert not call.done()
    bench.journal.before_commit = lambda _: None
    await bench.clock.pass_time(5)
    assert (await call).order.state is State.WORKING


def taken_for_lost(bench: Bench, state: State = State.IN_DOUBT) -> None:
    """Let another process put every order in doubt, as it does with those of a sender that it takes for dead."""
    for order in list(bench.journal.by_id.values()):
        moved = move(order, State.IN_DOUBT, order.update_time_ns + 1)
        if state is not State.IN_DOUBT:
            moved = replace(moved, state=state)
        bench.journal.by_id[order.order_id] = moved


@pytest.mark.parametrize(
    ("outcome", "after"),
    [
        (Rejected("INSUFFICIENT_FUNDS", "403", "too little"), State.REJECTED_BY_BROKER),
        (NotSent("connection refused"), State.IN_DOUBT),
        (Unknown("no reply"), State.IN_DOUBT),
    ],
)
async def test_a_late_answer_is_evidence(bench: Bench, outcome: Outcome, after: State) -> None:
    """C15: a refusal ends an order in doubt; a proof of nothing sent goes into the audit and moves nothing."""

    async def submit(_: str, __: OrderTerms) -> Outcome:
        taken_for_lost(bench)
        return outcome

    bench.broker.submit = submit
    command = bench.order()
    if after is State.REJECTED_BY_BROKER:
        with pytest.raises(GatewayError) as caught:
            await bench.submit(command)
        assert caught.value.reason is Reason.BROKER_REJECTED
    else:
        assert (await bench.submit(command)).order.state is State.IN_DOUBT
    order = await only_order(bench)
    assert order.state is after
    assert bench.journal.audit[-1].outcome == after.value
    assert bool(bench.journal.keys[submit_scope(order)].decision) is (after is State.REJECTED_BY_BROKER)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (State.IN_DOUBT, State.WORKING),
        (State.RESOLVED_ABSENT, State.WORKING),
        (State.ABSENT, State.WORKING),
        (State.MANUAL, State.MANUAL),
    ],
)
async def test_a_late_acceptance_is_merged(bench: Bench, state: State, after: State) -> None:
    """C15: the broker's word that it has the order settles every doubt, but for one that an operator has in hand."""

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        taken_for_lost(bench, state)
        return Accepted(broker_order(client_id, terms))

    bench.broker.submit = submit
    assert (await bench.submit(bench.order())).order.state is after
    assert len(bench.broker.sent) == 1


async def test_a_refusal_of_an_order_that_the_stream_shows_alive_is_not_believed(bench: Bench) -> None:
    """I4: no key is told NONE while its order lives; what the broker shows stands above what it answers."""

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        bench.broker.feed.put_nowait(report(broker_order(client_id, terms)))
        for _ in range(200):
            await asyncio.sleep(0.002)
            if (await only_order(bench)).state is State.WORKING:
                break
        return Rejected("DUPLICATE_CLIENT_ID", "422", "must be unique")

    bench.broker.submit = submit
    command = bench.order()
    result = await bench.submit(command)
    assert result.order.state is State.WORKING
    again = await bench.submit(command)
    assert (again.replayed, again.order.state) == (True, State.WORKING)
    assert len(bench.broker.sent) == 1


async def test_an_attempt_of_unknown_outcome_after_one_not_sent_allows_no_third(bench: Bench) -> None:
    """I2: that the first attempt was proved not sent says nothing about the second."""
    answers: list[Outcome] = [Unknown("no reply"), NotSent("refused")]

    async def submit(_: str, __: OrderTerms) -> Outcome:
        return answers.pop()

    bench.broker.submit = submit
    command = bench.order()
    with pytest.raises(GatewayError):
        await bench.submit(command)
    assert (await bench.submit(command)).order.state is State.IN_DOUBT
    again = await bench.submit(command)
    assert (again.replayed, again.order.state) == (True, State.IN_DOUBT)
    assert len(bench.broker.sent) == 2


async def test_an_order_names_the_process_that_may_send_it(bench: Bench) -> None:
    """The sender of every attempt is this process, and a denied order has none."""
    await bench.submit(bench.order())
    assert (await only_order(bench)).sender == bench.desk._submit._instance_id != ""
