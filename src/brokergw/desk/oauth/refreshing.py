"""One refresh of one grant, so that no token of a rotating broker is ever lost that could be kept.

The order of things: the claim is durable, the refresh is sent, the new pair is durable, the new token is used. Where
the broker's answer is lost, the old token is tried once more at once, and then ever more rarely; what becomes of that
is the broker's to say. Where the answer is here and the record is not, the pair is kept in memory and written as soon
as the record takes it. What no order of things can save is the process that dies between the broker's commit and ours:
the next one finds the claim, tries the old token, and believes the answer.
"""

import random
from dataclasses import dataclass, replace
from typing import Final

import structlog

from brokergw.desk.oauth.refusals import no_token_now, nothing_granted, person_needed, reauthorize
from brokergw.desk.oauth.revoking import Revoking
from brokergw.desk.oauth.schedule import granted, send_within_s, tried_in_vain
from brokergw.model.account import Connection, Environment
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.oauth import Application, Grant, GrantState, IssuedTokens, OAuthProfile
from brokergw.model.whose import only
from brokergw.ports.broker import Credentials
from brokergw.ports.clock import Clock
from brokergw.ports.directory import ConnectionDirectory
from brokergw.ports.notifier import Notifier
from brokergw.ports.oauth import Claim, GrantBook, TokenEndpoint, TokenNotSent, TokenRefused, TokenUnknown
from brokergw.ports.permit import VALID_S, Permit
from brokergw.ports.vault import CredentialsMoved, Purpose

_RECORD_AGAIN_S: Final = (0.05, 0.2, 1.0, 2.0)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OAuthNeeds:
    """What keeping tokens takes; without `revoking` nobody asks a broker to end any."""

    book: GrantBook
    directory: ConnectionDirectory
    endpoint: TokenEndpoint
    notifier: Notifier
    clock: Clock
    revoking: Revoking | None = None


class Refreshing:
    """Refreshes grants that this process has claimed."""

    def __init__(self, needs: OAuthNeeds) -> None:
        self._needs = needs
        self._clock = needs.clock

    async def __call__(self, claim: Claim, profile: OAuthProfile) -> None:
        """Refresh, and leave on record what came of it; raises when there is no new token.

        Raises BROKER_CREDENTIALS_REFUSED when a person is needed, BROKER_UNREACHABLE when it is tried again later.
        """
        grant = claim.grant
        connection = await self._needs.directory.get(only(grant.user_id), grant.connection_id)
        if connection is None or connection.revoked:
            raise nothing_granted(grant.connection_id)
        held = await self._needs.directory.credentials(grant.user_id, grant.connection_id, Purpose.REFRESH)
        if held is None or not held.get("refresh_token"):
            await self._end(claim, profile, "the broker gave no refresh token: authorize again")
        assert held is not None
        tokens = await self._asked(claim, profile, connection.environment, held)
        after = granted(grant, profile, tokens, self._clock.now_ns(), random.random())  # noqa: S311 - no secret
        fresh = {"access_token": tokens.access_token}
        if tokens.refresh_token:
            fresh["refresh_token"] = tokens.refresh_token
        try:
            await self._keep(connection, Credentials(**fresh), after, grant.version)
        except CredentialsMoved:
            # Revoked or authorised again meanwhile: nobody keeps these, so the broker should not either.
            if self._needs.revoking is not None:
                self._needs.revoking.end(connection, Credentials(**{**held, **fresh}))
            raise
        log.info("access token renewed", connection_id=grant.connection_id, broker=profile.broker)

    async def _asked(
        self, claim: Claim, profile: OAuthProfile, environment: Environment, held: Credentials
    ) -> IssuedTokens:
        for last in (False, True):
            try:
                return await self._attempt(claim, profile, environment, held)
            except TokenRefused as refusal:
                repeated = replace(claim.grant, tries=claim.grant.tries + last)
                await self._end(claim, profile, reauthorize(repeated, refusal.code))
            except TokenNotSent:
                break
            except TokenUnknown as error:
                log.warning("a refresh has no answer", connection_id=claim.grant.connection_id, why=str(error))
        await self._needs.book.release(claim, tried_in_vain(claim.grant, self._clock.now_ns()))
        raise no_token_now(profile.broker)

    async def _attempt(
        self, claim: Claim, profile: OAuthProfile, environment: Environment, held: Credentials
    ) -> IssuedTokens:
        permit = Permit(
            order_id="",
            attempt=claim.grant.tries,
            client_order_id="",
            granted_at=claim.asked_at + send_within_s(claim.life_s) - VALID_S,
            monotonic=self._clock.monotonic,
        )
        application = Application(client_id=held["client_id"], client_secret=held["client_secret"])
        return await self._needs.endpoint.refresh(profile, environment, application, held["refresh_token"], permit)

    async def _end(self, claim: Claim, profile: OAuthProfile, why: str) -> None:
        """Put on record that a person is needed, tell the person, and raise."""
        ended = replace(claim.grant, state=GrantState.REAUTHORIZATION_REQUIRED, detail=why, refresh_time_ns=None)
        await self._needs.book.release(claim, ended)
        log.warning("a grant has ended", connection_id=ended.connection_id, broker=profile.broker, why=why)
        self._needs.notifier.notify(
            Alert(
                kind=AlertKind.TOKEN_EXPIRES,
                severity=Severity.CRITICAL,
                subject=ended.connection_id,
                message=f"{profile.name}: {why}",
                time_ns=self._clock.now_ns(),
                user_id=ended.user_id,
            )
        )
        raise person_needed(ended)

    async def _keep(self, connection: Connection, fresh: Credentials, grant: Grant, since: int) -> None:
        """Make a new pair durable, however long the record takes; only a change of the grant itself makes it void."""
        tries = 0
        while True:
            try:
                await self._needs.book.replace(connection, fresh, grant, since=since)
            except CredentialsMoved:
                connection = await self._still_wanted(connection, since)
            except GatewayError as error:
                if error.reason not in {Reason.JOURNAL_UNAVAILABLE, Reason.JOURNAL_OUTCOME_UNKNOWN}:
                    raise
                log.error("new tokens wait for the record", connection_id=grant.connection_id)  # noqa: TRY400 - it says it all
                await self._clock.sleep(_RECORD_AGAIN_S[min(tries, len(_RECORD_AGAIN_S) - 1)])
                tries += 1
            else:
                return

    async def _still_wanted(self, connection: Connection, since: int) -> Connection:
        """Read the connection anew for another try; raises CredentialsMoved when the grant itself has moved on."""
        present = await self._needs.directory.get(only(connection.user_id), connection.connection_id)
        grant = await self._needs.book.get(connection.user_id, connection.connection_id)
        if present is None or present.revoked or grant is None or grant.version != since:
            raise CredentialsMoved(connection.connection_id)
        return present
