"""Waiting for what another process must come to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc
from brokerapi.v1 import orders_pb2

from tests.fixtures.bare_client import BareClient

_POLL_S: Final = 0.05
_AGAIN_AFTER_S: Final = 0.5

T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T]], satisfied: Callable[[T], bool], timeout_s: float = 20.0) -> T:
    """Look again and again until what is seen satisfies; fails with what was seen last."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + timeout_s
    while True:
        seen = await look()
        if satisfied(seen):
            return seen
        assert loop.time() < give_up, f"after {timeout_s} s still: {seen}"
        await asyncio.sleep(_POLL_S)


async def answer_of(
    client: BareClient, request: orders_pb2.SubmitOrderRequest, timeout_s: float = 20.0
) -> orders_pb2.SubmitOrderResponse:
    """Repeat a call under its key for as long as the gateway says that the first one still runs."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                return await client.submit(request)
            except grpc.aio.AioRpcError as failure:
                if failure.code() is not grpc.StatusCode.ABORTED:
                    raise
            await asyncio.sleep(_AGAIN_AFTER_S)
