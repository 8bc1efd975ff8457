"""One account's way to Binance: signatures, the address's and the account's budgets, and the two kinds of attempt.

A request that is signed says when it was made, by Binance's clock as far as it is known; one that Binance throws away
for its time is made again after its clock has been asked for, unless it goes out under a permit, which lets one out.
Queries and cancels carry their parameters in the query, everything else in the body, where a permit can hold it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

from brokergw.adapters.binance.config import BinanceConfig, Product
from brokergw.adapters.binance.errors import (
    CLOCK,
    FAILURES,
    RATE,
    TOO_MANY_ORDERS,
    read_refusal,
    unavailable,
    understood,
)
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import Budget, NotSent, Unknown
from brokergw.model.remedy import Remedy
from brokergw.ports.broker import BrokerLink
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport import attempts
from brokergw.transport.answers import CREDENTIALS, Refusal, Verdict
from brokergw.transport.broker_clock import BrokerClock
from brokergw.transport.heard_clock import HeardClock
from brokergw.transport.http import Http, NotSentError, Reply
from brokergw.transport.rows import read_row, whole
from brokergw.transport.signing import Signer, signer_of
from brokergw.transport.throttle import Throttle, told_s
from brokergw.transport.weights import AddressBudget, Window

_MS: Final = 1_000_000
_BANNED_S: Final = 120.0
_BUSY_S: Final = 1.0
_CLOCK_S: Final = 0.2
_TIME: Final = {Product.SPOT: "/api/v3/time", Product.FUTURES: "/fapi/v1/time"}
_LONG: Final = {Product.SPOT: "1d", Product.FUTURES: "1m"}
_RESERVE: Final = 0.1
_BODY_METHODS: Final = frozenset({"POST", "PUT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: what it weighs, and whether it counts as an order (or several `orders`), and whether it may use
    what is kept for cancels.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1
    signed: bool = True
    order: bool = False
    orders: int = 1
    cancel: bool = False


class Address:
    """What everybody shares who talks to one address: its request weight, its bans, and Binance's clock."""

    def __init__(self, config: BinanceConfig, clock: Clock, heard: HeardClock) -> None:
        self.clock = BrokerClock(clock, heard)
        window = Window(config.weight_per_minute, 60, now_ns=self.clock.now_ns, reserve=_RESERVE)
        self.budget = AddressBudget(window, monotonic=clock.monotonic)


class Session:
    """Sends requests as one account."""

    def __init__(self, link: BrokerLink, config: BinanceConfig, http: Http, clock: Clock, address: Address) -> None:
        if link.credentials is None:
            raise FAILURES.not_usable("a Binance connection needs an API key and its secret")
        try:
            self._signer: Signer | None = signer_of(link.credentials.secret)
        except ValueError as error:
            raise FAILURES.not_usable(f"Binance: {error}") from error
        self._key = link.credentials.key
        self.product = config.product
        self._base = config.trading_url(link.environment)
        self._window_ms = config.receive_window_ms
        self._http = http
        self._address = address
        self.heard = address.clock.heard
        self._pace = Throttle(None, monotonic=clock.monotonic, pace=link.pace)
        now_ns = address.clock.now_ns
        self._orders = {
            "10s": Window(config.orders_10s, 10, now_ns=now_ns),
            _LONG[config.product]: Window(config.orders_long, config.long_s, now_ns=now_ns),
        }
        self._told = False
        self._open = True
        http.retain()

    @property
    def is_open(self) -> bool:
        """Whether anything may still be sent."""
        return self._open

    async def close(self) -> None:
        """Send nothing any more, forget the keys, and give up the shared pool; may be called again."""
        if self._open:
            self._open = False
            self._signer, self._key = None, ""
            await self._http.release()

    def budget(self) -> Budget:
        """Tell the address's budget as the headers last said, beside the account's own."""
        window = self._address.budget.window
        extra = {f"orders_{name}": f"{each.used}/{each.limit}" for name, each in self._orders.items() if each.limit}
        if not self._told or window.limit is None:
            return Budget(window.limit, None, None, extra)
        return Budget(window.limit, max(0, window.limit - window.used), window.ends_ns, extra)

    def learn_limit(self, weight: int) -> None:
        """Follow what Binance publishes as the address's budget."""
        if self._address.budget.window.limit is not None:
            self._address.budget.window.limit = weight

    async def sign_in(self) -> dict[str, str]:
        """Give the signed parameters that open a user data stream over the WebSocket API."""
        await self._set_clock()
        if self._signer is None:
            raise unavailable(Reason.BROKER_UNREACHABLE, "the connection is closed")
        params = {"apiKey": self._key, "timestamp": str(self._address.clock.now_ns() // _MS)}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return {**params, "signature": self._signer.sign(payload.encode())}

    async def command(self, request: Request, permit: Permit | None = None) -> Reply | NotSent | Unknown:
        """Make one attempt at something that changes the account; never repeats it under a permit."""
        return await attempts.command(self._send(request, permit))

    async def query(self, request: Request, *, also: frozenset[str] = frozenset()) -> Reply:
        """Ask for something; gives the answer when it is a success, or a refusal for one of the reasons in `also`.

        A kept-alive connection that had died is tried once more. Raises Throttled, BROKER_CREDENTIALS_REFUSED or
        BrokerUnavailable.
        """
        reply = await attempts.query(lambda: self._send(request), FAILURES)
        if reply.status == 200:
            return reply
        refusal = read_refusal(self.product, reply)
        if refusal.reason in also:
            return reply
        raise self._failed(reply, refusal)

    def retry_after(self, reply: Reply, refusal: Refusal) -> float:
        """Tell how long Binance wants to be left alone."""
        said = reply.headers.get("retry-after", "")
        if said.isascii() and said.isdigit() and len(said) <= 7:
            return max(1.0, float(said))
        if reply.status == 418:
            return _BANNED_S
        if refusal.reason == RATE:
            left_ns = self._address.budget.window.ends_ns - self._address.clock.now_ns()
            return max(1.0, left_ns / 1e9)
        return _CLOCK_S if refusal.reason == CLOCK else _BUSY_S

    def _failed(self, reply: Reply, refusal: Refusal) -> GatewayError:
        if refusal.reason in {RATE, TOO_MANY_ORDERS}:
            return FAILURES.throttled(self.retry_after(reply, refusal))
        if refusal.reason == CREDENTIALS:
            what = "the API key, its permissions or its address"
            return FAILURES.credentials_refused(what, refusal, Remedy.NEW_CREDENTIALS)
        if reply.status >= 500 or refusal.verdict is Verdict.NOT_TAKEN:
            why = f"HTTP {reply.status} {refusal.code}".rstrip()
            return unavailable(Reason.BROKER_UNREACHABLE, why, told_s(reply.headers))
        return unavailable(Reason.BROKER_ANSWER_UNUSABLE, f"HTTP {reply.status} {refusal.code} {refusal.message}")

    async def _send(self, request: Request, permit: Permit | None = None, *, again: bool = False) -> Reply:
        if request.signed:
            await self._set_clock()
        if not self._open:
            raise NotSentError("the connection is closed")
        self._pace.take(cancel=request.cancel)
        if request.order:
            for window in self._orders.values():
                window.check(request.orders)
        self._address.budget.take(request.weight, cancel=request.cancel)
        if request.order:
            for window in self._orders.values():
                window.spend(request.orders)
        url, content = self._written(request)
        headers = {"X-MBX-APIKEY": self._key} if self._key else {}
        if content is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        reply = await self._http.send(request.method, url, headers, content, permit)
        self._learn(reply)
        if reply.status != 200 and self._is_late(reply) and permit is None and not again:
            return await self._send(request, again=True)
        return reply

    def _written(self, request: Request) -> tuple[str, bytes | None]:
        params = dict(request.params)
        if request.signed:
            params |= {
                "recvWindow": str(self._window_ms),
                "timestamp": str(self._address.clock.now_ns() // _MS),
            }
        written = urlencode(params, quote_via=quote, safe="")
        if request.signed and self._signer is not None:
            written += f"&signature={quote(self._signer.sign(written.encode()), safe='')}"
        url = self._base + request.path
        if request.method in _BODY_METHODS:
            return url, written.encode()
        return f"{url}?{written}" if written else url, None

    def _learn(self, reply: Reply) -> None:
        """Follow the headers, and hold back what a refusal says to hold back."""
        used = _count(reply, "x-mbx-used-weight-1m")
        if used is not None:
            self._told = True
            self._address.budget.window.learn(used)
        for name, window in self._orders.items():
            count = _count(reply, f"x-mbx-order-count-{name}")
            if count is not None:
                window.learn(count)
        if reply.status == 200:
            return
        refusal = read_refusal(self.product, reply)
        if refusal.reason == RATE:
            self._address.budget.ban(self.retry_after(reply, refusal))
        elif refusal.reason == TOO_MANY_ORDERS:
            self._orders["10s"].fill()

    def _is_late(self, reply: Reply) -> bool:
        late = read_refusal(self.product, reply).reason == CLOCK
        if late:
            self._address.clock.distrust()
        return late

    async def _set_clock(self) -> None:
        if not self._address.clock.is_due or not self._open:
            return
        try:
            await self._address.clock.measure(self._ask_time)
        except GatewayError:
            # Our own clock has to do; Binance says so if it does not.
            return

    async def _ask_time(self) -> int:
        reply = await self.query(Request(method="GET", path=_TIME[self.product], signed=False))
        with understood():
            return whole(read_row(reply.body), "serverTime") * _MS


def _count(reply: Reply, name: str) -> int | None:
    value = reply.headers.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 12 else None
