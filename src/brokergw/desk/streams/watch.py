"""Streams: the record of some accounts, from a chosen point on, without a gap and for ever.

Every stream reads the record, never a broker's callback: first what is there already, then whatever is written. A
stream pulls at its own pace, a page at a time, and pages are shared by all streams with the same view: so a slow one
holds one page at most and hurts nobody, and many cost hardly more than one. Orders and fills are all told. Of
positions, where only the last one of a symbol counts, a stream that lags is told the last ones only.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, TypeAlias

from brokergw.desk.results import Positions
from brokergw.desk.sessions import Session, Sessions
from brokergw.desk.streams.bells import Bell
from brokergw.desk.streams.pages import CursorExpired, Page, View, conflate
from brokergw.desk.streams.tail import Tail
from brokergw.model.account import Connection, Position
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.events import EventKind
from brokergw.model.order import Order
from brokergw.model.principal import Caller
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal

_CONFLATED_PAGES_MAX: Final = 64
_PAGES_PER_TURN: Final = 16


@dataclass(frozen=True, slots=True)
class FromNow:
    """Only what happens from now on."""


@dataclass(frozen=True, slots=True)
class FromSnapshot:
    """The present state first."""


@dataclass(frozen=True, slots=True)
class FromTime:
    """Everything published at or after a time."""

    time_ns: int


@dataclass(frozen=True, slots=True)
class FromPositions:
    """Everything after what was covered before."""

    positions: Positions


Start: TypeAlias = FromNow | FromSnapshot | FromTime | FromPositions


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What a stream is about; empty accounts or symbols mean all of the caller's."""

    kind: EventKind
    account_ids: tuple[str, ...] = ()
    symbols: frozenset[str] = frozenset()
    start: Start = field(default_factory=FromNow)
    heartbeat_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh the data of one account's broker is."""

    broker: str
    account_id: str
    connected: bool
    last_message_ns: int | None
    stale: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream stands."""

    account_ids: tuple[str, ...]
    earliest: Positions
    latest: Positions
    epoch: str
    freshness: tuple[Freshness, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotItem:
    """One thing of the present state."""

    payload: Order | tuple[Connection, Position]


@dataclass(frozen=True, slots=True)
class SnapshotDone:
    """The present state is complete, as of these positions."""

    count: int
    positions: Positions
    freshness: tuple[Freshness, ...]


@dataclass(frozen=True, slots=True)
class EventPage:
    """The next part of one account's log.

    `told` is the sequence that this stream has told of the account before it, as an event or by a heartbeat; `others`
    is how far it has covered its other accounts.
    """

    account_id: str
    page: Page
    told: int
    others: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing else to tell, up to these positions."""

    positions: Positions
    freshness: tuple[Freshness, ...]


@unique
class EndReason(StrEnum):
    """Why the desk ends a stream."""

    DRAINING = "DRAINING"
    CONNECTION_REVOKED = "CONNECTION_REVOKED"


@dataclass(frozen=True, slots=True)
class Ending:
    """The last item."""

    reason: EndReason
    positions: Positions


WatchItem: TypeAlias = Opened | SnapshotItem | SnapshotDone | EventPage | Beat | Ending


class Watch:
    """Opens streams."""

    def __init__(self, journal: Journal, tail: Tail, sessions: Sessions, clock: Clock) -> None:
        self._journal = journal
        self._tail = tail
        self._sessions = sessions
        self._clock = clock
        self._draining = False

    def drain(self) -> None:
        """End every stream."""
        self._draining = True
        self._tail.ring()

    async def stream(self, caller: Caller, request: WatchRequest) -> AsyncIterator[WatchItem]:
        """Run one stream."""
        sessions = await self._resolve(caller, request.account_ids)
        account_ids = tuple(s.connection.account_id for s in sessions)
        with self._tail.watching(caller.user_id, account_ids) as bell:
            mine = only(caller.user_id)
            earliest = await self._journal.earliest(mine, account_ids)
            latest = await self._journal.sequences(mine, account_ids)
            self._tail.learn(latest)
            covered = await self._begin(caller, request.start, earliest, latest)
            yield Opened(account_ids, earliest, latest, self._journal.epoch, _freshness(sessions))
            if isinstance(request.start, FromSnapshot):
                async for item in self._snapshot(caller, request, sessions, covered):
                    yield item
            async for item in self._follow(caller, request, sessions, covered, bell):
                yield item

    async def _resolve(self, caller: Caller, account_ids: Sequence[str]) -> list[Session]:
        mine = await self._sessions.of_caller(caller)
        if not account_ids:
            return mine
        by_account = {session.connection.account_id: session for session in mine}
        for account_id in account_ids:
            if account_id not in by_account:
                raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", account_id)
        return [by_account[account_id] for account_id in dict.fromkeys(account_ids)]

    async def _begin(self, caller: Caller, start: Start, earliest: Positions, latest: Positions) -> Positions:
        match start:
            case FromPositions(positions=positions):
                return _resumed(positions, earliest, latest)
            case FromTime(time_ns=time_ns):
                return {a: await self._before(caller, a, time_ns, earliest[a], latest[a]) for a in latest}
            case FromNow() | FromSnapshot():
                return dict(latest)

    async def _before(self, caller: Caller, account_id: str, time_ns: int, low: int, high: int) -> int:
        """Find the last sequence of an account that was published before a time: times rise with sequences."""
        probe = low
        while low < high:
            # The first look is at the very beginning, where whoever wants the whole record starts.
            (event,) = await self._journal.events(caller.user_id, account_id, probe, 1)
            if event.publish_time_ns < time_ns:
                low = probe + 1
            else:
                high = probe
            probe = (low + high) // 2
        return low

    async def _snapshot(
        self, caller: Caller, request: WatchRequest, sessions: Sequence[Session], covered: Positions
    ) -> AsyncIterator[WatchItem]:
        count = 0
        if request.kind is EventKind.POSITION:
            # The positions below are asked after this point, so later events can only repeat what they show.
            items: Iterable[Order | tuple[Connection, Position]] = await _positions(sessions)
        else:
            snapshot = await self._journal.snapshot(caller.user_id, tuple(covered))
            covered.update(snapshot.sequences)
            items = snapshot.orders if request.kind is EventKind.ORDER else ()
        for payload in items:
            if not request.symbols or _symbol(payload) in request.symbols:
                count += 1
                yield SnapshotItem(payload)
        yield SnapshotDone(count, dict(covered), _freshness(sessions))

    async def _follow(
        self, caller: Caller, request: WatchRequest, sessions: Sequence[Session], covered: Positions, bell: Bell
    ) -> AsyncIterator[WatchItem]:
        told = dict(covered)
        view = View(request.kind, request.symbols)
        bell.due = self._clock.monotonic() + request.heartbeat_s
        while True:
            ending = self._ending(sessions)
            quiet = True
            for account_id in covered:
                for _ in range(_PAGES_PER_TURN):
                    page = await self._next_page(caller.user_id, account_id, covered[account_id], view)
                    if page.covered == page.after:
                        break
                    if page.events:
                        quiet = False
                        others = tuple((a, sequence) for a, sequence in covered.items() if a != account_id)
                        yield EventPage(account_id, page, told[account_id], others)
                    covered[account_id] = page.covered
                    told[account_id] = _last_told(page, told[account_id], request.kind)
                else:
                    # Others have their turn, and an ending its chance, before the rest of a long replay.
                    bell.ring()
            if ending is not None:
                yield Ending(ending, dict(covered))
                return
            now = self._clock.monotonic()
            if quiet and now >= bell.due:
                told.update(covered)
                yield Beat(dict(covered), _freshness(sessions))
                quiet = False
            if not quiet:
                bell.due = now + request.heartbeat_s
            await bell.wait()

    async def _next_page(self, user_id: str, account_id: str, covered: int, view: View) -> Page:
        page = self._tail.at_hand(account_id, covered, view)
        page = page or await self._tail.after(user_id, account_id, covered, view)
        if not page.more or view.kind is not EventKind.POSITION:
            return page
        pages = [page]
        while pages[-1].more and len(pages) < _CONFLATED_PAGES_MAX:
            pages.append(await self._tail.after(user_id, account_id, pages[-1].covered, view))
        return conflate(pages)

    def _ending(self, sessions: Sequence[Session]) -> EndReason | None:
        if self._draining:
            return EndReason.DRAINING
        if any(session.connection.revoked for session in sessions):
            return EndReason.CONNECTION_REVOKED
        return None


def _resumed(positions: Positions, earliest: Positions, latest: Positions) -> Positions:
    """Tell where a stream goes on; an account that the cursor does not know is told from its beginning."""
    if any(positions.get(account_id, 0) > sequence for account_id, sequence in latest.items()):
        raise GatewayError(
            Reason.CURSOR_EPOCH_CHANGED, "the cursor is ahead of the record, which must have been restored since"
        )
    expired = {a: earliest[a] for a in latest if a in positions and positions[a] < earliest[a]}
    begin = {a: positions.get(a, earliest[a]) for a in latest} | expired
    if expired:
        raise CursorExpired(begin)
    return begin


def _last_told(page: Page, told: int, kind: EventKind) -> int:
    """Give the sequence that the next event of the account follows; gaps stand outside that chain."""
    return next((event.sequence for event in reversed(page.events) if event.kind is kind), told)


async def _positions(sessions: Sequence[Session]) -> list[tuple[Connection, Position]]:
    found: list[tuple[Connection, Position]] = []
    for session in sessions:
        positions = await session.adapter.get_positions()
        found.extend((session.connection, position) for position in positions if position.quantity)
    return found


def _freshness(sessions: Sequence[Session]) -> tuple[Freshness, ...]:
    return tuple(
        Freshness(
            broker=s.connection.broker,
            account_id=s.connection.account_id,
            connected=s.stream_up,
            last_message_ns=s.last_message_ns,
            stale=not s.stream_up,
        )
        for s in sessions
    )


def _symbol(payload: Order | tuple[Connection, Position]) -> str:
    return payload.terms.symbol if isinstance(payload, Order) else payload[1].symbol
