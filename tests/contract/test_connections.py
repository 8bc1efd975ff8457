"""Connections over a real channel: their cards, their changes, and who watches them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from brokerapi.v1 import connections_pb2
from google.protobuf.duration_pb2 import Duration
from grpc import aio

from brokergw.desk.connections.watch import Shown, WatchedItem
from tests.fixtures.edge import KEY, Edge, MakeEdge, Reading, refusal_of, refused
from tests.fixtures.edge_samples import NOW_NS
from tests.fixtures.raw_http2 import INITIAL_WINDOW_SIZE, RawHttp2


async def test_a_connection_shows_what_it_may_do_and_why_not(edge: Edge) -> None:
    """Health, freshness, one entry for each tier, what it reads and what to know about it; never an order."""
    request = connections_pb2.GetConnectionRequest(connection_id="con_1")
    shown = (await edge.connections.GetConnection(request, metadata=KEY)).connection
    assert shown.freshness == connections_pb2.CONNECTION_FRESHNESS_FRESH
    assert shown.next_sync_time.ToNanoseconds() == NOW_NS + 10
    assert [(each.tier, each.state) for each in shown.permissions] == [
        (connections_pb2.PERMISSION_TIER_READ_ONLY, connections_pb2.PERMISSION_STATE_GRANTED),
        (connections_pb2.PERMISSION_TIER_PAPER, connections_pb2.PERMISSION_STATE_NOT_GRANTED),
        (connections_pb2.PERMISSION_TIER_LIVE, connections_pb2.PERMISSION_STATE_NOT_GRANTED),
    ]
    assert all(each.detail for each in shown.permissions[1:])
    assert len(shown.scopes) == 5
    assert not shown.warnings


async def test_a_connection_is_changed_with_a_secret_that_goes_nowhere_else(edge: Edge) -> None:
    """New credentials and a label reach the desk; neither the answer nor the audit shows the secret."""
    request = connections_pb2.UpdateConnectionRequest(
        connection_id="con_1",
        api_key=connections_pb2.ApiKeyCredentials(key="BKEY", secret="another-secret"),
        label="main",
    )
    changed = await edge.connections.UpdateConnection(request, metadata=KEY)
    change = edge.desk.seen[-1][2]
    assert (change.connection_id, change.credentials.secret, change.label) == ("con_1", "another-secret", "main")
    assert changed.connection.label == "main"
    assert "another-secret" not in f"{changed} {edge.book.rows} {change}"
    bare = connections_pb2.UpdateConnectionRequest(connection_id="con_1", label="")
    await edge.connections.UpdateConnection(bare, metadata=KEY)
    assert (edge.desk.seen[-1][2].credentials, edge.desk.seen[-1][2].label) == (None, "")


async def test_connections_are_watched(edge: Edge) -> None:
    """A stream shows all, says that this was all, tells changes, breaks its silence, and says why it ends."""
    stream = Reading(edge.connections.WatchConnections(connections_pb2.WatchConnectionsRequest(), metadata=KEY))
    kinds = [(await stream.read()).WhichOneof("message") for _ in range(5)]
    with pytest.raises(aio.AioRpcError) as ended:
        await stream.read()
    assert kinds == ["snapshot_item", "snapshot_complete", "changed", "heartbeat", "terminating"]
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert refusal_of(ended.value).reason == "SERVER_DRAINING"
    assert edge.desk.seen[-1][2] == 15.0


async def test_a_watcher_that_does_not_read_is_let_go(make_edge: MakeEdge, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is to tell, no more is made ready than fits gRPC's own buffer; then it ends as too slow."""
    edge = await make_edge(stream_stall_max_s=30.0)
    watch, told = edge.desk.watch_connections, 0

    async def endless(*asked: Any) -> AsyncIterator[WatchedItem]:
        nonlocal told
        shown = [item async for item in watch(*asked) if isinstance(item, Shown)]
        while True:
            told += 1
            yield shown[0]

    monkeypatch.setattr(edge.desk, "watch_connections", endless)

    method = "/brokerapi.v1.ConnectionService/WatchConnections"
    async with RawHttp2.open(edge.port, {INITIAL_WINDOW_SIZE: 0}) as shut:
        shut.call(1, method, b"", KEY)
        slow = {"method": method, "code": "ABORTED", "reason": "SLOW_CONSUMER"}
        async with asyncio.timeout(20):
            while not edge.metric("brokergw_rpc_calls_total", **slow):
                await edge.clock.pass_time(10)
                await asyncio.sleep(0.01)
        shown = await edge.connections.GetConnection(
            connections_pb2.GetConnectionRequest(connection_id="con_1"), metadata=KEY
        )
        size = connections_pb2.WatchConnectionsResponse(changed=shown.connection).ByteSize()
        assert 0 < told < 2 * 65_536 // size


async def test_an_empty_list_explains_itself(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no connection, the answer says what to do; where there is one, it says nothing."""
    request = connections_pb2.ListConnectionsRequest()
    assert not (await edge.connections.ListConnections(request, metadata=KEY)).hint

    async def nothing(_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(edge.desk, "list_connections", nothing)
    assert "CreateConnection" in (await edge.connections.ListConnections(request, metadata=KEY)).hint


@pytest.mark.parametrize("seconds", [0, 61])
async def test_a_heartbeat_comes_every_1_to_60_seconds(edge: Edge, seconds: int) -> None:
    """Just beyond either end the stream is refused before it begins."""
    request = connections_pb2.WatchConnectionsRequest(heartbeat_interval=Duration(seconds=seconds))
    refusal = await refused(Reading(edge.connections.WatchConnections(request, metadata=KEY)).read())
    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["heartbeat_interval"])


@pytest.mark.parametrize(("length", "good"), [(64, True), (65, False)])
async def test_a_label_has_64_characters_at_most(edge: Edge, length: int, *, good: bool) -> None:
    """At the limit it is taken, just above it the field is named."""
    request = connections_pb2.UpdateConnectionRequest(connection_id="con_1", label="x" * length)
    if good:
        assert (await edge.connections.UpdateConnection(request, metadata=KEY)).connection.label == "x" * length
    else:
        assert (await refused(edge.connections.UpdateConnection(request, metadata=KEY))).fields == ["label"]
