"""The short form of `python -m tests.killing`: one round in each world that needs no luck."""

import random

from tests.fixtures.pace import Pace
from tests.killing.field import open_field
from tests.killing.flatten import play_flatten
from tests.killing.rounds import World, play


async def test_no_order_leaves_after_the_switch_is_acknowledged(pace: Pace) -> None:
    """K3, K4, K5: in a calm world, with the database frozen and with a replica frozen, nothing comes after the answer.

    The answer comes within a second, and what rested is gone at the broker afterwards. With `flatten`, thrown at two
    replicas at once and one of them killed, what was held is gone too, each position by one closing order sent once.
    """
    dice = random.Random(5)
    async with open_field() as at:
        storm = await at.storm(60, 5)
        try:
            rounds = [
                await play(at, world, dice, pace.allows)
                for world in (World.CALM, World.FROZEN_DATABASE, World.FROZEN_REPLICA)
            ]
            rounds.append(await play_flatten(at, dice, pace.allows))
        finally:
            endings = await storm.stop()
    assert [words for each in rounds for words in each.found] == []
    assert all(each.took_s > 0 for each in rounds)
    assert endings["TRADING_HALTED"] > 0
    assert all(each.sent_before > 0 for each in rounds)


async def test_the_judge_objects_to_an_acknowledgement_that_comes_too_early() -> None:
    """K4: where the answer waits for nobody, orders are seen to arrive, and to be let out, after it."""
    async with open_field(hasty=True) as at:
        storm = await at.storm(100, 7)
        try:
            played = await play(at, World.CALM, random.Random(7))
        finally:
            await storm.stop()
    assert played.arrived_late > 0
    assert played.written_late > 0
