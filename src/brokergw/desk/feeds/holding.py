"""Which connections' background work this process does: one process each, by leases that it renews every second.

Background work is the broker's feed, the recovery of what dead senders left, and the look-ups of orders in doubt.
Sending needs no lease. Two things keep a process that lost its hold from doing harm: its own clock ends the work when
no renewal has succeeded for as long as a lease lives, and every write of the work names its lease, so that the journal
refuses it once another process holds the connection.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import Any, Final

import structlog

from brokergw.desk.doubt.recovery import Recovery
from brokergw.desk.feeds.feed import Feeds
from brokergw.desk.rounds import outlived
from brokergw.desk.sessions import Session, Sessions
from brokergw.model.account import ConnectionHealth
from brokergw.model.errors import GatewayError
from brokergw.ports.clock import Clock
from brokergw.ports.leases import FeedStatus, Lease, Leases

_RENEW_EVERY_S: Final = 1.0
_LEASE_LIFE_S: Final = 3.0
_UNTOLD: Final = FeedStatus(
    health=ConnectionHealth.CONNECTING,
    detail="no process follows the broker's stream at the moment",
    stream_up=False,
    last_message_ns=None,
)

log = structlog.get_logger(__name__)


class Holding:
    """Takes connections and lets them go, as the leases say."""

    def __init__(self, leases: Leases, sessions: Sessions, feeds: Feeds, recovery: Recovery, clock: Clock) -> None:
        self._leases = leases
        self._sessions = sessions
        self._feeds = feeds
        self._recovery = recovery
        self._clock = clock
        self._sure_until = 0.0
        self._told: dict[Lease, FeedStatus] = {}
        self._tending: asyncio.Task[None] | None = None
        self._tend_again = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._renewing = asyncio.Lock()
        self._on_take: list[Callable[[Session], None]] = []

    def on_take(self, listener: Callable[[Session], None]) -> None:
        """Call a function with every session whose background work becomes this process's."""
        self._on_take.append(listener)

    async def start(self) -> None:
        """Take what is free and recover its orders, then keep renewing; raises JOURNAL_UNAVAILABLE."""
        await self._renew()
        await self._tend()
        self._run(self._keep_renewing(), "renew leases")
        self._run(self._keep_watch(), "watch the leases' time")
        self._sessions.on_open(self._try_taking)

    async def stop(self) -> None:
        """End the background work, then give up the leases, so that others need not wait."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in self._sessions.all():
            session.let_go()
        await asyncio.gather(*(session.ended() for session in self._sessions.all()))
        try:
            await self._leases.release()
        except GatewayError as error:
            log.warning("leases are not given up but left to run out", reason=error.reason.value)

    def _try_taking(self, _: Session) -> None:
        self._run(self._try_renewing(), "take a new connection")

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep_renewing(self) -> None:
        while True:
            await self._clock.sleep(_RENEW_EVERY_S)
            await self._try_renewing()
            self._tend_soon()

    def _tend_soon(self) -> None:
        """Tend beside the renewals, which never wait for it; once more when it is under way and may have looked."""
        self._tend_again = True
        if self._tending is None or self._tending.done():
            self._tending = self._run(self._try_tending(), "tend connections")

    async def _try_renewing(self) -> None:
        with outlived(log, "leases were not renewed"):
            async with self._renewing:
                await self._renew()

    async def _renew(self) -> None:
        asked_at = self._clock.monotonic()
        wanted = [s.connection.connection_id for s in self._sessions.all() if s.may_be_held]
        held = await self._leases.renew(wanted)
        self._sure_until = asked_at + _LEASE_LIFE_S
        changed = [s for s in self._sessions.all() if s.lease != held.get(s.connection.connection_id)]
        for session in changed:
            _let_go(session, "it is another's, or free")
        gained = [session for session in changed if session.connection.connection_id in held and session.may_be_held]
        if not gained:
            return
        await self._hear_former(gained)
        for session in gained:
            lease = held[session.connection.connection_id]
            log.info("connection held", **asdict(lease), instance_id=self._leases.instance_id)
            session.on_news = self._tend_soon
            session.take(lease)
            self._feeds.start(session)
            for listener in self._on_take:
                listener(session)

    async def _hear_former(self, sessions: Sequence[Session]) -> None:
        """Learn when the former holder last heard from the broker: from then on something may have been missed."""
        try:
            statuses = await self._leases.statuses()
        except GatewayError as error:
            log.warning("what the former holder told is not known", reason=error.reason.value)
            return
        for session in sessions:
            former = statuses.get(session.connection.connection_id)
            if former is not None:
                session.last_message_ns = former.last_message_ns or session.last_message_ns

    async def _keep_watch(self) -> None:
        """End the work when the leases have run out by this process's own clock."""
        while True:
            left_s = self._sure_until - self._clock.monotonic()
            await self._clock.sleep(left_s if left_s > 0 else _RENEW_EVERY_S)
            if self._clock.monotonic() >= self._sure_until:
                for session in self._sessions.all():
                    _let_go(session, "the lease ran out")

    async def _try_tending(self) -> None:
        while self._tend_again:
            self._tend_again = False
            with outlived(log, "connections were not tended"):
                await self._tend()

    async def _tend(self) -> None:
        """Take up what dead senders left, tell how the feeds here fare, and learn how the others do."""
        held = {session.connection.account_id: session for session in self._sessions.all() if session.lease is not None}
        living = await self._leases.living()
        self._sessions.processes = len(living)
        await self._recovery.look(held, living)
        told = {session.lease: session.feed_status for session in held.values() if session.lease is not None}
        news = {lease: status for lease, status in told.items() if self._told.get(lease) != status}
        if news:
            await self._leases.report(news)
        self._told = told
        await self._listen()

    async def _listen(self) -> None:
        """Show on each connection that another process holds how that one says it fares."""
        others = [session for session in self._sessions.all() if session.lease is None and session.may_be_held]
        if not others:
            return
        statuses = await self._leases.statuses()
        for session in others:
            # Between the question and the answer it may have become ours.
            if session.lease is None and session.may_be_held:
                session.show(statuses.get(session.connection.connection_id, _UNTOLD))


def _let_go(session: Session, why: str) -> None:
    if session.lease is not None:
        log.info(
            "connection let go", connection_id=session.connection.connection_id, epoch=session.lease.epoch, why=why
        )
        session.let_go()
