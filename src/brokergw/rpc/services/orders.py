"""OrderService."""

from brokerapi.v1 import orders_pb2 as pb

from brokergw.model.order import Order
from brokergw.ports.journal import OrderQuery
from brokergw.rpc.answers import Answers
from brokergw.rpc.call import Call
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.services.streams import Streams
from brokergw.rpc.wire.cursor import Cursors
from brokergw.rpc.wire.found import Found
from brokergw.rpc.wire.frames import header_to_proto
from brokergw.rpc.wire.orders import OPEN_ONLY_FROM, order_to_proto
from brokergw.rpc.wire.paging import PageTokens, limit_of
from brokergw.rpc.wire.times import time_from


class OrderService:
    """Orders: placed, changed, cancelled, read and followed."""

    def __init__(self, desk: DeskFace, answers: Answers, cursors: Cursors, pages: PageTokens, streams: Streams) -> None:
        self._desk = desk
        self._answers = answers
        self._cursors = cursors
        self._pages = pages
        self._streams = streams

    async def submit_order(self, call: Call) -> bytes:
        """Place one order."""
        return self._answers.of(call, await self._desk.submit(call.caller, call.cleared))

    async def modify_order(self, call: Call) -> bytes:
        """Change one order."""
        return self._answers.of(call, await self._desk.modify(call.caller, call.cleared))

    async def cancel_order(self, call: Call) -> bytes:
        """Cancel one order."""
        return self._answers.of(call, await self._desk.cancel(call.caller, call.command))

    async def cancel_all_orders(self, call: Call) -> bytes:
        """Cancel the open orders of an account."""
        return self._answers.of(call, await self._desk.cancel_all(call.caller, call.command))

    async def get_order(self, call: Call) -> bytes:
        """Read one order by either id."""
        request: pb.GetOrderRequest = call.command
        await reach(self._desk, self._cursors, call, request.min_cursor)
        if request.order_id:
            order = await self._desk.get_order(call.caller, request.order_id)
        else:
            order = await self._desk.get_order_by_client_id(call.caller, request.account_id, request.client_order_id)
        return pb.GetOrderResponse(order=order_to_proto(order)).SerializeToString()

    async def list_orders(self, call: Call) -> bytes:
        """List orders, a page at a time."""
        request: pb.ListOrdersRequest = call.command
        await reach(self._desk, self._cursors, call, request.min_cursor)
        query = _query(call.caller.user_id, request, self._pages)
        orders = await self._desk.list_orders(call.caller, query)
        page, token = self._pages.cut(call.caller.user_id, request, orders, _order_id)
        return pb.ListOrdersResponse(
            orders=[order_to_proto(order) for order in page], next_page_token=token
        ).SerializeToString()

    async def list_order_events(self, call: Call) -> bytes:
        """Tell everything that happened to one order."""
        request: pb.ListOrderEventsRequest = call.command
        events = await self._desk.list_order_events(call.caller, request.order_id)
        user_id = call.caller.user_id
        return pb.ListOrderEventsResponse(
            events=[
                pb.OrderEvent(
                    header=header_to_proto(
                        event, cursor=self._cursors.issue(user_id, {event.account_id: event.sequence})
                    ),
                    order=order_to_proto(event.payload),
                )
                for event in events
                if isinstance(event.payload, Order)
            ]
        ).SerializeToString()

    async def subscribe_orders(self, call: Call) -> None:
        """Follow orders."""
        await self._streams.run(call)


async def reach(desk: DeskFace, cursors: Cursors, call: Call, min_cursor: str) -> None:
    """Wait until the record has reached a cursor, where a read names one."""
    if min_cursor:
        await desk.wait_for(call.caller, cursors.read(min_cursor, call.caller.user_id))


def _query(user_id: str, request: pb.ListOrdersRequest, pages: PageTokens) -> OrderQuery:
    found = Found()
    return OrderQuery(
        user_id=user_id,
        account_ids=tuple(request.account_ids),
        symbol=request.symbol,
        open_only=OPEN_ONLY_FROM[request.status],
        since_ns=time_from(request.since_time, "since_time", found) if request.HasField("since_time") else None,
        until_ns=time_from(request.until_time, "until_time", found) if request.HasField("until_time") else None,
        after_order_id=pages.after(user_id, request),
        limit=limit_of(request),
    )


def _order_id(order: Order) -> str:
    return order.order_id
