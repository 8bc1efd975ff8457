"""One mood after the other: windows with the broker well and sick in turn, and what must hold in all of them.

A block of a mood is a window in which the broker is well, two in which it is sick, and one in which it is well again:
whatever grows or wanes with time weighs on both alike.
"""

import asyncio
import json
import re
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from brokergw.client import GatewayCallError
from brokergw.client.messages import words
from tests.sickbroker.load import Measured, SickCallers, WellLoad
from tests.sickbroker.measure import Pair
from tests.sickbroker.ward import Ward

GROWTH_MIB_MAX: Final = 64.0
"""How much one mood may make the gateway grow."""
LATE_GROWTH_MIB_MAX: Final = 16.0
"""How much it may grow in the later half of the time beside the sick broker: what is bounded stands still."""
_SETTLE_S: Final = 0.3
_ENDED_S: Final = 3.0
"""How long calls at the broker that was sick may take to end before the next window."""
_LOOK_S: Final = 0.1
_KNOWN_S: Final = 300.0
_CALL_S: Final = 30.0
_IDS: Final = re.compile(r"(?:client_order_id|newClientOrderId|cOID|clientOrderId)\W+([\w-]{8,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds of one window, and calls a second at the well broker and at the sick one."""

    window_s: float
    rate: float
    sick_rate: float


@dataclass
class Block:
    """Two windows without the sick broker, around two beside it."""

    without: tuple[Measured, Measured] = field(default_factory=lambda: (Measured(), Measured()))
    beside: tuple[Measured, Measured] = field(default_factory=lambda: (Measured(), Measured()))

    @property
    def windows(self) -> tuple[Measured, ...]:
        """All four, in the order of time."""
        return (self.without[0], *self.beside, self.without[1])

    def pair(self) -> Pair:
        """Give what orders took beside the sick broker and without it."""
        return tuple(list(chain.from_iterable(each.took_s for each in side)) for side in (self.beside, self.without))  # type: ignore[return-value]

    def control(self) -> Pair:
        """Give what they took without it, before and after: where these differ, something else does that."""
        return self.without[0].took_s, self.without[1].took_s


@dataclass
class Report:
    """What one mood came to; `met` is how often it was played, `found` what must not be."""

    mood: str
    blocks: list[Block] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    sick_memory_mib: list[float] = field(default_factory=list)
    met: int = 0
    health: str = ""
    endings: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)

    def beside(self) -> list[float]:
        """Give what each order took beside the sick broker, in seconds."""
        return list(chain.from_iterable(block.pair()[0] for block in self.blocks))

    def without(self) -> list[float]:
        """Give what each order took without it, in seconds."""
        return list(chain.from_iterable(block.pair()[1] for block in self.blocks))

    def busy(self, *, sick: bool) -> float:
        """Tell which part of a processor the gateway had."""
        windows = [each for block in self.blocks for each in (block.beside if sick else block.without)]
        return sum(each.busy_s for each in windows) / sum(each.passed_s for each in windows)

    def grown_mib(self) -> tuple[float, float]:
        """Tell how much the gateway has grown at most, and in the later half of the time beside the sick broker."""
        late = self.sick_memory_mib[len(self.sick_memory_mib) // 2 :]
        return max(self.memory_mib) - self.memory_mib[0], max(late) - late[0]

    def judge(self) -> None:
        """Note what failed, what has grown too much, and a mood that nobody has met."""
        for which in ("without", "beside"):
            failed = sum((each.failed for block in self.blocks for each in getattr(block, which)), Counter[str]())
            if failed:
                self.found.append(f"{self.mood}: orders at the well broker failed {which} the sick one: {dict(failed)}")
        most, late = self.grown_mib()
        if most > GROWTH_MIB_MAX:
            self.found.append(f"{self.mood}: the gateway has grown by {most:.0f} MiB")
        if late > LATE_GROWTH_MIB_MAX:
            self.found.append(f"{self.mood}: the gateway has grown by {late:.0f} MiB in the later half")
        if not self.met:
            self.found.append(f"{self.mood}: it was never met")


async def warm_up(ward: Ward, pace: Pace, windows: int = 4) -> None:
    """Let the gateway take what memory it takes anyhow, and fill what it keeps."""
    well, callers = WellLoad(ward, pace.rate), SickCallers(ward, pace.sick_rate)
    await asyncio.gather(
        well.pace.for_seconds(pace.window_s * windows), callers.pace.for_seconds(pace.window_s * windows)
    )
    await asyncio.gather(well.pace.ended(), callers.pace.ended())


async def play(ward: Ward, mood: str, pace: Pace, blocks: int = 1) -> Report:
    """Play blocks of one mood."""
    report = Report(mood)
    well, callers = WellLoad(ward, pace.rate), SickCallers(ward, pace.sick_rate)
    for _ in range(blocks):
        with suppress(TimeoutError):
            await ward.healthy()
        report.blocks.append(block := Block())
        watching = asyncio.create_task(_watch(ward, report, well))
        met = ward.proxy.met()
        try:
            for into in block.windows:
                if into is block.beside[0]:
                    _visited(report, ward.make_sick(mood))
                if into is block.without[1]:
                    report.health = ": ".join(await ward.health())
                    _visited(report, ward.make_sick(""))
                    with suppress(TimeoutError):
                        await asyncio.wait_for(asyncio.shield(callers.pace.ended()), _ENDED_S)
                if into is not block.beside[1]:
                    await asyncio.sleep(_SETTLE_S)
                await _window(ward, well, callers, into, pace.window_s)
        finally:
            watching.cancel()
        report.met += ward.proxy.met() - met
    await callers.pace.ended()
    report.endings = callers.endings
    report.judge()
    return report


async def _window(ward: Ward, well: WellLoad, callers: SickCallers, into: Measured, seconds: float) -> None:
    well.into = into
    busy_s, began = ward.processor_s(), time.monotonic()
    await asyncio.gather(well.pace.for_seconds(seconds), callers.pace.for_seconds(seconds))
    await well.pace.ended()
    into.busy_s += ward.processor_s() - busy_s
    into.passed_s += time.monotonic() - began


async def afterwards(ward: Ward) -> list[str]:
    """Let the broker be well, and find what is wrong at the sick one then."""
    found = []
    ward.make_sick("")
    try:
        await ward.healthy()
        resting = await ward.client.submit(
            ward.sick.account_id, timeout_s=_CALL_S, **await ward.sick.resting_terms(ward.client)
        )
        await ward.client.cancel(resting.order.order_id, timeout_s=_CALL_S)
    except TimeoutError:
        found.append(f"the connection is not well afterwards: {': '.join(await ward.health())}")
    except GatewayCallError as error:
        found.append(f"an order and its cancel do not go through afterwards: {error.reason} {error}")
    if unknown := await _unknown(ward):
        found.append(f"still not known what became of {unknown}")
    twice = {name: times for name, times in sent(ward).items() if times > 1}
    if twice:
        found.append(f"sent more than once: {twice}")
    arrived = len(_arrived(ward))
    if arrived > ward.asked["submit"] + 1:
        found.append(f"{arrived} orders have arrived of {ward.asked['submit']} and the last one")
    return found


def sent(ward: Ward) -> Counter[str]:
    """Count how often each order has reached the sick broker, by the id that the gateway gave it, where it has one."""
    told = (json.dumps([entry["query"], entry["body"]]) for entry in _arrived(ward))
    return Counter(name for text in told for name in set(_IDS.findall(text)))


def _arrived(ward: Ward) -> list[dict[str, object]]:
    method, part = ward.sick.broker.arrive
    return [entry for entry in ward.sick.sim.journal(method=method) if part in entry["path"]]


async def _unknown(ward: Ward) -> list[str]:
    """Wait until it is known of every order what became of it; gives those of which it is not."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + _KNOWN_S
    while True:
        listed = await ward.client.list_orders([ward.sick.account_id], status="OPEN")
        unknown = [f"{o.order_id} {words(o, 'state')}" for o in listed.orders if words(o, "state") in _UNKNOWN]
        if not unknown or loop.time() > give_up:
            return unknown
        await asyncio.sleep(0.5)


_UNKNOWN: Final = frozenset({"SENDING", "IN_DOUBT"})


def _visited(report: Report, strangers: int) -> None:
    if strangers:
        report.found.append(f"{report.mood}: a redirect was followed {strangers} times")


async def _watch(ward: Ward, report: Report, well: WellLoad) -> None:
    while True:
        report.memory_mib.append(ward.memory_mib())
        if any(well.into is each for each in report.blocks[-1].beside):
            report.sick_memory_mib.append(report.memory_mib[-1])
        await asyncio.sleep(_LOOK_S)
