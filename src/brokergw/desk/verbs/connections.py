"""Connections: tried before they are stored, tested on demand, ended at once."""

from brokergw.desk.results import ConnectionStatus
from brokergw.desk.sessions import Sessions
from brokergw.desk.streams.tail import Tail
from brokergw.model.account import Connection, ConnectionHealth, Environment
from brokergw.model.capability import Authentication
from brokergw.model.errors import FieldViolation, GatewayError, InvalidRequest, NotFound, Reason
from brokergw.model.ids import new_id
from brokergw.model.principal import Caller
from brokergw.model.whose import only
from brokergw.ports.broker import AdapterFactory, Credentials
from brokergw.ports.clock import Clock
from brokergw.ports.directory import ConnectionDirectory


class Connections:
    """Keeps a user's links to brokers."""

    def __init__(self, directory: ConnectionDirectory, sessions: Sessions, tail: Tail, clock: Clock) -> None:
        self._directory = directory
        self._sessions = sessions
        self._tail = tail
        self._clock = clock

    async def create(
        self, caller: Caller, broker: str, environment: Environment, credentials: Credentials | None
    ) -> ConnectionStatus:
        """Connect an account; raises BROKER_CREDENTIALS_REFUSED, and stores nothing, when the broker says no."""
        factory = self._sessions.brokers.get(broker)
        if factory is None:
            raise NotFound(Reason.BROKER_NOT_FOUND, "broker", broker)
        _require_fitting(factory, environment, credentials)
        link = self._sessions.link(broker, environment, credentials, new_id("con"), new_id("acc"))
        trial = factory.open(link)
        try:
            account = await trial.authenticate()
        finally:
            await trial.disconnect()
        connection = Connection(
            connection_id=link.connection_id,
            user_id=caller.user_id,
            broker=broker,
            environment=environment,
            account_id=link.account_id,
            account_label=f"{environment.value.capitalize()} {account.masked_number}",
            has_key=credentials is not None,
            key_last_four=credentials.key_last_four if credentials is not None else "",
            create_time_ns=self._clock.now_ns(),
        )
        await self._directory.add(connection, credentials)
        return (await self._sessions.open(connection)).status

    async def get(self, caller: Caller, connection_id: str) -> ConnectionStatus:
        """Read one connection."""
        return (await self._sessions.owned_by(caller, connection_id)).status

    async def list(self, caller: Caller) -> list[ConnectionStatus]:
        """List the caller's connections, revoked ones too, oldest first."""
        connections = await self._sessions.connections_for(caller)
        return [(await self._sessions.open(connection)).status for connection in connections]

    async def test(self, caller: Caller, connection_id: str) -> tuple[ConnectionStatus, bool, str]:
        """Ask the broker whether the credentials still work; gives the answer and, if it is no, the reason."""
        session = await self._sessions.owned_by(caller, connection_id)
        if session.connection.revoked:
            return session.status, False, Reason.CONNECTION_NOT_USABLE.value
        try:
            await session.adapter.authenticate()
        except GatewayError as error:
            if error.reason is Reason.BROKER_CREDENTIALS_REFUSED:
                session.health, session.detail = ConnectionHealth.REAUTHORIZATION_REQUIRED, error.message
            return session.status, False, error.reason.value
        if session.health is ConnectionHealth.REAUTHORIZATION_REQUIRED:
            session.health, session.detail = ConnectionHealth.CONNECTING, ""
        return session.status, True, ""

    async def revoke(self, caller: Caller, connection_id: str) -> ConnectionStatus:
        """End a connection; done again it changes nothing."""
        session = await self._sessions.owned_by(caller, connection_id)
        if not session.connection.revoked:
            await self._directory.revoke(caller.user_id, connection_id, self._clock.now_ns())
            revoked = await self._directory.get(only(caller.user_id), connection_id)
            if revoked is not None:
                await self._sessions.close(revoked)
            self._tail.ring()
        return session.status


def _require_fitting(factory: AdapterFactory, environment: Environment, credentials: Credentials | None) -> None:
    capabilities = factory.capabilities
    violations = []
    if environment not in capabilities.environments:
        names = ", ".join(sorted(capabilities.environments))
        violations.append(FieldViolation("environment", f"{capabilities.name} has {names} only"))
    wants_key = capabilities.authentication is Authentication.API_KEY_SECRET
    if wants_key and credentials is None:
        violations.append(FieldViolation("api_key", f"{capabilities.name} needs an API key and its secret"))
    if not wants_key and credentials is not None:
        violations.append(FieldViolation("api_key", f"{capabilities.name} takes no API key"))
    if violations:
        raise InvalidRequest(tuple(violations))
