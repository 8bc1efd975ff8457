"""One Client Portal gateway: the session that a person has opened there, made ready, kept alive, and given up.

Theory of operation. A person logs in on the gateway's page; that login lasts a day at most and cannot be renewed from
here. Upon it stands the brokerage session, which dies after some minutes of silence and can be made again. All
connections through one gateway share both, so they share this object: its budget of requests, its keep-alive, and
what is known of the session.

Nothing is asked of a session that is not ready. Making it ready asks how it stands, makes the brokerage session where
there is none, reads which accounts it has and whether they are paper ones, and takes back every suppression of
questions, so that each is asked. `generation` counts the sessions, since each begins with cold caches. What could not
be made is not tried again for a while, so that nobody's login is hammered.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.adapters.ibkr import faults
from brokergw.adapters.ibkr.config import IbkrConfig
from brokergw.adapters.ibkr.errors import NO_LOGIN, NO_SESSION, RATE_LIMITED, read_refusal
from brokergw.adapters.ibkr.pacing import Lane, Pacer, seen
from brokergw.adapters.ibkr.payloads import text
from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.broker import Pace, own_pace
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport import attempts
from brokergw.transport.http import Http, Reply
from brokergw.transport.rows import Row, Unusable, as_row, as_rows, flag, optional_text, read_json
from brokergw.transport.throttle import Throttle, retry_after_s, told_s

logger = logging.getLogger(__name__)

_SETTLING_TURNS: Final = 6
_JSON: Final = {"Content-Type": "application/json"}
_BODILESS: Final = frozenset({"GET", "DELETE"})


@dataclass(frozen=True, slots=True)
class Ready:
    """What the session may be used for: its accounts with their base currencies, and whether they are paper ones."""

    generation: int
    accounts: dict[str, str]
    paper: bool


class Gateway:
    """The session at one address."""

    def __init__(self, config: IbkrConfig, http: Http, clock: Clock) -> None:
        self._config = config
        self._http = http
        self._clock = clock
        self.heard = http.heard_clock(config.base, clock)
        self.pace: Callable[[], Pace] = own_pace
        self._pacer = Pacer(clock, config.per_second, self._processes)
        self._bans = Throttle(None, monotonic=clock.monotonic)
        self.orders_lane = self._lane(config.list_every_s)
        self.trades_lane = self._lane(config.list_every_s)
        self.dialogues: dict[str, asyncio.Lock] = {}
        self._ready: Ready | None = None
        self._generation = 0
        self._making: asyncio.Task[Ready] | None = None
        self._failed: GatewayError | None = None
        self._again_at = 0.0
        self._keeper: asyncio.Task[None] | None = None
        self._users = 0

    def retain(self) -> None:
        """Count one more connection."""
        self._users += 1
        self._http.retain()

    async def release(self) -> None:
        """Count one connection less; the last one ends the keep-alive. The person's login is left alone."""
        self._users -= 1
        if self._users == 0:
            tasks = [task for task in (self._keeper, self._making) if task is not None]
            self._keeper = self._making = self._ready = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.release()

    def _processes(self) -> int:
        return self.pace().processes

    def _lane(self, every_s: float) -> Lane:
        return Lane(self._clock, every_s, processes=self._processes, careful=True)

    def dialogue(self, account: str) -> asyncio.Lock:
        """Give the lock of an account's orders: another order makes an open question stale."""
        return self.dialogues.setdefault(account, asyncio.Lock())

    async def ready(self) -> Ready:
        """Give the session, made ready where it is not; raises what keeps it from being ready."""
        if self._ready is not None:
            return self._ready
        if self._failed is not None and self._clock.monotonic() < self._again_at:
            raise self._failed
        if self._making is None:
            self._making = asyncio.create_task(self._make())
            self._making.add_done_callback(seen)
        making = self._making
        # Waited for, not awaited: who gives the gateway up meanwhile must not look like whoever waits being cancelled.
        await asyncio.wait({making})
        if making.cancelled():
            raise faults.unavailable(Reason.BROKER_UNREACHABLE, "the connection was closed")
        return making.result()

    def lost(self, why: str) -> None:
        """Take note that the session is not what it was; whoever comes next makes it ready again."""
        if self._ready is not None:
            logger.warning("the gateway's session is lost: %s", why)
        self._ready = None

    async def send(
        self, method: str, path: str, body: Row | None = None, permit: Permit | None = None, *, cancel: bool = False
    ) -> Reply:
        """Make one attempt; raises NotSentError, UnknownError or Spent. Takes note of what it says of the session."""
        await self._pacer.turn(cancel=cancel)
        self._bans.take(cancel=cancel)
        content = None if method in _BODILESS else json.dumps(body or {}, default=_number).encode()
        reply = await self._http.send(method, self._config.base + path, _JSON, content, permit)
        if reply.status != 200:
            self._notice(reply)
        return reply

    def retry_after(self, reply: Reply) -> float:
        """Tell how long the broker wants to be left alone after a 429; it puts an address into a box for minutes."""
        return retry_after_s(reply.headers, self._clock.now_ns(), default=self._config.penalty_s)

    async def tickle(self) -> str:
        """Keep the session alive, and give the name by which the stream gets in; raises GatewayError."""
        row = await self._ask("POST", "/tickle")
        session = optional_text(row, "session")
        status = row.get("iserver")
        told = status.get("authStatus") if isinstance(status, dict) else None
        # A gateway without a brokerage session tells of none.
        if not isinstance(told, dict) or not _is_healthy(told):
            self.lost("the keep-alive says so")
        return session

    def _notice(self, reply: Reply) -> None:
        refusal = read_refusal(reply)
        if refusal.reason in {NO_LOGIN, NO_SESSION}:
            self.lost(refusal.message or f"HTTP {reply.status}")
        elif refusal.reason == RATE_LIMITED:
            # Cancels too: an address in the box is heard by nobody, and who goes on asking is shut out for good.
            self._bans.ban(self.retry_after(reply))

    async def _make(self) -> Ready:
        try:
            ready = await self._prepare()
        except GatewayError as error:
            self._failed, self._again_at = error, self._clock.monotonic() + self._config.again_s
            raise
        finally:
            self._making = None
        self._ready, self._failed = ready, None
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
        return ready

    async def _prepare(self) -> Ready:
        await self._establish()
        try:
            told = await self._ask("GET", "/iserver/accounts")
            names, paper = _accounts_in(told)
            rows = as_rows(await self._asked("GET", "/portfolio/accounts"))
            currencies = {text(row, "accountId"): text(row, "currency") for row in rows}
            await self._ask("POST", "/iserver/questions/suppress/reset")
        except Unusable as error:
            raise faults.unavailable(Reason.BROKER_ANSWER_UNUSABLE, str(error)) from error
        self._generation += 1
        return Ready(self._generation, {name: currencies.get(name, "") for name in names}, paper)

    async def _establish(self) -> None:
        """See to it that there is a brokerage session; raises what a person must do."""
        status = await self._ask("POST", "/iserver/auth/status")
        if _is_healthy(status):
            return
        if flag(status, "competing") and not self._config.compete:
            raise faults.competing()
        if not flag(status, "connected"):
            raise faults.login_needed()
        await self._ask("POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": self._config.compete})
        for _ in range(_SETTLING_TURNS):
            status = await self._ask("POST", "/iserver/auth/status")
            if _is_healthy(status):
                return
            if flag(status, "competing") and not self._config.compete:
                raise faults.competing()
            await self._clock.sleep(self._config.pause_s)
        raise faults.login_needed()

    async def _ask(self, method: str, path: str, body: Row | None = None) -> Row:
        with faults.understood():
            return as_row(await self._asked(method, path, body))

    async def _asked(self, method: str, path: str, body: Row | None = None) -> object:
        reply = await self.query(method, path, body)
        if reply.status != 200:
            raise self.failed(reply)
        return read_json(reply.body)

    async def query(self, method: str, path: str, body: Row | None = None) -> Reply:
        """Ask for what changes nothing, once more where a kept-alive connection had died; raises GatewayError."""
        return await attempts.query(lambda: self.send(method, path, body), faults.FAILURES)

    def failed(self, reply: Reply) -> GatewayError:
        """Make the error of a query that was not answered with what it asked for."""
        refusal = read_refusal(reply)
        if refusal.reason == RATE_LIMITED:
            return faults.throttled(self.retry_after(reply))
        if refusal.reason == NO_LOGIN:
            return faults.login_needed()
        if refusal.reason == NO_SESSION:
            return faults.unavailable(Reason.BROKER_SESSION_DOWN, refusal.message)
        if reply.status >= 500:
            why = f"HTTP {reply.status} {refusal.message}".rstrip()
            return faults.unavailable(Reason.BROKER_UNREACHABLE, why, told_s(reply.headers))
        return faults.unavailable(Reason.BROKER_ANSWER_UNUSABLE, f"HTTP {reply.status} {refusal.message}".rstrip())

    async def _keep(self) -> None:
        """Keep the session alive; one keep-alive that fails is no end, since the session outlives several."""
        while True:
            await self._clock.sleep(self._config.tickle_s)
            try:
                await self.tickle()
                await self.ready()
            except GatewayError as error:
                logger.warning("the gateway's session could not be kept alive: %s", error.message)


def _is_healthy(status: Row) -> bool:
    return flag(status, "authenticated") and flag(status, "connected") and not flag(status, "competing")


def _accounts_in(told: Row) -> tuple[list[str], bool]:
    """Read which accounts there are, and whether they are paper ones, which must not be left to a default."""
    names, paper = told.get("accounts"), told.get("isPaper")
    if not isinstance(names, list) or not isinstance(paper, bool):
        raise Unusable("field accounts or isPaper is missing")
    return [str(name) for name in names], paper


def _number(value: object) -> object:
    """Write an amount as a JSON number that reads back as the same decimal."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no place in a request")
    return int(value) if value == value.to_integral_value() else float(value)
