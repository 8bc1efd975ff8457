"""The load, a process of its own: `python -m bench.load submit|sdk|subscribe …`.

It reads what to measure as JSON lines from its input (`{"in_flight": 16, "seconds": 2.0, "warm_up": 0.3}`) and answers
each with one JSON line: calls in the window and in all, the window's length, each call's latency in microseconds.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Final

import grpc
from brokerapi.v1 import fills_pb2, fills_pb2_grpc, orders_pb2_grpc, streams_pb2

from bench.messages import QUANTITY, SYMBOL, order_spec, submit_request

DEADLINE_S: Final = 30


@dataclass(slots=True)
class Tally:
    """What happened: `count` calls began and ended inside the window, `total` at any time."""

    starts: float
    ends: float
    count: int = 0
    total: int = 0
    latencies_us: list[int] = field(default_factory=list)
    last: float = 0.0

    @property
    def elapsed_s(self) -> float:
        """The window's length."""
        return self.ends - self.starts

    def note(self, began: float, ended: float) -> None:
        """Take one call."""
        self.total += 1
        if self.starts <= ended <= self.ends:
            self.count += 1
            self.latencies_us.append(round((ended - began) * 1e6))


@dataclass(frozen=True, slots=True)
class Order:
    """What to measure; `start` is how a stream begins: "now", or "record" for all that is on the record."""

    in_flight: int
    seconds: float
    warm_up: float
    start: str = "now"

    def tally(self) -> Tally:
        """Open a window that begins after the warm-up."""
        starts = time.perf_counter() + self.warm_up
        return Tally(starts, starts + self.seconds)


Measure = Callable[[Order], Awaitable[Tally]]


def submitting(target: str, account_id: str, api_key: str) -> Measure:
    """Make a measure of SubmitOrder calls, each worker one after the other."""
    stub = orders_pb2_grpc.OrderServiceStub(grpc.aio.insecure_channel(target))
    metadata = (("authorization", f"Bearer {api_key}"),)
    spec = order_spec()

    async def work(tally: Tally) -> None:
        while (began := time.perf_counter()) < tally.ends:
            await stub.SubmitOrder(submit_request(account_id, spec), timeout=DEADLINE_S, metadata=metadata)
            tally.note(began, time.perf_counter())

    async def measure(order: Order) -> Tally:
        tally = order.tally()
        async with asyncio.TaskGroup() as workers:
            for _ in range(order.in_flight):
                workers.create_task(work(tally))
        return tally

    return measure


def calling_the_sdk(url: str, key: str, secret: str) -> Measure:
    """Make a measure of alpaca-py's own submit_order, each thread with a client of its own."""
    # Only this kind of load needs the SDK, whose import takes longer than everything else together.
    from alpaca.trading.client import TradingClient  # noqa: PLC0415 - as said
    from alpaca.trading.enums import OrderSide, TimeInForce  # noqa: PLC0415 - as said
    from alpaca.trading.requests import MarketOrderRequest  # noqa: PLC0415 - as said

    request = MarketOrderRequest(
        symbol=SYMBOL,
        qty=float(QUANTITY),
        side=OrderSide.BUY,
        time_in_force=TimeInForce.DAY,
    )
    local = threading.local()

    def work(tally: Tally) -> Tally:
        if not hasattr(local, "client"):
            local.client = TradingClient(key, secret, paper=True, url_override=url)
        own = Tally(tally.starts, tally.ends)
        while (began := time.perf_counter()) < own.ends:
            local.client.submit_order(request)
            own.note(began, time.perf_counter())
        return own

    threads = ThreadPoolExecutor(max_workers=64)

    async def measure(order: Order) -> Tally:
        tally = order.tally()
        loop = asyncio.get_running_loop()
        for own in await asyncio.gather(*(loop.run_in_executor(threads, work, tally) for _ in range(order.in_flight))):
            tally.count += own.count
            tally.total += own.total
            tally.latencies_us += own.latencies_us
        return tally

    return measure


def subscribing(target: str, account_id: str, api_key: str, batch: str = "1") -> Measure:
    """Make a measure of fills taken by so many subscribers together, up to so many fills in a message."""
    stub = fills_pb2_grpc.FillServiceStub(grpc.aio.insecure_channel(target))
    metadata = (("authorization", f"Bearer {api_key}"),)

    async def follow(tally: Tally, start: streams_pb2.StreamStart) -> None:
        request = fills_pb2.SubscribeFillsRequest(
            account_ids=[account_id] if account_id else [], start=start, max_batch=int(batch)
        )
        call = stub.SubscribeFills(request, metadata=metadata)
        async for message in call:
            kind = message.WhichOneof("message")
            if kind in {"event", "batch"}:
                tally.last = time.perf_counter()
                fills = 1 if kind == "event" else len(message.batch.events)
                tally.total += fills
                tally.count += fills * (tally.starts <= tally.last <= tally.ends)

    async def measure(order: Order) -> Tally:
        tally = order.tally()
        start = streams_pb2.StreamStart(from_now=True)
        if order.start == "record":
            start = streams_pb2.StreamStart()
            start.since_time.FromSeconds(0)
        followers = [asyncio.create_task(follow(tally, start)) for _ in range(order.in_flight)]
        finished, _ = await asyncio.wait(followers, timeout=order.warm_up + order.seconds)
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
        for early in finished:
            early.result()
        if order.start == "record":
            # The record may have been told to its end before the time was up.
            tally.ends = max(tally.last, tally.starts + 0.001)
        return tally

    return measure


KINDS: Final = {"submit": submitting, "sdk": calling_the_sdk, "subscribe": subscribing}


async def answer(kind: str, arguments: list[str]) -> None:
    """Measure what is asked for until the input ends."""
    measure = KINDS[kind](*arguments)
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        tally = await measure(Order(**json.loads(line)))
        print(json.dumps({**asdict(tally), "elapsed_s": tally.elapsed_s}), flush=True)


if __name__ == "__main__":
    asyncio.run(answer(sys.argv[1], sys.argv[2:]))
