"""Cancels while the record is away: what is asked of the broker and answered, and what the record has afterwards."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest

from brokergw.desk.desk import Desk
from brokergw.desk.emergency.replay import ACTION
from brokergw.desk.gates.standard import GateSettings
from brokergw.desk.halts.halting import Halting
from brokergw.model.commands import CancelAllOrders, CancelOrder
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.principal import Caller, Principal, Scope
from brokergw.model.trading import PLATFORM, HaltCause, TradingState
from brokergw.ports.emergency import EmergencyCancel
from brokergw.ports.journal import Commit
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_emergency import MemoryEmergency
from tests.fixtures.memory_halts import MemoryHaltBook
from tests.fixtures.memory_journal import MemoryJournal
from tests.fixtures.memory_leases import LeaseTable, MemoryLeases
from tests.fixtures.memory_modes import live_in_memory
from tests.fixtures.scripted_broker import Bench, D, ScriptedBroker, one_connection, trader

READS: Final = ("order", "key_of", "open_orders", "open_heads", "order_by_broker_id", "orders", "fills")


@dataclass
class Away:
    """A desk whose record can be away, and its emergency journal."""

    bench: Bench
    file: MemoryEmergency
    book: MemoryHaltBook
    asked: list[str]
    answer: Outcome = field(default_factory=Accepted)

    def go(self) -> None:
        """Let the record be away: nothing can be written or read."""

        def refuse(*_: Any) -> None:
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "away")

        async def refuse_read(*_: Any, **__: Any) -> None:
            refuse()

        self.bench.journal.before_commit = refuse
        for name in READS:
            setattr(self.bench.journal, name, refuse_read)

    async def come_back(self) -> None:
        """Let the record answer again, and give the replay its time."""
        self.bench.journal.before_commit = lambda _: None
        for name in READS:
            self.bench.journal.__dict__.pop(name, None)
        await self.bench.clock.pass_time(1)

    async def cancel(self, command: CancelOrder, caller: Caller | None = None) -> Any:
        """Take a cancel through the desk as the chain does."""
        whose = caller or self.bench.caller
        known = await self.bench.desk.recall(whose, command)
        return known if known is not None else await self.bench.desk.cancel(whose, command)

    def audited(self) -> list[tuple[str, str]]:
        """Give the order and the outcome of each audit row of an emergency cancel."""
        return [(row.order_id, row.outcome) for row in self.bench.journal.audit if row.action == ACTION]


@pytest.fixture
async def away(still_clock: FakeClock) -> AsyncIterator[Away]:
    """Give a started desk on a record that others write to as well, its emergency journal in memory."""
    broker = ScriptedBroker(now_ns=still_clock.now_ns)
    journal, leases = MemoryJournal(shared=True), MemoryLeases(LeaseTable(still_clock))
    file, book = MemoryEmergency(), MemoryHaltBook(still_clock)
    desk = Desk(
        journal,
        one_connection(),
        {"scripted": broker},
        still_clock,
        GateSettings(D(10_000)),
        leases,
        live_in_memory(still_clock),
        halting=Halting(book, still_clock),
        emergency=file,
    )
    await desk.start()
    made = Away(Bench(desk, broker, journal, still_clock, trader(), leases), file, book, [])

    async def cancel(broker_order_id: str) -> Outcome:
        made.asked.append(broker_order_id)
        return made.answer

    broker.cancel = cancel
    yield made
    await desk.stop()


async def resting(away: Away, **terms: Any) -> Order:
    """Place an order that rests."""
    order: Order = (await away.bench.submit(away.bench.order(**terms))).order
    return order


def cancel_of(order: Order, **more: Any) -> CancelOrder:
    """Make a command under a fresh key."""
    return CancelOrder(idempotency_key=str(uuid.uuid4()), order_id=order.order_id, **more)


async def refused(work: Any) -> GatewayError:
    """Await what must be refused, and give the refusal."""
    with pytest.raises(GatewayError) as caught:
        await work
    return caught.value


async def test_cancel_passes_without_the_record_and_comes_onto_it_once(away: Away) -> None:
    """A cancel reaches the broker while nothing can be read or written, is told as provisional, and is on the record
    once afterwards; its key replays.
    """
    order = await resting(away)
    command = cancel_of(order)
    away.go()
    result = await away.cancel(command)
    again = await away.cancel(command)
    assert (result.provisional, result.replayed, again.provisional, again.replayed) == (True, False, True, True)
    assert away.asked == [order.broker_order_id]
    assert away.file.said == [f"asked {order.order_id}", f"answered {order.order_id} ACCEPTED"]
    assert away.audited() == []
    await away.come_back()
    assert away.audited() == [(order.order_id, "ASKED"), (order.order_id, "ACCEPTED")]
    assert away.file.entries == {}
    replayed = await away.cancel(command)
    assert (replayed.replayed, replayed.provisional) == (True, False)
    assert away.asked == [order.broker_order_id]


async def test_orders_are_not_placed_without_the_record(away: Away) -> None:
    """While the record is away no order is sent, whatever else works."""
    sent = len(away.bench.broker.sent)
    away.go()
    assert (await refused(away.bench.submit(away.bench.order()))).reason is Reason.JOURNAL_UNAVAILABLE
    assert len(away.bench.broker.sent) == sent


async def test_what_is_not_at_hand_is_refused_as_what_is_foreign(away: Away) -> None:
    """An order that memory does not have and one of somebody else's are refused alike, and nothing is asked."""
    order = await resting(away)
    away.go()
    missing = await refused(away.cancel(CancelOrder(idempotency_key=str(uuid.uuid4()), order_id="ord_missing")))
    stranger = Caller(Principal("mallory", "key_2", frozenset(Scope)), "req_2")
    foreign = await refused(away.cancel(cancel_of(order), stranger))
    restricted = replace(away.bench.caller.principal, accounts=frozenset({"acc_other"}))
    outside = await refused(away.cancel(cancel_of(order), Caller(restricted, "req_3")))
    told = {(each.reason, each.message, each.effect) for each in (missing, foreign, outside)}
    assert len(told) == 1
    assert missing.reason is Reason.JOURNAL_OUTCOME_UNKNOWN
    assert away.asked == []
    assert away.file.said == []


async def test_key_of_another_cancel_is_refused(away: Away) -> None:
    """A key under which another order's cancel was asked for is IDEMPOTENCY_KEY_REUSED without the record too."""
    first, second = await resting(away), await resting(away, limit_price=D("49.90"))
    command = cancel_of(first)
    away.go()
    await away.cancel(command)
    other = CancelOrder(idempotency_key=command.idempotency_key, order_id=second.order_id)
    assert (await refused(away.cancel(other))).reason is Reason.IDEMPOTENCY_KEY_REUSED
    assert len(away.asked) == 1


@pytest.mark.parametrize(
    ("answer", "reason", "ending"),
    [
        (Rejected("TOO_LATE"), Reason.CANCEL_REFUSED, "REJECTED"),
        (NotSent("no connection"), Reason.BROKER_UNREACHABLE, "NOT_SENT"),
        (Unknown("no answer"), None, "UNKNOWN"),
    ],
)
async def test_other_endings_are_told_and_recorded(
    away: Away, answer: Outcome, reason: Reason | None, ending: str
) -> None:
    """The broker's no, a cancel that did not leave and one without an answer are told as ever, and audited as such."""
    order = await resting(away)
    away.go()
    away.answer = answer
    if reason is None:
        assert (await away.cancel(cancel_of(order))).provisional
    else:
        assert (await refused(away.cancel(cancel_of(order)))).reason is reason
    await away.come_back()
    assert away.audited() == [(order.order_id, "ASKED"), (order.order_id, ending)]


async def test_nothing_is_done_without_a_trace(away: Away) -> None:
    """Where the emergency journal cannot be written either, the cancel is refused as AUDIT_UNAVAILABLE, not sent."""
    order = await resting(away)
    away.go()
    away.file.fails = OSError("full")
    assert (await refused(away.cancel(cancel_of(order)))).reason is Reason.AUDIT_UNAVAILABLE
    assert away.asked == []
    away.file.fails = None
    assert (await away.cancel(cancel_of(order))).provisional


async def test_all_that_is_known_to_rest_is_cancelled(away: Away) -> None:
    """CancelAllOrders goes by the orders in memory, by symbol where one is named, and is told as provisional."""
    first, second = await resting(away), await resting(away, limit_price=D("49.90"))
    away.go()
    one = CancelAllOrders(idempotency_key=str(uuid.uuid4()), account_id="acc_1", symbol="OTHER")
    result = await away.bench.desk.cancel_all(away.bench.caller, one)
    assert (result.provisional, result.cancels) == (True, ())
    whole = CancelAllOrders(idempotency_key=str(uuid.uuid4()), account_id="acc_1")
    result = await away.bench.desk.cancel_all(away.bench.caller, whole)
    assert [item.accepted for item in result.cancels] == [True, True]
    assert away.asked == [first.broker_order_id, second.broker_order_id]
    again = await away.bench.desk.cancel_all(away.bench.caller, whole)
    assert [item.accepted for item in again.cancels] == [True, True]
    assert len(away.asked) == 2


async def test_halt_that_the_book_does_not_take_sweeps_from_memory(away: Away) -> None:
    """A kill with a sweep while the record is away cancels what is known to rest in its scope, each order once."""
    order = await resting(away)
    away.go()
    away.book.table.down = True
    halting = asyncio.create_task(
        away.bench.desk._halting.switch.halt(
            PLATFORM, HaltCause.KILL_SWITCH, TradingState.HALTED, "stop", "root", sweep=True
        )
    )
    await away.bench.clock.pass_time(2)
    await halting
    assert away.asked == [order.broker_order_id]


async def test_entry_that_was_written_before_a_crash_is_not_written_again(away: Away) -> None:
    """An entry whose commit is durable, and which the file still has, adds nothing to the record a second time; one
    without an answer is recorded as unknown.
    """
    order = await resting(away)
    entry = EmergencyCancel(
        entry_id="emg_left",
        time_ns=1,
        user_id="alice",
        key_id="key_1",
        request_id="req_1",
        account_id="acc_1",
        order_id=order.order_id,
        broker_order_id=order.broker_order_id,
        idempotency_key=str(uuid.uuid4()),
        fingerprint="print",
    )
    away.file.entries[entry.entry_id] = entry
    await away.bench.clock.pass_time(1)
    assert away.file.entries == {}
    away.file.entries[entry.entry_id] = entry
    await away.bench.clock.pass_time(1)
    assert away.file.entries == {}
    assert away.audited() == [(order.order_id, "ASKED"), (order.order_id, "UNKNOWN")]


async def test_orders_of_before_are_at_hand(away: Away) -> None:
    """An order that this process did not place is in memory before it is needed."""
    order = await resting(away)
    book = away.bench.desk._book
    book.forget(book.newest(order))
    assert book.in_memory(order.order_id) is None
    await away.bench.clock.pass_time(11)
    away.go()
    assert (await away.cancel(cancel_of(order))).provisional


async def ended_elsewhere(away: Away, orders: list[Order]) -> None:
    """Let another process put on the record that orders were cancelled."""
    for order in orders:
        gone = replace(order, state=State.CANCELED, version=order.version + 1)
        await away.bench.journal.commit(Commit(updates=(gone,), user_id=order.user_id))


@pytest.mark.parametrize(("number", "seconds", "left"), [(31, 2, 31), (31, 11, 0), (32, 2, 0), (33, 2, 0)])
async def test_what_has_ended_elsewhere_is_let_go_of(away: Away, number: int, seconds: int, left: int) -> None:
    """Orders whose end another process has heard of are asked for no more: of many after a second, of few after ten."""
    orders = [await resting(away) for _ in range(number)]
    await ended_elsewhere(away, orders)
    await away.bench.clock.pass_time(seconds)
    away.go()
    whole = CancelAllOrders(idempotency_key=str(uuid.uuid4()), account_id="acc_1")
    result = await away.bench.desk.cancel_all(away.bench.caller, whole)
    assert len(result.cancels) == len(away.asked) == left


@pytest.mark.parametrize(("number", "turns"), [(63, 1), (64, 1), (65, 2)])
async def test_entries_come_onto_the_record_together(away: Away, number: int, turns: int) -> None:
    """An emergency's hundreds of cancels are written side by side, a bounded number at once, and forgotten together."""
    orders = [await resting(away) for _ in range(number)]
    away.go()
    for order in orders:
        await away.cancel(cancel_of(order))
    recorded, forget = [], away.file.recorded

    async def counting(entry_ids: Sequence[str]) -> None:
        recorded.append(len(entry_ids))
        await forget(entry_ids)

    away.file.recorded = counting  # type: ignore[method-assign]
    await away.come_back()
    assert (sum(recorded), len(recorded)) == (number, turns)
    assert len(away.audited()) == 2 * number


async def test_two_entries_of_one_order_come_onto_the_record_one_after_the_other(away: Away) -> None:
    """What was asked first is on the record first."""
    order, other = await resting(away), await resting(away)
    away.go()
    away.answer = NotSent("no line")
    await refused(away.cancel(cancel_of(order)))
    away.answer = Accepted()
    await away.cancel(cancel_of(order))
    await away.cancel(cancel_of(other))
    await away.come_back()
    of_order = [outcome for order_id, outcome in away.audited() if order_id == order.order_id]
    assert of_order == ["ASKED", "NOT_SENT", "ASKED", "ACCEPTED"]


async def test_an_entry_that_cannot_be_written_keeps_no_other_from_the_record(away: Away) -> None:
    """The others are forgotten, this one is tried again."""
    first, second = await resting(away), await resting(away)
    away.go()
    await away.cancel(cancel_of(first))
    await away.cancel(cancel_of(second))
    commit = away.bench.journal.commit

    async def failing(unit: Commit) -> Any:
        if any(row.order_id == first.order_id for row in unit.audit):
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "away")
        return await commit(unit)

    away.bench.journal.commit = failing  # type: ignore[method-assign]
    await away.come_back()
    assert [entry.order_id for entry in away.file.pending()] == [first.order_id]
    away.bench.journal.commit = commit  # type: ignore[method-assign]
    await away.bench.clock.pass_time(1)
    assert away.file.pending() == ()
    assert [order_id for order_id, _ in away.audited()] == [second.order_id] * 2 + [first.order_id] * 2


async def test_answer_that_comes_during_the_replay_is_what_is_recorded(away: Away) -> None:
    """An entry that was open when the replay began, and answered before its turn, is recorded with its answer."""
    first, second = await resting(away), await resting(away, limit_price=D("49.90"))
    away.go()
    await away.cancel(cancel_of(first))
    let_go = asyncio.Event()

    async def slowly(broker_order_id: str) -> Outcome:
        away.asked.append(broker_order_id)
        await let_go.wait()
        return Accepted()

    away.bench.broker.cancel = slowly
    cancelling = asyncio.create_task(away.cancel(cancel_of(second)))
    while len(away.asked) < 2:
        await asyncio.sleep(0)
    commit = away.bench.journal.commit

    async def answering(unit: Any) -> Any:
        let_go.set()
        await cancelling
        return await commit(unit)

    away.bench.journal.commit = answering  # type: ignore[method-assign]
    await away.come_back()
    assert away.audited()[2:] == [(second.order_id, "ASKED"), (second.order_id, "ACCEPTED")]
