"""Connections: tried before they are stored or changed, tested on demand, ended at once."""

from dataclasses import dataclass, replace
from typing import Final

from brokergw.desk.connections.card import ConnectionCard
from brokergw.desk.connections.cards import Cards
from brokergw.desk.live.live import Live
from brokergw.desk.oauth.revoking import Revoking
from brokergw.desk.session import Session
from brokergw.desk.sessions import Sessions
from brokergw.desk.streams.tail import Tail
from brokergw.model.account import AccountState, BrokerRevocation, Connection, Environment
from brokergw.model.capability import Authentication
from brokergw.model.errors import FieldViolation, GatewayError, InvalidRequest, NotFound, Reason
from brokergw.model.events import AuditRow
from brokergw.model.ids import new_id
from brokergw.model.principal import Caller
from brokergw.model.whose import only
from brokergw.ports.broker import AdapterFactory, BrokerLink, Credentials
from brokergw.ports.clock import Clock
from brokergw.ports.directory import ConnectionDirectory
from brokergw.ports.vault import Purpose

_NONE: Final = Credentials()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionChange:
    """What is to change of a connection; None leaves a part as it is, an empty label takes it away."""

    connection_id: str
    credentials: Credentials | None = None
    label: str | None = None


class Connections:
    """Keeps a user's links to brokers; `revoking` ends tokens at them, where connections are authorised by OAuth."""

    def __init__(
        self,
        directory: ConnectionDirectory,
        sessions: Sessions,
        cards: Cards,
        tail: Tail,
        live: Live,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._sessions = sessions
        self._cards = cards
        self._tail = tail
        self._live = live
        self._clock = clock
        self.revoking: Revoking | None = None

    async def create(
        self, caller: Caller, broker: str, environment: Environment, credentials: Credentials | None
    ) -> ConnectionCard:
        """Connect an account; raises BROKER_CREDENTIALS_REFUSED, and stores nothing, when the broker says no."""
        factory = self._sessions.brokers.get(broker)
        if factory is None:
            raise NotFound(Reason.BROKER_NOT_FOUND, "broker", broker)
        _require_fitting(factory, environment, credentials)
        link = self._sessions.link(broker, environment, credentials, new_id("con"), new_id("acc"))
        account = await _tried(factory, link)
        connection = Connection(
            connection_id=link.connection_id,
            user_id=caller.user_id,
            broker=broker,
            environment=environment,
            account_id=link.account_id,
            account_label=_masked(environment, account),
            has_key=credentials is not None,
            key_last_four=(credentials or _NONE).key_last_four,
            create_time_ns=self._clock.now_ns(),
            credentials_version=1 if credentials else 0,
        )
        await self._directory.add(connection, credentials, self._audit(caller, "connection.created", connection))
        return await self._cards.of(await self._sessions.open(connection))

    async def get(self, caller: Caller, connection_id: str) -> ConnectionCard:
        """Read one connection."""
        return await self._cards.of(await self._sessions.owned_by(caller, connection_id))

    async def list(self, caller: Caller) -> list[ConnectionCard]:
        """List the caller's connections, revoked ones too, oldest first."""
        connections = await self._sessions.connections_for(caller)
        return [await self._cards.of(await self._sessions.open(connection)) for connection in connections]

    async def update(self, caller: Caller, change: ConnectionChange) -> ConnectionCard:
        """Change a connection; new credentials are tried before they are stored, and must be the same account's.

        Every process takes them up within a second; what is on its way with the former ones comes to its end. Raises
        BROKER_CREDENTIALS_REFUSED, BROKER_ACCOUNT_DIFFERS, CONNECTION_CHANGED, and CONNECTION_NOT_USABLE for one that
        was revoked.
        """
        session = await self._owned_and_alive(caller, change.connection_id)
        if change.credentials is not None:
            await self._replace(caller, session.connection, change.credentials)
        if change.label is not None:
            audit = self._audit(caller, "connection.updated", session.connection, "label")
            if not await self._directory.set_label(caller.user_id, change.connection_id, change.label, audit):
                raise _revoked()
            session.connection = replace(session.connection, label=change.label)
        return await self._cards.of(session)

    async def test(self, caller: Caller, connection_id: str) -> tuple[ConnectionCard, bool, str]:
        """Ask the broker whether the stored credentials still work; gives the answer and, if it is no, the reason."""
        session = await self._sessions.owned_by(caller, connection_id)
        refusal = await self._refusal(session)
        if refusal is None:
            await self._sessions.renew(session.connection)
            session.accepted()
        elif refusal.reason is Reason.BROKER_CREDENTIALS_REFUSED:
            session.failed(refusal)
        return await self._cards.of(session), refusal is None, "" if refusal is None else refusal.reason.value

    async def revoke(self, caller: Caller, connection_id: str) -> ConnectionCard:
        """End a connection, and what is bound to its account; done again it changes nothing."""
        session = await self._sessions.owned_by(caller, connection_id)
        if not session.connection.revoked:
            audit = self._audit(caller, "connection.revoked", session.connection)
            await self._destroy(caller, session.connection, audit)
            revoked = await self._directory.get(only(caller.user_id), connection_id)
            if revoked is not None:
                await self._sessions.close(revoked)
            self._tail.ring()
            await self._live.standings.refresh()
        return await self._cards.of(session)

    async def _destroy(self, caller: Caller, connection: Connection, audit: AuditRow) -> None:
        """End a connection on the record, and have the broker end its tokens without waiting for that."""
        revoking = self.revoking
        at_broker = BrokerRevocation.NOT_OFFERED if revoking is None else revoking.prospect(connection)
        destroyed = await self._directory.revoke(
            caller.user_id, connection.connection_id, self._clock.now_ns(), audit, at_broker=at_broker
        )
        if destroyed is not None and revoking is not None:
            revoking.destroyed(connection, destroyed)

    async def _owned_and_alive(self, caller: Caller, connection_id: str) -> Session:
        session = await self._sessions.owned_by(caller, connection_id)
        if session.connection.revoked:
            raise _revoked()
        return session

    async def _replace(self, caller: Caller, connection: Connection, credentials: Credentials) -> None:
        """Try new credentials, store them, and have the session speak with them."""
        factory = self._sessions.brokers[connection.broker]
        _require_fitting(factory, connection.environment, credentials)
        if self._sessions.is_by_tokens(connection.connection_id):
            raise InvalidRequest((FieldViolation("api_key", "the connection is authorized by OAuth: use BeginOAuth"),))
        account = await _tried(factory, self._link(connection, credentials))
        if _masked(connection.environment, account) != connection.account_label:
            raise GatewayError(
                Reason.BROKER_ACCOUNT_DIFFERS,
                "the credentials belong to another account; connect that one as a connection of its own",
            )
        audit = self._audit(caller, "connection.updated", connection, *sorted(credentials))
        await self._sessions.renew(await self._directory.put_credentials(connection, credentials, audit))

    async def _refusal(self, session: Session) -> GatewayError | None:
        """Ask the broker with what is stored; gives why not."""
        connection = session.connection
        if connection.revoked:
            return _revoked()
        try:
            if not connection.has_key or self._sessions.is_by_tokens(connection.connection_id):
                # There is nothing to open, or a token of the moment that the session's adapter asks for itself.
                await session.adapter.authenticate()
                return None
            credentials = await self._directory.credentials(connection.user_id, connection.connection_id, Purpose.TEST)
            await _tried(self._sessions.brokers[connection.broker], self._link(connection, credentials))
        except GatewayError as error:
            return error
        return None

    def _link(self, connection: Connection, credentials: Credentials | None) -> BrokerLink:
        return self._sessions.link(
            connection.broker, connection.environment, credentials, connection.connection_id, connection.account_id
        )

    def _audit(self, caller: Caller, action: str, connection: Connection, *changed: str) -> AuditRow:
        told = {
            "connection": connection.connection_id,
            "broker": connection.broker,
            "environment": connection.environment.value,
            "changed": ",".join(changed),
        }
        return AuditRow(
            time_ns=self._clock.now_ns(),
            request_id=caller.request_id,
            user_id=caller.user_id,
            key_id=caller.principal.key_id,
            action=action,
            outcome="OK",
            account_id=connection.account_id,
            detail=" ".join(f"{name}={value}" for name, value in told.items() if value),
        )


async def _tried(factory: AdapterFactory, link: BrokerLink) -> AccountState:
    """Ask the broker for the account, through an adapter of its own; raises as `BrokerAdapter.authenticate` does."""
    trial = factory.open(link)
    try:
        return await trial.authenticate()
    finally:
        await trial.disconnect()


def _masked(environment: Environment, account: AccountState) -> str:
    return f"{environment.value.capitalize()} {account.masked_number}"


def _revoked() -> GatewayError:
    return GatewayError(Reason.CONNECTION_NOT_USABLE, "the connection was revoked")


def _require_fitting(factory: AdapterFactory, environment: Environment, credentials: Credentials | None) -> None:
    capabilities = factory.capabilities
    violations = []
    if environment not in capabilities.environments:
        names = ", ".join(sorted(capabilities.environments))
        violations.append(FieldViolation("environment", f"{capabilities.name} has {names} only"))
    wants_key = capabilities.authentication is Authentication.API_KEY_SECRET
    if wants_key and credentials is None:
        violations.append(FieldViolation("api_key", f"{capabilities.name} needs an API key and its secret"))
    # Who has opened a broker's session may have to prove that it is theirs to use.
    takes_key = wants_key or capabilities.authentication is Authentication.SESSION
    if not takes_key and credentials is not None:
        violations.append(FieldViolation("api_key", f"{capabilities.name} takes no API key"))
    if violations:
        raise InvalidRequest(tuple(violations))
