"""The web server of OAuth: `/oauth/start/{broker}` sends a browser to the broker, `/oauth/callback/{broker}` is where
the broker sends it back to.

Starting leaves a cookie in the browser that only the callback's path gets. Without it, or with another state than its
own, a callback is not taken: so nobody can slip an authorization of theirs to somebody else's browser, also where the
broker does not give the state back. Nothing of an address is ever logged: it holds codes.
"""

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog
from aiohttp import web

from brokergw.desk.oauth.authorizing import ATTEMPT_S, Callback
from brokergw.desk.oauth.redirect import CALLBACK_PATH, START_PATH, Redirects
from brokergw.desk.results import ConnectionStatus
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.ports.clock import Clock
from brokergw.web.pages import HEADERS, page

COOKIE: Final = "brokergw_oauth"
_STATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_AT_ONCE: Final = 16
_KNOWN: Final = ("state", "code", "error", "iss")

log = structlog.get_logger(__name__)


class AuthorizingFace(Protocol):
    """The desk's part for authorizations, as browsers need it."""

    async def way_to_broker(self, broker: str, state: str) -> str:
        """Give the broker's address for an attempt; raises OAUTH_STATE_INVALID."""
        ...

    def echoes_state(self, broker: str) -> bool:
        """Tell whether a broker sends the state back."""
        ...

    async def complete(self, user_id: str | None, callback: Callback) -> ConnectionStatus:
        """Take a callback, once."""
        ...


class WebServer:
    """Serves the two paths of OAuth, and nothing else."""

    def __init__(
        self,
        authorizing: AuthorizingFace,
        redirects: Redirects,
        record: Callable[[AuditRow], None],
        clock: Clock,
        *,
        host: str,
        port: int,
    ) -> None:
        self._authorizing = authorizing
        self._redirects = redirects
        self._record = record
        self._clock = clock
        self._address = host, port
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen, and give the port; raises OSError when it cannot."""
        app = web.Application(client_max_size=1024, middlewares=[self._guarded])
        prefix = self._redirects.prefix
        app.router.add_get(f"{prefix}{START_PATH}{{broker}}", self._start, allow_head=False)
        app.router.add_get(f"{prefix}{CALLBACK_PATH}{{broker}}", self._callback, allow_head=False)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, keepalive_timeout=15.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, *self._address)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Let what is under way end, and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer whatever happens with a page of ours: what went wrong inside stays inside."""
        try:
            async with self._room:
                return await handler(request)
        except web.HTTPException as refusal:
            return page(refusal.status, "Nothing here", "There is no such page.")
        except GatewayError as error:
            return page(
                _STATUS.get(error.reason, 400), "Not authorized", f"{_sentence(error.message)} ({error.reason})"
            )
        except Exception as error:  # noqa: BLE001 - a traceback could show an address, and addresses hold codes
            log.error("a page failed", kind=type(error).__name__)  # noqa: TRY400 - as above
            return page(500, "Something failed", "Begin the authorization again.")

    async def _start(self, request: web.Request) -> web.StreamResponse:
        broker, state = request.match_info["broker"], _once(request).get("state", "")
        if not _STATE.fullmatch(state):
            raise _unknown()
        url = await self._authorizing.way_to_broker(broker, state)
        answer = web.Response(status=302, headers={**HEADERS, "Location": url})
        answer.set_cookie(
            COOKIE,
            state,
            max_age=ATTEMPT_S,
            path=self._cookie_path(broker),
            secure=self._redirects.secure,
            httponly=True,
            samesite="Lax",
        )
        return answer

    async def _callback(self, request: web.Request) -> web.StreamResponse:
        broker, told = request.match_info["broker"], _once(request)
        bound = request.cookies.get(COOKIE, "")
        if not _STATE.fullmatch(bound):
            return page(
                400,
                "Not begun in this browser",
                "This authorization was not begun in this browser. If you began it on the command line, give it the "
                "address of this page.",
            )
        state = told.get("state", "")
        if state == "" and not self._authorizing.echoes_state(broker):
            state = bound
        if not hmac.compare_digest(state.encode(), bound.encode()):
            raise _unknown()
        answer = await self._taken(
            request,
            Callback(
                broker=broker,
                state=state,
                code=told.get("code", ""),
                issuer=told.get("iss", ""),
                error=told.get("error", ""),
            ),
        )
        answer.del_cookie(COOKIE, path=self._cookie_path(broker))
        return answer

    async def _taken(self, request: web.Request, callback: Callback) -> web.Response:
        try:
            status = await self._authorizing.complete(None, callback)
        except GatewayError as error:
            self._tell(request, "", "REFUSED", error.reason.value)
            text = f"{_sentence(error.message)} ({error.reason})"
            return page(_STATUS.get(error.reason, 400), "Not authorized", text)
        connection = status.connection
        self._tell(request, connection.user_id, "OK", "", connection.account_id)
        return page(200, "Authorized", f"{connection.account_label} is connected. You may close this page.")

    def _tell(self, request: web.Request, user_id: str, outcome: str, reason: str, account_id: str = "") -> None:
        self._record(
            AuditRow(
                time_ns=self._clock.now_ns(),
                request_id="",
                user_id=user_id,
                key_id="",
                action="oauth.callback",
                outcome=outcome,
                reason=reason,
                account_id=account_id,
                address=request.remote or "",
                detail=f"broker={request.match_info['broker'][:64]}",
            )
        )

    def _cookie_path(self, broker: str) -> str:
        return f"{self._redirects.prefix}{CALLBACK_PATH}{broker}"


def _once(request: web.Request) -> dict[str, str]:
    """Read the parameters that mean something; each may come once (RFC 6749, 3.1)."""
    query = request.rel_url.query
    if any(len(query.getall(name, [])) > 1 for name in _KNOWN):
        raise _unknown()
    return {name: query[name] for name in _KNOWN if name in query}


def _unknown() -> GatewayError:
    return GatewayError(Reason.OAUTH_STATE_INVALID, "there is no authorization under way with this state: begin again")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


_STATUS: Final = {
    Reason.BROKER_UNREACHABLE: 502,
    Reason.JOURNAL_UNAVAILABLE: 503,
    Reason.BROKER_NOT_FOUND: 404,
}
