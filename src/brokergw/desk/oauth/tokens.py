"""The access tokens that this process holds: one for each connection, renewed once however many wait for it."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from brokergw.desk.oauth.refreshing import OAuthNeeds, Refreshing
from brokergw.desk.oauth.refusals import no_token_now, nothing_granted, person_needed
from brokergw.desk.oauth.schedule import claim_life_s
from brokergw.model.account import Connection
from brokergw.model.errors import GatewayError
from brokergw.model.oauth import SECOND_NS, Grant, OAuthProfile
from brokergw.ports.broker import AccessTokens, Credentials
from brokergw.ports.vault import CredentialsMoved, Purpose

_MARGIN_NS: Final = 10 * SECOND_NS
"""How long before its end a token is no longer given out, for clocks that disagree and requests on their way."""
_WAIT_S: Final = 20.0
_LOOK_AGAIN_S: Final = 0.1

log = structlog.get_logger(__name__)


class ConnectionTokens:
    """Implements `ports.broker.AccessTokens` for one connection."""

    def __init__(self, connection: Connection, profile: OAuthProfile, needs: OAuthNeeds) -> None:
        self.connection: Final = connection
        self.profile: Final = profile
        self._needs = needs
        self._clock = needs.clock
        self._refreshing = Refreshing(needs)
        # Held as credentials, which are known to be secret for as long as they live.
        self._held = Credentials()
        self._version = 0
        self._good_until_ns: int | None = 0
        self._flight: asyncio.Task[None] | None = None

    async def current(self) -> str:
        """Give a token that is good by all that is known."""
        if self._is_good():
            return self._token
        await self._shared(self._version if self._token else 0)
        return self._token

    async def after(self, refused: str) -> str:
        """Give a token other than one that the broker has just refused; that one where there can be no other."""
        if refused != self._token:
            return await self.current()
        if not self.profile.refreshes:
            return refused
        await self._shared(self._version, refused=True)
        return self._token

    async def renew(self, grant: Grant) -> None:
        """Renew the token of a grant ahead of its end."""
        await self._shared(grant.version, refused=True)

    async def heard(self, grant: Grant) -> None:
        """Take over what another process has renewed, or a person has authorised."""
        if self._token and grant.active and grant.version > self._version:
            await self._shared(self._version)

    def forget(self) -> None:
        """Hold no token any more."""
        self._held, self._version, self._good_until_ns = Credentials(), 0, 0

    def under_way(self) -> "asyncio.Task[None] | None":
        """Give the renewal under way, if there is one."""
        return None if self._flight is None or self._flight.done() else self._flight

    @property
    def _token(self) -> str:
        return self._held.get("access_token", "")

    def _is_good(self) -> bool:
        if not self._token:
            return False
        return self._good_until_ns is None or self._clock.now_ns() < self._good_until_ns

    async def _shared(self, known: int, *, refused: bool = False) -> None:
        """Wait for the one renewal under way, or begin it; raises as `current` does."""
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._renewed(known, refused=refused), name="renew an access token")
            self._flight.add_done_callback(_heard)
        done, _ = await asyncio.wait({self._flight}, timeout=_WAIT_S)
        if not done:
            raise no_token_now(self.profile.broker)
        await self._flight

    async def _renewed(self, known: int, *, refused: bool) -> None:
        """Hold a good token newer than the version `known`; that one will do where it was not refused."""
        until = self._clock.monotonic() + _WAIT_S
        while True:
            grant = await self._grant()
            if (grant.version > known or not refused) and self._is_usable(grant):
                await self._load(grant)
                return
            if not self._is_due(grant):
                raise no_token_now(self.profile.broker)
            life_s = claim_life_s(self.profile)
            claim = await self._needs.book.claim(grant.user_id, grant.connection_id, grant.version, life_s)
            if claim is None:
                # Another process has it; what comes of that is on the record soon.
                if self._clock.monotonic() >= until:
                    raise no_token_now(self.profile.broker)
                await self._clock.sleep(_LOOK_AGAIN_S)
                continue
            try:
                await self._refreshing(claim, self.profile)
            except CredentialsMoved:
                log.info("what was renewed has been replaced meanwhile", connection_id=grant.connection_id)

    async def _grant(self) -> Grant:
        connection = self.connection
        grant = await self._needs.book.get(connection.user_id, connection.connection_id)
        if grant is None:
            raise nothing_granted(connection.connection_id)
        if not grant.active:
            raise person_needed(grant)
        return grant

    def _is_usable(self, grant: Grant) -> bool:
        end_ns = grant.access_end_time_ns
        return end_ns is None or self._clock.now_ns() < end_ns - _MARGIN_NS

    def _is_due(self, grant: Grant) -> bool:
        """Whether a refresh may be tried now: after one in vain not before its time."""
        if not grant.tries:
            return True
        return grant.refresh_time_ns is None or self._clock.now_ns() >= grant.refresh_time_ns

    async def _load(self, grant: Grant) -> None:
        if grant.version != self._version:
            held = await self._needs.directory.credentials(grant.user_id, grant.connection_id, Purpose.SESSION)
            if held is None or "access_token" not in held:
                raise nothing_granted(grant.connection_id)
            self._held, self._version = Credentials(access_token=held["access_token"]), grant.version
        end_ns = grant.access_end_time_ns
        self._good_until_ns = None if end_ns is None else end_ns - _MARGIN_NS


class GivenToken:
    """Implements `ports.broker.AccessTokens` with one token: for the trial of what was just granted."""

    def __init__(self, token: str) -> None:
        self._held = Credentials(access_token=token)

    async def current(self) -> str:
        """Give the token."""
        return self._held["access_token"]

    async def after(self, refused: str) -> str:
        """Give it back: there is no other, and the broker's answer stands."""
        return refused


class Tokens:
    """The tokens of every connection of this process that was authorised by OAuth."""

    def __init__(self, profiles: Mapping[str, OAuthProfile], needs: OAuthNeeds) -> None:
        self._profiles = profiles
        self._needs = needs
        self._held: dict[str, ConnectionTokens] = {}

    def of(self, connection: Connection, credentials: Credentials | None) -> AccessTokens | None:
        """Give the tokens of a connection; None for one that was not authorised by OAuth."""
        profile = self._profiles.get(connection.broker)
        if profile is None or credentials is None or "access_token" not in credentials:
            return None
        return self.held(connection, profile)

    def held(self, connection: Connection, profile: OAuthProfile) -> ConnectionTokens:
        """Give the holder of a connection's token, made when first asked for."""
        known = self._held.get(connection.connection_id)
        if known is None:
            known = self._held[connection.connection_id] = ConnectionTokens(connection, profile, self._needs)
        return known

    def of_session(self, connection: Connection) -> ConnectionTokens | None:
        """Give the holder of the token of a connection that has a grant."""
        profile = self._profiles.get(connection.broker)
        return None if profile is None else self.held(connection, profile)

    async def close(self) -> None:
        """Let renewals end that are under way: what the broker has given must get on the record."""
        flights = {flight for held in self._held.values() if (flight := held.under_way()) is not None}
        if flights:
            _, late = await asyncio.wait(flights, timeout=_WAIT_S)
            for flight in late:
                flight.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def drop(self, connection_id: str) -> None:
        """Forget the token of a connection that was revoked."""
        held = self._held.pop(connection_id, None)
        if held is not None:
            held.forget()


def _heard(flight: "asyncio.Task[None]") -> None:
    """Take note of how a renewal ended that nobody may be waiting for any more."""
    if not flight.cancelled() and (error := flight.exception()) is not None and not isinstance(error, GatewayError):
        log.error("a renewal failed", exc_info=error)
