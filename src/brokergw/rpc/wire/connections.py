"""Connections; a secret comes in, and none goes out."""

from dataclasses import dataclass
from typing import Final

from brokerapi.v1 import connections_pb2 as pb

from brokergw.desk.results import ConnectionStatus
from brokergw.model.account import ConnectionHealth, Environment
from brokergw.model.errors import Reason
from brokergw.ports.broker import Credentials
from brokergw.rpc.wire.found import Found, enum_from, token_from
from brokergw.rpc.wire.paging import page_size_from
from brokergw.rpc.wire.times import optional_time, time_to_proto
from brokergw.rpc.wire.trading import ENVIRONMENT_FROM, ENVIRONMENT_TO

_SECRET_LENGTH_MAX: Final = 512
_HEALTH_TO: Final[dict[ConnectionHealth, pb.ConnectionHealth.ValueType]] = {
    health: pb.ConnectionHealth.Value(f"CONNECTION_HEALTH_{health.value}") for health in ConnectionHealth
}


@dataclass(frozen=True, slots=True)
class NewConnection:
    """What CreateConnection asks for."""

    broker: str
    environment: Environment
    credentials: Credentials | None


def create_from_proto(request: pb.CreateConnectionRequest, found: Found) -> NewConnection:
    """Read CreateConnectionRequest."""
    return NewConnection(
        broker=token_from(request.broker, "broker", found),
        environment=enum_from(
            ENVIRONMENT_FROM, request.environment, "environment", found, Reason.FIELD_INVALID, Environment.MOCK
        ),
        credentials=_credentials(request.api_key, found) if request.HasField("api_key") else None,
    )


def named_from_proto(
    request: pb.GetConnectionRequest | pb.TestConnectionRequest | pb.RevokeConnectionRequest, found: Found
) -> str:
    """Read which connection a request is about."""
    return token_from(request.connection_id, "connection_id", found)


def list_from_proto(request: pb.ListConnectionsRequest, found: Found) -> pb.ListConnectionsRequest:
    """Check ListConnectionsRequest."""
    page_size_from(request.page_size, found)
    return request


def connection_to_proto(status: ConnectionStatus) -> pb.Connection:
    """Write a connection and how it fares."""
    connection = status.connection
    return pb.Connection(
        connection_id=connection.connection_id,
        broker=connection.broker,
        environment=ENVIRONMENT_TO[connection.environment],
        account_id=connection.account_id,
        account_label=connection.account_label,
        health=_HEALTH_TO[status.health],
        health_detail=status.detail,
        has_key=connection.has_key,
        key_last_four=connection.key_last_four,
        create_time=time_to_proto(connection.create_time_ns),
        revoke_time=optional_time(connection.revoke_time_ns),
        last_sync_time=optional_time(status.last_message_ns),
    )


def _credentials(message: pb.ApiKeyCredentials, found: Found) -> Credentials:
    for name, value in (("key", message.key), ("secret", message.secret)):
        if not value:
            found.add(f"api_key.{name}", "is required")
        elif len(value) > _SECRET_LENGTH_MAX or not (value.isascii() and value.isprintable()):
            found.add(f"api_key.{name}", f"must be at most {_SECRET_LENGTH_MAX} printable ASCII characters")
    return Credentials(key=message.key, secret=message.secret)
