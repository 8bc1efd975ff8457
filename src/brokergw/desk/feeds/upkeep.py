"""Keeping the record true while nothing is told: the sweep over a connection's open orders.

Theory of operation: a stream can lose a message without breaking, or go silent while it stays open. So every few
seconds the broker's open orders are compared with the record's. What the broker lists otherwise than the record has it
is merged, its missing executions asked for. An order that the record has open and the broker does not list is asked for
by its id, and only the answer to that counts: a listing may be cut short, late or out of order, and absence from one
proves nothing. A question that fails changes nothing.

An answer is judged against the record as it stood when the question was asked: an order whose version has moved since
is left to the next sweep. Nothing is written for what agrees, and what stays unexplained is asked for ever more rarely.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import structlog

from brokergw.desk.feeds.adoption import Adoption
from brokergw.desk.record.book import OrderBook
from brokergw.desk.record.matching import may_take
from brokergw.desk.record.recorder import Recorder, Step
from brokergw.desk.record.transitions import merge
from brokergw.desk.sessions import Session
from brokergw.model.errors import GatewayError
from brokergw.model.lifecycle import AT_BROKER, State, is_terminal
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import Absent, BrokerFill, BrokerOrder, Found, Inconclusive, Lookup, OrderReport
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import (
    Journal,
)
from brokergw.ports.leases import LeaseGone
from brokergw.ports.snapshots import OrderHead

_S: Final = 1_000_000_000
_LOOK_S: Final = 1.0
_TURN: Final = 500
_LOOKUPS_MAX: Final = 50
_GENERATIONS_MAX: Final = 50
_DOUBT_FIRST_S: Final = 5.0
_DOUBT_MAX_S: Final = 600.0
_REPORT_AT: Final = 3
_BUDGET_KEPT: Final = 4
_BUDGET_SHARE: Final = 5
_PAGE_ASSUMED: Final = 500

log = structlog.get_logger(__name__)

_Judged: TypeAlias = tuple[int, int, State, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepSettings:
    """How often a connection's open orders are compared, in seconds: with its stream live, and without."""

    live_s: float = 10.0
    blind_s: float = 3.0


@dataclass(slots=True)
class _Doubt:
    """An order that the broker's answers have not explained yet, and when to ask again."""

    again_at: float
    delay_s: float = _DOUBT_FIRST_S
    times: int = 0
    denied: int = 0


@dataclass(slots=True)
class _Memory:
    """What one connection's sweeps remember.

    What agreed; what is doubtful; of which orders executions are owed; which should have ended; how many were asked.
    """

    judged: dict[str, _Judged] = field(default_factory=dict)
    doubts: dict[str, _Doubt] = field(default_factory=dict)
    owed: dict[str, None] = field(default_factory=dict)
    overdue: dict[str, None] = field(default_factory=dict)
    lookups: int = 0


class Upkeep:
    """Sweeps the open orders of the connections whose feeds run here."""

    def __init__(
        self,
        journal: Journal,
        book: OrderBook,
        recorder: Recorder,
        adoption: Adoption,
        clock: Clock,
        settings: UpkeepSettings,
    ) -> None:
        self._journal = journal
        self._book = book
        self._recorder = recorder
        self._adoption = adoption
        self._clock = clock
        self._settings = settings
        self._memories: dict[str, _Memory] = {}
        recorder.on_owed(self._owe)

    async def run(self, session: Session) -> None:
        """Sweep until cancelled."""
        account_id = session.connection.account_id
        memory = self._memories[account_id] = _Memory()
        due_at = self._clock.monotonic()
        try:
            if await self._first(session):
                due_at += self._every_s(session, memory)
            while True:
                await self._clock.sleep(min(_LOOK_S, self._settings.live_s, self._settings.blind_s))
                now = self._clock.monotonic()
                every_s = self._every_s(session, memory)
                due_at = min(due_at, now + every_s)
                whole = now >= due_at and not budget_is_short(session, self._clock.now_ns())
                if await self._try(session, memory, whole=whole) and whole:
                    due_at = self._clock.monotonic() + every_s
                    session.next_sync_ns = self._clock.now_ns() + round(every_s * _S)
        finally:
            del self._memories[account_id]

    async def _first(self, session: Session) -> bool:
        """Compare at once what a former life or another process has left open; no new order leaves before that.

        Tells whether the broker was asked.
        """
        own = session.connection
        try:
            if not await self._journal.open_heads(own.user_id, own.account_id):
                session.ready.reconciled()
                return False
            await self.sweep(session)
        except LeaseGone:
            raise
        except Exception as error:
            known = isinstance(error, GatewayError)
            log.warning("open orders not compared", account_id=own.account_id, exc_info=None if known else error)
        finally:
            # Whoever waits learns how it stands; the next sweep comes anyway.
            session.ready.looked()
        return True

    async def sweep(self, session: Session) -> None:
        """Compare once; raises GatewayError when the broker cannot be asked."""
        own = session.connection
        memory = self._memories.setdefault(own.account_id, _Memory())
        memory.lookups = 0
        heads = {head.order_id: head for head in await self._journal.open_heads(own.user_id, own.account_id)}
        asked_ns = self._clock.now_ns()
        listing = await _listing(session)
        listed = await self._compare(session, memory, heads, listing, asked_ns)
        for head in heads.values():
            moved = self._book.version(head.order_id) > head.version
            if head.order_id not in listed and head.state in AT_BROKER and not moved:
                await self._look_up(session, memory, head)
        memory.doubts = {order_id: doubt for order_id, doubt in memory.doubts.items() if order_id in heads}
        session.last_sync_ns = asked_ns
        session.ready.reconciled()

    async def take_in(self, session: Session, seen: BrokerOrder, asked_ns: int) -> None:
        """Put what the broker shows of an order on the record, and the order too where nobody knows it."""
        await self._stranger(session, seen, asked_ns)

    def ask_about(self, account_id: str, order_ids: Iterable[str]) -> None:
        """Have an account's orders looked up within a second that should be over, where nobody has told by then.

        Only the process that holds their connection does so, a few at a time.
        """
        memory = self._memories.get(account_id)
        if memory is not None:
            memory.overdue.update(dict.fromkeys(order_ids))

    def denied(self, account_id: str) -> tuple[str, ...]:
        """Name an account's open orders of which its broker has said, time and again, that it does not know them."""
        memory = self._memories.get(account_id)
        if memory is None:
            return ()
        return tuple(order_id for order_id, doubt in memory.doubts.items() if doubt.denied >= _REPORT_AT)

    def _every_s(self, session: Session, memory: _Memory) -> float:
        """Tell how long to wait between sweeps: longer where one sweep would eat too much of the broker's budget."""
        wanted_s = self._settings.live_s if session.stream_up else self._settings.blind_s
        limit = session.adapter.budget().limit
        if not limit:
            return wanted_s
        requests = 1 + len(memory.judged) // _PAGE_ASSUMED
        return max(wanted_s, requests * 60 * _BUDGET_SHARE / limit)

    async def _try(self, session: Session, memory: _Memory, *, whole: bool) -> bool:
        """Do what is due; a failure is logged and changes nothing, the next round comes anyway."""
        try:
            await self._pay(session, memory)
            await self._chase(session, memory)
            if whole:
                await self.sweep(session)
        except LeaseGone:
            raise
        except GatewayError as error:
            log.warning("open orders not compared", account_id=session.connection.account_id, reason=error.reason.value)
        except Exception:
            log.exception("the sweep failed", account_id=session.connection.account_id)
        else:
            return True
        return whole

    def _owe(self, order: Order) -> None:
        memory = self._memories.get(order.account_id)
        if memory is not None:
            memory.owed[order.order_id] = None

    async def _pay(self, session: Session, memory: _Memory) -> None:
        """Ask for the executions that a report spoke of and nobody has told."""
        owed, memory.owed = memory.owed, {}
        for order_id in owed:
            order = await self._journal.order(only(session.connection.user_id), order_id)
            if order is not None and order.broker_order_id:
                memory.lookups = 0
                await self._look_up(session, memory, _head_of(order))

    async def _chase(self, session: Session, memory: _Memory) -> None:
        """Ask for some of the orders that should have ended, but for those whose end was told meanwhile."""
        memory.lookups = 0
        mine = only(session.connection.user_id)
        while memory.overdue and memory.lookups < _LOOKUPS_MAX:
            if budget_is_short(session, self._clock.now_ns()):
                return
            order_id = next(iter(memory.overdue))
            del memory.overdue[order_id]
            order = await self._journal.order(mine, order_id)
            if order is not None and order.broker_order_id and not is_terminal(order.state):
                await self._look_up(session, memory, _head_of(order))

    async def _compare(
        self,
        session: Session,
        memory: _Memory,
        heads: Mapping[str, OrderHead],
        listing: Sequence[BrokerOrder],
        asked_ns: int,
    ) -> set[str]:
        """Judge what is listed; gives the orders of the record that are."""
        by_name = {name: head for head in heads.values() for name in head.names}
        listed: set[str] = set()
        judged: dict[str, _Judged] = {}
        for place, seen in enumerate(listing, 1):
            if place % _TURN == 0:
                # Ten thousand orders take tens of milliseconds: others have their turn in between.
                await self._clock.sleep(0)
            names = (seen.broker_order_id, seen.client_order_id, seen.replaces)
            head = next((by_name[name] for name in names if name in by_name), None)
            if head is None:
                await self._stranger(session, seen, asked_ns)
                continue
            listed.add(head.order_id)
            told = (head.version, seen.update_time_ns, seen.state, seen.cum_quantity)
            agreed = memory.judged.get(seen.broker_order_id) == told
            if agreed or (self._may_ask(memory, head) and await self._judge(session, memory, head, seen)):
                judged[seen.broker_order_id] = told
        memory.judged = judged
        return listed

    async def _stranger(self, session: Session, seen: BrokerOrder, asked_ns: int) -> None:
        """Take in an order that the record does not have open: one made elsewhere, or one given up too soon."""
        order = await self._adoption.known(session, seen)
        if order is None:
            if await self._adoption.maybe_ours(session, seen):
                return
            order = await self._adoption.adopt(session, seen, asked_ns)
        elif order.update_time_ns >= asked_ns:
            return
        await self._merge(session, order, seen)

    async def _judge(self, session: Session, memory: _Memory, head: OrderHead, seen: BrokerOrder) -> bool:
        """Merge an answer about an order that has not moved meanwhile; False when it must be asked again."""
        mine = only(session.connection.user_id)
        order = await self._book.get(mine, head.order_id)
        if order is None or order.version < head.version:
            order = await self._journal.order(mine, head.order_id)
        if order is None or order.version != head.version:
            return False
        try:
            agrees = await self._merge(session, order, seen) and seen.cum_quantity >= order.cum_quantity
        except GatewayError as error:
            self._wonder(memory, head.order_id, error.message)
            return False
        if not agrees:
            self._wonder(memory, head.order_id, "the broker's total differs from the executions on record")
        return agrees

    async def _merge(self, session: Session, order: Order, seen: BrokerOrder) -> bool:
        """Write what an answer adds to an order; False when executions are still owed."""
        version = order.version
        fills = await _executions(session, seen) if seen.cum_quantity > order.cum_quantity else ()

        def step(current: Order) -> Step | None:
            if current.version != version or not may_take(current, seen):
                return None
            after = merge(current, seen, self._clock.now_ns())
            if after is None and not fills:
                return None
            return Step(
                order=after, fills=fills, told=seen, origin=Origin.RECONCILED, event_time_ns=seen.update_time_ns
            )

        written = await self._recorder.write(order, step, guard=session.guard)
        if written.order.version != version:
            log.warning("order reconciled", order_id=order.order_id, state=written.order.state.value)
        return not written.owed

    async def _look_up(self, session: Session, memory: _Memory, head: OrderHead) -> None:
        """Ask for one order by its id: the only answer that may end it."""
        if memory.lookups >= _LOOKUPS_MAX or not self._may_ask(memory, head):
            return
        memory.lookups += 1
        match await newest_generation(session, head):
            case Found(order=seen):
                if await self._judge(session, memory, head, seen) and not is_terminal(seen.state):
                    self._wonder(memory, head.order_id, "the broker has the order open and does not list it")
            case Absent():
                self._wonder(memory, head.order_id, "the broker does not know the order", denied=1)
            case Inconclusive(why):
                self._wonder(memory, head.order_id, why)

    def _may_ask(self, memory: _Memory, head: OrderHead) -> bool:
        doubt = memory.doubts.get(head.order_id)
        return doubt is None or self._clock.monotonic() >= doubt.again_at

    def _wonder(self, memory: _Memory, order_id: str, why: str, *, denied: int = 0) -> None:
        """Put the next question about an order off, further each time, and say once that it stays unexplained."""
        now = self._clock.monotonic()
        doubt = memory.doubts.setdefault(order_id, _Doubt(now))
        doubt.times += 1
        doubt.denied += denied
        doubt.again_at, doubt.delay_s = now + doubt.delay_s, min(_DOUBT_MAX_S, doubt.delay_s * 2)
        if doubt.times == _REPORT_AT:
            log.error("an open order stays unexplained", order_id=order_id, why=why)


async def _listing(session: Session) -> Sequence[BrokerOrder]:
    """Ask for the open orders; the answer tells how the connection fares, since nothing else asks so regularly."""
    try:
        listing = await session.adapter.get_open_orders()
    except GatewayError as error:
        session.failed(error)
        raise
    session.answered()
    return listing


async def newest_generation(session: Session, head: OrderHead) -> Lookup:
    """Look an order up by its newest id, else by our own, and follow its replacements."""
    if head.broker_order_ids:
        lookup = await session.adapter.get_order(head.broker_order_ids[-1])
    else:
        lookup = await session.adapter.find_order(head.broker_client_order_id)
    for _ in range(_GENERATIONS_MAX):
        if not isinstance(lookup, Found) or not lookup.order.replaced_by:
            return lookup
        lookup = await session.adapter.get_order(lookup.order.replaced_by)
    return Inconclusive("the order was replaced too often to follow")


async def _executions(session: Session, seen: BrokerOrder) -> tuple[BrokerFill, ...]:
    reports = await session.adapter.fills_of(seen)
    return tuple(r.fill for r in reports if isinstance(r, OrderReport) and r.fill is not None)


def _head_of(order: Order) -> OrderHead:
    return OrderHead(order.order_id, order.version, order.state, order.broker_order_ids, order.broker_client_order_id)


def budget_is_short(session: Session, now_ns: int) -> bool:
    """Tell whether what is left of the broker's budget had better be kept for orders.

    A figure from before the budget was reset says nothing any more.
    """
    budget = session.adapter.budget()
    if budget.reset_time_ns is not None and now_ns >= budget.reset_time_ns:
        return False
    return bool(budget.limit) and budget.remaining is not None and budget.remaining * _BUDGET_KEPT < (budget.limit or 0)
