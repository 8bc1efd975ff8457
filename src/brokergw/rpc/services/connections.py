"""ConnectionService."""

from brokerapi.v1 import connections_pb2 as pb

from brokergw.desk.results import ConnectionStatus
from brokergw.rpc.call import Call
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.wire.connections import NewConnection, connection_to_proto
from brokergw.rpc.wire.paging import PageTokens


class ConnectionService:
    """The links to brokers."""

    def __init__(self, desk: DeskFace, pages: PageTokens) -> None:
        self._desk = desk
        self._pages = pages

    async def create_connection(self, call: Call) -> bytes:
        """Connect an account at a broker."""
        new: NewConnection = call.command
        status = await self._desk.create_connection(call.caller, new.broker, new.environment, new.credentials)
        return pb.CreateConnectionResponse(connection=connection_to_proto(status)).SerializeToString()

    async def get_connection(self, call: Call) -> bytes:
        """Read one connection."""
        status = await self._desk.get_connection(call.caller, call.command)
        return pb.GetConnectionResponse(connection=connection_to_proto(status)).SerializeToString()

    async def list_connections(self, call: Call) -> bytes:
        """List the caller's connections."""
        connections = await self._desk.list_connections(call.caller)
        page, token = self._pages.slice(call.caller.user_id, call.command, connections, _connection_id)
        return pb.ListConnectionsResponse(
            connections=[connection_to_proto(status) for status in page], next_page_token=token
        ).SerializeToString()

    async def test_connection(self, call: Call) -> bytes:
        """Ask the broker whether the credentials still work."""
        status, authenticated, reason = await self._desk.test_connection(call.caller, call.command)
        return pb.TestConnectionResponse(
            connection=connection_to_proto(status), authenticated=authenticated, reason=reason
        ).SerializeToString()

    async def revoke_connection(self, call: Call) -> bytes:
        """End a connection."""
        status = await self._desk.revoke_connection(call.caller, call.command)
        return pb.RevokeConnectionResponse(connection=connection_to_proto(status)).SerializeToString()


def _connection_id(status: ConnectionStatus) -> str:
    return status.connection.connection_id
