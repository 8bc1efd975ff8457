"""A connection at work: its adapter, how it fares, and the questions that are shared while they are asked."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from brokergw.desk.ailment import Ailment, Ailments, Source, ailment_of, lost_stream, skewed_clock
from brokergw.desk.breaker import Contact
from brokergw.desk.fresh import FreshFetch
from brokergw.desk.prices import Prices
from brokergw.desk.readiness import Readiness
from brokergw.desk.results import BrokerState, ConnectionStatus
from brokergw.model.account import Connection, ConnectionHealth
from brokergw.model.capability import Capabilities
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.instrument import Instrument
from brokergw.model.oauth import EndAhead
from brokergw.model.remedy import Remedy
from brokergw.ports.broker import BrokerAdapter
from brokergw.ports.clock import Clock
from brokergw.ports.leases import FeedStatus, Lease, LeaseGone

_INSTRUMENT_LIFE_S: Final = 600.0
_INSTRUMENTS_MAX: Final = 5_000
_FAILURES: Final = frozenset({Reason.BROKER_UNREACHABLE, Reason.BROKER_ANSWER_UNUSABLE})

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Session:
    """A connection at work.

    `last_sync_ns` is when the broker was last asked for what the record must agree with, `next_sync_ns` when it is
    to be asked next. `end_ahead` is the end of its authorization that its user should know of. While its stored
    credentials do not open, `open_again_at` is when they are tried again. `on_refused` is called when it comes to need
    a person and this process does its background work.
    """

    connection: Connection
    adapter: BrokerAdapter
    clock: Clock
    health: ConnectionHealth = ConnectionHealth.CONNECTING
    detail: str = ""
    stream_up: bool = False
    last_message_ns: int | None = None
    last_sync_ns: int | None = None
    next_sync_ns: int | None = None
    open_again_at: float | None = None
    end_ahead: EndAhead | None = None
    lease: Lease | None = None
    on_news: Callable[[], None] = lambda: None
    on_refused: Callable[["Session"], None] = lambda _: None
    ailments: Ailments = field(default_factory=Ailments)
    ready: Readiness = field(init=False)
    state: FreshFetch[BrokerState] = field(init=False)
    prices: Prices = field(init=False)
    _instruments: dict[str, tuple[float, Instrument]] = field(default_factory=dict)
    _work: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _ending: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.state = FreshFetch(self._fetch_state, self.clock)
        self.prices = Prices(self.adapter.get_quotes, self.clock)
        self.ready = Readiness(self.clock)

    @property
    def capabilities(self) -> Capabilities:
        """What the broker can do."""
        return self.adapter.capabilities

    @property
    def status(self) -> ConnectionStatus:
        """How the connection fares."""
        return ConnectionStatus(
            self.connection,
            self.health,
            self.detail,
            self.stream_up,
            self.last_message_ns,
            self.last_sync_ns,
            self.next_sync_ns,
            self.end_ahead,
        )

    @property
    def feed_status(self) -> FeedStatus:
        """How the feed fares, as the process that runs it sees it."""
        return FeedStatus(
            health=self.health,
            detail=self.detail,
            stream_up=self.stream_up,
            last_message_ns=self.last_message_ns,
            last_sync_ns=self.last_sync_ns,
            next_sync_ns=self.next_sync_ns,
        )

    def show(self, status: FeedStatus) -> None:
        """Show how the feed fares that another process runs; that one knows best."""
        self.ailments.clear()
        self.health, self.detail, self.stream_up = status.health, status.detail, status.stream_up
        self.last_message_ns = status.last_message_ns or self.last_message_ns
        self.last_sync_ns = status.last_sync_ns or self.last_sync_ns
        self.next_sync_ns = status.next_sync_ns

    def speak_through(self, adapter: BrokerAdapter, connection: Connection) -> BrokerAdapter:
        """Change to another adapter, with whatever credentials the connection has now; gives the one of before.

        The background work ends: it begins anew with the adapter, here or in another process.
        """
        before, self.adapter = self.adapter, adapter
        self.connection = connection
        self.prices = Prices(adapter.get_quotes, self.clock)
        self.ailments.clear()
        self.health, self.detail, self.open_again_at = ConnectionHealth.CONNECTING, "", None
        self.let_go()
        return before

    @property
    def unreadable(self) -> bool:
        """Whether the stored credentials do not open."""
        return self.open_again_at is not None

    @property
    def may_be_held(self) -> bool:
        """Whether this process could do the connection's background work."""
        return not self.connection.revoked and self.health is not ConnectionHealth.ERROR

    def require_usable(self) -> None:
        """Raise unless orders may go through this connection."""
        if self.connection.revoked:
            raise GatewayError(Reason.CONNECTION_NOT_USABLE, "the connection was revoked")
        if self.health is ConnectionHealth.ERROR:
            raise GatewayError(Reason.CONNECTION_NOT_USABLE, f"the connection cannot be used: {self.detail}")
        if self.health is ConnectionHealth.REAUTHORIZATION_REQUIRED:
            raise GatewayError(Reason.CONNECTION_NOT_USABLE, f"the connection waits for its user: {self.detail}")

    def failed(self, error: GatewayError) -> None:
        """Take note of a question that the broker refused, or did not answer."""
        self._note(Source.QUESTION, ailment_of(error, self.clock.now_ns(), self.ailments[Source.QUESTION]))

    def answered(self) -> None:
        """Take note of a question that the broker answered."""
        self._note(Source.QUESTION, None)

    def grant_ended(self, why: str) -> None:
        """Take note that the connection's authorization has ended."""
        self._note(Source.GRANT, Ailment(why, Remedy.AUTHORIZE_AGAIN))

    def clock_compared(self, apart_s: float | None, apart_max_s: float) -> None:
        """Take note of how far the broker's clock is from ours, None where nobody knows.

        Where another process does the background work it is that one's clock that the connection is shown by.
        """
        if self.lease is not None:
            skewed = apart_s is not None and apart_s > apart_max_s
            self._note(Source.CLOCK, skewed_clock(apart_max_s) if skewed else None)

    def stream_lost(self, why: str, cause: GatewayError | None = None) -> None:
        """Take note that the stream of orders is lost, and of the broker's own word on why, where it gave one.

        A refusal stands until there is a stream again, whatever becomes of each try meanwhile.
        """
        before = self.ailments[Source.STREAM]
        told = None if cause is None else ailment_of(cause, self.clock.now_ns(), before)
        if told is None and before is not None and before.needs_a_person:
            return
        self._note(Source.STREAM, told or lost_stream(why))

    def stream_back(self) -> None:
        """Take note that the stream of orders is whole: the broker has answered for that, too."""
        self.stream_up = True
        self.ailments.put(Source.QUESTION, None)
        self._note(Source.STREAM, None, anyhow=True)

    def accepted(self) -> None:
        """Take note that the broker takes the credentials again, after it had refused them."""
        for source in Source:
            ailment = self.ailments[source]
            if ailment is not None and ailment.needs_a_person:
                self._note(source, None)

    def _note(self, source: Source, ailment: Ailment | None, *, anyhow: bool = False) -> None:
        """Note what is wrong, and show the connection's health by all that is."""
        fixed = self.connection.revoked or self.health is ConnectionHealth.ERROR
        if fixed or not (self.ailments.put(source, ailment) or anyhow):
            return
        before, shown = self.health, self.ailments.shown
        if shown is not None:
            self.health, self.detail = shown.health, shown.words
        else:
            self.health = ConnectionHealth.HEALTHY if self.stream_up else ConnectionHealth.CONNECTING
            self.detail = ""
        asks = self.health is ConnectionHealth.REAUTHORIZATION_REQUIRED and before is not self.health
        if asks and source is not Source.GRANT and self.lease is not None:
            self.on_refused(self)

    @property
    def guard(self) -> Lease:
        """The lease that background work is done under; raises LeaseGone where this process does not do it."""
        if self.lease is None:
            raise LeaseGone(self.connection.connection_id)
        return self.lease

    def later(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run background work for as long as this process holds the connection; one at a time under a name.

        Where another process holds it, nothing runs: that one finds on the record what is to be done.
        """
        if self.lease is None or name in self._work:
            return
        task = asyncio.create_task(self._run(name, work), name=f"{name} of {self.connection.connection_id}")
        self._work[name] = task
        task.add_done_callback(lambda done: self._done(name, done))

    def take(self, lease: Lease) -> None:
        """Become the process that does the connection's background work; how its feed fares is to be seen."""
        self.lease, self.stream_up = lease, False
        self.ailments.clear()
        self.health, self.detail = ConnectionHealth.CONNECTING, ""
        self.ready.taken()

    def let_go(self) -> None:
        """Stop the background work: another process does it from here on, or nobody."""
        self.lease, self.stream_up, self.next_sync_ns = None, False, None
        self.ready.reconciled()
        for task in self._work.values():
            task.cancel()
        self._ending.update(self._work.values())
        self._work.clear()

    async def ended(self) -> None:
        """Wait until the background work that was stopped has really ended."""
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _run(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run one piece of background work once its forerunners have ended; it is nobody's to wait for."""
        try:
            await self.ended()
            await work()
        except LeaseGone:
            log.info("background work ends with its lease", work=name, connection_id=self.connection.connection_id)
        except GatewayError as error:
            log.warning(
                "background work failed",
                work=name,
                connection_id=self.connection.connection_id,
                reason=error.reason.value,
                why=error.message,
            )
        except Exception:
            log.exception("background work failed", work=name, connection_id=self.connection.connection_id)

    def _done(self, name: str, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        if self._work.get(name) is task:
            del self._work[name]

    def instrument_at_hand(self, symbol: str) -> Instrument | None:
        """Give the description of an instrument that is kept: never of prices or holdings, for ten minutes."""
        known = self._instruments.get(symbol)
        return known[1] if known is not None and self.clock.monotonic() - known[0] < _INSTRUMENT_LIFE_S else None

    async def instrument(self, symbol: str) -> Instrument | None:
        """Describe an instrument, as it is kept or as the broker tells it; None for one that the broker has not."""
        known = self.instrument_at_hand(symbol)
        if known is not None:
            return known
        asked_at = self.clock.monotonic()
        instrument = await self.adapter.get_instrument(symbol)
        if instrument is not None:
            if len(self._instruments) >= _INSTRUMENTS_MAX:
                self._instruments.clear()
            self._instruments[symbol] = (asked_at, instrument)
        return instrument

    async def _fetch_state(self) -> BrokerState:
        try:
            state = await self._ask_state()
        except GatewayError as error:
            if error.reason in _FAILURES:
                self.ready.breaker.failed(Contact.QUESTION)
            self.failed(error)
            raise
        self.ready.breaker.succeeded(Contact.QUESTION)
        self.answered()
        return state

    async def _ask_state(self) -> BrokerState:
        # One question in a task beside the other: a task each would cost another turn of the loop for every order.
        account = asyncio.create_task(self.adapter.get_account())
        try:
            positions = await self.adapter.get_positions()
        except BaseException:
            account.cancel()
            await asyncio.gather(account, return_exceptions=True)
            raise
        return BrokerState(await account, positions)
