"""A chain of trials on one database and one broker: the start of each trial is the recovery from the one before."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from brokerapi.v1 import streams_pb2

from brokergw.model.account import Environment
from brokergw.model.capability import ResolutionClass
from brokergw.model.events import EventKind
from tests.chaos.broker import ChaosBroker
from tests.chaos.brokers.catalog import BROKERS
from tests.chaos.check_record import ends_of_doubt
from tests.chaos.checks import violations
from tests.chaos.crashes import Crash, arm_noise, plan_of
from tests.chaos.gateways import Gateway, GatewayFailed, Zygote
from tests.chaos.haste import ChainClock
from tests.chaos.history import History, Stream, Verb
from tests.chaos.job import Job
from tests.chaos.live import go_live
from tests.chaos.load import Book, Client
from tests.chaos.prepared import SECRETS, Ground, Grounds
from tests.chaos.record import RecordReader
from tests.fixtures.bare_client import BareClient
from tests.scenario.streams import FillSubscriber, OrderSubscriber

CLIENTS: Final = 4
SETTLE_S: Final = {
    ResolutionClass.BY_CLIENT_ID: 100.0,
    ResolutionClass.BY_TAG: 180.0,
    ResolutionClass.BY_CONTENT: 400.0,
}
"""How long an order in doubt may stay so, in seconds, by how long its absence must have shown."""
_KILLED: Final = -9
_HURRIED_S: Final = 20.0
"""What hurried time may need more than its share, in seconds."""
_QUIET_S: Final = 0.5
_ENDED_S: Final = 120.0
"""What calls to a killed gateway may take to end on a busy machine."""
_STARTS_MAX: Final = 3
_NO_DATABASE: Final = "the database cannot be opened"


@dataclass(frozen=True, slots=True)
class Trial:
    """What one trial was about, and whether its point was met."""

    point: str
    met: bool
    seconds: float


@dataclass
class Result:
    """What a chain came to."""

    seed: int
    store: str
    broker: str
    trials: list[Trial] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    orders: int = 0
    calls: int = 0
    posts: int = 0
    doubts: dict[str, int] = field(default_factory=dict)
    settled_s: float = 0.0


class Chain:
    """One chain; `run` it once."""

    def __init__(self, job: Job, directory: Path, zygote: Zygote) -> None:
        self.result = Result(job.seed, job.store, job.broker)
        self._job = job
        self._directory = directory
        self._zygote = zygote

    async def run(self, grounds: Grounds, turns: asyncio.Semaphore) -> None:
        """Go through all trials when it is its turn, let everything settle, and check."""
        async with AsyncExitStack() as left:
            async with turns:
                ground = await grounds.fresh(self._directory)
                left.push_async_callback(ground.close)
                record = RecordReader(ground.direct_url, ground.account_id)
                left.callback(record.close)
                clock = ChainClock()
                broker = await BROKERS[self._job.broker].open(self._job.seed, record, clock.now_ns)
                left.push_async_callback(broker.close)
                run = _Run(self.result, self._directory, self._zygote, ground, broker, clock)
                await run.trials(self._job.points)
            # What is left is waiting, which others may use.
            await run.rest(self._job.haste)


class _Run:
    def __init__(
        self, result: Result, directory: Path, zygote: Zygote, ground: Ground, broker: ChaosBroker, clock: ChainClock
    ) -> None:
        self._result = result
        self._seed = seed = result.seed
        self._log = directory / "gateway.log"
        self._directory = directory
        self._zygote = zygote
        self._ground = ground
        self._broker = broker
        self._clock = clock
        self._record = broker.record
        self._book = Book(ground.account_id, broker.goods, clock.now_ns)
        self._clients = [
            Client(f"{number:02x}", ground.api_key, self._book, f"{seed}/client/{number}") for number in range(CLIENTS)
        ]
        now = streams_pb2.StreamStart(from_now=True)
        self._orders = OrderSubscriber(ground.account_id, now)
        self._fills = FillSubscriber(ground.account_id, now)

    async def trials(self, points: Sequence[str]) -> None:
        """Go through all trials."""
        await self._first_subscription()
        for number, point in enumerate(points):
            self._book.trial = number
            begin = time.monotonic()
            met = await self._trial(point, Random(f"{self._seed}/trial/{number}"))
            self._result.trials.append(Trial(point, met, time.monotonic() - begin))

    async def rest(self, haste: float) -> None:
        """Let everything settle, and check."""
        begin = time.monotonic()
        await self._settle(haste)
        self._result.settled_s = time.monotonic() - begin
        history = self._history()
        self._result.orders, self._result.calls = len(history.record.orders), len(history.calls)
        self._result.posts = sum(each.verb is Verb.SUBMIT and each.handled for each in history.arrivals)
        refusals = Counter(call.answer.reason for call in history.calls if call.answer is not None)
        if not self._result.posts:
            self._result.found.append(
                f"nothing was traded, which proves nothing; calls were answered: {dict(refusals)}"
            )
        self._result.doubts = dict(Counter(ends_of_doubt(history)))
        self._result.found += violations(history)

    async def _trial(self, point: str, random: Random) -> bool:
        arm_noise(self._broker, random)
        gateway = await self._start(plan_of(point, random))
        crash = Crash(
            gateway,
            self._broker,
            self._ground,
            random,
            another=lambda: self._start("", "beside"),
            calls=lambda: len(self._book.calls),
        )
        working: list[asyncio.Task[object]] = []
        watcher: BareClient | None = None
        if gateway.target:
            watcher = BareClient(gateway.target, self._ground.api_key)
            working += [asyncio.create_task(subscriber.follow(watcher)) for subscriber in self._subscribers]
            working += [asyncio.create_task(client.work(gateway.target)) for client in self._clients]
        met = await crash(point)
        self._broker.calm()
        if gateway.status != _KILLED:
            raise GatewayFailed(
                f"a gateway ended with {gateway.status} in a trial of {point}:\n{gateway.said()[-4000:]}"
            )
        async with asyncio.timeout(_ENDED_S):
            await asyncio.gather(*working)
        if watcher is not None:
            await watcher.channel.close()
        return met

    async def _first_subscription(self) -> None:
        """Let the subscribers have a place to come back to before anything happens."""
        gateway = await self._start("")
        if self._broker.environment is Environment.LIVE:
            await go_live(gateway.target, self._ground.api_key)
        async with BareClient(gateway.target, self._ground.api_key) as watcher:
            following = [asyncio.create_task(subscriber.follow(watcher)) for subscriber in self._subscribers]
            await asyncio.gather(*(subscriber.until_opened() for subscriber in self._subscribers))
            await gateway.kill()
            await asyncio.gather(*following)

    async def _settle(self, haste: float) -> None:
        """Start once more, without faults, and give everything that must come to an end the time for it.

        A machine that is too busy for hurried time gets real time after all.
        """
        settle_s = SETTLE_S[self._broker.capabilities.resolution]
        hurried = [] if haste == 1 else [(haste, _HURRIED_S + settle_s / haste)]
        for factor, seconds in (*hurried, (1.0, settle_s)):
            self._clock.hurry(factor)
            if await self._come_to_rest(seconds):
                return
        self._result.found.append(f"not settled after {settle_s:g} s: {self._open_ends()}")

    async def _come_to_rest(self, seconds: float) -> bool:
        gateway = await self._start("")
        async with BareClient(gateway.target, self._ground.api_key) as watcher:
            following = [asyncio.create_task(subscriber.follow(watcher)) for subscriber in self._subscribers]
            try:
                async with asyncio.timeout(seconds):
                    await asyncio.gather(*(client.settle(gateway.target) for client in self._clients))
                    while not self._agreed():
                        await asyncio.sleep(0.1)
                agreed = True
            except TimeoutError:
                agreed = False
            await asyncio.sleep(_QUIET_S)
            await asyncio.gather(*(subscriber.until_quiet() for subscriber in self._subscribers))
            await gateway.drain()
            await asyncio.gather(*following)
        return agreed

    @property
    def _subscribers(self) -> tuple[OrderSubscriber, FillSubscriber]:
        return (self._orders, self._fills)

    def _agreed(self) -> bool:
        return not self._book.unanswered and not self._record.undecided()

    def _open_ends(self) -> str:
        last = {call.key: call.answer for call in self._book.calls}
        open_ends = [f"{key} with {last.get(key)}" for key in self._book.unanswered]
        return f"unanswered {open_ends}, undecided {self._record.undecided()}"

    async def _start(self, plan: str, data: str = "data") -> Gateway:
        environment = {
            **SECRETS,
            "PATH": "/usr/bin:/bin",
            "BROKERGW_LISTEN": "127.0.0.1:0",
            "BROKERGW_METRICS_LISTEN": "",
            "BROKERGW_DATABASE_URL": self._ground.url,
            "BROKERGW_DATABASE_AUTO_UPGRADE": "false",
            "BROKERGW_DATA_DIR": str(self._directory / data),
            "BROKERGW_MOCK_PERSISTENT": "false",
            "BROKERGW_ORDERS_PER_MINUTE": "1000000",
            "BROKERGW_INITIAL_MODE": "PAPER",
            "BROKERGW_DUPLICATE_WINDOW_S": "0",
            "BROKERGW_READS_PER_MINUTE": "1000000",
            **self._broker.settings(),
            "BROKERGW_CHAOS": plan,
        }
        for _ in range(_STARTS_MAX):
            gateway = await self._zygote.start(environment, self._log, self._clock.haste)
            await gateway.serving()
            # Whoever runs gateways starts one again that has found its database away.
            if gateway.target or _NO_DATABASE not in gateway.said():
                break
        if not gateway.target and (not plan or gateway.status != _KILLED):
            raise GatewayFailed(f"a gateway ended with {gateway.status} at its start:\n{gateway.said()[-4000:]}")
        return gateway

    def _history(self) -> History:
        return History(
            record=self._record.whole(),
            arrivals=self._broker.arrivals(),
            broker_orders=self._broker.orders(),
            executions=self._broker.executions(),
            calls=tuple(self._book.calls),
            streams=(
                Stream(EventKind.ORDER, 0, tuple(self._orders.sequences), tuple(self._orders.breaks)),
                Stream(EventKind.FILL, 0, tuple(self._fills.sequences), tuple(self._fills.breaks)),
            ),
            resolution=self._broker.capabilities.resolution,
            ambiguous=frozenset(self._broker.ambiguous),
            haste=self._clock.first,
        )
