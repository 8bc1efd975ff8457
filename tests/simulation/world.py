"""A whole small world in one event loop: clients, gateway processes that die and return, a database, a broker.

Everything random comes from one seed. The gateways are the real desk over the real tables and statements, with the
broker's real adapter in front of its real dialect; what is simulated is time, threads, sockets and deaths of processes.
"""

import asyncio
import gc
import random as global_random
import shutil
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest import mock

import aiohttp
from sqlalchemy import select

from brokergw.desk.streams.watch import EventPage, FromPositions, WatchRequest
from brokergw.model import ids
from brokergw.model.errors import GatewayError
from brokergw.model.events import EventKind, LogEvent
from brokergw.ports.journal import OrderQuery
from brokergw.sim.faults import Fault, FaultName, Faults
from brokergw.sim.journal import WireJournal
from brokergw.store.ledger.reading import positions, recount
from brokergw.store.reading import queries
from brokergw.store.tables import RECONCILIATIONS
from tests.fixtures.memory_reconciliations import NotedSwitch
from tests.simulation.broker import USER, SimBroker
from tests.simulation.clients import Client, Wants
from tests.simulation.database import SimDatabase, Weather
from tests.simulation.history import History
from tests.simulation.life import Life
from tests.simulation.network import Road, SimNetwork
from tests.simulation.plan import ACCOUNT, draw_plan
from tests.simulation.process import CALLER, Process
from tests.simulation.virtual import VirtualLoop, wall_ns

_STORM_S: Final = 10.0
_INSTANT_S: Final = 1e-6
"""Timers go off a little early, so that less than this is left of a wait that is over."""

_KILLS: Final = 0.15
_COMMANDS_SUFFER: Final = 2.0
"""How much more often than a question a command goes astray: there are few of them, and they are what matters."""

_REST_S: Final = 20.0
_ALL: Final = 1_000_000
_BURIAL_ROUNDS: Final = 20
_STREAM_FAULTS: Final = (FaultName.DUPLICATE_EVENTS, FaultName.REORDERED_EVENTS, FaultName.DROPPED_STREAM)


class World:
    """One seed's world before one broker."""

    def __init__(self, seed: int, database_file: Path, broker: SimBroker) -> None:
        self._broker = broker
        self._random = Random(seed)
        self._plan = draw_plan(self._random)
        self._history = History(mark_of=broker.mark_of)
        self._database = SimDatabase(database_file, self._random)
        self._faults = Faults()
        self._wire = WireJournal(wall_ns)
        self._dialect = broker.dialect(seed, self._faults, self._wire)
        self.network = SimNetwork(self._dialect, self._wire, self._random, broker.is_command)
        self._serving: list[Process] = []
        self._started = 0
        self._switch = NotedSwitch()
        self._draw = broker.drawing()

    async def run(self) -> History:
        """Let everything happen, then let it settle, then write down what was."""
        await self._connect()
        self._begin_storm()
        works: list[Coroutine[Any, Any, None]] = [self._tick(), self._follow(), self._calm_down(), self._outages()]
        works += [self._keep_replica() for _ in range(self._plan.replicas)]
        background = [asyncio.create_task(work) for work in works]
        await asyncio.gather(*(client.trade() for client in self._clients()))
        await self._come_to_rest()
        for task in background:
            task.cancel()
        for result in await asyncio.gather(*background, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        return self._history

    async def _come_to_rest(self) -> None:
        """Wait until all that was in doubt has come to its end, which calm weather brings about in time."""
        await _until(self._plan.span_s + _STORM_S)
        for _ in range(self._broker.rests_max):
            await asyncio.sleep(_REST_S)
            self._write_down()
            if not any(self._history.faults()):
                return

    async def end(self) -> None:
        """Switch everything off."""
        for process in self._serving:
            process.end()
        await self.network.close()
        self._database.close()

    async def _connect(self) -> None:
        store = self._database.open(Life("outside"))
        await store.connections.add(self._broker.connection(), self._broker.credentials())
        store.close()

    def _clients(self) -> list[Client]:
        randoms = [Random(self._random.getrandbits(62)) for _ in range(self._plan.clients)]
        wants = Wants(self._draw, self._broker.changed_quantity)
        return [Client(random, self._plan, self._history, lambda r=random: self._pick(r), wants) for random in randoms]  # type: ignore[misc]

    def _pick(self, random: Random) -> Process | None:
        """Give a process as a balancer would: any that is up."""
        return random.choice(self._serving) if self._serving else None

    def _begin_storm(self) -> None:
        plan, road, weather = self._plan, self.network.road, self._database.weather
        share = plan.bad_road / 8
        road.unreachable = road.request_lost = road.reply_lost = road.error_before = share
        road.error_after = road.garbled = road.throttled = road.slow = share
        weather.refused = weather.reply_lost = weather.lost_before = plan.bad_weather / 3
        road.killed, road.kills_left = _KILLS if plan.crashes else 0.0, plan.crashes
        road.commands, road.questions = _COMMANDS_SUFFER, self._broker.questions_suffer
        for name in self._broker.road_faults:
            self._arm(name, share * road.questions)
            for verb in self._broker.command_verbs:
                self._arm(name, share * (road.commands - road.questions), method=verb)
        if plan.bad_stream:
            for name in _STREAM_FAULTS:
                self._arm(name, plan.bad_stream / len(_STREAM_FAULTS))
            self._arm(FaultName.LATE_BIRTH, 0.1, seconds=3.0)

    def _arm(self, name: FaultName, probability: float, seconds: float | None = None, method: str = "") -> None:
        seed = self._random.getrandbits(30)
        self._faults.arm(
            Fault(name=name, count=None, probability=probability, seed=seed, seconds=seconds, method=method)
        )

    async def _calm_down(self) -> None:
        """Let the storm blow over; from then on nothing goes wrong, and everything must come to its end."""
        await asyncio.sleep(self._plan.span_s + _STORM_S)
        self.network.road = Road()
        self._database.weather = Weather()
        self._faults.clear()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.25)
            self._dialect.tick()

    def _moments(self, count: int) -> list[float]:
        return sorted(self._random.uniform(0.2, self._plan.span_s) for _ in range(count))

    async def _keep_replica(self) -> None:
        """Run one replica: start it, freeze or kill it at moments of the seed's choice, start it again."""
        harms = [(moment, False) for moment in self._moments(self._plan.crashes)]
        harms += [(moment, True) for moment in self._moments(self._plan.freezes)]
        process = await self._start()
        for moment, freezes in sorted(harms):
            process = await self._living(process, moment)
            if freezes:
                process.life.freeze()
                await asyncio.sleep(self._random.uniform(0.5, 8.0))
                process.life.thaw()
                continue
            process = await self._succeeded(process)
        await self._living(process, self._plan.span_s + _STORM_S)

    async def _living(self, process: Process, until_s: float) -> Process:
        """Wait for a moment; a process that died meanwhile, of a command that it sent, has a successor then."""
        while (left_s := until_s - asyncio.get_running_loop().time()) > _INSTANT_S:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.life.ended.wait(), left_s)
            if not process.life.alive:
                process = await self._succeeded(process)
        return process

    async def _succeeded(self, process: Process) -> Process:
        self._serving.remove(process)
        process.end()
        await asyncio.sleep(self._random.uniform(0.05, 2.0))
        return await self._start()

    async def _start(self) -> Process:
        while True:
            self._started += 1
            process = Process(f"ins_{self._started}", self._database, self.network, self._switch, self._broker)
            try:
                await asyncio.create_task(process.start())
            except GatewayError:
                # The database is away: whoever starts processes tries again.
                process.end()
                await asyncio.sleep(0.5)
            else:
                self._serving.append(process)
                return process

    async def _outages(self) -> None:
        """Take the broker or the database away now and then."""
        for moment in self._moments(self._plan.outages):
            await _until(moment)
            if self._random.random() < 0.5:
                self.network.road.down = True
                self.network.cut()
            else:
                self._database.weather.away = True
            await asyncio.sleep(self._random.uniform(0.1, 3.0))
            self.network.road.down = self._database.weather.away = False

    async def _follow(self) -> None:
        """Read the account's orders from the very beginning, over every death of a process that serves them."""
        told = self._history.told["subscriber"]
        random = Random(self._random.getrandbits(62))
        while True:
            await asyncio.sleep(0.2)
            process = self._pick(random)
            if process is None:
                continue
            reading = asyncio.create_task(_read(process, told))
            death = asyncio.create_task(process.life.ended.wait())
            try:
                await asyncio.wait({reading, death}, timeout=5.0, return_when=asyncio.FIRST_COMPLETED)
            finally:
                reading.cancel()
                death.cancel()
            with suppress(GatewayError, asyncio.CancelledError):
                await reading

    def _write_down(self) -> None:
        history = self._history
        with self._database.reading.connect() as connection:
            history.orders = queries.list_orders(OrderQuery(user_id=USER, limit=_ALL))(connection)
            history.events = {ACCOUNT: queries.events_after(USER, ACCOUNT, 0, _ALL, None)(connection)}
            fills = queries.list_fills(USER, (ACCOUNT,), order_id="", since_ns=None, after_fill_id="", limit=_ALL)
            history.fills = fills(connection)
            history.differences = recount(connection)
            history.held = {each.symbol: each.quantity for each in positions(USER, ACCOUNT)(connection)}
            history.findings = Counter(connection.scalars(select(RECONCILIATIONS.c.finding)))
        history.halts = [reason for *_, reason in self._switch.halts]
        history.wire = list(self._wire)
        history.sends = defaultdict(list)
        for entry in history.wire:
            if mark := self._broker.sent_as(entry):
                history.sends[mark].append(entry.time_ns)
        seen = self._broker.see(self._dialect)
        history.broker_orders, history.executions = seen.orders, seen.executions


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))


async def _read(process: Process, told: list[LogEvent]) -> None:
    start = FromPositions({ACCOUNT: told[-1].sequence if told else 0})
    async for item in process.desk.watch(CALLER, WatchRequest(kind=EventKind.ORDER, start=start)):
        if not process.life.alive:
            return
        if isinstance(item, EventPage):
            assert item.told >= (told[-1].sequence if told else 0)
            told.extend(event for event in item.page.events if event.kind is EventKind.ORDER)


@contextmanager
def _seeded(seed: int, network: Callable[[], SimNetwork]) -> Iterator[None]:
    """Make ids, and the product's own dice, a matter of the seed, and websockets a matter of the world."""
    dice = Random(seed)
    state = global_random.getstate()
    global_random.seed(seed)

    def uuid7() -> uuid.UUID:
        head = wall_ns() // 1_000_000 << 80 | 0x7 << 76
        return uuid.UUID(int=head | dice.getrandbits(12) << 64 | 0b10 << 62 | dice.getrandbits(62))

    def uuid4() -> uuid.UUID:
        return uuid.UUID(int=dice.getrandbits(128), version=4)

    async def ws_connect(session: aiohttp.ClientSession, url: str, **options: Any) -> Any:
        return await network().ws_connect(session, url, **options)

    with (
        mock.patch.object(ids, "uuid7", uuid7),
        mock.patch.object(uuid, "uuid4", uuid4),
        mock.patch.object(aiohttp.ClientSession, "ws_connect", ws_connect),
    ):
        try:
            yield
        finally:
            global_random.setstate(state)


def simulate(seed: int, template: Path, folder: Path, broker: SimBroker) -> History:
    """Run one seed's world on a copy of an empty database; the same seed gives the same history."""
    file = folder / f"seed-{seed}.db"
    shutil.copyfile(template, file)
    loop = VirtualLoop()
    worlds: list[World] = []

    async def main() -> History:
        worlds.append(World(seed, file, broker))
        try:
            return await worlds[0].run()
        finally:
            await worlds[0].end()

    # What a dead process left in memory must not be collected, and its handlers run, at a moment of no seed's choice.
    gc.disable()
    try:
        with _seeded(seed, lambda: worlds[0].network):
            return loop.run_until_complete(main())
    finally:
        _bury(loop)
        gc.enable()
        file.unlink()


def _bury(loop: VirtualLoop) -> None:
    """End what the dead processes left behind; nobody hears of it any more."""
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(_end_all_others())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


async def _end_all_others() -> None:
    for _ in range(_BURIAL_ROUNDS):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if not others:
            return
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=1.0)
    raise AssertionError(f"cannot be ended: {[task.get_name() for task in others]}")
