"""One round: a storm, the switch at some moment, and what reached the broker after it was acknowledged."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from statistics import median
from typing import Final

from brokerapi.v1 import halts_pb2

from tests.killing.field import REPLICAS, Field

ACKNOWLEDGED_WITHIN_S: Final = 1.0
MEDIAN_WITHIN_S: Final = 0.05
_TRADES_WITHIN_S: Final = 30.0
_SWEPT_WITHIN_S: Final = 30.0
_LANDS_WITHIN_S: Final = 5.0


@unique
class World(StrEnum):
    """What is wrong while the switch is thrown."""

    CALM = "calm"
    FROZEN_DATABASE = "frozen-database"
    FROZEN_REPLICA = "frozen-replica"
    FROZEN_SENDER = "frozen-sender"


@dataclass(frozen=True, slots=True)
class Round:
    """What a round came to; `found` are the breaches in words."""

    world: World
    took_s: float
    reach: str
    sent_before: int
    found: tuple[str, ...]


async def play(at: Field, world: World, dice: random.Random) -> Round:
    """Wait until everybody trades, throw the switch, and see that nothing comes any more."""
    found: list[str] = []
    await at.lift_all()
    await asyncio.to_thread(at.sim.control, "DELETE", "journal")
    await _trades(at)
    await asyncio.sleep(dice.uniform(0.05, 0.5))
    victim, asked = dice.sample(range(REPLICAS), 2)
    frozen = await _disturb(at, world, victim, dice)
    sent_before = len(await at.posted_since(0))
    began = time.monotonic()
    answer = await at.kill(asked)
    took_s, acknowledged_ns = time.monotonic() - began, time.time_ns()
    reach = halts_pb2.HaltReach.Name(answer.propagation.reach).removeprefix("HALT_REACH_")
    await asyncio.sleep(dice.uniform(0.2, 1.5))
    if world is World.FROZEN_DATABASE:
        at.thaw_database()
        found += await _landed(at)
    elif frozen:
        at.replicas[victim].thaw()
    await asyncio.sleep(2.0)
    late = await at.posted_since(acknowledged_ns)
    for each in late:
        after_ms = (each["time_ns"] - acknowledged_ns) / 1e6
        found.append(f"{each['method']} {each['path']} came {after_ms:.1f} ms after the acknowledgement ({reach})")
    if took_s > ACKNOWLEDGED_WITHIN_S:
        found.append(f"the acknowledgement took {took_s:.3f} s ({reach})")
    if world is World.FROZEN_SENDER and not frozen:
        reach += ", nobody caught"
    found += await _swept(at, asked)
    return Round(world, took_s, reach, sent_before, tuple(found))


async def _disturb(at: Field, world: World, victim: int, dice: random.Random) -> bool:
    match world:
        case World.CALM:
            return False
        case World.FROZEN_DATABASE:
            at.freeze_database()
        case World.FROZEN_REPLICA:
            at.replicas[victim].freeze()
        case World.FROZEN_SENDER:
            return await at.freeze_sender(at.replicas[victim])
    await asyncio.sleep(dice.choice((0.0, dice.uniform(0.0, 0.4))))
    return True


async def _trades(at: Field) -> None:
    """Wait until the storm reaches the broker again, through every replica's clearance."""
    ends = time.monotonic() + _TRADES_WITHIN_S
    while time.monotonic() < ends:
        views = [await at.show(number) for number in range(REPLICAS)]
        if all(view.may_send and not view.halts for view in views) and len(await at.posted_since(0)) >= 10:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the replicas do not trade")


async def _landed(at: Field) -> list[str]:
    """See that a halt of the disk gets into the book once the database is back."""
    ends = time.monotonic() + _LANDS_WITHIN_S
    while time.monotonic() < ends:
        if await at.standing():
            return []
        await asyncio.sleep(0.05)
    return [f"the halt was not in the database {_LANDS_WITHIN_S:g} s after that was back"]


async def _swept(at: Field, asked: int) -> list[str]:
    """See that resting orders are gone, or listed as what is left."""
    ends = time.monotonic() + _SWEPT_WITHIN_S
    listed: set[str] = set()
    while time.monotonic() < ends:
        view = await at.show(asked)
        listed = {left.broker_order_id for each in view.sweeps for one in each.accounts for left in one.residuals}
        if view.sweeps and all(each.done for each in view.sweeps):
            resting = await asyncio.to_thread(at.resting)
            return [f"{len(resting)} orders rest although the sweep is done"] if resting else []
        await asyncio.sleep(0.2)
    unlisted = set(await asyncio.to_thread(at.resting)) - listed
    return [f"after {_SWEPT_WITHIN_S:g} s {len(unlisted)} orders rest and are not listed"] if unlisted else []


def verdict(rounds: Sequence[Round]) -> list[str]:
    """Judge all rounds of one world."""
    found = [words for each in rounds for words in each.found]
    times = [each.took_s for each in rounds if each.world is World.CALM]
    if times and median(times) > MEDIAN_WITHIN_S:
        found.append(f"the median of the acknowledgements is {median(times) * 1e3:.1f} ms")
    return found
