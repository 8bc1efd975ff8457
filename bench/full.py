"""A gateway whose record is full: many orders stored, many resting at the mock broker."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import grpc
from brokerapi.v1 import orders_pb2, orders_pb2_grpc, trading_pb2

from bench.gateway import Account, Gateway, database_in, serving_from
from bench.messages import SYMBOL, order_spec, submit_request
from bench.seeding import seed

STORED: Final = 1_000_000
RESTING: Final = 10_000

_FAR_BELOW: Final = "1"
"""A limit that the market never comes to, and the least that an order must be worth."""

_IN_FLIGHT: Final = 64
_CALM_SHARE: Final = 0.4
_CALM_TRIES: Final = 60
_DEADLINE_S: Final = 60


@asynccontextmanager
async def full_gateway() -> AsyncIterator[tuple[Gateway, Account]]:
    """Fill a record through the front door and from behind, then serve from it."""
    with tempfile.TemporaryDirectory(prefix="brokergw-bench-full-") as name:
        folder = Path(name)
        async with serving_from(folder) as gateway:
            account = await gateway.connect_mock()
            ended = await _submit_all(gateway, account, [order_spec()])
            await _submit_all(gateway, account, [_resting_spec()] * RESTING)
        await asyncio.to_thread(seed, database_in(folder), ended[0], STORED)
        async with serving_from(folder) as gateway:
            # The first call lets the gateway read in which keys are on record.
            await _submit_all(gateway, account, [order_spec()])
            await _calm(gateway)
            yield gateway, account


async def _calm(gateway: Gateway) -> None:
    """Wait until the gateway has done what a start with so much on record brings with it."""
    for _ in range(_CALM_TRIES):
        before_s = gateway.process.cpu_s() or 0.0
        await asyncio.sleep(1)
        if (gateway.process.cpu_s() or 0.0) - before_s < _CALM_SHARE:
            return


def _resting_spec() -> orders_pb2.OrderSpec:
    return orders_pb2.OrderSpec(
        symbol=SYMBOL,
        side=trading_pb2.SIDE_BUY,
        type=trading_pb2.ORDER_TYPE_LIMIT,
        time_in_force=trading_pb2.TIME_IN_FORCE_GTC,
        quantity="1",
        limit_price=_FAR_BELOW,
    )


async def _submit_all(gateway: Gateway, account: Account, specs: list[orders_pb2.OrderSpec]) -> list[str]:
    """Place orders, some at a time; gives their ids."""
    metadata = (("authorization", f"Bearer {account.api_key}"),)
    left: Iterator[orders_pb2.OrderSpec] = iter(specs)
    order_ids: list[str] = []
    async with grpc.aio.insecure_channel(gateway.target) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)

        async def work() -> None:
            for spec in left:
                request = submit_request(account.account_id, spec)
                answer = await stub.SubmitOrder(request, timeout=_DEADLINE_S, metadata=metadata)
                order_ids.append(answer.order.order_id)

        async with asyncio.TaskGroup() as workers:
            for _ in range(_IN_FLIGHT):
                workers.create_task(work())
    return order_ids
