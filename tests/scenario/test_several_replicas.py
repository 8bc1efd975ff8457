import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import grpc
from brokerapi.v1 import orders_pb2, streams_pb2

from tests.fixtures.bare_client import BareClient, ClientOpener, market_buy
from tests.fixtures.gateway_process import GatewayProcess
from tests.fixtures.pace import Pace
from tests.fixtures.patience import until
from tests.fixtures.replica_processes import Hold, ReplicasAtSim
from tests.scenario.broker_record import assert_no_order_was_sent_twice, bought, placed
from tests.scenario.load import QUANTITY, Load
from tests.scenario.streams import FillSubscriber, OrderSubscriber

CLIENTS = 15
CALLS = 20
TAKEN_OVER_WITHIN_S = 5.0
HANDED_OVER_WITHIN_S = 2.0
FROZEN_S = 6.0
REST_S = 0.05
SLOW_REST_S = 1.0
ENDED = {
    orders_pb2.ORDER_STATE_FILLED,
    orders_pb2.ORDER_STATE_NOT_PLACED,
    orders_pb2.ORDER_STATE_IN_DOUBT,
}


async def test_one_key_from_fifteen_clients_of_three_replicas_is_one_order(
    replicas_at_sim: ReplicasAtSim, open_client: ClientOpener
) -> None:
    """One order reaches the broker, every call gives its id whichever process answers, one of them is no replay."""
    at = replicas_at_sim
    clients = [open_client(at.gateways[number % len(at.gateways)], at.api_key) for number in range(CLIENTS)]
    request = market_buy(at.account)
    slow = {"name": "latency", "method": "POST", "path": "/v2/orders", "seconds": 0.3}
    at.sim.control("POST", "faults", slow)

    async def repeat(client: BareClient) -> list[orders_pb2.SubmitOrderResponse]:
        return list(await asyncio.gather(*(client.answer(request) for _ in range(CALLS))))

    answers = [answer for each in await asyncio.gather(*map(repeat, clients)) for answer in each]
    assert len(answers) == CLIENTS * CALLS
    assert len({answer.order.order_id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert len(placed(at.sim)) == 1
    for gateway in at.gateways:
        order = await open_client(gateway, at.api_key).order(answers[0].order.order_id)
        assert order.idempotency_key == request.idempotency_key


async def test_a_killed_replica_is_replaced_within_five_seconds_and_nothing_is_lost(
    replicas_at_sim: ReplicasAtSim, open_client: ClientOpener, pace: Pace
) -> None:
    """Its stream and its orders in flight continue elsewhere; each subscriber sees each event once, without a gap."""
    at = replicas_at_sim
    victim = at.holder()
    before = at.hold()
    watching = await watchers(at, at.others(victim), open_client)
    # So slow that every worker of the killed process leaves an order behind that may be at the broker.
    slow = {"name": "latency", "method": "POST", "path": "/v2/orders", "seconds": 0.2, "count": None}
    at.sim.control("POST", "faults", slow)
    dying, living = Load(at.account, REST_S), Load(at.account, REST_S)
    dying.start([open_client(victim, at.api_key) for _ in range(4)])
    living.start([open_client(gateway, at.api_key) for gateway in at.others(victim) for _ in range(2)])
    await asyncio.sleep(1.5)

    killed_at = time.monotonic()
    victim.kill()
    after = await asyncio.to_thread(at.await_hold, after_epoch=before.epoch)
    replaced_s = time.monotonic() - killed_at
    # Shown by `pytest -s` and in every failure.
    sys.stdout.write(f"another process followed the stream {replaced_s:.2f} s after the kill\n")
    assert after.instance_id != before.instance_id
    assert replaced_s < pace.allows(TAKEN_OVER_WITHIN_S)
    await dying.ended()
    assert {failure.code() for _, failure in dying.failed} == {grpc.StatusCode.UNAVAILABLE}
    assert len(dying.failed) == 4

    survivor = open_client(at.others(victim)[0], at.api_key)
    unsure = {request.idempotency_key: (await survivor.answer(request)).order.order_id for request, _ in dying.failed}
    await living.stopped()
    assert living.failed == []
    by_key = {**living.acknowledged, **dying.acknowledged, **unsure}
    assert len(set(by_key.values())) == len(by_key)
    await all_told(at, survivor, watching, by_key)
    assert_one_gap(watching)
    victim.start()


async def test_a_frozen_replica_loses_its_hold_and_what_it_writes_late_changes_nothing(
    replicas_at_sim: ReplicasAtSim, open_client: ClientOpener
) -> None:
    """After six seconds of stillness the new holder goes on, the old one lets go, and no event is doubled."""
    at = replicas_at_sim
    frozen = at.holder()
    before = at.hold()
    # One subscriber sits on the frozen process: it too sees everything, later.
    watching = await watchers(at, at.gateways, open_client)
    load = Load(at.account, SLOW_REST_S)
    load.start([open_client(gateway, at.api_key) for gateway in at.others(frozen)])
    await asyncio.sleep(0.5)

    async def held_by() -> Hold:
        return await asyncio.to_thread(at.hold)

    frozen.freeze()
    try:
        await asyncio.sleep(FROZEN_S)
        during = await until(held_by, lambda hold: hold.instance_id not in {"", before.instance_id})
        # The broker allows one stream and still counts the frozen process's: what fills now is found by the sweep.
        placed_by_now = set(load.acknowledged.values())
        others = [watcher for gateway, watcher in zip(at.gateways, watching, strict=True) if gateway is not frozen]
        for watcher in others:
            await watcher.fills.until(lambda told=watcher.fills: told_of(told) >= placed_by_now)  # type: ignore[misc]
        caught_up = bool(placed_by_now)
    finally:
        frozen.thaw()
    assert during.instance_id != before.instance_id
    assert during.epoch > before.epoch
    assert caught_up, "no fill reached the others while their holder was frozen"
    await load.stopped()
    assert load.failed == []

    await asyncio.to_thread(at.await_hold, after_epoch=before.epoch)
    client = open_client(frozen, at.api_key)
    late = await client.answer(market_buy(at.account, quantity=QUANTITY))
    assert '"connection let go"' in frozen.log()
    by_key = {**load.acknowledged, late.order.idempotency_key: late.order.order_id}
    await all_told(at, client, watching, by_key)
    assert_one_gap(watching)


async def test_a_drained_replica_hands_its_connections_over_at_once(
    replicas_at_sim: ReplicasAtSim, open_client: ClientOpener, pace: Pace
) -> None:
    """On SIGTERM nobody waits for its leases to run out; orders go on at the others, and none is lost."""
    at = replicas_at_sim
    leaving = at.holder()
    before = at.hold()
    watching = await watchers(at, at.others(leaving), open_client)
    load = Load(at.account, REST_S)
    load.start([open_client(gateway, at.api_key) for gateway in at.others(leaving) for _ in range(2)])
    await asyncio.sleep(0.5)
    leaving.terminate()
    assert await asyncio.to_thread(leaving.wait) == 0
    ended_at = time.monotonic()
    await asyncio.to_thread(at.await_hold, after_epoch=before.epoch)
    handed_over_s = time.monotonic() - ended_at
    sys.stdout.write(f"another process followed the stream {handed_over_s:.2f} s after the end of the drained one\n")
    assert handed_over_s < pace.allows(HANDED_OVER_WITHIN_S)
    await load.stopped()
    assert load.failed == []
    await all_told(at, open_client(at.others(leaving)[0], at.api_key), watching, dict(load.acknowledged))
    assert_one_gap(watching)
    leaving.start()


@dataclass
class Watching:
    """A subscriber to the orders and one to the fills, at one process."""

    orders: OrderSubscriber
    fills: FillSubscriber
    following: list[asyncio.Task[grpc.StatusCode]] = field(default_factory=list)

    async def begin(self, client: BareClient) -> None:
        """Follow from now on."""
        both = (self.orders, self.fills)
        self.following = [asyncio.create_task(subscriber.follow(client)) for subscriber in both]
        await asyncio.gather(*(subscriber.until_opened() for subscriber in both))

    async def end(self) -> None:
        """Wait until nothing more is on its way, and leave."""
        await asyncio.gather(self.orders.until_quiet(), self.fills.until_quiet())
        for task in self.following:
            task.cancel()


def assert_one_gap(watching: Sequence[Watching]) -> None:
    """Every stream told when the broker's own was lost, and when it was whole again, once.

    One that began while an earlier loss was being made good may have been told the end of that first.
    """
    for watcher in watching:
        for gaps in (watcher.orders.gaps, watcher.fills.gaps):
            told = gaps[1:] if gaps and gaps[0].state == streams_pb2.GAP_STATE_RECONCILED else gaps
            assert [gap.state for gap in told] == [streams_pb2.GAP_STATE_OPEN, streams_pb2.GAP_STATE_RECONCILED]
            assert told[0].from_time == told[1].from_time


async def watchers(at: ReplicasAtSim, gateways: Sequence[GatewayProcess], open_client: ClientOpener) -> list[Watching]:
    """Follow orders and fills at each of some processes."""
    now = streams_pb2.StreamStart(from_now=True)
    watching = [Watching(OrderSubscriber(at.account, now), FillSubscriber(at.account, now)) for _ in gateways]
    for gateway, watcher in zip(gateways, watching, strict=True):
        await watcher.begin(open_client(gateway, at.api_key))
    return watching


async def all_told(at: ReplicasAtSim, client: BareClient, watching: list[Watching], by_key: dict[str, str]) -> None:
    """Wait until every order has ended, and compare what was told with the record and with the broker's journal."""
    filled = await until(lambda: filled_of(client, at.account, by_key), agrees_with(at), timeout_s=40)
    assert len(placed(at.sim)) == len(filled)
    assert_no_order_was_sent_twice(at.sim)
    for watcher in watching:
        await watcher.fills.until(lambda told=watcher.fills: told_of(told) >= filled)  # type: ignore[misc]
        await watcher.end()
        assert len({event.fill.fill_id for event in watcher.fills.events}) == len(watcher.fills.events)
        assert watcher.orders.sequences == watching[0].orders.sequences
        assert watcher.fills.sequences == watching[0].fills.sequences
    quantity = sum((Decimal(event.fill.quantity) for event in watching[0].fills.events), Decimal(0))
    assert quantity == Decimal(QUANTITY) * len(filled)


async def filled_of(client: BareClient, account: str, by_key: dict[str, str]) -> set[str]:
    """Give the orders that the record has as filled; all others are ended, in doubt, or the set is empty."""
    ours: dict[str, orders_pb2.Order] = {}
    request = orders_pb2.ListOrdersRequest(account_ids=[account], page_size=500)
    while len(ours) < len(by_key):
        page = await client.orders.ListOrders(request, metadata=client.identity, timeout=20)
        ours |= {order.order_id: order for order in page.orders if order.order_id in set(by_key.values())}
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert {order.idempotency_key: order.order_id for order in ours.values()} == by_key
    # An order that never reached the broker stays in doubt until its absence is proved.
    if not {order.state for order in ours.values()} <= ENDED:
        return set()
    return {order_id for order_id, order in ours.items() if order.state == orders_pb2.ORDER_STATE_FILLED}


def agrees_with(at: ReplicasAtSim) -> Callable[[set[str]], bool]:
    """Tell whether as much has filled as the broker was asked for."""
    return lambda filled: Decimal(QUANTITY) * len(filled) == bought(at.sim)


def told_of(fills: FillSubscriber) -> set[str]:
    """Give the orders whose fills were told."""
    return {event.fill.order_id for event in fills.events}
