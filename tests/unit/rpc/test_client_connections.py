"""Network connections: how many a user, an address and the whole gateway may have, and for how long idle ones stay."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from brokerapi.v1 import halts_pb2, orders_pb2, orders_pb2_grpc, risk_pb2_grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from brokergw.model.errors import GatewayError, Reason
from brokergw.rpc import peer_slots
from brokergw.rpc.peer_slots import PeerSlots, plain, standing_peers
from brokergw.rpc.settings import ClientConnectionSettings, RateSettings, TlsSettings
from tests.fixtures.certificates import Authority
from tests.fixtures.clock import FakeClock
from tests.fixtures.edge import KEY, UUID, Edge, MakeEdge, Refusal, refused
from tests.fixtures.edge_samples import ACCOUNT

GET = orders_pb2.GetOrderRequest(order_id="ord_1")
OTHER = (("x-api-key", "brk_other"),)
_PATIENCE_S = 20.0

Open = Callable[[Edge], aio.Channel]


@pytest.fixture
async def connect() -> AsyncIterator[Open]:
    """Give a function that makes channels with network connections of their own."""
    channels: list[aio.Channel] = []

    def make(edge: Edge) -> aio.Channel:
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
        channels.append(aio.insecure_channel(f"127.0.0.1:{edge.port}", options=options))
        return channels[-1]

    yield make
    for channel in channels:
        await channel.close()


def _get(channel: aio.Channel, metadata: Any = KEY) -> Any:
    return orders_pb2_grpc.OrderServiceStub(channel).GetOrder(GET, metadata=metadata, timeout=_PATIENCE_S)


def _watch(channel: aio.Channel) -> Any:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return stub.Watch(health_pb2.HealthCheckRequest())


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


class Standing:
    """Peers that stand, as a test says, and how often somebody asked."""

    def __init__(self) -> None:
        self.peers: set[str] = set()
        self.asked = 0

    def __call__(self) -> frozenset[str]:
        self.asked += 1
        return frozenset(self.peers)


def _refusal(slots: PeerSlots, owner: str, peer: str) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        slots.take(owner, peer)
    assert caught.value.reason is Reason.CLIENT_CONNECTION_LIMIT
    return caught.value


def test_the_connection_above_the_limit_is_refused(still_clock: FakeClock) -> None:
    """Below and at the limit a connection is let in and stays so; the next is refused, each owner by itself."""
    standing = Standing()
    standing.peers = {"ipv4:1", "ipv4:2", "ipv4:3"}
    slots = PeerSlots(2, "whoever", still_clock, standing)
    for peer in ("ipv4:1", "ipv4:2", "ipv4:1", "ipv4:2"):
        slots.take("ann", peer)
    assert (slots.left("ann"), standing.asked) == (0, 0)
    error = _refusal(slots, "ann", "ipv4:3")
    assert (error.metadata, error.retry_after_s) == ({"subject": "whoever", "limit": "2"}, 1.0)
    slots.take("bob", "ipv4:3")
    slots.take("ann", "ipv4:1")


def test_a_place_is_free_once_its_connection_has_gone(still_clock: FakeClock) -> None:
    """Who stands is looked up where room is short, ten times a second at most; between two looks nobody comes in."""
    standing = Standing()
    standing.peers = {"ipv4:1", "ipv4:2"}
    slots = PeerSlots(1, "whoever", still_clock, standing)
    slots.take("ann", "ipv4:1")
    _refusal(slots, "ann", "ipv4:2")
    standing.peers = {"ipv4:2"}
    still_clock.advance(0.09)
    _refusal(slots, "ann", "ipv4:2")
    assert standing.asked == 1
    still_clock.advance(0.01)
    slots.take("ann", "ipv4:2")
    assert (slots.left("ann"), standing.asked) == (0, 2)


def test_connections_that_have_gone_are_not_kept_in_memory(still_clock: FakeClock) -> None:
    """However many owners came and went, no more is remembered than some thousands, or twice what stands."""
    standing = Standing()
    slots = PeerSlots(10, "whoever", still_clock, standing)
    for number in range(4_096):
        slots.take(f"owner {number}", f"ipv4:{number}")
    assert (len(slots._held), standing.asked) == (4_096, 0)
    slots.take("one more", "ipv4:x")
    assert (slots._held, standing.asked) == ({"one more": {"ipv4:x"}}, 1)


def test_a_peer_is_one_whichever_way_it_is_written(still_clock: FakeClock) -> None:
    """An IPv6 peer's brackets come encoded or not."""
    assert plain("ipv6:%5B::1%5D:5") == plain("ipv6:[::1]:5") == "ipv6:[::1]:5"
    slots = PeerSlots(1, "whoever", still_clock, Standing())
    slots.take("ann", "ipv6:%5B::1%5D:5")
    slots.take("ann", "ipv6:[::1]:5")


async def test_what_stands_is_known_page_by_page(
    make_edge: MakeEdge, connect: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every connection's peer is listed as its calls show it, however many pages that takes, until it is closed."""
    monkeypatch.setattr(peer_slots, "_PAGE", 2)
    edge = await make_edge()
    before = standing_peers()
    channels = [connect(edge) for _ in range(5)]
    for channel in channels:
        await _get(channel)
    assert len(standing_peers() - before) == 5
    assert {row.address for row in edge.book.rows} <= standing_peers()
    await channels[0].close()
    await _until(lambda: len(standing_peers() - before) == 4)


async def test_connections_in_tls_and_ipv6_are_known_too(make_edge: MakeEdge, tmp_path: Path) -> None:
    """What a call's peer is named, and what the list names it, is the same for every kind of connection."""
    hosts = ["127.0.0.1", "::1"] if _has_ipv6() else ["127.0.0.1"]
    authority = Authority("server")
    certificate, key = authority.leaf().write(tmp_path)
    for host in hosts:
        edge = await make_edge(host=host, tls=TlsSettings(certificate=certificate, private_key=key))
        target = f"[{host}]:{edge.port}" if ":" in host else f"{host}:{edge.port}"
        options = (("grpc.ssl_target_name_override", "localhost"),)
        credentials = grpc.ssl_channel_credentials(root_certificates=authority.pem)
        async with aio.secure_channel(target, credentials, options=options) as channel:
            await _get(channel)
            held = edge.server.budgets.connections._held
            assert held
            assert set().union(*held.values()) <= standing_peers()


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


async def _refused_connection(edge: Edge, channel: aio.Channel, metadata: Any = KEY) -> Refusal:
    refusal = await refused(_get(channel, metadata))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CLIENT_CONNECTION_LIMIT")
    assert (refusal.effect, refusal.metadata["retry"]) == ("NONE", "SAME_KEY")
    assert refusal.details["RetryInfo"].retry_delay.seconds == 1
    assert refusal.details["QuotaFailure"].violations[0].subject == refusal.metadata["subject"]
    return refusal


async def test_a_users_connection_too_many_is_refused_until_another_goes(make_edge: MakeEdge, connect: Open) -> None:
    """At the limit a user's further connection is refused before its request is read; others have room of their own."""
    edge = await make_edge(rates=RateSettings(client_connections_max=2))
    first, second, third = (connect(edge) for _ in range(3))
    for channel in (first, second, first):
        await _get(channel)
    refusal = await _refused_connection(edge, third)
    assert refusal.metadata["subject"] == "client connections of the user"
    assert refusal.metadata["limit"] == "2"
    assert (await refused(_get(third, OTHER))).reason == "ORDER_NOT_FOUND"
    await first.close()
    gone = len(standing_peers())
    await _until(lambda: len(standing_peers()) <= gone)
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            edge.clock.advance(1)
            with contextlib.suppress(aio.AioRpcError):
                await _get(third)
                break
    await _refused_connection(edge, first := connect(edge))
    await _get(second)


async def test_what_stops_trading_comes_over_any_connection(make_edge: MakeEdge, connect: Open) -> None:
    """Whoever has used up its connections can still halt and cancel over a fresh one."""
    rates = RateSettings(client_connections_max=1, address_client_connections_max=1)
    edge = await make_edge(rates=rates)
    await _get(connect(edge))
    fresh = connect(edge)
    await _refused_connection(edge, fresh)
    halt = halts_pb2.HaltTradingRequest(state=halts_pb2.TRADING_STATE_HALTED, reason="stop")
    await risk_pb2_grpc.RiskServiceStub(fresh).HaltTrading(halt, metadata=KEY)
    cancel = orders_pb2.CancelAllOrdersRequest(idempotency_key=UUID, account_id=ACCOUNT)
    await orders_pb2_grpc.OrderServiceStub(fresh).CancelAllOrders(cancel, metadata=KEY)


async def test_an_addresss_connection_too_many_is_refused_before_any_look_up(
    make_edge: MakeEdge, connect: Open
) -> None:
    """Whoever calls, and with what key, counts for the address; nothing is looked up for what is too many."""
    edge = await make_edge(rates=RateSettings(address_client_connections_max=2))
    await _get(connect(edge))
    assert (await refused(_get(connect(edge), (("x-api-key", "wrong"),)))).reason == "API_KEY_INVALID"
    asked = edge.authenticator.asked
    refusal = await _refused_connection(edge, connect(edge), OTHER)
    assert (refusal.metadata["subject"], edge.authenticator.asked) == ("client connections of the address", asked)


async def test_an_address_without_a_limit_has_any(make_edge: MakeEdge, connect: Open) -> None:
    """Behind a proxy all clients have one address, and 0 switches its limit off."""
    edge = await make_edge(rates=RateSettings(address_client_connections_max=0))
    for _ in range(5):
        await _get(connect(edge))


async def test_the_gateways_connection_too_many_is_closed(make_edge: MakeEdge, connect: Open) -> None:
    """Up to the total every connection is taken; the next is closed as it comes, and taken once another has gone."""
    edge = await make_edge(client_connections=ClientConnectionSettings(total_max=2))
    first, second, third = (connect(edge) for _ in range(3))
    await _get(first)
    await _get(second)
    with pytest.raises(aio.AioRpcError) as caught:
        await _get(third)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    await first.close()
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            with contextlib.suppress(aio.AioRpcError):
                await _get(connect(edge))
                break


async def test_an_idle_connection_is_closed_and_one_with_a_stream_is_not(make_edge: MakeEdge, connect: Open) -> None:
    """A connection that carries nothing is closed after its time, called over or not; a stream keeps its own open."""
    edge = await make_edge(client_connections=ClientConnectionSettings(idle_max_s=0.2))
    before = standing_peers()
    busy, idle = connect(edge), connect(edge)
    stream = _watch(busy)
    await stream.read()
    kept = standing_peers() - before
    await _get(idle)
    await _until(lambda: standing_peers() - before == kept)
    stream.cancel()


async def test_a_connection_that_never_becomes_one_is_cut(make_edge: MakeEdge) -> None:
    """Who connects and says nothing is cut after the time for a handshake."""
    edge = await make_edge(client_connections=ClientConnectionSettings(handshake_max_s=0.2))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    async with asyncio.timeout(_PATIENCE_S):
        with contextlib.suppress(ConnectionResetError):
            while await reader.read(1_024):
                pass
    writer.close()


async def test_a_connection_carries_so_many_calls_and_the_next_waits(make_edge: MakeEdge, connect: Open) -> None:
    """At the limit of calls on one connection a client holds the next back until one has ended."""
    edge = await make_edge(client_connections=ClientConnectionSettings(streams_max=2))
    channel = connect(edge)
    await _get(channel)
    watches = [_watch(channel) for _ in range(2)]
    for watch in watches:
        await watch.read()
    waiting = asyncio.ensure_future(_get(channel))
    await _get(connect(edge))
    assert not waiting.done()
    watches[0].cancel()
    await waiting
    watches[1].cancel()


async def test_streams_without_a_credential_are_counted_by_address(make_edge: MakeEdge, connect: Open) -> None:
    """Below and at the limit a stranger's streams stand, over whatever connections; the next is refused; ends free."""
    edge = await make_edge(rates=RateSettings(public_streams_max=2))
    watches = [_watch(connect(edge)) for _ in range(2)]
    for each in watches:
        await each.read()
    refusal = await refused(_watch(connect(edge)).read())
    assert (refusal.reason, refusal.metadata["limit"]) == ("STREAM_LIMIT", "2")
    watches[0].cancel()
    await _until(lambda: edge.server.budgets.public_streams.left("127.0.0.1") == 1)
    await _watch(connect(edge)).read()
    watches[1].cancel()
