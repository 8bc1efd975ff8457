"""Connections over three processes: what is done at one of them holds at all within a second."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import grpc
import psycopg
import pytest
from brokerapi.v1 import connections_pb2, connections_pb2_grpc, orders_pb2, streams_pb2, trading_pb2

from tests.fixtures.bare_client import CALL_S, BareClient, ClientOpener, error_info, market_buy
from tests.fixtures.pace import Pace
from tests.fixtures.replica_processes import ReplicasAtSim
from tests.scenario.streams import OrderSubscriber

WITHIN_S = 1.0
OPENINGS = "SELECT count(*) FROM broker_audit_log WHERE action = 'vault.opened' AND detail LIKE %s"


class Watcher:
    """Reads the connections of one process; `at` is when each came to be seen as wanted."""

    def __init__(self, client: BareClient) -> None:
        self.connections: dict[str, connections_pb2.Connection] = {}
        self.complete = asyncio.Event()
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._follow(client))

    async def _follow(self, client: BareClient) -> None:
        stub = connections_pb2_grpc.ConnectionServiceStub(client.channel)
        request = connections_pb2.WatchConnectionsRequest()
        async for message in stub.WatchConnections(request, metadata=client.identity):
            kind = message.WhichOneof("message")
            if kind in {"snapshot_item", "changed"}:
                shown = getattr(message, kind)
                self.connections[shown.connection_id] = shown
            elif kind == "snapshot_complete":
                self.complete.set()
            self._news.set()

    async def until(self, connection_id: str, wanted: Callable[[connections_pb2.Connection], bool]) -> float:
        """Wait until a connection is seen as wanted; gives when."""
        try:
            async with asyncio.timeout(30):
                while connection_id not in self.connections or not wanted(self.connections[connection_id]):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"after 30 s this is how it stands: {self.connections}") from None
        return time.monotonic()

    def leave(self) -> None:
        """Stop."""
        self._task.cancel()


async def connected(client: BareClient, at: ReplicasAtSim) -> connections_pb2.Connection:
    """Make a connection of one's own, lest the other tests lose theirs."""
    stub = connections_pb2_grpc.ConnectionServiceStub(client.channel)
    request = connections_pb2.CreateConnectionRequest(
        broker="alpaca",
        environment=trading_pb2.ENVIRONMENT_PAPER,
        api_key=connections_pb2.ApiKeyCredentials(key=at.sim.key_id, secret=at.sim.secret_key),
    )
    return (await stub.CreateConnection(request, metadata=client.identity, timeout=CALL_S)).connection


async def watched(clients: list[BareClient], connection_id: str) -> list[Watcher]:
    """Watch at every process, until all of them show a connection that is in step with the broker.

    Its stream is up for one connection to an account alone, and another test may have that one.
    """
    watchers = [Watcher(client) for client in clients]
    fresh = connections_pb2.CONNECTION_FRESHNESS_FRESH
    await asyncio.gather(*(each.until(connection_id, lambda c: c.freshness == fresh) for each in watchers))
    return watchers


async def refused_at(client: BareClient, account: str) -> float:
    """Send orders one after another until one is refused for its connection; gives when that was."""
    while True:
        try:
            await client.submit(market_buy(account))
        except grpc.aio.AioRpcError as error:
            # An order that was about to be sent just then was not: that is the other thing it may be told.
            if error_info(error).reason != "BROKER_UNREACHABLE":
                assert error_info(error).reason == "CONNECTION_NOT_USABLE"  # noqa: PT017 - the loop goes on without one
                return time.monotonic()
        await asyncio.sleep(0.02)


async def test_a_revocation_holds_at_every_process_within_a_second(
    replicas_at_sim: ReplicasAtSim, open_client: ClientOpener, pace: Pace
) -> None:
    """Its order streams end, orders through it are refused and its watchers see it, at three processes of three."""
    at = replicas_at_sim
    clients = [open_client(gateway, at.api_key) for gateway in at.gateways]
    connection = await connected(clients[0], at)
    watchers = await watched(clients, connection.connection_id)
    now = streams_pb2.StreamStart(from_now=True)
    subscribers = [OrderSubscriber(connection.account_id, now) for _ in clients]
    streams = [
        asyncio.create_task(ended_at(subscriber.follow(client)))
        for subscriber, client in zip(subscribers, clients, strict=True)
    ]
    await asyncio.gather(*(subscriber.until_opened() for subscriber in subscribers))
    senders = [asyncio.create_task(refused_at(client, connection.account_id)) for client in clients]
    await asyncio.sleep(0.3)

    stub = connections_pb2_grpc.ConnectionServiceStub(clients[0].channel)
    request = connections_pb2.RevokeConnectionRequest(connection_id=connection.connection_id)
    await stub.RevokeConnection(request, metadata=clients[0].identity, timeout=CALL_S)
    revoked_at = time.monotonic()

    seen = await asyncio.gather(
        *(each.until(connection.connection_id, lambda c: c.HasField("revoke_time")) for each in watchers)
    )
    ends = [await stream - revoked_at for stream in streams]
    refusals = [await sender - revoked_at for sender in senders]
    shown = [moment - revoked_at for moment in seen]
    for what, times in {"streams ended": ends, "orders refused": refusals, "watchers told": shown}.items():
        sys.stdout.write(f"{what} after {', '.join(f'{each * 1e3:.0f}' for each in times)} ms\n")
        assert max(times) < pace.allows(WITHIN_S), what
    for watcher in watchers:
        told = watcher.connections[connection.connection_id]
        assert told.health == connections_pb2.CONNECTION_HEALTH_REVOKED
        assert not told.has_key
        assert {each.state for each in told.permissions} == {connections_pb2.PERMISSION_STATE_REVOKED}
        watcher.leave()


async def ended_at(work: Awaitable[grpc.StatusCode]) -> float:
    """Tell when a stream ended, which it must with the right status."""
    assert await work is grpc.StatusCode.FAILED_PRECONDITION
    return time.monotonic()


async def test_new_credentials_are_taken_up_by_every_process(
    replicas_at_sim: ReplicasAtSim, open_client: ClientOpener
) -> None:
    """Wrong ones change nothing; good ones are opened by each process once, and no order fails on the way."""
    at = replicas_at_sim
    clients = [open_client(gateway, at.api_key) for gateway in at.gateways]
    connection = await connected(clients[0], at)
    for watcher in await watched(clients, connection.connection_id):
        watcher.leave()
    stub = connections_pb2_grpc.ConnectionServiceStub(clients[1].channel)

    async def update(secret: str) -> connections_pb2.UpdateConnectionResponse:
        credentials = connections_pb2.ApiKeyCredentials(key=at.sim.key_id, secret=secret)
        request = connections_pb2.UpdateConnectionRequest(connection_id=connection.connection_id, api_key=credentials)
        return await stub.UpdateConnection(request, metadata=clients[1].identity, timeout=CALL_S)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await update("wrong")
    assert error_info(refused.value).reason == "BROKER_CREDENTIALS_REFUSED"
    before = openings(at, connection.connection_id)
    placing = [asyncio.create_task(placed_all(client, connection.account_id, 25)) for client in clients]
    await asyncio.sleep(0.2)
    await update(at.sim.secret_key)
    for orders in await asyncio.gather(*placing):
        assert {order.state for order in orders} <= {orders_pb2.ORDER_STATE_FILLED, orders_pb2.ORDER_STATE_ACCEPTED}
    give_up = time.monotonic() + 10
    while openings(at, connection.connection_id) < before + len(clients):
        assert time.monotonic() < give_up, "a process has not opened the new credentials"
        await asyncio.sleep(0.05)
    await asyncio.sleep(1.0)
    assert openings(at, connection.connection_id) == before + len(clients)


async def placed_all(client: BareClient, account: str, count: int) -> list[orders_pb2.Order]:
    """Place so many orders, one after another."""
    return [(await client.submit(market_buy(account))).order for _ in range(count)]


def openings(at: ReplicasAtSim, connection_id: str) -> int:
    """Count on the audit how often a connection's credentials were opened for a session."""
    with psycopg.connect(at.database_url, autocommit=True) as database:
        pattern = f"purpose=SESSION connection={connection_id} %"
        row = database.execute(OPENINGS, (pattern,)).fetchone()
    assert row is not None
    return int(row[0])
