"""OAuth put together."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from brokergw.desk.oauth.authorizing import Authorizing
from brokergw.desk.oauth.redirect import Redirects
from brokergw.desk.oauth.refreshing import OAuthNeeds
from brokergw.desk.oauth.revoking import Revoking
from brokergw.desk.oauth.tokens import Tokens
from brokergw.desk.oauth.watching import Watching
from brokergw.desk.sessions import Sessions
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.oauth import OAuthProfile
from brokergw.ports.clock import Clock
from brokergw.ports.directory import ConnectionDirectory
from brokergw.ports.notifier import Notifier
from brokergw.ports.oauth import AttemptBook, GrantBook, TokenEndpoint


@dataclass(frozen=True, slots=True)
class OAuthSources:
    """What the desk is given for OAuth; without profiles no broker is authorised by it."""

    profiles: Mapping[str, OAuthProfile]
    attempts: AttemptBook
    grants: GrantBook
    endpoint: TokenEndpoint
    redirects: Redirects = field(default_factory=lambda: Redirects(""))


class OAuthParts:
    """Everything of OAuth in one process."""

    def __init__(
        self,
        sources: OAuthSources,
        sessions: Sessions,
        directory: ConnectionDirectory,
        notifier: Notifier,
        clock: Clock,
    ) -> None:
        self.revoking = Revoking(sources.profiles, directory, sources.endpoint, clock)
        needs = OAuthNeeds(sources.grants, directory, sources.endpoint, notifier, clock, self.revoking)
        self.tokens = Tokens(sources.profiles, needs)
        sessions.tokens_of = self.tokens.of
        self.redirects = sources.redirects
        self.authorizing = Authorizing(
            sources.profiles,
            needs,
            sources.attempts,
            sessions,
            self.tokens,
            sources.redirects,
            random.random,
        )
        self._watching = Watching(needs, sessions, self.tokens)

    def start(self) -> "asyncio.Task[None]":
        """Begin to watch the grants; gives the task, which whoever starts it ends."""
        return asyncio.create_task(self._watching.run(), name="watch grants")

    async def stop(self) -> None:
        """Let what is under way at brokers end, and get on the record."""
        await self.tokens.close()
        await self.revoking.close()


def require_oauth(parts: OAuthParts | None) -> Authorizing:
    """Give what authorises; raises OAUTH_NOT_CONFIGURED where there is no such thing."""
    if parts is None:
        raise GatewayError(Reason.OAUTH_NOT_CONFIGURED, "the gateway authorizes nothing by OAuth")
    return parts.authorizing
