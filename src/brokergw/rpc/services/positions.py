"""PositionService."""

from brokerapi.v1 import positions_pb2 as pb

from brokergw.rpc.answers import Answers
from brokergw.rpc.call import Call
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.services.streams import Streams
from brokergw.rpc.wire.positions import position_to_proto


class PositionService:
    """What is held, and the way out of it."""

    def __init__(self, desk: DeskFace, answers: Answers, streams: Streams) -> None:
        self._desk = desk
        self._answers = answers
        self._streams = streams

    async def get_positions(self, call: Call) -> bytes:
        """Ask the brokers for positions."""
        request: pb.GetPositionsRequest = call.command
        held, unreachable = await self._desk.get_positions(
            call.caller, tuple(request.account_ids), partial=request.return_partial_success
        )
        return pb.GetPositionsResponse(
            positions=[position_to_proto(connection, position) for connection, position in held],
            unreachable=unreachable,
        ).SerializeToString()

    async def subscribe_positions(self, call: Call) -> None:
        """Follow positions."""
        await self._streams.run(call)

    async def flatten(self, call: Call) -> bytes:
        """Close a position, or all of an account."""
        return self._answers.of(call, await self._desk.flatten(call.caller, call.command))

    async def close_all(self, call: Call) -> bytes:
        """Close everything that the caller has."""
        return self._answers.of(call, await self._desk.close_all(call.caller, call.command))
