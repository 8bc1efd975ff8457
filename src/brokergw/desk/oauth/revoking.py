"""Asking brokers to end tokens that are no longer wanted here (RFC 7009).

Nobody waits for it: the tokens are destroyed here first, whatever the broker says. It is asked a few times within half
a minute; what came of that is on the audit and on the connection. A process that dies meanwhile leaves ASKED behind.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from brokergw.model.account import BrokerRevocation, Connection
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.oauth import Application, OAuthProfile, TokenKind
from brokergw.ports.broker import Credentials
from brokergw.ports.clock import Clock
from brokergw.ports.directory import ConnectionDirectory, Destroyed
from brokergw.ports.oauth import TokenEndpoint, TokenNotSent, TokenRefused, TokenUnknown

WITHIN_S: Final = 30.0
"""How long a broker is asked at most, all tries together."""
_AGAIN_S: Final = (1.0, 3.0, 8.0)
_RECORD_AGAIN_S: Final = (0.1, 0.5, 2.0, 5.0)
_AT_ONCE: Final = 8
_STOP_S: Final = 2.0
_NOT_THIS_KIND: Final = "unsupported_token_type"
_OUTCOMES: Final = {BrokerRevocation.ENDED: "OK", BrokerRevocation.REFUSED: "REFUSED"}

log = structlog.get_logger(__name__)


class Revoking:
    """Ends tokens at brokers, in the background."""

    def __init__(
        self,
        profiles: Mapping[str, OAuthProfile],
        directory: ConnectionDirectory,
        endpoint: TokenEndpoint,
        clock: Clock,
    ) -> None:
        self._profiles = profiles
        self._directory = directory
        self._endpoint = endpoint
        self._clock = clock
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._work: set[asyncio.Task[None]] = set()

    def prospect(self, connection: Connection) -> BrokerRevocation:
        """Tell what is to become of a connection's tokens, if it has any: the broker is asked, or cannot be."""
        profile = self._profiles.get(connection.broker)
        offered = profile is not None and profile.endpoints[connection.environment].revoke_url
        return BrokerRevocation.ASKED if offered else BrokerRevocation.NOT_OFFERED

    def destroyed(self, connection: Connection, what: Destroyed) -> None:
        """Have the broker end what a revocation has destroyed here."""
        if what.unreadable:
            self._later(self._note(connection, BrokerRevocation.UNREADABLE), connection)
        elif what.credentials is not None:
            self.end(connection, what.credentials)

    def end(self, connection: Connection, held: Credentials) -> None:
        """Have the broker end tokens; returns at once. Nothing happens where they are not of OAuth."""
        if TokenKind.ACCESS.value not in held:
            return
        if self.prospect(connection) is BrokerRevocation.ASKED:
            self._later(self._asked(connection, held), connection)
        else:
            self._later(self._note(connection, BrokerRevocation.NOT_OFFERED), connection)

    async def close(self) -> None:
        """Give what is under way a moment, and then up."""
        if self._work:
            _, late = await asyncio.wait(self._work, timeout=_STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _later(self, work: "asyncio._CoroutineLike[None]", connection: Connection) -> None:
        task = asyncio.create_task(work, name=f"end tokens of {connection.connection_id} at the broker")
        self._work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("tokens were not ended at the broker", exc_info=error)

    async def _asked(self, connection: Connection, held: Credentials) -> None:
        try:
            async with asyncio.timeout(WITHIN_S), self._room:
                outcome = await self._outcome(connection, held)
        except TimeoutError:
            outcome = BrokerRevocation.UNANSWERED
        await self._note(connection, outcome)

    async def _outcome(self, connection: Connection, held: Credentials) -> BrokerRevocation:
        """Ask for each token; what is told is the worst of it."""
        profile = self._profiles[connection.broker]
        ended = False
        outcome = BrokerRevocation.ENDED
        for kind in profile.revokes:
            token = held.get(kind.value)
            if not token:
                continue
            one, code = await self._one(profile, connection, held, kind, token)
            if ended and code == _NOT_THIS_KIND:
                # It ends with the refresh token that has ended, or by itself soon (RFC 7009, 2.1 and 2.2.1).
                continue
            ended = ended or one is BrokerRevocation.ENDED
            if one is not BrokerRevocation.ENDED and outcome is not BrokerRevocation.REFUSED:
                outcome = one
        return outcome

    async def _one(
        self, profile: OAuthProfile, connection: Connection, held: Credentials, kind: TokenKind, token: str
    ) -> tuple[BrokerRevocation, str]:
        application = Application(client_id=held.get("client_id", ""), client_secret=held.get("client_secret", ""))
        for pause in (0.0, *_AGAIN_S):
            if pause:
                await self._clock.sleep(pause)
            try:
                await self._endpoint.revoke(profile, connection.environment, application, kind, token)
            except TokenRefused as refusal:
                return BrokerRevocation.REFUSED, refusal.code
            except (TokenNotSent, TokenUnknown) as error:
                log.warning("a revocation has no answer", connection_id=connection.connection_id, why=str(error))
            else:
                return BrokerRevocation.ENDED, ""
        return BrokerRevocation.UNANSWERED, ""

    async def _note(self, connection: Connection, outcome: BrokerRevocation) -> None:
        """Put on record what came of it; where the record stays away the log alone knows."""
        log.info("tokens at the broker", connection_id=connection.connection_id, outcome=outcome.value)
        audit = AuditRow(
            time_ns=self._clock.now_ns(),
            request_id="",
            user_id=connection.user_id,
            key_id="",
            action="oauth.revoked",
            outcome=_OUTCOMES.get(outcome, "FAILED"),
            account_id=connection.account_id,
            detail=f"connection={connection.connection_id} broker={connection.broker} at_broker={outcome.value}",
        )
        for pause in (*_RECORD_AGAIN_S, None):
            try:
                await self._directory.note_broker_revocation(
                    connection.user_id, connection.connection_id, outcome, audit
                )
            except GatewayError as error:
                if pause is None or error.reason not in {Reason.JOURNAL_UNAVAILABLE, Reason.JOURNAL_OUTCOME_UNKNOWN}:
                    raise
                await self._clock.sleep(pause)
            else:
                return
