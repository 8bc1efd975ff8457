"""Authorising a connection: sending a person to the broker, and taking what the broker sends back, once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from brokergw.desk.oauth.redirect import Redirects, authorization_url, is_issuer
from brokergw.desk.oauth.refreshing import OAuthNeeds
from brokergw.desk.oauth.refusals import declined, no_token_now, state_unknown
from brokergw.desk.oauth.schedule import granted
from brokergw.desk.oauth.state import attempt_of, new_state, new_verifier
from brokergw.desk.oauth.tokens import GivenToken, Tokens
from brokergw.desk.results import ConnectionStatus
from brokergw.desk.sessions import Sessions
from brokergw.model.account import AccountState, Connection, Environment
from brokergw.model.errors import FieldViolation, GatewayError, InvalidRequest, NotFound, Reason
from brokergw.model.ids import new_id
from brokergw.model.oauth import SECOND_NS, Application, Grant, IssuedTokens, OAuthProfile, TokenKind
from brokergw.model.principal import Caller
from brokergw.model.whose import only
from brokergw.ports.broker import Credentials, application_of
from brokergw.ports.oauth import Attempt, AttemptBook, Handover, TokenNotSent, TokenRefused, TokenUnknown
from brokergw.ports.vault import Purpose

ATTEMPT_S: Final = 600
"""How long a person has, from the beginning to the callback."""
_OPEN_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a user wants authorised: a new connection, or one that it has (`connection_id`).

    `application` may be left out for one that it has: the stored one is used.
    """

    broker: str = ""
    environment: Environment = Environment.MOCK
    connection_id: str = ""
    application: Application | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An authorization under way. The addresses and the state are for the user who began it alone."""

    authorization_url: str = field(repr=False)
    start_url: str = field(repr=False)
    state: str = field(repr=False)
    redirect_uri: str
    end_time_ns: int
    echoes_state: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What came back: to the path of which broker, with which state, and a code or an error."""

    broker: str
    state: str = field(repr=False)
    code: str = field(default="", repr=False)
    issuer: str = ""
    error: str = ""


class Authorizing:
    """Begins and completes authorizations."""

    def __init__(
        self,
        profiles: Mapping[str, OAuthProfile],
        needs: OAuthNeeds,
        attempts: AttemptBook,
        sessions: Sessions,
        tokens: Tokens,
        redirects: Redirects,
        chance: Callable[[], float],
    ) -> None:
        self._profiles = profiles
        self._needs = needs
        self._attempts = attempts
        self._sessions = sessions
        self._tokens = tokens
        self._redirects = redirects
        self._chance = chance

    async def begin(self, caller: Caller, wanted: Beginning) -> Begun:
        """Begin an authorization; nothing of it works but through the state that this gives."""
        connection = await self._connection(caller, wanted.connection_id)
        broker = wanted.broker if connection is None else connection.broker
        environment = wanted.environment if connection is None else connection.environment
        profile = self._profile(broker, environment)
        application = wanted.application or await self._stored(connection)
        redirect_uri = self._redirects.callback(profile)
        state, verifier, now = new_state(), new_verifier(), self._needs.clock.now_ns()
        attempt = Attempt(
            attempt_id=attempt_of(state),
            user_id=caller.user_id,
            connection_id=new_id("con") if connection is None else connection.connection_id,
            broker=broker,
            environment=environment,
            redirect_uri=redirect_uri,
            application=application,
            verifier=verifier,
            scopes=wanted.scopes or profile.scopes,
            create_time_ns=now,
            end_time_ns=now + ATTEMPT_S * SECOND_NS,
            renews=connection is not None,
        )
        if not await self._attempts.begin(attempt, open_max=_OPEN_MAX):
            raise GatewayError(
                Reason.OAUTH_ATTEMPTS_EXCEED_LIMIT,
                "too many authorizations are under way",
                metadata={"limit": str(_OPEN_MAX)},
            )
        return Begun(
            authorization_url=_url(profile, attempt, state),
            start_url=self._redirects.start(profile, state),
            state=state,
            redirect_uri=redirect_uri,
            end_time_ns=attempt.end_time_ns,
            echoes_state=profile.echoes_state,
        )

    async def way_to_broker(self, broker: str, state: str) -> str:
        """Give the broker's address for an attempt that was begun there; raises OAUTH_STATE_INVALID."""
        attempt = await self._attempts.peek(attempt_of(state))
        if attempt is None or attempt.broker != broker or self._needs.clock.now_ns() >= attempt.end_time_ns:
            raise state_unknown()
        return _url(self._profile(attempt.broker, attempt.environment), attempt, state)

    def echoes_state(self, broker: str) -> bool:
        """Tell whether a broker sends the state back; one that nobody knows had better."""
        profile = self._profiles.get(broker)
        return profile is None or profile.echoes_state

    async def complete(self, user_id: str | None, callback: Callback) -> ConnectionStatus:
        """Take a callback, once; `user_id` is who hands it in, None where the browser has proved it by itself.

        Raises OAUTH_STATE_INVALID for a state that is unknown, used, too old, somebody else's or another broker's,
        OAUTH_REFUSED for what the broker refuses. Whichever it is, the state is used up.
        """
        attempt = await self._attempts.take(attempt_of(callback.state), user_id) if callback.state else None
        if attempt is None:
            raise state_unknown()
        if attempt.broker != callback.broker or self._needs.clock.now_ns() >= attempt.end_time_ns:
            raise state_unknown()
        profile = self._profile(attempt.broker, attempt.environment)
        if callback.issuer and not is_issuer(profile, attempt.environment, callback.issuer):
            raise state_unknown()
        if callback.error or not callback.code:
            raise declined(profile, callback.error if callback.error.isidentifier() else "invalid_request")
        return await self._take(attempt, profile, callback.code)

    async def _take(self, attempt: Attempt, profile: OAuthProfile, code: str) -> ConnectionStatus:
        handover = Handover(code=code, redirect_uri=attempt.redirect_uri, verifier=attempt.verifier)
        try:
            tokens = await self._needs.endpoint.exchange(profile, attempt.environment, attempt.application, handover)
        except TokenRefused as refusal:
            raise declined(profile, refusal.code) from None
        except (TokenNotSent, TokenUnknown):
            # A code is good for one exchange, and seconds: it is not tried again.
            raise no_token_now(profile.broker) from None
        if attempt.renews:
            return await self._renew(attempt, profile, tokens)
        return await self._open(attempt, profile, tokens)

    async def _open(self, attempt: Attempt, profile: OAuthProfile, tokens: IssuedTokens) -> ConnectionStatus:
        account_id = new_id("acc")
        account = await self._tried(attempt, account_id, tokens)
        connection = Connection(
            connection_id=attempt.connection_id,
            user_id=attempt.user_id,
            broker=attempt.broker,
            environment=attempt.environment,
            account_id=account_id,
            account_label=f"{attempt.environment.value.capitalize()} {account.masked_number}",
            has_key=True,
            key_last_four="",
            create_time_ns=self._needs.clock.now_ns(),
            credentials_version=1,
        )
        await self._needs.book.open(connection, _held(attempt, tokens), self._grant(connection, profile, tokens))
        return (await self._sessions.open(connection)).status

    async def _renew(self, attempt: Attempt, profile: OAuthProfile, tokens: IssuedTokens) -> ConnectionStatus:
        connection = await self._needs.directory.get(only(attempt.user_id), attempt.connection_id)
        if connection is None or connection.revoked:
            raise state_unknown()
        account = await self._tried(attempt, connection.account_id, tokens)
        if not connection.account_label.endswith(account.masked_number):
            raise GatewayError(
                Reason.BROKER_ACCOUNT_DIFFERS, "another account was authorized than the connection is for"
            )
        grant = self._grant(connection, profile, tokens)
        # Read before they are replaced, which fails where they have changed since the connection was read.
        former = await self._former(connection)
        fresh = _held(attempt, tokens)
        changed = await self._needs.book.replace(connection, fresh, grant, since=None)
        if former is not None and self._needs.revoking is not None:
            self._needs.revoking.end(changed, _but(former, fresh))
        session = await self._sessions.renew(changed)
        self._tokens.held(changed, profile).forget()
        session.accepted()
        return session.status

    async def _former(self, connection: Connection) -> Credentials | None:
        """Give what is about to be replaced; None where it does not open, which is a reason to authorise again."""
        try:
            return await self._needs.directory.credentials(connection.user_id, connection.connection_id, Purpose.REVOKE)
        except GatewayError as error:
            if error.reason is not Reason.CONNECTION_NOT_USABLE:
                raise
            return None

    async def _tried(self, attempt: Attempt, account_id: str, tokens: IssuedTokens) -> AccountState:
        """Ask the broker whose account the token is for; nothing is kept unless it says."""
        broker = self._sessions.brokers[attempt.broker]
        application = application_of(_held(attempt, tokens), broker.capabilities)
        link = self._sessions.link(attempt.broker, attempt.environment, application, attempt.connection_id, account_id)
        trial = broker.open(replace(link, tokens=GivenToken(tokens.access_token)))
        try:
            return await trial.authenticate()
        finally:
            await trial.disconnect()

    def _grant(self, connection: Connection, profile: OAuthProfile, tokens: IssuedTokens) -> Grant:
        now = self._needs.clock.now_ns()
        bare = Grant(
            connection_id=connection.connection_id, user_id=connection.user_id, version=0, authorize_time_ns=now
        )
        return granted(bare, profile, tokens, now, self._chance())

    def _profile(self, broker: str, environment: Environment) -> OAuthProfile:
        if broker not in self._sessions.brokers:
            raise NotFound(Reason.BROKER_NOT_FOUND, "broker", broker)
        profile = self._profiles.get(broker)
        if profile is None:
            raise InvalidRequest((FieldViolation("broker", "is not authorized by OAuth"),))
        if environment not in profile.endpoints:
            names = ", ".join(sorted(profile.endpoints))
            raise InvalidRequest((FieldViolation("environment", f"{profile.name} authorizes {names} only"),))
        return profile

    async def _connection(self, caller: Caller, connection_id: str) -> Connection | None:
        if not connection_id:
            return None
        connection = (await self._sessions.owned_by(caller, connection_id)).connection
        if connection.revoked:
            raise GatewayError(Reason.CONNECTION_NOT_USABLE, "the connection was revoked")
        return connection

    async def _stored(self, connection: Connection | None) -> Application:
        held = None
        if connection is not None:
            held = await self._needs.directory.credentials(
                connection.user_id, connection.connection_id, Purpose.AUTHORIZE
            )
        if held is None or "client_id" not in held or "client_secret" not in held:
            raise InvalidRequest((FieldViolation("application", "is required: id and secret of your application"),))
        return Application(client_id=held["client_id"], client_secret=held["client_secret"])


def _url(profile: OAuthProfile, attempt: Attempt, state: str) -> str:
    return authorization_url(
        profile,
        attempt.environment,
        client_id=attempt.application.client_id,
        redirect_uri=attempt.redirect_uri,
        state=state,
        verifier=attempt.verifier,
        scopes=attempt.scopes,
    )


def _but(former: Credentials, fresh: Credentials) -> Credentials:
    """Give former credentials without the tokens that are good still: some brokers give the same one again."""
    kept = {kind.value for kind in TokenKind if former.get(kind.value) == fresh.get(kind.value)}
    return Credentials(**{name: value for name, value in former.items() if name not in kept})


def _held(attempt: Attempt, tokens: IssuedTokens) -> Credentials:
    fields = {
        "client_id": attempt.application.client_id,
        "client_secret": attempt.application.client_secret,
        "access_token": tokens.access_token,
    }
    if tokens.refresh_token:
        fields["refresh_token"] = tokens.refresh_token
    return Credentials(**fields)
