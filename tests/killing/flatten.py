"""One round in which the switch closes positions too: every one of them once, whoever races and whoever dies.

Two replicas throw the switch at the same time, and one that clears, or one that only watches, is killed in the middle
of it. The broker's own list of orders and the simulator's journal decide what was sent.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from tests.killing.field import REPLICAS, Field
from tests.killing.judge import Inconclusive, acknowledgement, late, written_after
from tests.killing.rounds import ACKNOWLEDGED_WITHIN_S, Round, World, begin, reach_of

_CLEARED_WITHIN_S: Final = 90.0


async def play_flatten(at: Field, dice: random.Random, allows: Callable[[float], float] = float) -> Round:
    """Wait until everybody trades, throw the switch twice at once, kill a replica; see what is left and was sent."""
    holder = await at.holder()
    victim = holder if dice.random() < 0.7 else dice.choice([n for n in range(REPLICAS) if n != holder])
    asked, other = dice.sample([n for n in range(REPLICAS) if n != victim], 2)
    await begin(at, asked)
    before = {each["id"] for each in await asyncio.to_thread(at.all_orders)}
    await asyncio.sleep(dice.uniform(0.05, 0.4))
    sent_before = await at.witness.orders()
    answer, _ = await asyncio.gather(at.kill(asked, flatten=True), at.kill(other, flatten=True, seen=False))
    await asyncio.sleep(dice.choice((0.0, dice.uniform(0.0, 0.6))))
    noted = await asyncio.to_thread(at.kill_process, victim)
    left, found = await _cleared(at, asked)
    noted |= at.let_out()
    await asyncio.to_thread(at.revive, victim)
    orders = [each for each in await asyncio.to_thread(at.all_orders) if each["id"] not in before]
    posts = await asyncio.to_thread(at.sim.journal, method="POST", path="/v2/orders")
    found += closings_faults(orders, posts)
    return await _judged(at, reach_of(answer), sent_before, noted, left, found, orders, allows(ACKNOWLEDGED_WITHIN_S))


async def _cleared(at: Field, asked: int) -> tuple[list[str], list[str]]:
    """Wait until the sweep is done; gives what it lists as left where it never is, and what is wrong with that."""
    ends = time.monotonic() + _CLEARED_WITHIN_S
    left: dict[str, str] = {}
    while time.monotonic() < ends:
        view = await at.show(asked)
        accounts = [account for each in view.sweeps for account in each.accounts]
        left = {one.symbol if one.quantity else one.broker_order_id: one.why for a in accounts for one in a.residuals}
        if view.sweeps and all(each.done for each in view.sweeps):
            left = {}
            break
        await asyncio.sleep(0.05)
    held, resting = await asyncio.to_thread(at.positions), await asyncio.to_thread(at.resting)
    wrong = [f"{quantity} {symbol} is held and not listed" for symbol, quantity in held.items() if symbol not in left]
    wrong += [f"the order {each} rests and is not listed" for each in resting if each not in left]
    return [f"{name}: {why}" for name, why in sorted(left.items())], wrong


def closings_faults(orders: Sequence[Mapping[str, Any]], posts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Tell what is wrong with the closing orders among the broker's orders of a round, and with how they were sent.

    The storm only buys, so whatever sells is one of them.
    """
    return [*_sent_twice(posts), *_closed_twice(orders)]


def _sent_twice(posts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    sent = Counter(each["body"]["client_order_id"] for each in posts if each["body"].get("side") == "sell")
    for client_order_id, times in sent.items():
        if times > 1:
            yield f"the closing order {client_order_id} was sent {times} times"


def _closed_twice(orders: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    by_symbol: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in orders:
        by_symbol[each["symbol"]].append(each)
    for symbol, traded in sorted(by_symbol.items()):
        sells = sorted((each for each in traded if each["side"] == "sell"), key=lambda each: each["submitted_at"])
        for first, second in pairwise(sells):
            ended = first["filled_at"] or first["canceled_at"] or first["failed_at"]
            bought_later = any(
                each["side"] == "buy" and (each["filled_at"] or "") > first["submitted_at"] for each in traded
            )
            whole = Decimal(first["filled_qty"]) == Decimal(first["qty"])
            if ended is None or ended > second["submitted_at"]:
                yield f"{symbol}: two closing orders were open at once"
            elif whole and not bought_later:
                yield f"{symbol}: it was closed once more although nothing was left"


async def _judged(
    at: Field,
    reach: str,
    sent_before: int,
    noted: Mapping[str, int],
    left: list[str],
    found: list[str],
    orders: Sequence[Mapping[str, Any]],
    within_s: float,
) -> Round:
    told: dict[str, Any] = await at.witness.tell()
    try:
        acknowledged = acknowledgement(told)
    except Inconclusive as error:
        return Round(World.FLATTEN, 0.0, reach, sent_before, 0, 0, 0, 0, (*found, f"nothing can be judged: {error}"))
    closing = {each["client_order_id"] for each in orders if each["side"] == "sell"}
    let_out = {order: at_ns for order, at_ns in noted.items() if order not in closing}
    others = [each for each in told["orders"] if each["client_order_id"] not in closing]
    arrived, written = late(others, acknowledged.answered_ns, let_out), written_after(let_out, acknowledged.answered_ns)
    found += [f"{each} ({reach})" for each in arrived]
    found += [f"{each} was let out after the acknowledgement ({reach})" for each in written]
    if acknowledged.took_s > within_s:
        found.append(f"the acknowledgement took {acknowledged.took_s:.3f} s ({reach})")
    if not closing and not left:
        found.append("there was nothing to close")
    counts = len(arrived), len(written), 0, len(left)
    return Round(World.FLATTEN, acknowledged.took_s, reach, sent_before, *counts, tuple(found))
