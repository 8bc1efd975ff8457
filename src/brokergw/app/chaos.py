"""Crashing on purpose: a process that ends, or stands still, at a named point of the order protocol.

For tests only. The points stand around the ports and the desk, so the product's own code has no hook in it:

| point | where |
|---|---|
| C1 | before an admission is committed |
| C2 | the admission is durable, and nobody has heard of it (where a lost commit reply leaves things, C4 as well) |
| C5 | the permit is spent, and no byte has left (a cancel needs none: the command is about to be made) |
| C6 | the permit is about to be spent: standing still here, the process outlives it |
| C10 | the broker has answered, and nothing of it is on record |
| C11 | the answer is on record, and nobody has heard of it |
| C12 | the answer is on record, and the caller has no reply |
| F1, F2 | before, and right after, a commit of the background work: feed, resolver, recovery |

A plan is `POINT[.VERB]:PASSAGE:ACT`, such as `C5:3:kill` (SIGKILL at the third passage) or `C10.cancel:1:stop` (SIGSTOP
at the first one of a cancel). Verbs are submit, modify, cancel and deny.
"""

import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, Final, Self, cast
from urllib.parse import urlsplit

import structlog

from brokergw.app.settings import Settings, split_address
from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import LogEvent
from brokergw.model.lifecycle import State
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import Outcome
from brokergw.model.terms import OrderTerms
from brokergw.ports.broker import AdapterFactory, BrokerAdapter, BrokerLink, Change
from brokergw.ports.directory import ConnectionDirectory
from brokergw.ports.journal import Commit, CommitResult, Committed, Journal
from brokergw.ports.permit import Permit
from brokergw.rpc.needs import DeskFace

POINTS: Final = ("C1", "C2", "C5", "C6", "C10", "C11", "C12", "F1", "F2")
VERBS: Final = ("submit", "modify", "cancel", "deny")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

log = structlog.get_logger(__name__)

_verb: ContextVar[str] = ContextVar("verb", default="")
"""The call that the running task works for; tasks that a call starts inherit it."""


class ChaosRefused(ValueError):
    """This process must not crash on purpose: somebody else may depend on it, or the money is real."""


@unique
class Act(StrEnum):
    """What the process does to itself."""

    KILL = "kill"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Plan:
    """Where, at which passage (from 1), and what; an empty verb means any."""

    point: str
    verb: str
    passage: int
    act: Act

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `C5.submit:3:kill`; raises ValueError with the rule."""
        where, _, rest = text.partition(":")
        passage, _, act = rest.partition(":")
        point, _, verb = where.partition(".")
        if point not in POINTS or verb not in {"", *VERBS} or not passage.isdigit() or act not in set(Act):
            raise ValueError(f"chaos is POINT[.VERB]:PASSAGE:ACT, such as C5:3:kill, not {text!r}")
        return cls(point, verb, int(passage), Act(act))


class Crashes:
    """Counts the passages of the plan's point and acts at the planned one.

    `simulated` are the brokers whose LIVE connections lead to no real money.
    """

    def __init__(self, plan: Plan, act: Callable[[Act], None], simulated: frozenset[str] = frozenset()) -> None:
        self.simulated = simulated
        self._plan = plan
        self._act = act
        self._passages = 0

    def passing(self, point: str, verb: str = "") -> None:
        """Say that a point is being passed; may not return."""
        plan = self._plan
        if point != plan.point or plan.verb not in {"", verb or _verb.get()}:
            return
        self._passages += 1
        if self._passages == plan.passage:
            log.warning("crashing on purpose", point=point, verb=verb or _verb.get(), act=plan.act.value)
            self._act(plan.act)

    def journal(self, journal: Journal) -> Journal:
        """Stand around the journal."""
        return cast("Journal", CrashingJournal(journal, self))

    def catalog(self, catalog: Mapping[str, AdapterFactory]) -> Mapping[str, AdapterFactory]:
        """Stand around every broker."""
        return {name: CrashingFactory(name, factory, self) for name, factory in catalog.items()}

    def desk(self, desk: DeskFace) -> DeskFace:
        """Stand around the desk."""
        return cast("DeskFace", CrashingDesk(desk, self))


def crashes_of(settings: Settings) -> Crashes | None:
    """Read the plan of a process, None without one; raises ChaosRefused beyond loopback, ValueError for a bad plan."""
    if not settings.chaos:
        return None
    host, _ = split_address(settings.listen)
    if host not in _LOOPBACK:
        raise ChaosRefused(f"a process that crashes on purpose serves on loopback only, not on {host}")
    log.error("THIS PROCESS CRASHES ON PURPOSE: it is under test", chaos=settings.chaos)
    return Crashes(Plan.parse(settings.chaos), _act_for_real, simulated_live(settings))


def simulated_live(settings: Settings) -> frozenset[str]:
    """Name the brokers whose live address is on this machine: a simulator's, since none of them is served from one.

    Interactive Brokers is never among them: its gateway is on this machine for real money too.
    """
    return frozenset(broker for broker, url in _live_urls(settings).items() if urlsplit(url).hostname in _LOOPBACK)


def _live_urls(settings: Settings) -> Mapping[str, str]:
    return {
        "alpaca": settings.alpaca_live_url,
        "binance": settings.binance_live_url,
        "binance-futures": settings.binance_futures_live_url,
        "ctrader": settings.ctrader_live_url,
        "schwab": settings.schwab_url,
    }


async def require_no_live_money(connections: ConnectionDirectory, simulated: frozenset[str]) -> None:
    """Raise ChaosRefused when some connection trades real money: LIVE, and not at one of the simulated brokers."""
    live = [c for c in await connections.list() if c.environment is Environment.LIVE and not c.revoked]
    if any(connection.broker not in simulated for connection in live):
        raise ChaosRefused("a process that crashes on purpose must not have LIVE connections")


def _act_for_real(act: Act) -> None:
    os.kill(os.getpid(), signal.SIGKILL if act is Act.KILL else signal.SIGSTOP)


class CrashingJournal:
    """A journal whose commits pass points; everything else passes through."""

    def __init__(self, journal: Journal, crashes: Crashes) -> None:
        self._journal = journal
        self._crashes = crashes
        self._unheard: dict[tuple[str, int], tuple[str, str]] = {}
        # The first listener: nobody hears of a commit before it.
        journal.on_events(self._durable)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def commit(self, unit: Commit) -> CommitResult:
        """Commit, passing a point before and one when the unit is durable."""
        before, after = _points(unit)
        orders = (*unit.inserts, *unit.updates)
        versions = [(order.order_id, order.version) for order in orders]
        if before:
            self._crashes.passing(before)
        if after:
            self._unheard |= dict.fromkeys(versions, (after, _verb.get()))
        try:
            result = await self._journal.commit(unit)
        finally:
            told = [version for version in versions if self._unheard.pop(version, None) is None]
        if after and isinstance(result, Committed) and not told:
            # A decision alone has no event to hear of.
            self._crashes.passing(after)
        return result

    def _durable(self, events: Sequence[LogEvent]) -> None:
        for event in events:
            if isinstance(event.payload, Order):
                passed = self._unheard.pop((event.payload.order_id, event.payload.version), None)
                if passed is not None:
                    self._crashes.passing(*passed)


def _points(unit: Commit) -> tuple[str, str]:
    """Name the points before and after a commit; empty where there is none."""
    if unit.claim is not None or any(order.state is State.SENDING for order in unit.updates):
        return "C1", "C2"
    if not (unit.inserts or unit.updates or unit.fills or unit.decision):
        return "", ""
    # A look-up that a call has left behind inherits the call's verb; what it writes is told as reconciled.
    if _verb.get() and all(event.origin is Origin.LIVE for event in unit.events):
        return "", "C11"
    return "F1", "F2"


class CrashingFactory:
    """A broker whose adapters' commands pass points."""

    def __init__(self, broker: str, factory: AdapterFactory, crashes: Crashes) -> None:
        self._broker = broker
        self._factory = factory
        self._crashes = crashes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factory, name)

    @property
    def capabilities(self) -> Any:
        """What this broker can do."""
        return self._factory.capabilities

    def open(self, link: BrokerLink) -> BrokerAdapter:
        """Make an adapter; raises CONNECTION_NOT_USABLE where the money is real."""
        if link.environment is Environment.LIVE and self._broker not in self._crashes.simulated:
            raise GatewayError(Reason.CONNECTION_NOT_USABLE, "this process crashes on purpose: no real money here")
        return cast("BrokerAdapter", CrashingAdapter(self._factory.open(link), self._crashes))


class CrashingAdapter:
    """An adapter whose commands pass a point before the first byte and one after the answer."""

    def __init__(self, adapter: BrokerAdapter, crashes: Crashes) -> None:
        self._adapter = adapter
        self._crashes = crashes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    async def submit_order(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Send an order."""
        return await self._answered(self._adapter.submit_order(self._watched(permit), terms))

    async def modify_order(self, permit: Permit, order_id: str, change: Change) -> Outcome:
        """Send a change."""
        return await self._answered(self._adapter.modify_order(self._watched(permit), order_id, change))

    async def cancel_order(self, order_id: str) -> Outcome:
        """Send a cancel."""
        self._crashes.passing("C5")
        return await self._answered(self._adapter.cancel_order(order_id))

    def _watched(self, permit: Permit) -> Permit:
        return cast("Permit", CrashingPermit(permit, self._crashes))

    async def _answered(self, command: Awaitable[Outcome]) -> Outcome:
        outcome = await command
        self._crashes.passing("C10")
        return outcome


class CrashingPermit:
    """A permit whose use passes a point before and one after."""

    def __init__(self, permit: Permit, crashes: Crashes) -> None:
        self._permit = permit
        self._crashes = crashes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._permit, name)

    def spend(self) -> None:
        """Use the permit up."""
        self._crashes.passing("C6")
        self._permit.spend()
        self._crashes.passing("C5")


@contextmanager
def _working_for(verb: str) -> Iterator[None]:
    before = _verb.set(verb)
    try:
        yield
    finally:
        _verb.reset(before)


class CrashingDesk:
    """A desk whose answers pass a point before they leave, and whose calls are known to the points inside."""

    def __init__(self, desk: DeskFace, crashes: Crashes) -> None:
        self._desk = desk
        self._crashes = crashes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)

    async def clear(self, *what: Any) -> Any:
        """Run the gates, which record a denial."""
        with _working_for("deny"):
            return await self._desk.clear(*what)

    async def submit(self, *what: Any) -> Any:
        """Place an order."""
        return await self._answer("submit", self._desk.submit, what)

    async def modify(self, *what: Any) -> Any:
        """Change an order."""
        return await self._answer("modify", self._desk.modify, what)

    async def cancel(self, *what: Any) -> Any:
        """Cancel an order."""
        return await self._answer("cancel", self._desk.cancel, what)

    async def _answer(self, verb: str, call: Callable[..., Any], what: tuple[Any, ...]) -> Any:
        with _working_for(verb):
            try:
                answer = await call(*what)
            except GatewayError:
                self._crashes.passing("C12")
                raise
            self._crashes.passing("C12")
            return answer
