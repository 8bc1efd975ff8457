"""Every session of this process: opened when first needed, renewed with new credentials, ended with its connection."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import structlog

from brokergw.desk.session import Session
from brokergw.model.account import Connection, ConnectionHealth, Environment
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.principal import Caller
from brokergw.model.whose import Whose, only
from brokergw.ports.broker import (
    AccessTokens,
    AdapterFactory,
    BrokerAdapter,
    BrokerLink,
    Credentials,
    OrderRecord,
    Pace,
    application_of,
)
from brokergw.ports.clock import Clock
from brokergw.ports.directory import ConnectionDirectory
from brokergw.ports.vault import Purpose

__all__ = ["Session", "Sessions"]

_RETIRED_FOR_S: Final = 30.0
"""How long an adapter that was replaced is kept for what is on its way through it."""

_OPEN_AGAIN_S: Final = 60.0
"""After which credentials that did not open are tried again: their key may be back."""

_UNREADABLE: Final = Credentials(key="unreadable", secret="unreadable")  # noqa: S106 - stands where there is none
"""What a connection has in place of credentials that are destroyed or do not open; no broker takes it."""

log = structlog.get_logger(__name__)


class NotOpened(GatewayError):
    """A connection's adapter could not be made of what is stored; the log tells why."""


class Sessions:
    """Every session of this process, opened when first needed.

    `processes` is how many processes of the gateway live: together they make the requests of each connection.
    `tokens_of` gives the tokens of a connection that was authorised by OAuth, by what its credentials are.
    """

    def __init__(
        self,
        directory: ConnectionDirectory,
        brokers: Mapping[str, AdapterFactory],
        clock: Clock,
        config_of: Callable[[str], BrokerConfig] = lambda broker: BrokerConfig(broker=broker),
        record_of: Callable[[Connection], OrderRecord | None] = lambda _: None,
    ) -> None:
        self.processes = 1
        self.tokens_of: Callable[[Connection, Credentials | None], AccessTokens | None] = lambda *_: None
        self._config_of = config_of
        self._record_of = record_of
        self._directory = directory
        self._brokers = brokers
        self._clock = clock
        self._by_account: dict[str, Session] = {}
        self._by_connection: dict[str, Session] = {}
        self._on_open: Callable[[Session], None] = lambda _: None
        self._by_tokens: set[str] = set()
        self._seen = -1
        self._unopened: dict[str, tuple[Connection, float]] = {}
        self._ending: set[asyncio.Task[None]] = set()

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

    async def every_connection(self) -> Sequence[Connection]:
        """List the connections of all users, revoked ones too."""
        return await self._directory.list()

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
        session = Session(connection, self._adapter(connection, credentials), self._clock)
        self._judge(session, broken)
        if connection.revoked:
            session.health = ConnectionHealth.REVOKED
        self._by_connection[connection.connection_id] = session
        self._by_account[connection.account_id] = session
        self._on_open(session)
        return session

    def is_by_tokens(self, connection_id: str) -> bool:
        """Tell whether a session speaks with the tokens of an authorization."""
        return connection_id in self._by_tokens

    async def renew(self, connection: Connection) -> Session:
        """Take over how a connection is now; with other credentials its session speaks through another adapter.

        What is on its way through the former one comes to its end there.
        """
        session = await self.open(connection)
        if not _is_news(session, connection):
            return session
        if self.is_by_tokens(connection.connection_id) and not session.unreadable:
            # Another token is nothing to its adapter, which asks for the one of the moment.
            session.connection = connection
            return session
        credentials, broken = await self._credentials(connection)
        if broken and session.unreadable:
            self._judge(session, broken)
        # Somebody else may have been faster, or have revoked it.
        elif _is_news(session, connection):
            former = session.speak_through(self._adapter(connection, credentials), connection)
            self._judge(session, broken)
            self._later(self._retire(former), f"former adapter of {connection.connection_id}")
            self._on_open(session)
        return session

    def _adapter(self, connection: Connection, credentials: Credentials | None) -> BrokerAdapter:
        link = self.link(
            connection.broker, connection.environment, credentials, connection.connection_id, connection.account_id
        )
        link = replace(link, record=self._record_of(connection))
        tokens = self.tokens_of(connection, credentials)
        self._by_tokens.discard(connection.connection_id)
        if tokens is not None:
            self._by_tokens.add(connection.connection_id)
            # What it takes to get tokens is not for the adapter, unless its protocol asks for it.
            capabilities = self._brokers[connection.broker].capabilities
            link = replace(link, credentials=application_of(credentials, capabilities), tokens=tokens)
        try:
            return self._brokers[connection.broker].open(link)
        except Exception as error:
            log.exception("a connection cannot be opened", connection_id=connection.connection_id)
            why = error.message if isinstance(error, GatewayError) else "its adapter failed"
            raise NotOpened(Reason.CONNECTION_NOT_USABLE, f"the connection cannot be opened: {why}") from error

    def _judge(self, session: Session, broken: str) -> None:
        """Show whether the stored credentials have opened."""
        session.open_again_at = self._clock.monotonic() + _OPEN_AGAIN_S if broken else None
        if broken:
            session.health, session.detail = ConnectionHealth.ERROR, broken

    async def _retire(self, adapter: BrokerAdapter) -> None:
        try:
            await self._clock.sleep(_RETIRED_FOR_S)
        finally:
            await adapter.disconnect()

    def _later(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

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
        """Open a session for every new connection, renew those that have changed, and end those of revoked ones.

        So this process finds what others did; nothing is read of a connection that has not changed. Tells whether any
        was ended.
        """
        ended = False
        changed, latest = await self._directory.changed(self._seen)
        for connection in changed:
            session = self._by_connection.get(connection.connection_id)
            if connection.revoked:
                if session is not None and self._revoke(session, connection):
                    # A broker that does not let go must not keep the next one from ending.
                    self._later(_end(session), f"end of {connection.connection_id}")
                    ended = True
            elif session is not None:
                await self._follow(session, connection)
            elif connection.broker in self._brokers:
                await self._open_alone(connection)
        # Only now: what failed on the way is read again in the next round.
        self._seen = latest
        await self._open_again()
        return ended

    async def _open_again(self) -> None:
        """Try again what did not open, after a while."""
        for connection, again_at in list(self._unopened.values()):
            if self._clock.monotonic() >= again_at:
                await self._open_alone(connection)
        for session in self.all():
            if session.open_again_at is not None and self._clock.monotonic() >= session.open_again_at:
                await self._open_alone(session.connection)

    async def _open_alone(self, connection: Connection) -> None:
        """Open a session; a connection whose adapter does not open stops no other, and nobody's start."""
        self._unopened.pop(connection.connection_id, None)
        known = connection.connection_id in self._by_connection
        with suppress(NotOpened):
            await (self.renew if known else self.open)(connection)
            return
        self._unopened[connection.connection_id] = connection, self._clock.monotonic() + _OPEN_AGAIN_S

    async def _follow(self, session: Session, connection: Connection) -> None:
        """Take over what has changed of a connection."""
        if connection.credentials_version > session.connection.credentials_version:
            await self._open_alone(connection)
        elif connection != session.connection and not session.connection.revoked:
            session.connection = connection

    async def close(self, connection: Connection) -> bool:
        """End a connection's session: its background work and its adapter; what it knew stays readable as revoked.

        Tells whether it was open.
        """
        session = self._by_connection.get(connection.connection_id)
        if session is None or not self._revoke(session, connection):
            return False
        await _end(session)
        return True

    def _revoke(self, session: Session, connection: Connection) -> bool:
        """Let nothing more through a session; tells whether anything could go through before."""
        before, session.connection = session.connection, connection
        if before.revoked:
            return False
        session.health, session.stream_up, session.detail = ConnectionHealth.REVOKED, False, "revoked"
        session.let_go()
        return True

    def is_revoked(self, account_id: str) -> bool:
        """Tell whether an account's connection was revoked, as far as this process knows."""
        session = self._by_account.get(account_id)
        return session is not None and session.connection.revoked

    async def stop(self) -> None:
        """End every session."""
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
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


async def _end(session: Session) -> None:
    await session.ended()
    await session.adapter.disconnect()


def _is_news(session: Session, connection: Connection) -> bool:
    """Tell whether a session must open a connection's credentials anew."""
    if session.connection.revoked or connection.revoked:
        return False
    known = session.connection.credentials_version
    return connection.credentials_version > known or (session.unreadable and connection.credentials_version == known)
