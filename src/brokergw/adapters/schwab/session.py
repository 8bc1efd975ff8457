"""One connection's way to Schwab: bearer tokens, request budgets, and the two kinds of attempt.

An access token lives for half an hour and is renewed behind `AccessTokens`; the login behind it ends after seven days
whatever is done, and then a person must log in. Orders have a budget of their own beside everything else's.
"""

from contextlib import suppress
from typing import Final

from brokergw.adapters.schwab.config import SchwabConfig
from brokergw.adapters.schwab.errors import FAILURES, read_refusal, unavailable
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import Budget, NotSent, Unknown
from brokergw.model.remedy import Remedy
from brokergw.ports.broker import BrokerLink
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport import attempts
from brokergw.transport.answers import CREDENTIALS, Verdict
from brokergw.transport.http import Http, NotSentError, Reply
from brokergw.transport.throttle import Throttle, retry_after_s, tells_when, told_s

_RETRY_S: Final = 1.0
_REQUESTS_OF_AN_ORDER: Final = 4
"""What an order asks beside itself: the account, the positions twice, and the order's row."""


class Session:
    """Sends requests as one account."""

    def __init__(self, link: BrokerLink, config: SchwabConfig, http: Http, clock: Clock) -> None:
        static = "" if link.credentials is None else link.credentials.get("access_token", "")
        if link.tokens is None and not static:
            raise FAILURES.not_usable("a Schwab connection needs a login")
        self._tokens = link.tokens
        self._static = static
        self._http = http
        self._clock = clock
        self._open = True
        http.retain()
        self._base = config.url.rstrip("/")
        self.heard = http.heard_clock(self._base, clock)
        self._data_base = config.data_url.rstrip("/")
        self._queries = Throttle(
            config.queries_per_minute, monotonic=clock.monotonic, pace=link.pace, together=_REQUESTS_OF_AN_ORDER
        )
        self._orders = Throttle(config.orders_per_minute, monotonic=clock.monotonic, pace=link.pace)

    async def token(self) -> str:
        """Give the token of the moment; raises as `AccessTokens` does, or CONNECTION_NOT_USABLE once closed."""
        if not self._open:
            raise FAILURES.not_usable("the connection is closed")
        return self._static if self._tokens is None else await self._tokens.current()

    async def has_another(self, refused: str) -> bool:
        """Tell whether there is another token than one that was refused; raises as `token` does where none is to be had
        at the moment.
        """
        return await attempts.other_token(self._tokens, refused) is not None

    async def close(self) -> None:
        """Send nothing any more, forget the tokens, and give up the shared pool; may be called again."""
        if self._open:
            self._open = False
            self._tokens, self._static = None, ""
            await self._http.release()

    def budget(self) -> Budget:
        """Tell that Schwab tells nothing of its budgets."""
        return Budget(None, None, None)

    async def command(
        self, method: str, path: str, content: bytes | None = None, permit: Permit | None = None
    ) -> Reply | NotSent | Unknown:
        """Make one attempt at something that changes the account; never repeats it under a permit.

        What certainly was thrown away because its token had been replaced is tried once more where it has no permit;
        under a permit it is not sent.
        """
        return await attempts.command(self._command(method, path, content, permit))

    async def query(self, path: str, *, data: bool = False) -> Reply:
        """Ask for something; gives the answer when its status is 200 or 404.

        A kept-alive connection that had died is tried once more, and so is a token that was refused while there is
        another one. Raises Throttled, BROKER_CREDENTIALS_REFUSED or BrokerUnavailable.
        """
        url = (self._data_base if data else self._base) + path
        reply, token = await attempts.query(lambda: self._ask(url), FAILURES)
        if reply.status == 401 and await self.has_another(token):
            reply, token = await attempts.query(lambda: self._ask(url), FAILURES)
        self._heed(reply, self._queries)
        if reply.status in {200, 404}:
            return reply
        raise self._failed(reply)

    def retry_after(self, reply: Reply) -> float:
        """Tell how long Schwab wants to be left alone after a 429."""
        return retry_after_s(reply.headers, self._clock.now_ns(), default=_RETRY_S)

    async def _command(self, method: str, path: str, content: bytes | None, permit: Permit | None) -> Reply:
        reply, token = await self._send(method, path, content, permit)
        if reply.status != 401:
            return reply
        if read_refusal(reply, method).verdict is not Verdict.NOT_TAKEN:
            # It may have been taken, whatever becomes of the token.
            with suppress(GatewayError):
                await self.has_another(token)
            return reply
        if not await self.has_another(token):
            return reply
        if permit is not None:
            raise FAILURES.session_changed()
        reply, _ = await self._send(method, path, content, None)
        return reply

    async def _send(self, method: str, path: str, content: bytes | None, permit: Permit | None) -> tuple[Reply, str]:
        token = await self._sendable()
        self._orders.take(cancel=method == "DELETE")
        reply = await self._http.send(method, self._base + path, _headers(token), content, permit)
        self._heed(reply, self._orders)
        return reply, token

    async def _ask(self, url: str) -> tuple[Reply, str]:
        token = await self._sendable()
        self._queries.take()
        return await self._http.send("GET", url, _headers(token)), token

    async def _sendable(self) -> str:
        if not self._open:
            raise NotSentError("the connection is closed")
        return await self.token()

    def _heed(self, reply: Reply, throttle: Throttle) -> None:
        if reply.status == 429:
            throttle.ban(self.retry_after(reply), cancels=tells_when(reply.headers))

    def _failed(self, reply: Reply) -> GatewayError:
        refusal = read_refusal(reply, "GET")
        if reply.status == 429:
            return FAILURES.throttled(self.retry_after(reply))
        if refusal.reason == CREDENTIALS and refusal.verdict is Verdict.NOT_TAKEN:
            return FAILURES.credentials_refused("the access token", refusal, Remedy.AUTHORIZE_AGAIN)
        if reply.status >= 500:
            return unavailable(Reason.BROKER_UNREACHABLE, f"HTTP {reply.status}", told_s(reply.headers))
        return unavailable(Reason.BROKER_ANSWER_UNUSABLE, f"HTTP {reply.status} {refusal.message}".rstrip())


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
