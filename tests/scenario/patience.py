"""Waiting for what another process must come to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc
from brokerapi.v1 import orders_pb2

from tests.fixtures.bare_client import BareClient, error_info

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
    """Repeat a call under its key while the gateway says so: the first one still runs, or it cannot be judged now."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                return await client.submit(request)
            except grpc.aio.AioRpcError as failure:
                if failure.code() is not grpc.StatusCode.ABORTED and not _to_be_repeated(failure):
                    raise
            await asyncio.sleep(_AGAIN_AFTER_S)


def _to_be_repeated(failure: grpc.aio.AioRpcError) -> bool:
    """Tell whether the gateway itself refused for the moment; an end of the connection tells nothing of the kind."""
    told = dict(error_info(failure).metadata)
    unavailable = failure.code() is grpc.StatusCode.UNAVAILABLE
    return unavailable and told.get("order_effect") == "NONE" and told.get("retry") == "SAME_KEY"
