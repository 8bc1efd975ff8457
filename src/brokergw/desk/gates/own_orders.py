"""What the users' own orders are right now, in memory: the resting ones, and those of the last moments.

The first order of a user has the open orders of all of the user's accounts read, once. From then on the journal tells
of every change that this process commits, at once; what other processes commit is read when they ring, for all accounts
together, and at most a few times a second. No order waits for that: two processes that take the same order within
the few milliseconds that a ring takes do not see each other's here. The commit that admits an order looks once more.
"""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import structlog

from brokergw.desk.gates.recent import Recent
from brokergw.desk.gates.resting import Place, Resting
from brokergw.desk.sessions import Session, Sessions
from brokergw.model.account import Connection
from brokergw.model.errors import GatewayError
from brokergw.model.events import LogEvent
from brokergw.model.lifecycle import is_terminal
from brokergw.model.likeness import CAME_TO_NOTHING, likeness
from brokergw.model.order import Order
from brokergw.model.terms import OrderTerms
from brokergw.model.whose import these
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal

_PAGE: Final = 500
_APART_S: Final = 0.1
_ENDED_KEPT: Final = 50_000

log = structlog.get_logger(__name__)


class OwnOrders:
    """The orders of the users that trade through this process."""

    def __init__(self, journal: Journal, sessions: Sessions, clock: Clock, repeat_window_s: float) -> None:
        self._journal = journal
        self._sessions = sessions
        self._clock = clock
        self._resting = Resting()
        self.recent = Recent(round(repeat_window_s * 1e9))
        self._families: dict[str, str] = {}
        self._read_to: dict[str, int] = {}
        self._ended: dict[str, None] = {}
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._loaded: dict[str, str] = {}
        self._rung = asyncio.Event()
        journal.on_events(self._take)
        if journal.shared:
            journal.on_wake(self._rung.set)

    def knows(self, session: Session) -> bool:
        """Tell whether the orders of an account, and of those that trade beside it, have been read."""
        return session.connection.account_id in self._loaded

    def met_by(self, session: Session, terms: OrderTerms, price: Decimal | None, but: str = "") -> Place | None:
        """Give the user's own resting order that an order would meet, among those that were read.

        See `Resting.met_by`.
        """
        family = self._families[session.connection.account_id]
        return self._resting.met_by(family, terms.symbol, terms.side, price, but)

    @property
    def shared(self) -> bool:
        """Whether other processes may take orders too, of which this one hears only later."""
        return self._journal.shared

    async def run(self) -> None:
        """Read what other processes write, for ever; where there are none, there is nothing to do."""
        while self._journal.shared:
            await self._rung.wait()
            self._rung.clear()
            try:
                await self._catch_up()
            except GatewayError as error:
                log.warning("own orders could not be followed", reason=error.reason.value)
                self._rung.set()
            await self._clock.sleep(_APART_S)

    async def read(self, session: Session) -> None:
        """Read the orders of an account and of those beside it, unless they are known, once for all who ask."""
        if self.knows(session):
            return
        connection = session.connection
        task = self._loading.get(connection.account_id)
        if task is None:
            task = asyncio.create_task(self._load_user(session), name=f"own orders of {connection.user_id}")
            self._loading[connection.account_id] = task
            task.add_done_callback(lambda _: self._loading.pop(connection.account_id, None))
        await asyncio.shield(task)

    async def _load_user(self, session: Session) -> None:
        own = session.connection
        for each in (session, *await self._sessions.of_user(own.user_id)):
            connection = each.connection
            if connection.environment is own.environment and connection.account_id not in self._loaded:
                # Those of one environment may meet at a venue, whichever brokers they are at.
                self._families[connection.account_id] = f"{own.user_id}/{own.environment}"
                await self._load(connection)

    async def _load(self, connection: Connection) -> None:
        account_id = connection.account_id
        snapshot = await self._journal.snapshot(connection.user_id, (account_id,))
        for order in snapshot.orders:
            if order.order_id not in self._ended:
                self._resting.take(self._families[account_id], order)
        self._read_to[account_id] = max(snapshot.sequences.get(account_id, 0), self._read_to.get(account_id, 0))
        self._loaded[account_id] = connection.user_id

    def _take(self, events: Sequence[LogEvent]) -> None:
        for event in events:
            order, family = event.payload, self._families.get(event.account_id)
            if family is None or not isinstance(order, Order):
                continue
            if event.sequence == self._read_to.get(event.account_id, 0) + 1:
                self._read_to[event.account_id] = event.sequence
            if is_terminal(order.state):
                self._end(order.order_id)
            # What has ended must not come back by an older version that is read late.
            if order.order_id not in self._ended or is_terminal(order.state):
                self._resting.take(family, order)
            self._note(order)

    def _end(self, order_id: str) -> None:
        self._ended[order_id] = None
        if len(self._ended) > _ENDED_KEPT:
            del self._ended[next(iter(self._ended))]

    def _note(self, order: Order) -> None:
        if order.state in CAME_TO_NOTHING:
            self.recent.take_back(likeness(order.account_id, order.terms), order.idempotency_key)
        elif order.version == 1 and not order.external and order.idempotency_key:
            self.recent.place(likeness(order.account_id, order.terms), order.idempotency_key, order.create_time_ns)

    async def _catch_up(self) -> None:
        latest = await self._journal.sequences(these(self._loaded.values()), tuple(self._loaded))
        for account_id, sequence in latest.items():
            while self._read_to.get(account_id, 0) < sequence:
                after = self._read_to.get(account_id, 0)
                events = await self._journal.events(self._loaded[account_id], account_id, after, _PAGE)
                if not events:
                    break
                self._take(events)
                self._read_to[account_id] = events[-1].sequence
