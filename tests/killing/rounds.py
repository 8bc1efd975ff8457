"""One round: a storm, the switch at some moment, and what reached the broker after it was acknowledged."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, Final

import grpc
from brokerapi.v1 import halts_pb2

from tests.killing.field import REPLICAS, Field
from tests.killing.judge import Inconclusive, acknowledgement, late, written_after

ACKNOWLEDGED_WITHIN_S: Final = 1.0
_TRADES_WITHIN_S: Final = 30.0
_SWEPT_WITHIN_S: Final = 30.0
_ASK_AGAIN: Final = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
"""What a replica may answer that has a whole outage to catch up with; how far the sweep is must be told in time."""

_LANDS_WITHIN_S: Final = 5.0
_WATCHED_S: Final = 1.0
"""How long nothing may come once everybody can move again: twice a clearance."""


@unique
class World(StrEnum):
    """What is wrong while the switch is thrown."""

    CALM = "calm"
    FROZEN_DATABASE = "frozen-database"
    FROZEN_REPLICA = "frozen-replica"
    FROZEN_SENDER = "frozen-sender"
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True)
class Round:
    """What a round came to; `found` are the breaches in words.

    `took_s` is from the question's arrival at the caller's host to the answer's. `arrived_late` and `written_late`
    count orders, by the kernel's stamps and by the gateways' notes; `read_late` those that the simulator's loop came
    to after the answer, whenever they had arrived, and `residuals` what the sweep had left at its end.
    """

    world: World
    took_s: float
    reach: str
    sent_before: int
    arrived_late: int
    written_late: int
    read_late: int
    residuals: int
    found: tuple[str, ...]


async def play(at: Field, world: World, dice: random.Random, allows: Callable[[float], float] = float) -> Round:
    """Wait until everybody trades, throw the switch, and see that nothing comes any more.

    `allows` says how long what is promised within some seconds may have taken.
    """
    victim, asked = dice.sample(range(REPLICAS), 2)
    await begin(at, asked)
    await asyncio.sleep(dice.uniform(0.05, 0.4))
    frozen = await _disturb(at, world, victim, dice)
    sent_before = await at.witness.orders()
    answer = await at.kill(asked)
    reach = reach_of(answer)
    found: list[str] = []
    if world is not World.CALM:
        await asyncio.sleep(dice.uniform(0.05, 0.8))
    at.thaw_all()
    if world is World.FROZEN_DATABASE:
        found += await _landed(at)
    swept, _ = await asyncio.gather(_swept(at, asked), asyncio.sleep(_WATCHED_S))
    if world is World.FROZEN_SENDER and not frozen:
        reach += ", nobody caught"
    return await _judged(at, world, reach, sent_before, found, swept, allows(ACKNOWLEDGED_WITHIN_S))


def reach_of(answer: halts_pb2.SetKillSwitchResponse) -> str:
    """Name how far the switch says that it has reached."""
    return halts_pb2.HaltReach.Name(answer.propagation.reach).removeprefix("HALT_REACH_")


async def begin(at: Field, asked: int) -> None:
    """Lift what the last round has left, and wait until the storm reaches the broker again, through every replica."""
    await at.lift_all(asked)
    await at.witness.forget()
    await asyncio.to_thread(at.sim.control, "DELETE", "journal")
    at.let_out()
    ends = time.monotonic() + _TRADES_WITHIN_S
    while time.monotonic() < ends:
        views = await asyncio.gather(*(at.show(number) for number in range(REPLICAS)))
        if all(view.may_send and not view.halts for view in views) and await at.witness.orders() >= 10:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the replicas do not trade")


async def _disturb(at: Field, world: World, victim: int, dice: random.Random) -> bool:
    match world:
        case World.CALM | World.FLATTEN:
            return False
        case World.FROZEN_DATABASE:
            at.freeze_database()
        case World.FROZEN_REPLICA:
            at.replicas[victim].freeze()
        case World.FROZEN_SENDER:
            return await at.freeze_sender(at.replicas[victim])
    await asyncio.sleep(dice.choice((0.0, dice.uniform(0.0, 0.4))))
    return True


async def _judged(
    at: Field,
    world: World,
    reach: str,
    sent_before: int,
    found: list[str],
    swept: tuple[list[str], list[str]],
    within_s: float,
) -> Round:
    told: dict[str, Any] = await at.witness.tell()
    try:
        acknowledged = acknowledgement(told)
    except Inconclusive as error:
        return Round(world, 0.0, reach, sent_before, 0, 0, 0, 0, (*found, f"nothing can be judged: {error}"))
    let_out = at.let_out()
    arrived = late(told["orders"], acknowledged.answered_ns, let_out)
    written = written_after(let_out, acknowledged.answered_ns)
    read = [each for each in await at.read_by_broker() if each > acknowledged.answered_ns]
    found += [f"{each} ({reach})" for each in arrived]
    found += [f"{each} was let out after the acknowledgement ({reach})" for each in written]
    if acknowledged.took_s > within_s:
        found.append(f"the acknowledgement took {acknowledged.took_s:.3f} s ({reach})")
    residuals, unswept = swept
    return Round(
        world,
        acknowledged.took_s,
        reach,
        sent_before,
        len(arrived),
        len(written),
        len(read),
        len(residuals),
        (*found, *unswept),
    )


async def _landed(at: Field) -> list[str]:
    """See that a halt of the disk gets into the book once the database is back."""
    ends = time.monotonic() + _LANDS_WITHIN_S
    while time.monotonic() < ends:
        if await at.standing():
            return []
        await asyncio.sleep(0.02)
    return [f"the halt was not in the database {_LANDS_WITHIN_S:g} s after that was back"]


async def _swept(at: Field, asked: int) -> tuple[list[str], list[str]]:
    """See that resting orders are gone; gives what was listed as left at the end, and what is wrong with that."""
    ends = time.monotonic() + _SWEPT_WITHIN_S
    left: dict[str, str] = {}
    while time.monotonic() < ends:
        try:
            view = await at.show(asked)
        except grpc.aio.AioRpcError as error:
            if error.code() not in _ASK_AGAIN:
                raise
            continue
        accounts = [account for each in view.sweeps for account in each.accounts]
        left = {one.broker_order_id or one.order_id: one.why for each in accounts for one in each.residuals}
        if view.sweeps and all(each.done for each in view.sweeps):
            resting = await asyncio.to_thread(at.resting)
            return [], [f"{len(resting)} orders rest although the sweep is done"] if resting else []
        await asyncio.sleep(0.05)
    words = [f"{order}: {why}" for order, why in sorted(left.items())]
    resting = await asyncio.to_thread(at.resting)
    wrong = [
        f"after {_SWEPT_WITHIN_S:g} s the sweep has {len(left)} orders left, the broker {len(resting)}: {words[:3]}"
    ]
    if unlisted := set(resting) - set(left):
        wrong.append(f"after {_SWEPT_WITHIN_S:g} s {len(unlisted)} orders rest and are not listed")
    return words, wrong
