"""BrokerService."""

from brokerapi.v1 import brokers_pb2 as pb

from brokergw.model.capability import Capabilities
from brokergw.model.errors import NotFound, Reason
from brokergw.rpc.call import Call
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.wire.brokers import broker_to_proto
from brokergw.rpc.wire.paging import PageTokens
from brokergw.rpc.wire.times import duration_to_proto


class BrokerService:
    """Which brokers there are, and what each can do."""

    def __init__(self, desk: DeskFace, pages: PageTokens) -> None:
        self._desk = desk
        self._pages = pages

    async def list_brokers(self, call: Call) -> bytes:
        """List the brokers."""
        page, token = self._pages.slice(call.caller.user_id, call.command, self._desk.brokers(), _broker_id)
        return pb.ListBrokersResponse(
            brokers=[broker_to_proto(row) for row in page], next_page_token=token
        ).SerializeToString()

    async def get_broker(self, call: Call) -> bytes:
        """Read one broker's row."""
        request: pb.GetBrokerRequest = call.command
        for row in self._desk.brokers():
            if row.broker == request.broker:
                return pb.GetBrokerResponse(broker=broker_to_proto(row)).SerializeToString()
        raise NotFound(Reason.BROKER_NOT_FOUND, "broker", request.broker)

    async def ping_broker(self, call: Call) -> bytes:
        """Call a broker through one of the caller's connections."""
        request: pb.PingBrokerRequest = call.command
        broker, seconds = await self._desk.ping_broker(call.caller, request.connection_id)
        return pb.PingBrokerResponse(broker=broker, round_trip=duration_to_proto(seconds)).SerializeToString()


def _broker_id(row: Capabilities) -> str:
    return row.broker
