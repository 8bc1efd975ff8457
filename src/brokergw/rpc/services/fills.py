"""FillService."""

from brokerapi.v1 import fills_pb2 as pb

from brokergw.model.order import Fill
from brokergw.rpc.call import Call
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.services.orders import reach
from brokergw.rpc.services.streams import Streams
from brokergw.rpc.wire.cursor import Cursors
from brokergw.rpc.wire.fills import fill_to_proto
from brokergw.rpc.wire.found import Found
from brokergw.rpc.wire.paging import PageTokens, limit_of
from brokergw.rpc.wire.times import time_from


class FillService:
    """What traded."""

    def __init__(self, desk: DeskFace, cursors: Cursors, pages: PageTokens, streams: Streams) -> None:
        self._desk = desk
        self._cursors = cursors
        self._pages = pages
        self._streams = streams

    async def list_fills(self, call: Call) -> bytes:
        """List fills, a page at a time."""
        request: pb.ListFillsRequest = call.command
        await reach(self._desk, self._cursors, call, request.min_cursor)
        since_ns = time_from(request.since_time, "since_time", Found()) if request.HasField("since_time") else None
        fills = await self._desk.list_fills(
            call.caller,
            tuple(request.account_ids),
            order_id=request.order_id,
            since_ns=since_ns,
            after_fill_id=self._pages.after(call.caller.user_id, request),
            limit=limit_of(request),
        )
        page, token = self._pages.cut(call.caller.user_id, request, fills, _fill_id)
        return pb.ListFillsResponse(
            fills=[fill_to_proto(fill) for fill in page], next_page_token=token
        ).SerializeToString()

    async def subscribe_fills(self, call: Call) -> None:
        """Follow fills."""
        await self._streams.run(call)


def _fill_id(fill: Fill) -> str:
    return fill.fill_id
