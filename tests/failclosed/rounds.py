"""One round: orders rest, the record goes away, everything is tried and measured; it comes back, and all is counted.

With a crash the gateway is killed while the record is away, and started again once it is back.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from brokerapi.v1 import orders_pb2

from brokergw.desk.emergency.replay import ACTION
from brokergw.model.whose import everyone
from brokergw.store import open_store
from tests.failclosed.world import Told, World
from tests.fixtures.hasty import HastyClock

ANSWERED_WITHIN_S: Final = 0.5
_RESTING: Final = 8
_SUBMITTERS: Final = 4
_SETTLED_S: Final = 20.0
_ALL: Final = everyone("a test counts what is on record")
_KEPT_BACK: Final = frozenset({"JOURNAL_UNAVAILABLE", "AUDIT_UNAVAILABLE"})
_UNREAD: Final = "JOURNAL_OUTCOME_UNKNOWN"


@dataclass
class Report:
    """What a round came to: the slowest answers while the record was away, and whatever was wrong."""

    trouble: str
    database: str
    crash: bool
    found: list[str] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    not_ready_s: float = 0.0
    ready_s: float = 0.0

    def need(self, holds: bool, words: str) -> None:  # noqa: FBT001 - reads like an assertion
        """Take note of what does not hold."""
        if not holds:
            self.found.append(words)

    def took(self, told: Told) -> None:
        """Take note of an answer."""
        self.slowest[told.method] = max(self.slowest.get(told.method, 0.0), told.took_s)
        self.answers[f"{told.method} {told.reason or told.code} {told.effect}".strip()] += 1


@dataclass
class _Follower:
    """An open stream of orders, and the states it has told."""

    states: dict[str, list[int]] = field(default_factory=dict)
    ended: str = ""

    async def follow(self, world: World, opened: asyncio.Event) -> None:
        """Read until cancelled, or until the stream ends."""
        stream = world.bare.orders.SubscribeOrders(orders_pb2.SubscribeOrdersRequest(), metadata=world.bare.identity)
        try:
            async for message in stream:
                kind = message.WhichOneof("message")
                if kind == "subscribed":
                    opened.set()
                elif kind == "event":
                    self.states.setdefault(message.event.order.order_id, []).append(message.event.order.state)
        except grpc.aio.AioRpcError as error:
            self.ended = f"{error.code().name} {error.details()}"


@asynccontextmanager
async def _following(world: World) -> AsyncIterator[_Follower]:
    follower, opened = _Follower(), asyncio.Event()
    task = asyncio.create_task(follower.follow(world, opened))
    async with asyncio.timeout(10):
        await opened.wait()
    yield follower
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def play(
    world: World, database: str, trouble: str, *, away_s: float = 2.5, crash: bool = False, count: bool = True
) -> Report:
    """Play a round; with `count` the gateway is stopped at its end, and the record of all rounds looked through."""
    report = Report(trouble, database, crash)
    if world.gateway.process is None:
        await asyncio.to_thread(world.gateway.start)
        await world.connect()
    resting = [(await _rested(world)) for _ in range(_RESTING)]
    refused: list[Told] = []
    async with _following(world) as follower:
        # Every kind of call has been made once, so that nothing is measured for the first time.
        await asyncio.gather(world.get(resting[0].order_id), world.list())
        asked = await _while_away(world, report, trouble, resting, refused, away_s, crash=crash)
        began = time.monotonic()
        if crash:
            await asyncio.to_thread(world.gateway.start)
            await world.connect()
        else:
            await world.until_ready()
        report.ready_s = time.monotonic() - began
        await _settled(world, report, resting)
        if not crash:
            report.need(not follower.ended, f"the stream ended: {follower.ended}")
            await _until(lambda: _all_told(follower, resting))
            untold = [order.order_id for order in resting if not _told_cancelled(follower, order.order_id)]
            report.need(not untold, f"the stream told no end of {untold}")
    await _again(world, report, refused)
    report.need(world.cancelled() >= {order.broker_order_ids[-1] for order in asked}, "a cancel did not arrive")
    world.asked += asked
    if count:
        await _on_record(world, report)
    return report


async def _rested(world: World) -> orders_pb2.Order:
    told = await world.submit()
    assert told.well, told
    order: orders_pb2.Order = told.answer.order
    while order.state != orders_pb2.ORDER_STATE_WORKING:
        await asyncio.sleep(0.02)
        order = await world.bare.order(order.order_id)
    return order


async def _while_away(
    world: World,
    report: Report,
    trouble: str,
    resting: Sequence[orders_pb2.Order],
    refused: list[Told],
    away_s: float,
    *,
    crash: bool,
) -> list[orders_pb2.Order]:
    """Try everything while the record is away; gives the orders whose cancel was taken."""
    before = world.placed()
    asked: list[orders_pb2.Order] = []
    ends = time.monotonic() + away_s
    with world.troubles[trouble]():
        trying = [asyncio.create_task(_repeat(ends, world.submit, report, refused)) for _ in range(_SUBMITTERS)]
        trying.append(asyncio.create_task(_repeat(ends, lambda: world.modify(resting[0].order_id), report, refused)))
        trying.append(asyncio.create_task(_repeat(ends, lambda: world.get(resting[0].order_id), report)))
        trying.append(asyncio.create_task(_repeat(ends, world.list, report)))
        for order in resting[1:4]:
            await _cancelled(world, report, order, asked)
        report.not_ready_s = await world.until_ready(ready=False)
        report.need("brokergw_rpc_calls" in await asyncio.to_thread(world.metrics), "the metrics are away too")
        await asyncio.gather(*trying)
        told = await world.cancel_all()
        report.took(told)
        report.need(told.well and told.answer.provisional, f"CancelAllOrders: {told.code} {told.reason}")
        if told.well:
            asked += [item.order for item in told.answer.results if item.accepted]
        if crash:
            await asyncio.to_thread(world.gateway.kill)
        after = world.placed()
        report.need(after == before, f"orders left while the record was away: {Counter(after) - Counter(before)}")
    for told in refused:
        kept = told.reason in _KEPT_BACK and told.effect == "NONE"
        # Where not even the key can be read, an earlier call under it may have left an order: no more is claimed.
        unread = told.reason == _UNREAD and told.effect == "POSSIBLE"
        report.need(kept or unread, f"{told.method} was answered {told.code} {told.reason} {told.effect}")
    return asked


async def _repeat(
    ends: float, call: Callable[[], Awaitable[Told]], report: Report, kept: list[Told] | None = None
) -> None:
    while time.monotonic() < ends:
        told = await call()
        report.took(told)
        if kept is not None:
            kept.append(told)
        await asyncio.sleep(0.05)


async def _cancelled(world: World, report: Report, order: orders_pb2.Order, asked: list[orders_pb2.Order]) -> None:
    told = await world.cancel(order.order_id)
    report.took(told)
    report.need(told.well and told.answer.provisional, f"CancelOrder: {told.code} {told.reason}")
    if told.well:
        asked.append(order)
        arrived = await _until(lambda: order.broker_order_ids[-1] in world.cancelled())
        report.need(arrived, f"the cancel of {order.order_id} did not arrive")


async def _settled(world: World, report: Report, resting: Sequence[orders_pb2.Order]) -> None:
    """Wait until the record has the end of every order."""
    for order in resting:
        ends = time.monotonic() + _SETTLED_S
        state = orders_pb2.ORDER_STATE_UNSPECIFIED
        while state != orders_pb2.ORDER_STATE_CANCELED and time.monotonic() < ends:
            told = await world.get(order.order_id)
            state = told.answer.order.state if told.well else state
            await asyncio.sleep(0.05)
        report.need(state == orders_pb2.ORDER_STATE_CANCELED, f"{order.order_id} is {state} on record")


async def _again(world: World, report: Report, refused: Sequence[Told]) -> None:
    """Repeat under the same keys what was refused: each order is placed then, once."""
    submits = [told.request for told in refused if told.method == "SubmitOrder"][:: max(1, len(refused) // 12)]
    for request in submits:
        ends = time.monotonic() + _SETTLED_S
        told = await world.submit(request)
        while not told.well and time.monotonic() < ends:
            await asyncio.sleep(0.2)
            told = await world.submit(request)
        report.need(told.well, f"a repeated order was answered {told.code} {told.reason}")
    placed = world.placed()
    for request in submits:
        report.need(
            placed.get(request.order.quantity) == 1, f"an order was placed {placed.get(request.order.quantity)} times"
        )
    once = {told.request.order.quantity for told in refused if told.method == "SubmitOrder"}
    never = once - {request.order.quantity for request in submits}
    report.need(not never & placed.keys(), f"refused orders were placed: {never & placed.keys()}")


async def _on_record(world: World, report: Report) -> None:
    """Count what the record has: every emergency cancel once, an audit log that is whole, a ledger that agrees."""
    folder = world.gateway.directory.parent / "disk" / "data" / "emergency"
    report.need(not any(folder.glob("*.bent")), "an emergency journal did not fit together")
    # What was done last may be on its way from the emergency journal.
    await asyncio.sleep(1.2)
    await asyncio.to_thread(world.gateway.stop)
    store = open_store(world.url, clock=HastyClock(), credentials_key=bytes([2]) * 32)
    try:
        differences = await store.journal.recount()
        report.need(not differences, f"the ledger differs: {differences}")
        rows = await store.journal._reader.query(_ALL, _emergency_rows)
    finally:
        await store.close()
    counted = Counter(rows)
    for order in world.asked:
        outcomes = {outcome: times for (order_id, outcome), times in counted.items() if order_id == order.order_id}
        once = set(outcomes) == {"ASKED", "ACCEPTED"} and set(outcomes.values()) == {1}
        report.need(once, f"the record has of {order.order_id}'s cancel: {outcomes}")
    whole = await asyncio.to_thread(world.audit_is_whole)
    report.need(not whole, f"the audit log is not whole: {whole[-600:]}")
    report.need("audit rows are lost" not in world.gateway.log(), "audit rows were lost")


def _emergency_rows(database: Any) -> list[tuple[str, str]]:
    found = database.exec_driver_sql(f"SELECT order_id, outcome FROM broker_audit_log WHERE action = '{ACTION}'")  # noqa: S608 - a constant of ours
    return [(row[0], row[1]) for row in found]


def _told_cancelled(follower: _Follower, order_id: str) -> bool:
    return orders_pb2.ORDER_STATE_CANCELED in follower.states.get(order_id, [])


def _all_told(follower: _Follower, resting: Sequence[orders_pb2.Order]) -> bool:
    return all(_told_cancelled(follower, order.order_id) for order in resting)


async def _until(holds: Callable[[], bool], timeout_s: float = 5.0) -> bool:
    ends = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(0.05)
    return True
