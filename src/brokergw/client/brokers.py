"""The calls of BrokerService, ConnectionService and MarketDataService."""

from collections.abc import Sequence
from functools import cached_property

from brokerapi.v1 import (
    brokers_pb2,
    brokers_pb2_grpc,
    connections_pb2,
    connections_pb2_grpc,
    market_data_pb2,
    market_data_pb2_grpc,
    oauth_pb2,
)

from brokergw.client import encode
from brokergw.client.base import CallGroup
from brokergw.client.connection_watch import ConnectionWatch
from brokergw.client.subscription import HEARTBEAT_S


class BrokerCalls(CallGroup):
    """Ask which brokers there are, connect to them, and ask them for prices."""

    async def list_brokers(
        self, *, page_size: int = 0, page_token: str = "", timeout_s: float | None = None
    ) -> brokers_pb2.ListBrokersResponse:
        """List one page of the brokers with their capabilities."""
        request = brokers_pb2.ListBrokersRequest(page_size=page_size, page_token=page_token)
        return await self._caller.read(self._brokers.ListBrokers, request, timeout_s)

    async def get_broker(self, broker: str, *, timeout_s: float | None = None) -> brokers_pb2.Broker:
        """Get one broker."""
        request = brokers_pb2.GetBrokerRequest(broker=broker)
        return (await self._caller.read(self._brokers.GetBroker, request, timeout_s)).broker

    async def ping_broker(
        self, connection_id: str, *, timeout_s: float | None = None
    ) -> brokers_pb2.PingBrokerResponse:
        """Make the broker answer through one connection."""
        request = brokers_pb2.PingBrokerRequest(connection_id=connection_id)
        return await self._caller.read(self._brokers.PingBroker, request, timeout_s)

    async def create_connection(
        self,
        broker: str,
        environment: str,
        *,
        key: str | None = None,
        secret: str | None = None,
        timeout_s: float | None = None,
    ) -> connections_pb2.Connection:
        """Connect an account at a broker.

        It is never repeated by itself, because the contract gives it no key: after a failure with no answer, look at
        `list_connections` first.

        Args:
            broker: its id, from `list_brokers`.
            environment: MOCK, PAPER or LIVE.
            key: the broker's key id, where it wants one.
            secret: the secret that belongs to it.
            timeout_s: how long all of it may take.
        """
        request = connections_pb2.CreateConnectionRequest(
            broker=broker,
            environment=encode.environment(environment),
            api_key=encode.api_key_credentials(key, secret),
        )
        return (await self._caller.once(self._connections.CreateConnection, request, timeout_s)).connection

    async def get_connection(self, connection_id: str, *, timeout_s: float | None = None) -> connections_pb2.Connection:
        """Get one connection."""
        request = connections_pb2.GetConnectionRequest(connection_id=connection_id)
        return (await self._caller.read(self._connections.GetConnection, request, timeout_s)).connection

    async def list_connections(
        self, *, page_size: int = 0, page_token: str = "", timeout_s: float | None = None
    ) -> connections_pb2.ListConnectionsResponse:
        """List one page of the caller's connections, oldest first."""
        request = connections_pb2.ListConnectionsRequest(page_size=page_size, page_token=page_token)
        return await self._caller.read(self._connections.ListConnections, request, timeout_s)

    async def test_connection(
        self, connection_id: str, *, timeout_s: float | None = None
    ) -> connections_pb2.TestConnectionResponse:
        """Ask the broker whether the stored credentials still work; its refusal is an answer, not an error."""
        request = connections_pb2.TestConnectionRequest(connection_id=connection_id)
        return await self._caller.read(self._connections.TestConnection, request, timeout_s)

    async def update_connection(
        self,
        connection_id: str,
        *,
        key: str | None = None,
        secret: str | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
    ) -> connections_pb2.Connection:
        """Change a connection; doing it twice is the same as once.

        Args:
            connection_id: which.
            key: the broker's key id, with its secret; None leaves both as they are.
            secret: the secret that belongs to it.
            label: the user's own name for it; empty takes it away, None leaves it.
            timeout_s: how long all of it may take.
        """
        request = connections_pb2.UpdateConnectionRequest(
            connection_id=connection_id, api_key=encode.api_key_credentials(key, secret), label=label
        )
        return (await self._caller.read(self._connections.UpdateConnection, request, timeout_s)).connection

    def watch_connections(self, *, heartbeat_s: float | None = None) -> ConnectionWatch:
        """Follow the connections: first all of them, then each that changes; over reconnects, with all of them again.

        Args:
            heartbeat_s: how many seconds of quiet a heartbeat ends, 1 to 60; 15 when not given.
        """
        stub = connections_pb2_grpc.ConnectionServiceStub(self._stream_channel)
        request = connections_pb2.WatchConnectionsRequest(heartbeat_interval=encode.duration(heartbeat_s))
        watch = ConnectionWatch(
            lambda: stub.WatchConnections(request, metadata=self._caller.metadata),
            self._policy,
            heartbeat_s or HEARTBEAT_S,
        )
        self._subscriptions.add(watch)
        return watch

    async def revoke_connection(
        self, connection_id: str, *, timeout_s: float | None = None
    ) -> connections_pb2.Connection:
        """End a connection and destroy its credentials; revoking twice is the same as once."""
        request = connections_pb2.RevokeConnectionRequest(connection_id=connection_id)
        return (await self._caller.read(self._connections.RevokeConnection, request, timeout_s)).connection

    async def begin_oauth(
        self,
        broker: str = "",
        environment: str = "",
        *,
        connection_id: str = "",
        client_id: str = "",
        client_secret: str = "",
        scopes: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> oauth_pb2.BeginOAuthResponse:
        """Begin an authorization: of a new connection at a broker, or again of one that there is.

        Args:
            broker: for a new connection its id, from `list_brokers`.
            environment: for a new connection PAPER or LIVE.
            connection_id: the connection that is authorised again.
            client_id: the id of your own application at the broker; for a connection that there is, the stored one
                is used when this is empty.
            client_secret: its secret.
            scopes: what to ask for; the broker's usual scopes when empty.
            timeout_s: how long all of it may take.
        """
        request = oauth_pb2.BeginOAuthRequest(broker=broker, connection_id=connection_id, scopes=scopes)
        if environment:
            request.environment = encode.environment(environment)
        if client_id or client_secret:
            request.application.client_id, request.application.client_secret = client_id, client_secret
        return await self._caller.once(self._connections.BeginOAuth, request, timeout_s)

    async def complete_oauth(
        self,
        broker: str,
        state: str,
        *,
        code: str = "",
        issuer: str = "",
        error: str = "",
        timeout_s: float | None = None,
    ) -> connections_pb2.Connection:
        """Complete an authorization with what the broker sent the browser back with; it can be done once."""
        request = oauth_pb2.CompleteOAuthRequest(broker=broker, state=state, code=code, issuer=issuer, error=error)
        return (await self._caller.once(self._connections.CompleteOAuth, request, timeout_s)).connection

    async def get_quotes(
        self, account_id: str, symbols: Sequence[str], *, timeout_s: float | None = None
    ) -> market_data_pb2.GetQuotesResponse:
        """Ask for the latest quotes of up to 100 symbols; a symbol without one is left out."""
        request = market_data_pb2.GetQuotesRequest(account_id=account_id, symbols=symbols)
        return await self._caller.read(self._market_data.GetQuotes, request, timeout_s)

    async def get_instrument(
        self, account_id: str, symbol: str, *, timeout_s: float | None = None
    ) -> market_data_pb2.Instrument:
        """Describe one instrument."""
        request = market_data_pb2.GetInstrumentRequest(account_id=account_id, symbol=symbol)
        return (await self._caller.read(self._market_data.GetInstrument, request, timeout_s)).instrument

    @cached_property
    def _brokers(self) -> brokers_pb2_grpc.BrokerServiceStub:
        return brokers_pb2_grpc.BrokerServiceStub(self._channel)

    @cached_property
    def _connections(self) -> connections_pb2_grpc.ConnectionServiceStub:
        return connections_pb2_grpc.ConnectionServiceStub(self._channel)

    @cached_property
    def _market_data(self) -> market_data_pb2_grpc.MarketDataServiceStub:
        return market_data_pb2_grpc.MarketDataServiceStub(self._channel)
