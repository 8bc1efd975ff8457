"""OperationsService."""

from brokerapi.v1 import operations_pb2 as pb

from brokergw.desk.verbs.verdict import InDoubt
from brokergw.rpc.answers import Answers
from brokergw.rpc.call import Call
from brokergw.rpc.needs import Operations
from brokergw.rpc.wire.operations import in_doubt_to_proto
from brokergw.rpc.wire.paging import PageTokens


class OperationsService:
    """What those who run the gateway see and settle, over all users."""

    def __init__(self, desk: Operations, answers: Answers, pages: PageTokens) -> None:
        self._desk = desk
        self._answers = answers
        self._pages = pages

    async def list_orders_in_doubt(self, call: Call) -> bytes:
        """List the orders whose outcome is open, a page at a time."""
        request: pb.ListOrdersInDoubtRequest = call.command
        found = await self._desk.list_orders_in_doubt(call.caller)
        page, token = self._pages.slice(call.caller.user_id, request, found, _order_id)
        orders = [in_doubt_to_proto(each) for each in page]
        return pb.ListOrdersInDoubtResponse(orders=orders, next_page_token=token).SerializeToString()

    async def settle_order(self, call: Call) -> bytes:
        """Settle one order by a verdict."""
        return self._answers.of(call, await self._desk.settle_order(call.caller, call.command))


def _order_id(item: InDoubt) -> str:
    return item.order.order_id
