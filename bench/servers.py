"""The bare peers, each a process: `python -m bench.servers echo|forward|stream`. They do the least that could work.

Each prints its address on the first line of its output and serves until it is ended.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import aiohttp
import grpc
from brokerapi.v1 import fills_pb2, orders_pb2

from bench.messages import SYMBOL, fill_message, submit_response

Context = grpc.aio.ServicerContext[Any, Any]
Submit = Callable[[orders_pb2.SubmitOrderRequest, Context], Awaitable[orders_pb2.SubmitOrderResponse]]

KINDS: Final = ("echo", "forward", "stream")


async def echo(request: orders_pb2.SubmitOrderRequest, _: Context) -> orders_pb2.SubmitOrderResponse:
    """Give the order back at once (case a)."""
    return submit_response(request)


def forward_to(session: aiohttp.ClientSession) -> Submit:
    """Make a handler that posts each order to the simulated broker, one request each (case c)."""

    async def forward(request: orders_pb2.SubmitOrderRequest, _: Context) -> orders_pb2.SubmitOrderResponse:
        order = {
            "symbol": SYMBOL,
            "side": "buy",
            "type": "market",
            "time_in_force": "day",
            "qty": request.order.quantity,
            "client_order_id": request.idempotency_key,
        }
        async with session.post("/v2/orders", json=order) as reply:
            reply.raise_for_status()
            document = await reply.json()
        return submit_response(request, document["id"])

    return forward


async def repeat_a_fill(
    _: fills_pb2.SubscribeFillsRequest, __: Context
) -> AsyncIterator[fills_pb2.SubscribeFillsResponse]:
    """Send one and the same fill as fast as it is taken (case f)."""
    message = fill_message()
    while True:
        yield message


def orders_with(submit: Submit) -> grpc.GenericRpcHandler:
    """Serve SubmitOrder and nothing else."""
    handler = grpc.unary_unary_rpc_method_handler(
        submit,
        request_deserializer=orders_pb2.SubmitOrderRequest.FromString,
        response_serializer=orders_pb2.SubmitOrderResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler("brokerapi.v1.OrderService", {"SubmitOrder": handler})


def fills() -> grpc.GenericRpcHandler:
    """Serve SubscribeFills and nothing else."""
    handler = grpc.unary_stream_rpc_method_handler(
        repeat_a_fill,
        request_deserializer=fills_pb2.SubscribeFillsRequest.FromString,
        response_serializer=fills_pb2.SubscribeFillsResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler("brokerapi.v1.FillService", {"SubscribeFills": handler})


async def serve(kind: str, broker_url: str = "", key: str = "", secret: str = "") -> None:
    """Serve one peer until the process is ended."""
    headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
    async with aiohttp.ClientSession(broker_url or None, headers=headers) as session:
        made = {"echo": orders_with(echo), "forward": orders_with(forward_to(session)), "stream": fills()}
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((made[kind],))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(f"127.0.0.1:{port}", flush=True)
        await server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[1] not in KINDS:
        sys.exit(f"one of {', '.join(KINDS)}")
    asyncio.run(serve(*sys.argv[1:]))
