"""One connection's way to Alpaca: addresses, auth headers, request budgets, and the two kinds of attempt.

Alpaca's keys are static, so there is no sign-in: a session is the headers. A connection that was authorised by OAuth
has a bearer token instead, the one of the moment. Trading and market data have budgets of their own.
"""

from dataclasses import dataclass
from typing import Final

from brokergw.adapters.alpaca.config import AlpacaConfig
from brokergw.adapters.alpaca.errors import FAILURES, RATE, read_refusal, unavailable
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import Budget, NotSent, Unknown
from brokergw.model.remedy import Remedy
from brokergw.ports.broker import BrokerLink
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport import attempts
from brokergw.transport.answers import CREDENTIALS
from brokergw.transport.http import Http, NotSentError, Reply
from brokergw.transport.throttle import Throttle, read_budget, retry_after_s, tells_when, told_s

_RETRY_S: Final = 1.0
_REQUESTS_OF_AN_ORDER: Final = 3
"""What an order asks of the trading service: the account, the positions, and then the order itself."""
_NO_BUDGET: Final = Budget(None, None, None)


@dataclass(slots=True)
class _Door:
    """One of Alpaca's hosts with its budget."""

    base: str
    throttle: Throttle
    budget: Budget = _NO_BUDGET


class Session:
    """Sends requests as one account."""

    def __init__(self, link: BrokerLink, config: AlpacaConfig, http: Http, clock: Clock) -> None:
        self._tokens = link.tokens
        if link.tokens is None and link.credentials is None:
            raise FAILURES.not_usable("an Alpaca connection needs an API key and its secret")
        self._credentials = link.credentials
        self._http = http
        self._clock = clock
        self._open = True
        http.retain()
        self._trading = _Door(
            config.trading_url(link.environment),
            Throttle(
                config.requests_per_minute, monotonic=clock.monotonic, pace=link.pace, together=_REQUESTS_OF_AN_ORDER
            ),
        )
        self.heard = http.heard_clock(self._trading.base, clock)
        self._data = _Door(
            config.data_url.rstrip("/"),
            Throttle(config.data_requests_per_minute, monotonic=clock.monotonic, pace=link.pace),
        )
        self._headers = {"Content-Type": "application/json"}
        if link.credentials is not None:
            self._headers["APCA-API-KEY-ID"] = link.credentials.key
            self._headers["APCA-API-SECRET-KEY"] = link.credentials.secret

    async def sign_in(self) -> dict[str, str]:
        """Give what the stream signs in with: the key and its secret, or the token of the moment."""
        if self._tokens is not None:
            return {"oauth_token": await self._tokens.current()}
        if self._credentials is None:
            raise FAILURES.not_usable("the connection is closed")
        return {"key_id": self._credentials.key, "secret_key": self._credentials.secret}

    async def close(self) -> None:
        """Send nothing any more, forget the keys, and give up the shared pool; may be called again."""
        if self._open:
            self._open = False
            self._credentials, self._tokens, self._headers = None, None, {}
            await self._http.release()

    def budget(self) -> Budget:
        """Tell the trading budget as last heard."""
        return self._trading.budget

    async def command(
        self, method: str, path: str, content: bytes | None = None, permit: Permit | None = None
    ) -> Reply | NotSent | Unknown:
        """Make one attempt at something that changes the account; never repeats it under a permit."""
        cancel = method == "DELETE"
        return await attempts.command(self._send(self._trading, method, path, content, permit, cancel=cancel))

    async def query(self, path: str, *, data: bool = False) -> Reply:
        """Ask for something; gives the answer when its status is 200 or 404.

        A kept-alive connection that had died is tried once more, which changes nothing at Alpaca. Raises Throttled,
        BROKER_CREDENTIALS_REFUSED or BrokerUnavailable.
        """
        door = self._data if data else self._trading
        reply = await attempts.query(lambda: self._send(door, "GET", path), FAILURES)
        if reply.status in {200, 404}:
            return reply
        raise self._failed(reply)

    def retry_after(self, reply: Reply) -> float:
        """Tell how long Alpaca wants to be left alone after a 429."""
        return retry_after_s(reply.headers, self._clock.now_ns(), default=_RETRY_S)

    def _failed(self, reply: Reply) -> GatewayError:
        refusal = read_refusal(reply)
        if refusal.reason == RATE:
            return FAILURES.throttled(self.retry_after(reply))
        if refusal.reason == CREDENTIALS:
            by_token = self._tokens is not None
            what, remedy = ("access token", Remedy.AUTHORIZE_AGAIN) if by_token else ("API key", Remedy.NEW_CREDENTIALS)
            return FAILURES.credentials_refused(f"the {what}", refusal, remedy)
        if reply.status >= 500:
            return unavailable(Reason.BROKER_UNREACHABLE, f"HTTP {reply.status}", told_s(reply.headers))
        return unavailable(Reason.BROKER_ANSWER_UNUSABLE, f"HTTP {reply.status} {refusal.code} {refusal.message}")

    async def _send(
        self,
        door: _Door,
        method: str,
        path: str,
        content: bytes | None = None,
        permit: Permit | None = None,
        *,
        cancel: bool = False,
        again: bool = False,
    ) -> Reply:
        if not self._open:
            raise NotSentError("the connection is closed")
        headers, token = self._headers, ""
        if self._tokens is not None:
            token = await self._tokens.current()
            headers = {**headers, "Authorization": f"Bearer {token}"}
        door.throttle.take(cancel=cancel)
        reply = await self._http.send(method, door.base + path, headers, content, permit)
        told = read_budget(reply.headers, door.budget)
        if told is not door.budget:
            door.budget = told
            door.throttle.learn(told)
        if reply.status == 401 and not again and await self.has_another(token):
            if permit is not None:
                raise FAILURES.session_changed()
            return await self._send(door, method, path, content, cancel=cancel, again=True)
        if reply.status == 429:
            # A ban without an end may be a hiccup; cancels keep their share of the budget through it.
            door.throttle.ban(self.retry_after(reply), cancels=tells_when(reply.headers))
        return reply

    async def has_another(self, refused: str) -> bool:
        """Tell whether there is another token than one that was refused; what had no permit is then sent again.

        Raises GatewayError where none is to be had at the moment.
        """
        return await attempts.other_token(self._tokens, refused) is not None
