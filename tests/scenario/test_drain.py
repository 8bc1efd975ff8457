import asyncio
import time

import grpc
from brokerapi.v1 import orders_pb2, streams_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2

from tests.fixtures.bare_client import BareClient, ClientOpener, error_info
from tests.fixtures.gateway_process import GatewayStarter
from tests.fixtures.sim import SimHandle
from tests.scenario.broker_record import assert_no_order_was_sent_twice, placed
from tests.scenario.load import Load
from tests.scenario.streams import FillSubscriber, OrderSubscriber

WORKERS = 8
BROKER_S = 1
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_drain_ends_streams_with_a_cursor_and_fails_no_admitted_call(
    start_gateway_at_sim: GatewayStarter, broker_sim: SimHandle, open_client: ClientOpener
) -> None:
    """On SIGTERM health turns first, streams end with where to resume, admitted orders end well, the exit code is 0."""
    gateway = start_gateway_at_sim()
    key = gateway.api_key()
    watcher, *clients = [open_client(gateway, key) for _ in range(WORKERS + 1)]
    account = await watcher.connect_alpaca(broker_sim)
    # Slow enough that every worker's call is on its way when the signal comes.
    slow = {"name": "latency", "method": "POST", "path": "/v2/orders", "seconds": BROKER_S, "count": None}
    broker_sim.control("POST", "faults", slow)
    beginning = Timestamp(seconds=int(time.time()) - 5)
    now = streams_pb2.StreamStart(from_now=True)
    subscribers = (OrderSubscriber(account, now), FillSubscriber(account, now))
    # On one connection, so that what the server says first arrives first.
    following = [asyncio.create_task(subscriber.follow(watcher)) for subscriber in subscribers]
    turned = asyncio.create_task(not_serving(watcher))
    await asyncio.gather(*(subscriber.until_opened() for subscriber in subscribers))

    load = Load(account)
    load.start(clients)
    await asyncio.sleep(2.5 * BROKER_S)
    gateway.terminate()
    await load.ended()
    assert await asyncio.gather(*following) == [UNAVAILABLE] * 2
    assert await asyncio.to_thread(gateway.wait) == 0

    for subscriber in subscribers:
        assert subscriber.ending is not None
        assert await turned <= subscriber.ending_at_s
        assert subscriber.ending.reason == streams_pb2.TERMINATION_REASON_DRAINING
        assert subscriber.ending.resume_cursor == subscriber.trailer["x-last-cursor"]
    for _, failure in load.failed:
        # A call that meets the closing connection never gets as far as the gateway: the library makes its error.
        told = (failure.code(), error_info(failure).reason)
        assert told in {(UNAVAILABLE, "SERVER_DRAINING"), (UNAVAILABLE, "")}
    assert len(load.acknowledged) >= 2 * WORKERS
    assert len(placed(broker_sim)) == len(load.acknowledged)
    assert_no_order_was_sent_twice(broker_sim)

    gateway.start()
    client = open_client(gateway, key)
    assert await recorded_keys(client, account) == set(load.acknowledged)
    orders, fills = subscribers
    for subscriber in subscribers:
        subscriber.cursor = subscriber.ending.resume_cursor if subscriber.ending else ""
    resumed = [asyncio.create_task(subscriber.follow(client)) for subscriber in subscribers]
    await fills.until(lambda: {event.fill.idempotency_key for event in fills.events} == set(load.acknowledged))
    await asyncio.gather(orders.until_quiet(), fills.until_quiet())
    assert len({event.fill.fill_id for event in fills.events}) == len(fills.events)
    whole = OrderSubscriber(account, streams_pb2.StreamStart(since_time=beginning))
    resumed.append(asyncio.create_task(whole.follow(client)))
    await whole.until_quiet()
    assert orders.sequences == whole.sequences
    for task in resumed:
        task.cancel()


async def not_serving(client: BareClient) -> float:
    """Watch the server's health until it takes no more, and tell when, by the loop's clock."""
    watch = client.channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    async for told in watch(health_pb2.HealthCheckRequest()):
        if told.status == NOT_SERVING:
            return asyncio.get_running_loop().time()
    raise AssertionError("the watch ended without NOT_SERVING")


async def recorded_keys(client: BareClient, account: str) -> set[str]:
    """Give the key of every order on the record."""
    request = orders_pb2.ListOrdersRequest(account_ids=[account], page_size=500)
    answer = await client.orders.ListOrders(request, metadata=client.identity, timeout=20)
    return {order.idempotency_key for order in answer.orders}
