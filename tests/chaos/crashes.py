"""How each point's trial goes: what is switched on before the load, and how the gateway comes to its end."""

import asyncio
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final

from brokergw.sim.faults import FaultName
from tests.chaos.broker import ChaosBroker, Way
from tests.chaos.cutter import Cut
from tests.chaos.gateways import Gateway
from tests.chaos.history import Verb
from tests.chaos.points import HOOKED
from tests.chaos.postgresql import PostgresqlServer
from tests.chaos.prepared import Ground

LOAD_S: Final = 1.5
"""How long the load runs when its crash does not come by itself, in seconds."""

LEASE_S: Final = 3.2
"""After this a lease that is not renewed is lost, in seconds."""

_CALLS_MIN: Final = 25
_BUSY_S: Final = 5.0
"""On a busy machine the load goes on for so long, in seconds, until it has made so many calls."""
_QUICK: Final = 0.8
_PERMIT_S: Final = 2.0
_VERBS: Final = {"": 6, ".submit": 2, ".cancel": 1, ".modify": 1}
_VERBLESS: Final = frozenset({"F1", "F2"})

_NOISE: Final[tuple[tuple[FaultName, Verb | None, dict[str, Any]], ...]] = (
    (FaultName.LOST_REPLY, Verb.SUBMIT, {}),
    (FaultName.LOST_REPLY, Verb.CANCEL, {}),
    (FaultName.LOST_REPLY, Verb.MODIFY, {}),
    (FaultName.ERROR_AFTER, Verb.SUBMIT, {"status": 504}),
    (FaultName.LATE_BIRTH, Verb.SUBMIT, {"seconds": 0.7}),
    (FaultName.HANGING_REPLY, Verb.SUBMIT, {"seconds": 0.5}),
    (FaultName.LATENCY, Verb.SUBMIT, {"seconds": 0.2}),
    (FaultName.CONNECTION_RESET, Verb.SUBMIT, {}),
    (FaultName.RATE_LIMITED, Verb.SUBMIT, {"seconds": 1}),
    (FaultName.GARBLED_REPLY, Verb.SUBMIT, {}),
    (FaultName.FILL_BEFORE_REPLY, Verb.SUBMIT, {"seconds": 0.1}),
    (FaultName.SLOW_CANCEL, None, {"seconds": 0.3}),
    (FaultName.DUPLICATE_EVENTS, None, {"count": 5}),
    (FaultName.REORDERED_EVENTS, None, {"count": 3}),
    (FaultName.DROPPED_EVENTS, None, {"count": 2}),
    (FaultName.DROPPED_STREAM, None, {}),
)


def plan_of(point: str, random: Random) -> str:
    """Write the setting that makes the process crash by itself; empty where the runner does it."""
    if point not in HOOKED:
        return ""
    if point == "C6":
        return f"C6.submit:{random.randint(1, 4)}:stop"
    verb = "" if point in _VERBLESS else random.choices(list(_VERBS), list(_VERBS.values()))[0]
    passage = random.randint(1, 6) if verb in {"", ".submit"} else 1
    return f"{point}{verb}:{passage}:kill"


def arm_noise(broker: ChaosBroker, random: Random) -> None:
    """Switch on up to two faults that have nothing to do with the crash."""
    for name, verb, options in random.sample(_NOISE, random.choice((0, 0, 1, 1, 2))):
        broker.arm(name, None if verb is None else broker.ways[verb], **{"skip": random.randint(0, 6), **options})


class Crash:
    """Brings one gateway to its end; `__call__` tells whether the trial's point was really met."""

    def __init__(
        self,
        gateway: Gateway,
        broker: ChaosBroker,
        ground: Ground,
        random: Random,
        another: Callable[[], Awaitable[Gateway]],
        calls: Callable[[], int],
    ) -> None:
        self._gateway = gateway
        self._broker = broker
        self._ground = ground
        self._random = random
        self._another = another
        self._calls = calls
        self._ways: dict[str, Callable[[], Awaitable[bool]]] = {
            "C6": self._frozen,
            "C7": self._refused,
            "C8": self._waiting,
            "C9": self._answered_badly,
            "C14": self._questioned,
            "TWIN": self._twinned,
            "C13": self._database_locked if ground.server is None else self._database_gone,
            "C15": self._lease_lost,
            "DB": self._database_restarted,
            "COMMIT": self._commit_lost,
            "ANY": self._any_time,
        }

    async def __call__(self, point: str) -> bool:
        """Wait for the point, or go there."""
        met = await self._ways.get(point, self._by_itself)()
        await self._gateway.kill()
        return met

    async def _by_itself(self) -> bool:
        before, until = self._calls(), time.monotonic() + _BUSY_S
        met = await _within(self._gateway.ended.wait(), self._patience_s)
        while not met and self._calls() < before + _CALLS_MIN and time.monotonic() < until:
            met = await _within(self._gateway.ended.wait(), 0.1)
        return met

    async def _any_time(self) -> bool:
        await asyncio.sleep(self._random.uniform(0.01, 0.5 if self._random.random() < _QUICK else self._patience_s))
        return True

    @property
    def _patience_s(self) -> float:
        """How long to wait: where leases must run out first, background work begins later."""
        return LOAD_S if self._ground.server is None else LOAD_S + LEASE_S

    async def _frozen(self) -> bool:
        """Wake a frozen sender when its permit has expired, and give it time to do wrong."""
        met = await _within(self._gateway.stopped.wait(), LOAD_S)
        if met:
            # Later than any lag of this process, so that what arrives then has been sent too late for certain.
            await asyncio.sleep(_PERMIT_S + self._random.uniform(1.8, 2.2))
            self._gateway.signal(signal.SIGCONT)
            await asyncio.sleep(0.4)
        return met

    async def _refused(self) -> bool:
        await asyncio.sleep(self._random.uniform(0.02, 0.2))
        await self._broker.shut()
        await asyncio.sleep(self._random.uniform(0.1, 0.3))
        if self._random.random() < 0.5:
            await self._gateway.kill()
        await self._broker.reopen()
        await asyncio.sleep(self._random.uniform(0.05, 0.2))
        return True

    async def _waiting(self) -> bool:
        name = self._random.choice((FaultName.LATENCY, FaultName.HANGING_REPLY))
        changes = (Verb.MODIFY,) if self._broker.goods.changes else ()
        verb = self._random.choice((*(Verb.SUBMIT,) * 4, *changes, Verb.CANCEL))
        return await self._caught_at(name, self._broker.ways[verb])

    async def _questioned(self) -> bool:
        """Die while a yes to the broker's question is on its way, or when it has arrived."""
        assert self._broker.question is not None
        name = self._random.choice((FaultName.LATENCY, FaultName.HANGING_REPLY, FaultName.LOST_REPLY))
        return await self._caught_at(name, self._broker.question)

    async def _caught_at(self, name: FaultName, way: Way) -> bool:
        self._broker.arm(name, way, seconds=5.0, skip=self._random.randint(0, 2))
        met = await _within(self._broker.struck(name), 2 * LOAD_S)
        await asyncio.sleep(self._random.uniform(0.0, 0.05))
        return met

    async def _twinned(self) -> bool:
        """Let nobody know of an order while a person enters one that is like it in everything."""
        self._broker.arm(FaultName.LOST_REPLY, self._broker.ways[Verb.SUBMIT])
        if not await _within(self._broker.struck(FaultName.LOST_REPLY), 2 * LOAD_S):
            return False
        self._broker.enter_twin()
        await asyncio.sleep(self._random.uniform(0.0, 0.5))
        return True

    async def _answered_badly(self) -> bool:
        name = self._random.choice((FaultName.ERROR_AFTER, FaultName.ERROR_BEFORE, FaultName.GARBLED_REPLY))
        status = self._random.choice((500, 502, 503, 504))
        around = Way("", self._broker.around)
        self._broker.arm(name, around, status=status, probability=0.3, count=6, seed=status)
        met = await _within(self._broker.struck(name), LOAD_S)
        await asyncio.sleep(self._random.uniform(0.0, 0.3))
        return met

    async def _database_locked(self) -> bool:
        """Hold SQLite's only lock from the moment an order has arrived until the gateway is dead."""
        if not await _within(self._broker.asked(), LOAD_S):
            return False
        path = self._ground.direct_url.removeprefix("sqlite:///")
        held = await asyncio.to_thread(_lock, path)
        try:
            await asyncio.sleep(self._random.uniform(0.05, 0.4))
            await self._gateway.kill()
        finally:
            held.close()
        return True

    async def _database_gone(self) -> bool:
        """Kill the database from the moment an order has arrived; the gateway may or may not see it come back."""
        server = self._server
        if not await _within(self._broker.asked(), LOAD_S):
            return False
        await server.kill()
        await asyncio.sleep(self._random.uniform(0.0, 0.4))
        if self._random.random() < 0.5:
            await self._gateway.kill()
        await server.start()
        await asyncio.sleep(self._random.uniform(0.0, 1.5))
        return True

    async def _database_restarted(self) -> bool:
        server = self._server
        await asyncio.sleep(self._random.uniform(0.05, 0.5))
        await server.kill()
        await asyncio.sleep(self._random.uniform(0.0, 0.5))
        await server.start()
        await asyncio.sleep(self._random.uniform(0.5, 2.0))
        return True

    async def _commit_lost(self) -> bool:
        cutter = self._ground.cutter
        assert cutter is not None
        await asyncio.sleep(self._random.uniform(0.05, 0.3))
        cutter.cut(self._random.choice(list(Cut)))
        met = await _within(cutter.happened.wait(), LOAD_S)
        cutter.cut(None)
        await asyncio.sleep(self._random.uniform(0.0, 1.2))
        return met

    async def _lease_lost(self) -> bool:
        """Freeze the holder while its order is with the broker, until another process has taken over and found it."""
        await asyncio.sleep(LEASE_S)
        self._broker.arm(FaultName.FILL_BEFORE_REPLY, self._broker.ways[Verb.SUBMIT], seconds=0.5)
        met = await _within(self._broker.struck(FaultName.FILL_BEFORE_REPLY), LOAD_S)
        self._gateway.signal(signal.SIGSTOP)
        other = await self._another()
        await asyncio.sleep(LEASE_S + self._random.uniform(0.5, 2.0))
        self._gateway.signal(signal.SIGCONT)
        await asyncio.sleep(self._random.uniform(0.1, 1.0))
        await other.kill()
        return met

    @property
    def _server(self) -> PostgresqlServer:
        assert self._ground.server is not None
        return self._ground.server


def _lock(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout = 2000")
    connection.execute("BEGIN IMMEDIATE")
    return connection


async def _within(what: Awaitable[Any], seconds: float) -> bool:
    try:
        await asyncio.wait_for(what, seconds)
    except TimeoutError:
        return False
    return True
