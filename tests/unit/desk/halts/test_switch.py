"""The switch, over several processes in one loop whose time stands until the test moves it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from brokergw.desk.halts.halting import Halting
from brokergw.desk.halts.switch import Halted, Reach
from brokergw.model.alerts import Alert, AlertKind
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.order import Order
from brokergw.model.trading import PLATFORM, HaltCause, ScopeKind, TradingScope, TradingState
from brokergw.ports.halts import CLEARANCE_S
from brokergw.ports.journal import Admission
from brokergw.ports.permit import Permit, PermitExpired
from tests.conformance.store.making import an_order
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_halts import HaltTable, MemoryHaltBook, MemoryHaltFile

HALTED, REDUCE_ONLY = TradingState.HALTED, TradingState.REDUCE_ONLY
KILL = HaltCause.KILL_SWITCH
STEP_S = 0.1


class Replica:
    """One process: its halts, its looks, and what it sends."""

    def __init__(self, clock: FakeClock, table: HaltTable, name: str) -> None:
        self.clock = clock
        self.alerts: list[Alert] = []
        self.file = MemoryHaltFile()
        self.book = MemoryHaltBook(clock, table, name, shared=True)
        self.halting = Halting(self.book, clock, file=self.file, notify=self.alerts.append)

    def permit(self, order: Order, admission: Admission | None = None) -> Permit:
        """Permit one send."""
        return Permit(
            order_id=order.order_id,
            attempt=1,
            client_order_id="c",
            granted_at=self.clock.monotonic(),
            monotonic=self.clock.monotonic,
            stopped=self.halting.latch.stopped(order, admission or Admission()),
        )

    async def halt(self, scope: TradingScope = PLATFORM, state: TradingState = HALTED, **more: Any) -> Halted:
        """Throw the switch."""
        return await self.halting.switch.halt(scope, KILL, state, "enough", "root", **more)

    def may_send(self, order: Order) -> bool:
        """Try to send."""
        try:
            self.permit(order).spend()
        except PermitExpired:
            return False
        return True


@pytest.fixture
async def replicas(still_clock: FakeClock) -> AsyncIterator[tuple[Replica, Replica]]:
    """Give two processes that share a book."""
    table = HaltTable()
    both = Replica(still_clock, table, "one"), Replica(still_clock, table, "two")
    for each in both:
        await each.halting.start()
    yield both
    for each in both:
        await each.halting.stop()


async def looking(replicas: tuple[Replica, Replica], seconds: float) -> None:
    """Let time pass, each process looking into the book ten times a second."""
    clock = replicas[0].clock
    left_s = seconds
    while left_s > STEP_S / 2:
        await clock.pass_time(min(STEP_S, left_s))
        left_s -= STEP_S
        for each in replicas:
            each.book.look()


async def ended(replicas: tuple[Replica, Replica], halting: asyncio.Task[Halted], within_s: float = 1.0) -> Halted:
    """Let time pass until the switch has answered."""
    clock = replicas[0].clock
    ends = clock.monotonic() + within_s
    while not halting.done():
        assert clock.monotonic() < ends
        await clock.pass_time(0.01)
        for each in replicas:
            each.book.look()
    return halting.result()


async def test_a_halt_that_all_confirm_is_acknowledged_at_once(replicas: tuple[Replica, Replica]) -> None:
    """K5: within the time of a few messages no process sends, and the answer says that all have confirmed."""
    one, two = replicas
    order = an_order()
    assert one.may_send(order)
    assert two.may_send(order)
    halted = asyncio.create_task(one.halt())
    answer = await ended(replicas, halted)
    assert (answer.reach, answer.silent) == (Reach.CONFIRMED, ())
    assert answer.took_s <= 0.03
    assert not one.may_send(order)
    assert not two.may_send(order)
    assert [each.kind for each in one.alerts] == [AlertKind.HALTED]


async def test_a_silent_process_is_waited_for_until_it_can_send_no_more(replicas: tuple[Replica, Replica]) -> None:
    """A process that stands still keeps the answer back for as long as it could send, and sends nothing on waking."""
    one, two = replicas
    order = an_order()
    await looking(replicas, 0.2)
    permit = two.permit(order)
    two.book.deaf = True
    halted = asyncio.create_task(one.halt())
    await one.clock.pass_time(CLEARANCE_S)
    assert not halted.done()
    answer = await ended((one, one), halted)
    assert (answer.reach, answer.silent) == (Reach.EXPIRED, ("two",))
    assert answer.took_s < 1.0
    with pytest.raises(PermitExpired):
        permit.spend()
    assert one.book.table.fenced == {"two"}
    two.book.deaf = False
    await looking(replicas, 3)
    assert not two.may_send(order)


async def test_with_the_database_frozen_the_halt_holds_all_the_same(replicas: tuple[Replica, Replica]) -> None:
    """The halt is on the disk, is answered within a second, and gets into the book before anybody sends again."""
    one, two = replicas
    order = an_order()
    await looking(replicas, 0.3)
    one.book.table.thawed.clear()
    halted = asyncio.create_task(one.halt())
    await looking(replicas, 0.1)
    assert not one.may_send(order)
    assert two.may_send(order)
    answer = await ended(replicas, halted)
    assert answer.reach is Reach.LOCAL
    assert answer.took_s <= 1.0
    assert [wish.scope for wish in one.file.kept] == [PLATFORM]
    assert not two.may_send(order)
    await looking(replicas, 5)
    one.book.table.thawed.set()
    for _ in range(30):
        await looking(replicas, 0.1)
        assert not one.may_send(order)
        assert not two.may_send(order)
    assert set(one.book.table.halts) == {("PLATFORM", KILL)}
    assert one.file.kept == ()


@pytest.mark.parametrize(
    ("booked_after_s", "reach"), [(0.4, Reach.EXPIRED), (0.42, Reach.EXPIRED), (0.46, Reach.LOCAL)]
)
async def test_the_answer_comes_in_time_though_the_book_takes_the_halt_late(
    replicas: tuple[Replica, Replica], booked_after_s: float, reach: Reach
) -> None:
    """Where a silent process cannot be waited out within the second, no more is said than is known then.

    The process is struck off all the same, but not before its clearance has run out.
    """
    one, two = replicas
    await looking(replicas, 0.2)
    two.book.deaf = True
    one.book.table.thawed.clear()
    halted = asyncio.create_task(one.halt())
    await one.clock.pass_time(booked_after_s)
    one.book.table.thawed.set()
    answer = await ended((one, one), halted)
    assert (answer.reach, answer.silent) == (reach, ("two",))
    assert answer.took_s <= 0.97
    if reach is Reach.LOCAL:
        assert one.book.table.fenced == set()
        await looking((one, one), 0.1)
    assert one.book.table.fenced == {"two"}


async def test_a_database_that_refuses_is_tried_until_it_takes_the_halt(replicas: tuple[Replica, Replica]) -> None:
    """A database that is away, and says so, leaves the halt on the disk until it is back."""
    one, _ = replicas
    one.book.table.down = True
    halted = asyncio.create_task(one.halt())
    assert (await ended(replicas, halted)).reach is Reach.LOCAL
    one.book.table.down = False
    await looking(replicas, 0.2)
    assert one.file.kept == ()
    assert one.book.table.halts


async def test_what_the_disk_kept_is_taken_up_before_anything_is_sent(still_clock: FakeClock) -> None:
    """K5: a halt that never reached the book stops the next life of its process from its first moment on."""
    first = Replica(still_clock, HaltTable(), "one")
    first.book.table.down = True
    first.book.table.thawed.clear()
    halted = asyncio.create_task(first.halt())
    await ended((first, first), halted)
    await first.halting.stop()
    table = HaltTable()
    second = Replica(still_clock, table, "next")
    second.halting = Halting(second.book, still_clock, file=first.file)
    await second.halting.start()
    assert not second.may_send(an_order())
    await still_clock.pass_time(0.1)
    assert set(table.halts) == {("PLATFORM", KILL)}
    assert first.file.kept == ()
    await second.halting.stop()


async def test_what_has_left_is_waited_for_a_quarter_of_a_second(replicas: tuple[Replica, Replica]) -> None:
    """K4: a process confirms once what it had sent in the scope is answered, or a quarter of a second later."""
    one, two = replicas
    order = an_order()
    other = replace(an_order(), user_id="bob")
    for sent, waits in ((order, True), (other, False)):
        permit = two.permit(sent)
        permit.spend()
        with two.halting.latch.sending(sent, permit):
            halted = asyncio.create_task(one.halt(TradingScope(ScopeKind.USER, (order.user_id,))))
            await looking(replicas, 0.1)
            assert halted.done() is not waits
            await ended(replicas, halted)
        assert halted.result().reach is Reach.CONFIRMED
        await one.halting.switch.resume(halted.result().halt.scope, KILL, "over", "root")


@pytest.mark.parametrize(
    ("state", "reduces", "closing", "sends"),
    [
        (HALTED, False, False, False),
        (HALTED, True, False, False),
        (HALTED, False, True, True),
        (REDUCE_ONLY, False, False, False),
        (REDUCE_ONLY, True, False, True),
        (REDUCE_ONLY, False, True, True),
    ],
)
async def test_what_a_halt_lets_through(
    replicas: tuple[Replica, Replica], state: TradingState, *, reduces: bool, closing: bool, sends: bool
) -> None:
    """HALTED lets nothing through, REDUCE_ONLY what reduces, and both the closing orders of the switch itself."""
    one, _ = replicas
    halted = asyncio.create_task(one.halt(state=state))
    await ended(replicas, halted)
    permit = one.permit(an_order(), Admission(reduces=reduces, closing=closing))
    if sends:
        permit.spend()
    else:
        with pytest.raises(PermitExpired, match="enough"):
            permit.spend()


@pytest.mark.parametrize("kind", list(ScopeKind))
async def test_every_scope_stops_its_own_orders_and_no_others(
    replicas: tuple[Replica, Replica], kind: ScopeKind
) -> None:
    """T15: platform, broker, user, user and broker, account, strategy and symbol each stop what belongs to them."""
    one, two = replicas
    order = replace(an_order(), strategy_id="s1")
    names = {
        ScopeKind.PLATFORM: (),
        ScopeKind.BROKER: (order.broker,),
        ScopeKind.USER: (order.user_id,),
        ScopeKind.USER_BROKER: (order.user_id, order.broker),
        ScopeKind.ACCOUNT: (order.account_id,),
        ScopeKind.STRATEGY: (order.user_id, "s1"),
        ScopeKind.SYMBOL: (order.terms.symbol,),
    }
    halted = asyncio.create_task(one.halt(TradingScope(kind, names[kind])))
    await ended(replicas, halted)
    strange = replace(
        order,
        broker="elsewhere",
        user_id="bob",
        account_id="acc_9",
        strategy_id="s2",
        terms=replace(order.terms, symbol="ZZZ"),
    )
    assert not two.may_send(order)
    assert two.may_send(strange) is (kind is not ScopeKind.PLATFORM)


async def test_a_milder_halt_loosens_nothing(replicas: tuple[Replica, Replica]) -> None:
    """The strictest wins: neither the same switch again nor a halt for another cause makes an order pass."""
    one, two = replicas
    for state in (HALTED, REDUCE_ONLY):
        halted = asyncio.create_task(one.halt(state=state))
        assert (await ended(replicas, halted)).halt.state is HALTED
    again = asyncio.create_task(one.halting.switch.halt(PLATFORM, HaltCause.OPERATOR, REDUCE_ONLY, "mild", "root"))
    await ended(replicas, again)
    for each in (one, two):
        with pytest.raises(PermitExpired):
            each.permit(an_order(), Admission(reduces=True)).spend()


async def test_lifting_needs_the_epoch_and_acts_everywhere(replicas: tuple[Replica, Replica]) -> None:
    """A halt is lifted by naming it as it stands; no time lifts it."""
    one, two = replicas
    halted = asyncio.create_task(one.halt())
    epoch = (await ended(replicas, halted)).halt.epoch
    await looking(replicas, 5)
    assert not two.may_send(an_order())
    with pytest.raises(GatewayError) as refused:
        await two.halting.switch.resume(PLATFORM, KILL, "over", "root", epoch=epoch + 1)
    assert refused.value.reason is Reason.KILL_SWITCH_EPOCH_CHANGED
    await two.halting.switch.resume(PLATFORM, KILL, "over", "root", epoch=epoch)
    await replicas[0].clock.pass_time(0.01)
    assert one.may_send(an_order())
    assert two.may_send(an_order())
    assert [row.action for row in one.book.table.audit] == ["trading.halted", "trading.resumed"]


async def test_a_caller_that_leaves_stops_nothing(replicas: tuple[Replica, Replica]) -> None:
    """The switch goes on when whoever threw it has gone."""
    one, two = replicas
    halted = asyncio.create_task(one.halt())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    halted.cancel()
    await asyncio.gather(halted, return_exceptions=True)
    await looking(replicas, 0.05)
    assert one.book.table.halts
    assert not two.may_send(an_order())
