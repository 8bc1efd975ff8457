"""Every second: what other processes have renewed, what is to be renewed here, and what a person should hear of."""

import asyncio
from typing import Final

import structlog

from brokergw.desk.oauth.refreshing import OAuthNeeds
from brokergw.desk.oauth.schedule import end_ahead
from brokergw.desk.oauth.tokens import ConnectionTokens, Tokens
from brokergw.desk.rounds import outlived
from brokergw.desk.sessions import Session, Sessions
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.errors import GatewayError
from brokergw.model.oauth import Grant

_LOOK_EVERY_S: Final = 1.0
_AT_ONCE: Final = 8

log = structlog.get_logger(__name__)


class Watching:
    """Keeps the grants of a process's connections good."""

    def __init__(self, needs: OAuthNeeds, sessions: Sessions, tokens: Tokens) -> None:
        self._needs = needs
        self._clock = needs.clock
        self._sessions = sessions
        self._tokens = tokens
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._work: dict[str, asyncio.Task[None]] = {}
        self._broken: set[str] = set()

    async def run(self) -> None:
        """Look every second, until cancelled."""
        try:
            while True:
                await self._clock.sleep(_LOOK_EVERY_S)
                with outlived(log, "grants were not looked at"):
                    await self.look()
        finally:
            for task in self._work.values():
                task.cancel()

    async def look(self) -> None:
        """Look at every grant once."""
        grants = {grant.connection_id: grant for grant in await self._needs.book.all()}
        for session in self._sessions.all():
            connection = session.connection
            if connection.revoked:
                self._tokens.drop(connection.connection_id)
                continue
            grant, held = grants.get(connection.connection_id), self._tokens.of_session(connection)
            if grant is not None and held is not None:
                self._show(session, grant, held)
                self._tend(session, grant, held)

    def _show(self, session: Session, grant: Grant, held: ConnectionTokens) -> None:
        """Show on the connection whether a person is needed, or soon will be."""
        session.end_ahead = end_ahead(grant, held.profile, self._clock.now_ns())
        if not grant.active:
            self._broken.add(grant.connection_id)
            session.grant_ended(grant.detail)
        elif grant.connection_id in self._broken:
            self._broken.discard(grant.connection_id)
            session.accepted()

    def _tend(self, session: Session, grant: Grant, held: ConnectionTokens) -> None:
        if grant.connection_id in self._work:
            return
        work = asyncio.create_task(self._tended(session, grant, held), name=f"tend grant {grant.connection_id}")
        self._work[grant.connection_id] = work
        work.add_done_callback(lambda _: self._work.pop(grant.connection_id, None))

    async def _tended(self, session: Session, grant: Grant, held: ConnectionTokens) -> None:
        try:
            await held.heard(grant)
            if session.lease is None:
                return
            await self._warn(grant, held)
            due = grant.refresh_time_ns
            if grant.active and due is not None and self._clock.now_ns() >= due:
                async with self._room:
                    await held.renew(grant)
        except GatewayError as error:
            log.warning("a token was not renewed", connection_id=grant.connection_id, reason=error.reason.value)
        except Exception:
            log.exception("a grant was not tended", connection_id=grant.connection_id)

    async def _warn(self, grant: Grant, held: ConnectionTokens) -> None:
        """Tell a person once of an end ahead; of several processes one does."""
        now = self._clock.now_ns()
        end = end_ahead(grant, held.profile, now)
        if end is None or grant.told_end_time_ns == end.time_ns:
            return
        if not await self._needs.book.warned(grant, end.time_ns):
            return
        self._needs.notifier.notify(
            Alert(
                kind=AlertKind.TOKEN_EXPIRES,
                severity=Severity.WARNING,
                subject=grant.connection_id,
                message=end.words,
                time_ns=now,
                user_id=grant.user_id,
            )
        )
