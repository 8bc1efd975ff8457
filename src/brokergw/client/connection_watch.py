"""The stream of connections: it has no cursor, so each time it comes back it begins with all of them."""

from collections.abc import Callable
from typing import Any

from brokerapi.v1 import connections_pb2, streams_pb2

from brokergw.client.subscription import StreamPolicy, Subscription


class ConnectionWatch(Subscription[connections_pb2.WatchConnectionsResponse]):
    """An endless stream of messages, which comes back by itself: `async for message in watch`. One reader at a time."""

    def __init__(self, open_call: Callable[[], Any], policy: StreamPolicy, heartbeat_s: float) -> None:
        """Make a stream; it connects when it is first read.

        Args:
            open_call: begins the call.
            policy: how patient to be.
            heartbeat_s: how many seconds apart heartbeats were asked for.
        """
        super().__init__(lambda _: open_call(), streams_pb2.StreamStart(snapshot=True), policy, _message)
        self._heartbeat_s = heartbeat_s

    def _note(self, kind: str, content: Any) -> None:
        if kind == "terminating":
            self._wait_at_least_s = content.retry_after.ToNanoseconds() / 1e9
            self._ending = True
            return
        if not self._connected:
            self.resumptions += self._ever_connected
            self._connected = self._ever_connected = True
            self._lost_at = None
        if kind != "snapshot_item":
            self._failures = 0


def _message(kind: str, content: Any) -> connections_pb2.WatchConnectionsResponse:
    return connections_pb2.WatchConnectionsResponse(**{kind: content})
