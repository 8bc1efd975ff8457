"""When a broker's stream was lost and when it was whole again, put on the record by the process that follows it.

A gap is two events: one when the stream is lost, one when everything since has been back-filled. However often the
stream comes and goes in between, there is one pair for it. It begins when the broker was last heard, not when the
silence was noticed. A connection that changes hands has a gap for the time that nobody followed it.
"""

from collections.abc import Sequence
from typing import Final

import structlog

from brokergw.desk.sessions import Session
from brokergw.model.account import Connection
from brokergw.model.errors import GatewayError
from brokergw.model.events import EventDraft, EventKind, FeedGap
from brokergw.model.order import Origin
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Commit, Journal, LeaseLost
from brokergw.ports.leases import LeaseGone

_FIRST_EPOCH: Final = 1
_AGAIN_AFTER_S: Final = 1.0

log = structlog.get_logger(__name__)


class Coverage:
    """How far the record covers one connection's stream during one holding, and the gap in it.

    `until_ns` is when the last thing came that is on the record; None while nothing has.
    """

    def __init__(self, session: Session, journal: Journal, clock: Clock) -> None:
        self._session = session
        self._journal = journal
        self._clock = clock
        self._from_ns: int | None = None
        self._recorded = False
        self.until_ns: int | None = None

    async def since_last_holder(self) -> None:
        """Open a gap for the time since the process before this one; a connection that is new has had none."""
        if self._session.guard.epoch > _FIRST_EPOCH:
            await self.open()

    async def open(self) -> None:
        """Note that the stream is lost; a journal that is away is told when it is back."""
        if self._from_ns is not None:
            return
        self._from_ns = await self._covered_ns()
        try:
            await self._write((FeedGap(*self._whose, self._from_ns, None),))
        except GatewayError as error:
            log.warning("a gap is not on the record yet", account_id=self._whose[0], reason=error.reason.value)
        else:
            self._recorded = True

    async def close(self) -> None:
        """Note that all has been back-filled; does not end before the record says so."""
        if self._from_ns is None:
            return
        closed = FeedGap(*self._whose, self._from_ns, self._clock.now_ns())
        opened = () if self._recorded else (FeedGap(*self._whose, self._from_ns, None),)
        while True:
            try:
                await self._write((*opened, closed))
            except GatewayError as error:
                log.warning(
                    "a gap's end is not on the record yet", account_id=self._whose[0], reason=error.reason.value
                )
                await self._clock.sleep(_AGAIN_AFTER_S)
            else:
                break
        self._from_ns, self._recorded = None, False

    @property
    def _whose(self) -> tuple[str, str]:
        connection = self._session.connection
        return connection.account_id, connection.broker

    async def _covered_ns(self) -> int:
        """Find up to when all is on the record: as far as is known here, or by a former holder, or as it shows."""
        known_ns = self.until_ns or self._session.last_message_ns
        if known_ns is not None:
            return known_ns
        try:
            told_ns = await last_told_ns(self._journal, self._session.connection)
        except GatewayError:
            told_ns = None
        return self._clock.now_ns() if told_ns is None else told_ns

    async def _write(self, gaps: Sequence[FeedGap]) -> None:
        now = self._clock.now_ns()
        events = tuple(
            EventDraft(
                kind=EventKind.GAP,
                account_id=gap.account_id,
                origin=Origin.LIVE,
                event_time_ns=gap.from_ns if gap.to_ns is None else gap.to_ns,
                receive_time_ns=now,
                payload=gap,
            )
            for gap in gaps
        )
        own = self._session.connection
        unit = Commit(guard=self._session.guard, events=events, user_id=own.user_id)
        if isinstance(await self._journal.commit(unit), LeaseLost):
            raise LeaseGone(own.connection_id)


async def last_told_ns(journal: Journal, own: Connection) -> int | None:
    """Find when the gateway last learned something about an account that is on the record; None if it never did."""
    last = (await journal.sequences(only(own.user_id), (own.account_id,)))[own.account_id]
    events = await journal.events(own.user_id, own.account_id, last - 1, 1) if last else ()
    for event in events:
        gap = event.payload
        # That the broker was lost is nothing that was learned from it.
        return gap.from_ns if isinstance(gap, FeedGap) and gap.to_ns is None else event.receive_time_ns
    return None
