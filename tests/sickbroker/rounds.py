"""One mood after the other: windows with the broker well and sick in turn, and what must hold in all of them."""

import asyncio
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from brokergw.client import GatewayCallError
from brokergw.client.messages import words
from tests.sickbroker.load import Measured, SickCallers, WellLoad
from tests.sickbroker.measure import Ratio, ratio
from tests.sickbroker.moods import MOODS, Kind
from tests.sickbroker.ward import Ward

GROWTH_MIB_MAX: Final = 64.0
"""How much one mood may make the gateway grow."""
LATE_GROWTH_MIB_MAX: Final = 16.0
"""How much it may grow in the later half of the time beside the sick broker: what is bounded stands still."""
SLOWER_MAX: Final = 1.2
_ORDERS_MIN: Final = 150
"""Of fewer orders than this in each of the two ways the slowest in a hundred is one of chance."""
_SETTLE_S: Final = 0.3
_LOOK_S: Final = 0.1
_KNOWN_S: Final = 120.0
_CALL_S: Final = 30.0
_IDS: Final = re.compile(r"(?:client_order_id|newClientOrderId|cOID|clientOrderId)\W+([\w-]{8,})")


@dataclass
class Report:
    """What one mood came to; `found` is what must not be."""

    mood: str
    without: Measured = field(default_factory=Measured)
    beside: Measured = field(default_factory=Measured)
    memory_mib: list[float] = field(default_factory=list)
    sick_memory_mib: list[float] = field(default_factory=list)
    health: str = ""
    endings: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)

    def p99(self) -> Ratio:
        """Compare the well broker's slow orders beside the sick one with those without it."""
        return ratio(self.beside.took_s, self.without.took_s, 0.99)

    def grown_mib(self) -> tuple[float, float]:
        """Tell how much the gateway has grown at most, and in the later half of the time beside the sick broker."""
        late = self.sick_memory_mib[len(self.sick_memory_mib) // 2 :]
        return max(self.memory_mib) - self.memory_mib[0], max(late) - late[0]

    def judge_memory(self) -> None:
        """Note what has grown too much."""
        most, late = self.grown_mib()
        if most > GROWTH_MIB_MAX:
            self.found.append(f"the gateway has grown by {most:.0f} MiB")
        if late > LATE_GROWTH_MIB_MAX:
            self.found.append(f"the gateway has grown by {late:.0f} MiB in the later half")


async def warm_up(ward: Ward, seconds: float, rate: float, sick_rate: float) -> None:
    """Let the gateway take what memory it takes anyhow, and fill what it keeps."""
    well, callers = WellLoad(ward, rate), SickCallers(ward, sick_rate)
    await asyncio.gather(well.pace.for_seconds(seconds), callers.pace.for_seconds(seconds))
    await asyncio.gather(well.pace.ended(), callers.pace.ended())


async def play(ward: Ward, mood: str, window_s: float, pairs: int, rate: float, sick_rate: float) -> Report:
    """Play the windows of one mood: well and sick in turn.

    A stream comes back the later the more often it was lost, so its windows are fewer, and longer.
    """
    report = Report(mood)
    if MOODS[mood].kind is Kind.STREAM:
        window_s, pairs = window_s * pairs, 1
    well, callers = WellLoad(ward, rate), SickCallers(ward, sick_rate)
    watching = asyncio.create_task(_watch(ward, report, well))
    try:
        for _ in range(pairs):
            if MOODS[mood].kind is Kind.STREAM:
                await ward.healthy()
            for name, into in (("", report.without), (mood, report.beside)):
                _visited(report, ward.proxy.be(name))
                await asyncio.sleep(_SETTLE_S)
                well.into = into
                busy_s, began = ward.processor_s(), time.monotonic()
                await asyncio.gather(well.pace.for_seconds(window_s), callers.pace.for_seconds(window_s))
                await well.pace.ended()
                into.busy_s += ward.processor_s() - busy_s
                into.passed_s += time.monotonic() - began
        report.health = ": ".join(await ward.health())
        _visited(report, ward.proxy.be(""))
        await callers.pace.ended()
    finally:
        watching.cancel()
    report.endings = callers.endings
    for measured, where in ((report.without, "without"), (report.beside, "beside")):
        if measured.failed:
            report.found.append(f"orders at the well broker failed {where} the sick one: {dict(measured.failed)}")
    report.judge_memory()
    if min(len(each.took_s) for each in (report.without, report.beside)) >= _ORDERS_MIN and slower(report.p99()):
        report.found.append(f"the well broker's p99 is {report.p99()} times as long")
    return report


def slower(found: Ratio) -> bool:
    """Tell whether that is more than what was promised, and more than chance."""
    return found.low > SLOWER_MAX


async def afterwards(ward: Ward) -> list[str]:
    """Let the broker be well, and find what is wrong at the sick one then."""
    found = []
    ward.proxy.be("")
    try:
        resting = await ward.client.submit(
            ward.sick.account_id, timeout_s=_CALL_S, **await ward.sick.resting_terms(ward.client)
        )
        await ward.client.cancel(resting.order.order_id, timeout_s=_CALL_S)
    except GatewayCallError as error:
        found.append(f"an order and its cancel do not go through afterwards: {error.reason} {error}")
    if unknown := await _unknown(ward):
        found.append(f"still not known what became of {unknown}")
    twice = {name: times for name, times in sent(ward).items() if times > 1}
    if twice:
        found.append(f"sent more than once: {twice}")
    return found


def sent(ward: Ward) -> Counter[str]:
    """Count how often each order has reached the sick broker, by the id that the gateway gave it."""
    entries = ward.sick.sim.journal(method="POST")
    told = (json.dumps([entry["query"], entry["body"]]) for entry in entries if "order" in entry["path"])
    return Counter(name for text in told for name in set(_IDS.findall(text)))


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
        report.found.append(f"a redirect was followed {strangers} times")


async def _watch(ward: Ward, report: Report, well: WellLoad) -> None:
    while True:
        report.memory_mib.append(ward.memory_mib())
        if well.into is report.beside:
            report.sick_memory_mib.append(report.memory_mib[-1])
        await asyncio.sleep(_LOOK_S)
