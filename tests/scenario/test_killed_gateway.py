import asyncio
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias

import grpc
import pytest
from brokerapi.v1 import orders_pb2, streams_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from tests.fixtures.bare_client import BareClient, ClientOpener
from tests.fixtures.gateway_process import GatewayStarter
from tests.fixtures.patience import until
from tests.fixtures.sim import SimHandle
from tests.scenario.broker_record import assert_no_order_was_sent_twice, placed
from tests.scenario.load import QUANTITY, Load, held
from tests.scenario.streams import FillSubscriber, OrderSubscriber

WORKERS = 8
LOAD_S = 1.5
FILLED = orders_pb2.ORDER_STATE_FILLED
NEVER_THERE = {orders_pb2.ORDER_STATE_IN_DOUBT, orders_pb2.ORDER_STATE_NOT_PLACED}
State: TypeAlias = orders_pb2.OrderState.ValueType


@pytest.mark.parametrize(("broker", "store"), [("mock", "sqlite"), ("alpaca", "sqlite"), ("alpaca", "postgresql")])
async def test_a_killed_gateway_forgets_no_order_and_no_event(
    start_gateway_at_sim: GatewayStarter,
    broker_sim: SimHandle,
    open_client: ClientOpener,
    request: pytest.FixtureRequest,
    broker: str,
    store: str,
) -> None:
    """Killed under load and started again: every acknowledged order is there, each sent once, each event seen once."""
    settings = {"BROKERGW_DATABASE_URL": request.getfixturevalue("postgresql_url")} if store == "postgresql" else {}
    gateway = start_gateway_at_sim(**settings)
    key = gateway.api_key()
    clients = [open_client(gateway, key) for _ in range(WORKERS + 1)]
    account = await clients[0].connect_alpaca(broker_sim) if broker == "alpaca" else await clients[0].mock_account()
    beginning = Timestamp(seconds=int(time.time()) - 5)
    from_snapshot = streams_pb2.StreamStart(snapshot=True)
    orders, fills = OrderSubscriber(account, from_snapshot), FillSubscriber(account, from_snapshot)
    subscribers = (orders, fills)
    following = [asyncio.create_task(subscriber.follow(clients[0])) for subscriber in subscribers]
    await asyncio.gather(*(subscriber.until_opened() for subscriber in subscribers))

    load = Load(account)
    load.start(clients[1:])
    await asyncio.sleep(LOAD_S)
    gateway.kill()
    await load.ended()
    assert await asyncio.gather(*following) == [grpc.StatusCode.UNAVAILABLE] * 2
    assert len(load.acknowledged) > WORKERS
    assert {failure.code() for _, failure in load.failed} == {grpc.StatusCode.UNAVAILABLE}

    gateway.start()
    client = open_client(gateway, key)
    following = [asyncio.create_task(subscriber.follow(client)) for subscriber in subscribers]
    orders_by_key = load.acknowledged | {
        unsure.idempotency_key: (await client.answer(unsure)).order.order_id for unsure, _ in load.failed
    }
    assert len(set(orders_by_key.values())) == len(orders_by_key) == len(load.acknowledged) + WORKERS
    filled = await settled(client, account, orders_by_key)
    assert filled >= set(load.acknowledged.values())

    await fills.until(lambda: {event.fill.order_id for event in fills.events} >= filled)
    await asyncio.gather(*(subscriber.until_quiet() for subscriber in subscribers))
    assert len({event.fill.fill_id for event in fills.events}) == len(fills.events)
    bought = sum((Decimal(event.fill.quantity) for event in fills.events), Decimal(0))
    assert bought == Decimal(QUANTITY) * len(filled) == await held(client, account)

    whole_record = streams_pb2.StreamStart(since_time=beginning)
    all_orders, all_fills = OrderSubscriber(account, whole_record), FillSubscriber(account, whole_record)
    rereading = [asyncio.create_task(subscriber.follow(client)) for subscriber in (all_orders, all_fills)]
    await asyncio.gather(all_orders.until_quiet(), all_fills.until_quiet())
    assert orders.sequences == [number for number in all_orders.sequences if number >= orders.sequences[0]]
    assert fills.sequences == all_fills.sequences
    if broker == "alpaca":
        assert_no_order_was_sent_twice(broker_sim)
        assert len(placed(broker_sim)) == len(filled)
    for task in (*following, *rereading):
        task.cancel()


async def settled(client: BareClient, account: str, orders_by_key: Mapping[str, str]) -> set[str]:
    """Wait until the record agrees with the broker, and give what filled; each order still carries its key."""

    async def look() -> dict[str, State]:
        found = {key: await client.order(order_id) for key, order_id in orders_by_key.items()}
        assert {key: order.idempotency_key for key, order in found.items()} == {key: key for key in found}
        return {order.order_id: order.state for order in found.values()}

    async def agreed() -> dict[str, State] | None:
        states = await look()
        # An order that never reached the broker stays in doubt until its absence is proved.
        if not set(states.values()) <= {FILLED, *NEVER_THERE}:
            return None
        filled = sum(state == FILLED for state in states.values())
        return states if Decimal(QUANTITY) * filled == await held(client, account) else None

    states = await until(agreed, bool, timeout_s=60)
    assert states is not None
    return {order_id for order_id, state in states.items() if state == FILLED}
