"""One session per connection: its adapter, how it fares, and the questions that are shared while they are asked."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from brokergw.desk.breaker import Contact
from brokergw.desk.fresh import FreshFetch
from brokergw.desk.prices import Prices
from brokergw.desk.readiness import Readiness
from brokergw.desk.results import BrokerState, ConnectionStatus
from brokergw.model.account import Connection, ConnectionHealth, Environment
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.capability import Capabilities
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.instrument import Instrument
from brokergw.model.principal import Caller
from brokergw.model.whose import Whose, only
from brokergw.ports.broker import AdapterFactory, BrokerAdapter, BrokerLink, Credentials, Pace
from brokergw.ports.clock import Clock
from brokergw.ports.directory import ConnectionDirectory
from brokergw.ports.leases import FeedStatus, Lease, LeaseGone
from brokergw.ports.vault import Purpose

_INSTRUMENT_LIFE_S: Final = 600.0
_INSTRUMENTS_MAX: Final = 5_000
_UNREADABLE: Final = Credentials(key="unreadable", secret="unreadable")  # noqa: S106 - stands where there is none
"""What a connection has in place of credentials that are destroyed or do not open; no broker takes it."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Session:
    """A connection at work."""

    connection: Connection
    adapter: BrokerAdapter
    clock: Clock
    health: ConnectionHealth = ConnectionHealth.CONNECTING
    detail: str = ""
    stream_up: bool = False
    last_message_ns: int | None = None
    lease: Lease | None = None
    on_news: Callable[[], None] = lambda: None
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
        return ConnectionStatus(self.connection, self.health, self.detail, self.stream_up, self.last_message_ns)

    @property
    def feed_status(self) -> FeedStatus:
        """How the feed fares, as the process that runs it sees it."""
        return FeedStatus(
            health=self.health, detail=self.detail, stream_up=self.stream_up, last_message_ns=self.last_message_ns
        )

    def show(self, status: FeedStatus) -> None:
        """Show how the feed fares that another process runs."""
        self.health, self.detail, self.stream_up = status.health, status.detail, status.stream_up
        self.last_message_ns = status.last_message_ns or self.last_message_ns

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
            raise GatewayError(Reason.CONNECTION_NOT_USABLE, "the broker refuses the connection's credentials")

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
        self.health, self.detail = ConnectionHealth.CONNECTING, ""
        self.ready.taken()

    def let_go(self) -> None:
        """Stop the background work: another process does it from here on, or nobody."""
        self.lease, self.stream_up = None, False
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
            raise
        self.ready.breaker.succeeded(Contact.QUESTION)
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


_FAILURES: Final = frozenset({Reason.BROKER_UNREACHABLE, Reason.BROKER_ANSWER_UNUSABLE})


class Sessions:
    """Every session of this process, opened when first needed.

    `processes` is how many processes of the gateway live: together they make the requests of each connection.
    """

    def __init__(
        self,
        directory: ConnectionDirectory,
        brokers: Mapping[str, AdapterFactory],
        clock: Clock,
        config_of: Callable[[str], BrokerConfig] = lambda broker: BrokerConfig(broker=broker),
    ) -> None:
        self.processes = 1
        self._config_of = config_of
        self._directory = directory
        self._brokers = brokers
        self._clock = clock
        self._by_account: dict[str, Session] = {}
        self._by_connection: dict[str, Session] = {}
        self._on_open: Callable[[Session], None] = lambda _: None

    def on_open(self, listener: Callable[[Session], None]) -> None:
        """Call a function with every session that opens from here on."""
        self._on_open = listener

    @property
    def brokers(self) -> Mapping[str, AdapterFactory]:
        """The brokers of the catalog by id."""
        return self._brokers

    async def of_account(self, whose: Whose, account_id: str) -> Session | None:
        """Find the session of an account of some users', opening it if need be."""
        session = self._by_account.get(account_id)
        if session is not None and session.connection.user_id in whose:
            return session
        # A foreign account is looked for as a missing one is, so that not even the time tells them apart.
        connection = await self._directory.by_account(whose, account_id)
        return await self.open(connection) if connection is not None else None

    async def of_connection(self, whose: Whose, connection_id: str) -> Session | None:
        """Find the session of a connection of some users', opening it if need be."""
        session = self._by_connection.get(connection_id)
        if session is not None and session.connection.user_id in whose:
            return session
        connection = await self._directory.get(whose, connection_id)
        return await self.open(connection) if connection is not None else None

    async def usable(self, user_id: str, account_id: str) -> Session:
        """Find the session of one of a user's accounts, for work at the broker.

        Raises NotFound for foreign and missing accounts alike, CONNECTION_NOT_USABLE for one that cannot work.
        """
        session = await self.of_account(only(user_id), account_id)
        if session is None:
            raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", account_id)
        session.require_usable()
        return session

    async def usable_by(self, caller: Caller, account_id: str) -> Session:
        """Find the session of an account as `usable` does; one out of the caller's reach is missing too."""
        session = await self.of_account(only(caller.user_id), account_id)
        if session is None or not caller.reaches(session.connection):
            raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", account_id)
        session.require_usable()
        return session

    async def owned_by(self, caller: Caller, connection_id: str) -> Session:
        """Find the session of one of a caller's connections, usable or not; raises NotFound as `usable_by` does."""
        session = await self.of_connection(only(caller.user_id), connection_id)
        if session is None or not caller.reaches(session.connection):
            raise NotFound(Reason.CONNECTION_NOT_FOUND, "connection", connection_id)
        return session

    async def reaches(self, caller: Caller, account_id: str) -> bool:
        """Tell whether an account of the caller's user is there for the credential that it came with."""
        if not caller.principal.restricted:
            return True
        session = await self.of_account(only(caller.user_id), account_id)
        return session is not None and caller.reaches(session.connection)

    async def of_user(self, user_id: str) -> list[Session]:
        """Find the sessions of a user's connections that are not revoked, oldest first."""
        return [await self.open(c) for c in await self._directory.list(user_id) if not c.revoked]

    async def of_caller(self, caller: Caller) -> list[Session]:
        """Find the sessions of the connections in a caller's reach that are not revoked, oldest first."""
        return [await self.open(c) for c in await self.connections_for(caller) if not c.revoked]

    async def connections_for(self, caller: Caller) -> Sequence[Connection]:
        """List the connections in a caller's reach, revoked ones too, oldest first."""
        return [c for c in await self._directory.list(caller.user_id) if caller.reaches(c)]

    async def connections_of(self, user_id: str) -> Sequence[Connection]:
        """List a user's connections, revoked ones too, oldest first."""
        return await self._directory.list(user_id)

    async def open(self, connection: Connection) -> Session:
        """Open a session for a connection, or give the open one."""
        known = self._by_connection.get(connection.connection_id)
        if known is not None:
            return known
        credentials, broken = await self._credentials(connection)
        # Another caller may have opened it while we read.
        known = self._by_connection.get(connection.connection_id)
        if known is not None:
            return known
        link = self.link(
            connection.broker, connection.environment, credentials, connection.connection_id, connection.account_id
        )
        adapter = self._brokers[connection.broker].open(link)
        session = Session(connection, adapter, self._clock)
        if broken:
            session.health, session.detail = ConnectionHealth.ERROR, broken
        if connection.revoked:
            session.health = ConnectionHealth.REVOKED
        self._by_connection[connection.connection_id] = session
        self._by_account[connection.account_id] = session
        self._on_open(session)
        return session

    def link(
        self,
        broker: str,
        environment: Environment,
        credentials: Credentials | None,
        connection_id: str,
        account_id: str,
    ) -> BrokerLink:
        """Tell an adapter what it speaks for, where, and how often it may."""
        config = self._config_of(broker)
        return BrokerLink(
            connection_id=connection_id,
            account_id=account_id,
            environment=environment,
            credentials=credentials,
            trading_url=config.live_url if environment is Environment.LIVE else config.paper_url,
            data_url=config.data_url,
            pace=lambda: Pace(
                requests_per_minute=self._config_of(broker).requests_per_minute, processes=self.processes
            ),
        )

    async def _credentials(self, connection: Connection) -> tuple[Credentials | None, str]:
        """Unseal a connection's credentials; one that does not open is broken by itself and stops no other."""
        if connection.revoked:
            return _UNREADABLE, ""
        if not connection.has_key:
            return None, ""
        try:
            return await self._directory.credentials(connection.user_id, connection.connection_id, Purpose.SESSION), ""
        except GatewayError as error:
            if error.reason is not Reason.CONNECTION_NOT_USABLE:
                raise
            log.error("connection cannot be used", connection_id=connection.connection_id, why=error.message)  # noqa: TRY400
            return _UNREADABLE, error.message

    async def open_all(self) -> bool:
        """Open a session for every connection, and end those of revoked ones; also finds what another process did.

        Tells whether any was ended.
        """
        ended = False
        for connection in await self._directory.list():
            if connection.revoked:
                ended |= await self.close(connection)
            elif connection.broker in self._brokers:
                await self.open(connection)
        return ended

    async def close(self, connection: Connection) -> bool:
        """End a connection's session: its background work and its adapter; what it knew stays readable as revoked.

        Tells whether it was open.
        """
        session = self._by_connection.get(connection.connection_id)
        if session is None or session.connection.revoked:
            return False
        session.connection = connection
        session.health, session.stream_up, session.detail = ConnectionHealth.REVOKED, False, "revoked"
        session.let_go()
        await session.ended()
        await session.adapter.disconnect()
        return True

    def is_revoked(self, account_id: str) -> bool:
        """Tell whether an account's connection was revoked, as far as this process knows."""
        session = self._by_account.get(account_id)
        return session is not None and session.connection.revoked

    async def stop(self) -> None:
        """End every session."""
        for session in self._by_connection.values():
            session.let_go()
            await session.ended()
            if not session.connection.revoked:
                await session.adapter.disconnect()

    def all_of(self, caller: Caller) -> list[Session]:
        """Every open session in a caller's reach."""
        return [session for session in self._by_connection.values() if caller.reaches(session.connection)]

    def all(self) -> tuple[Session, ...]:
        """Every open session."""
        return tuple(self._by_connection.values())
