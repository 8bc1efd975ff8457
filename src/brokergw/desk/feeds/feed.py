"""What brokers tell by themselves, brought onto the record: one feed per session.

Reports are taken as they come and written order by order: reports of one order one after another, different orders side
by side. Beside each feed runs the sweep (`upkeep.py`), which finds what a stream lost without saying so.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from brokergw.desk.alerts.excess import excess, is_second
from brokergw.desk.alerts.logged import LoggedAlerts
from brokergw.desk.feeds.adoption import Adoption
from brokergw.desk.feeds.coverage import Coverage, last_told_ns
from brokergw.desk.feeds.upkeep import Upkeep
from brokergw.desk.keys.sends import Sends
from brokergw.desk.record.book import OrderBook
from brokergw.desk.record.matching import may_take
from brokergw.desk.record.recorder import Recorder, Step
from brokergw.desk.record.transitions import merge
from brokergw.desk.sessions import Session
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.errors import RECORD_AWAY, GatewayError
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import BrokerEvent, FeedDown, FeedUp, OrderReport
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal
from brokergw.ports.leases import Lease, LeaseGone
from brokergw.ports.notifier import Notifier

_ANSWER_WAIT_S: Final = 0.1
_BATCH_MAX: Final = 500
_WAITING_MAX: Final = 10_000
_AGAIN_AFTER_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_RECORD_AGAIN_S: Final = 0.25
_LOOK_BACK_NS: Final = 3_600_000_000_000

_Done = TypeVar("_Done")

log = structlog.get_logger(__name__)


class Feeds:
    """Runs the feeds of the connections that this process holds."""

    def __init__(
        self,
        journal: Journal,
        book: OrderBook,
        recorder: Recorder,
        sends: Sends,
        clock: Clock,
        *,
        adoption: Adoption,
        upkeep: Upkeep,
        notifier: Notifier | None = None,
    ) -> None:
        self._notifier = notifier or LoggedAlerts()
        self._journal = journal
        self._book = book
        self._recorder = recorder
        self._sends = sends
        self._clock = clock
        self._adoption = adoption
        self._upkeep = upkeep

    def start(self, session: Session) -> None:
        """Run the feed of a session, and the sweep beside it, for as long as this process holds the connection."""
        session.on_refused = lambda refused: self._notifier.notify(_refused(refused, self._clock.now_ns()))
        session.later("feed", lambda: self._run(session))
        session.later("sweep", lambda: self._upkeep.run(session))

    async def _run(self, session: Session) -> None:
        """Follow the broker's stream; a failure is shown on the connection and tried again."""
        since_ns: int | None = None
        failures = 0
        coverage = Coverage(session, self._journal, self._clock)
        await coverage.since_last_holder()
        while True:
            until_ns = coverage.until_ns
            try:
                if since_ns is None:
                    since_ns = await self._last_known_ns(session)
                await self._follow(session, coverage, since_ns)
            except LeaseGone:
                raise
            except GatewayError as error:
                session.stream_lost(error.message, error)
                log.warning("feed lost", connection_id=session.connection.connection_id, reason=error.reason.value)
            except Exception:
                log.exception("feed failed", connection_id=session.connection.connection_id)
                session.stream_lost("the feed failed")
            await self._down(session, coverage)
            since_ns = coverage.until_ns or since_ns
            # Only failures with nothing told between them make the pauses longer.
            failures = 0 if coverage.until_ns != until_ns else failures
            await self._clock.sleep(_AGAIN_AFTER_S[min(failures, len(_AGAIN_AFTER_S) - 1)])
            failures += 1

    async def _last_known_ns(self, session: Session) -> int:
        """Find from when on the broker may have told something that is not on the record.

        Nothing that the record holds was learned after its last event; an hour more covers what was on its way then.
        """
        told_ns = await last_told_ns(self._journal, session.connection)
        known_ns = session.connection.create_time_ns if told_ns is None else told_ns
        return max(0, min(known_ns, self._clock.now_ns()) - _LOOK_BACK_NS)

    async def _follow(self, session: Session, coverage: Coverage, since_ns: int) -> None:
        waiting: asyncio.Queue[BrokerEvent | None] = asyncio.Queue(_WAITING_MAX)
        pump = asyncio.create_task(_pump(session.adapter.subscribe(since_ns), waiting))
        try:
            while (batch := await _batch(waiting)) is not None:
                await self._keep(session, coverage, batch)
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        if not pump.cancelled() and (error := pump.exception()) is not None:
            raise error

    async def _keep(self, session: Session, coverage: Coverage, batch: Sequence[BrokerEvent]) -> None:
        """Take a batch, again while the record is away: a stream that is given up for that would have to be asked for
        all that it has told in the meantime, by everybody's feed at once when the record is back.
        """
        while True:
            try:
                await self._take(session, coverage, batch)
            except GatewayError as error:
                if error.reason not in RECORD_AWAY:
                    raise
                log.warning("what a broker tells waits for the record", connection_id=session.connection.connection_id)
                await self._clock.sleep(_RECORD_AGAIN_S)
            else:
                return

    async def _take(self, session: Session, coverage: Coverage, batch: Sequence[BrokerEvent]) -> None:
        now = self._clock.now_ns()
        heard = any(not isinstance(event, FeedDown) for event in batch)
        if heard:
            session.last_message_ns = now
        reports: dict[str, list[OrderReport]] = {}
        for event in batch:
            match event:
                case OrderReport():
                    reports.setdefault(event.order.broker_order_id, []).append(event)
                case FeedUp():
                    await self._write_all(session, reports)
                    await self._up(session, coverage)
                case FeedDown():
                    await self._write_all(session, reports)
                    session.stream_lost(event.why, event.cause)
                    await self._down(session, coverage)
        await self._write_all(session, reports)
        if heard:
            coverage.until_ns = now

    async def _write_all(self, session: Session, reports: dict[str, list[OrderReport]]) -> None:
        if not reports:
            return
        guard = session.guard
        groups = list(reports.values())
        reports.clear()
        orders = await self._orders_of(session, [group[0] for group in groups])
        found = [(o, g) for o, g in zip(orders, groups, strict=True) if o is not None]
        # The answer to a call usually tells what its reports repeat; what it has told need not be written again.
        await self._sends.answered((order.order_id for order, _ in found), _ANSWER_WAIT_S)
        news = [(o, g) for o, g in found if self._is_news(o, g)]
        if news:
            await _all(self._write(guard, order, group) for order, group in news)

    async def _orders_of(self, session: Session, told: Sequence[OrderReport]) -> Sequence[Order | None]:
        """Find each report's order; only those that are not at hand are looked for side by side."""
        account_id = session.connection.account_id
        at_hand = [self._book.at_hand(account_id, r.order.broker_order_id, r.order.client_order_id) for r in told]
        missing = [report for report, order in zip(told, at_hand, strict=True) if order is None]
        if not missing:
            return at_hand
        finding = (self._adoption.order_of(session, report.order, report.event_time_ns) for report in missing)
        found = iter(await _all(finding))
        return [next(found) if order is None else order for order in at_hand]

    def _is_news(self, order: Order, group: Sequence[OrderReport]) -> bool:
        order = self._book.newest(order)
        return any(
            (report.fill is not None and not self._recorder.knows(order, report.fill))
            or merge(order, report.order, order.update_time_ns) is not None
            for report in group
        )

    async def _write(self, guard: Lease, order: Order, group: Sequence[OrderReport]) -> None:
        order = self._book.newest(order)
        for report in group:
            written = await self._recorder.write(order, partial(self._step, report), guard=guard)
            order = written.order

    def _step(self, report: OrderReport, order: Order) -> Step | None:
        if is_second(order, report.order):
            why = "a second order lives at the broker under the id of one"
            self._notifier.notify(excess(order, report.order, why, self._clock.now_ns()))
        if not may_take(order, report.order):
            log.warning("a report contradicts its order", order_id=order.order_id)
            return None
        after = merge(order, report.order, self._clock.now_ns())
        if after is None and report.fill is None:
            return None
        return Step(
            order=after,
            fills=(report.fill,) if report.fill is not None else (),
            told=report.order,
            origin=Origin.REPLAYED if report.replayed else Origin.LIVE,
            event_time_ns=report.event_time_ns,
        )

    async def _up(self, session: Session, coverage: Coverage) -> None:
        session.stream_back()
        session.on_news()
        await coverage.close()

    async def _down(self, session: Session, coverage: Coverage) -> None:
        if session.stream_up:
            session.stream_up = False
            session.on_news()
            await coverage.open()


def _refused(session: Session, now_ns: int) -> Alert:
    connection = session.connection
    return Alert(
        kind=AlertKind.TOKEN_EXPIRES,
        severity=Severity.CRITICAL,
        subject=connection.connection_id,
        message=f"{connection.broker}: {session.detail}",
        time_ns=now_ns,
        user_id=connection.user_id,
        facts=(("account_id", connection.account_id), ("environment", connection.environment.value)),
    )


async def _all(work: Iterable[Coroutine[Any, Any, _Done]]) -> list[_Done]:
    """Do things side by side; raises the first failure when all have ended, so that none goes on behind a next try."""
    done: list[_Done] = []
    for each in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(each, BaseException):
            raise each
        done.append(each)
    return done


async def _pump(events: AsyncIterator[BrokerEvent], waiting: asyncio.Queue[BrokerEvent | None]) -> None:
    """Move events into the queue; None marks an end of the events' own. Who cancels this has stopped reading."""
    try:
        async for event in events:
            await waiting.put(event)
    except Exception:
        await waiting.put(None)
        raise
    else:
        await waiting.put(None)
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


async def _batch(waiting: asyncio.Queue[BrokerEvent | None]) -> list[BrokerEvent] | None:
    """Wait for an event and take all that have come with it; None once the feed has ended."""
    first = await waiting.get()
    if first is None:
        return None
    batch = [first]
    while len(batch) < _BATCH_MAX and not waiting.empty():
        event = waiting.get_nowait()
        if event is None:
            waiting.put_nowait(None)
            break
        batch.append(event)
    return batch
