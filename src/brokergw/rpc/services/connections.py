"""ConnectionService."""

from brokerapi.v1 import connections_pb2 as pb

from brokergw.desk.connections.card import ConnectionCard
from brokergw.rpc.call import Call
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.services.connection_stream import ConnectionStream
from brokergw.rpc.wire.connections import NO_CONNECTION, NewConnection, connection_to_proto
from brokergw.rpc.wire.oauth import begun_to_proto
from brokergw.rpc.wire.paging import PageTokens


class ConnectionService:
    """The links to brokers."""

    def __init__(self, desk: DeskFace, pages: PageTokens, stream: ConnectionStream) -> None:
        self._desk = desk
        self._pages = pages
        self._stream = stream

    async def create_connection(self, call: Call) -> bytes:
        """Connect an account at a broker."""
        new: NewConnection = call.command
        card = await self._desk.create_connection(call.caller, new.broker, new.environment, new.credentials)
        return pb.CreateConnectionResponse(connection=connection_to_proto(card)).SerializeToString()

    async def get_connection(self, call: Call) -> bytes:
        """Read one connection."""
        card = await self._desk.get_connection(call.caller, call.command)
        return pb.GetConnectionResponse(connection=connection_to_proto(card)).SerializeToString()

    async def list_connections(self, call: Call) -> bytes:
        """List the caller's connections."""
        connections = await self._desk.list_connections(call.caller)
        page, token = self._pages.slice(call.caller.user_id, call.command, connections, _connection_id)
        return pb.ListConnectionsResponse(
            connections=[connection_to_proto(card) for card in page],
            next_page_token=token,
            hint="" if connections else NO_CONNECTION,
        ).SerializeToString()

    async def update_connection(self, call: Call) -> bytes:
        """Change credentials or label."""
        card = await self._desk.update_connection(call.caller, call.command)
        return pb.UpdateConnectionResponse(connection=connection_to_proto(card)).SerializeToString()

    async def watch_connections(self, call: Call) -> None:
        """Show connections, and what changes of them."""
        await self._stream.run(call)

    async def test_connection(self, call: Call) -> bytes:
        """Ask the broker whether the credentials still work."""
        card, authenticated, reason = await self._desk.test_connection(call.caller, call.command)
        return pb.TestConnectionResponse(
            connection=connection_to_proto(card), authenticated=authenticated, reason=reason
        ).SerializeToString()

    async def revoke_connection(self, call: Call) -> bytes:
        """End a connection."""
        card = await self._desk.revoke_connection(call.caller, call.command)
        return pb.RevokeConnectionResponse(connection=connection_to_proto(card)).SerializeToString()

    async def begin_oauth(self, call: Call) -> bytes:
        """Begin an authorization; where to go is told here and nowhere else."""
        return begun_to_proto(await self._desk.begin_oauth(call.caller, call.command)).SerializeToString()

    async def complete_oauth(self, call: Call) -> bytes:
        """Complete an authorization."""
        card = await self._desk.complete_oauth(call.caller, call.command)
        return pb.CompleteOAuthResponse(connection=connection_to_proto(card)).SerializeToString()


def _connection_id(card: ConnectionCard) -> str:
    return card.connection.connection_id
