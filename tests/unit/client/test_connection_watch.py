import asyncio

import grpc
import pytest
from brokerapi.v1 import connections_pb2 as pb
from brokerapi.v1 import streams_pb2
from google.protobuf.duration_pb2 import Duration

from brokergw.client import Client, GatewayCallError
from tests.fixtures.fake_gateway import Failure, FakeGateway, Silence


def shown(connection_id: str, **more: object) -> pb.WatchConnectionsResponse:
    """Make a message of the beginning."""
    return pb.WatchConnectionsResponse(snapshot_item=pb.Connection(connection_id=connection_id, **more))  # type: ignore[arg-type]


COMPLETE = pb.WatchConnectionsResponse(snapshot_complete=pb.ConnectionsShown(count=1))
CHANGED = pb.WatchConnectionsResponse(changed=pb.Connection(connection_id="con_1", label="new"))
ENDING = pb.WatchConnectionsResponse(
    terminating=streams_pb2.Terminating(
        reason=streams_pb2.TERMINATION_REASON_DRAINING, retry_after=Duration(nanos=1_000_000)
    )
)
GONE = Failure(grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", retry="SAME_KEY")


async def test_a_lost_stream_begins_again_with_everything(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """After a draining gateway, or a broken line, all connections are shown again, and the reader goes on."""
    fake_gateway.script(
        "WatchConnections",
        [shown("con_1"), COMPLETE, ENDING, GONE],
        [Failure(grpc.StatusCode.UNAVAILABLE)],
        [shown("con_1", label="new"), COMPLETE, CHANGED, Silence()],
    )
    kinds = []
    async with quick_client.watch_connections(heartbeat_s=5) as stream:
        async for message in stream:
            kinds.append(message.WhichOneof("message"))
            if kinds[-1] == "changed":
                break
    assert kinds == [
        *("snapshot_item", "snapshot_complete", "terminating"),
        *("snapshot_item", "snapshot_complete", "changed"),
    ]
    assert stream.resumptions == 1
    assert fake_gateway.calls[0].request.heartbeat_interval == Duration(seconds=5)


async def test_a_stream_that_is_refused_says_why(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """A refusal is not tried again."""
    fake_gateway.script("WatchConnections", [Failure(grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")])
    with pytest.raises(GatewayCallError) as refused:
        await anext(quick_client.watch_connections())
    assert refused.value.reason == "SCOPE_MISSING"
    assert len(fake_gateway.calls) == 1


async def test_a_closed_client_ends_its_streams(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """A reader that waits in it stops."""
    fake_gateway.script("WatchConnections", [shown("con_1"), Silence()])
    stream = quick_client.watch_connections()
    await anext(stream)
    waiting = asyncio.create_task(anext(stream, None))
    await asyncio.sleep(0)
    await quick_client.aclose()
    assert await waiting is None


async def test_a_change_is_asked_for_with_what_is_set_alone(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """A label may be emptied; what is left out is not in the request."""
    await quick_client.update_connection("con_1", label="")
    await quick_client.update_connection("con_1", key="K", secret="S")
    first, second = (call.request for call in fake_gateway.seen("UpdateConnection"))
    assert (first.HasField("label"), first.label, first.HasField("api_key")) == (True, "", False)
    assert (second.HasField("label"), second.api_key.secret) == (False, "S")
