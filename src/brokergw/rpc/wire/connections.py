"""Connections; a secret comes in, and none goes out."""

from dataclasses import dataclass
from typing import Final

from brokerapi.v1 import connections_pb2 as pb

from brokergw.desk.connections.card import ConnectionCard
from brokergw.desk.verbs.connections import ConnectionChange
from brokergw.model.account import BrokerRevocation, ConnectionHealth, Environment
from brokergw.model.connections import ReadScope, SyncState, Tier, TierStanding, TierState, WarningCode
from brokergw.model.errors import Reason
from brokergw.ports.broker import Credentials
from brokergw.rpc.wire.found import Found, enum_from, name_from, token_from
from brokergw.rpc.wire.live import STEP_TO, binding_to_proto
from brokergw.rpc.wire.paging import page_size_from
from brokergw.rpc.wire.streams import heartbeat_from
from brokergw.rpc.wire.times import optional_time, time_to_proto
from brokergw.rpc.wire.trading import ENVIRONMENT_FROM, ENVIRONMENT_TO

_SECRET_LENGTH_MAX: Final = 512
_HEALTH_TO: Final[dict[ConnectionHealth, pb.ConnectionHealth.ValueType]] = {
    health: pb.ConnectionHealth.Value(f"CONNECTION_HEALTH_{health.value}") for health in ConnectionHealth
}
_FRESHNESS_TO: Final[dict[SyncState, pb.ConnectionFreshness.ValueType]] = {
    state: pb.ConnectionFreshness.Value(f"CONNECTION_FRESHNESS_{state.value}") for state in SyncState
}
_TIER_TO: Final[dict[Tier, pb.PermissionTier.ValueType]] = {
    tier: pb.PermissionTier.Value(f"PERMISSION_TIER_{tier.value}") for tier in Tier
}
_STATE_TO: Final[dict[TierState, pb.PermissionState.ValueType]] = {
    state: pb.PermissionState.Value(f"PERMISSION_STATE_{state.value}") for state in TierState
}
_SCOPE_TO: Final[dict[ReadScope, pb.ReadScope.ValueType]] = {
    scope: pb.ReadScope.Value(f"READ_SCOPE_{scope.value}") for scope in ReadScope
}
_WARNING_TO: Final[dict[WarningCode, pb.ConnectionWarningCode.ValueType]] = {
    code: pb.ConnectionWarningCode.Value(f"CONNECTION_WARNING_CODE_{code.value}") for code in WarningCode
}
_AT_BROKER_TO: Final[dict[BrokerRevocation, pb.BrokerRevocation.ValueType]] = {
    each: pb.BrokerRevocation.Value(f"BROKER_REVOCATION_{each.value or 'UNSPECIFIED'}") for each in BrokerRevocation
}

NO_CONNECTION: Final = (
    "No broker is connected yet. Connect one with CreateConnection (`brokergw connections create`); "
    "ListBrokers tells which there are and what each asks for."
)
"""What is said where there is nothing to show."""


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


def update_from_proto(request: pb.UpdateConnectionRequest, found: Found) -> ConnectionChange:
    """Read UpdateConnectionRequest."""
    change = ConnectionChange(
        connection_id=token_from(request.connection_id, "connection_id", found),
        credentials=_credentials(request.api_key, found) if request.HasField("api_key") else None,
        label=name_from(request.label, "label", found) if request.HasField("label") else None,
    )
    if change.credentials is None and change.label is None:
        found.add("api_key", "or label must be set: nothing would change")
    return change


def watch_from_proto(request: pb.WatchConnectionsRequest, found: Found) -> float:
    """Read WatchConnectionsRequest: how many seconds a heartbeat is apart from the next."""
    return heartbeat_from(request, found)


def named_from_proto(
    request: pb.GetConnectionRequest | pb.TestConnectionRequest | pb.RevokeConnectionRequest, found: Found
) -> str:
    """Read which connection a request is about."""
    return token_from(request.connection_id, "connection_id", found)


def list_from_proto(request: pb.ListConnectionsRequest, found: Found) -> pb.ListConnectionsRequest:
    """Check ListConnectionsRequest."""
    page_size_from(request.page_size, found)
    return request


def connection_to_proto(card: ConnectionCard) -> pb.Connection:
    """Write all that is shown of a connection."""
    connection, status = card.connection, card.status
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
        last_sync_time=optional_time(card.sync.last_ns),
        label=connection.label,
        freshness=_FRESHNESS_TO[card.sync.state],
        next_sync_time=optional_time(card.sync.next_ns),
        sync_detail=card.sync.why,
        permissions=[_permission_to_proto(each) for each in card.tiers],
        scopes=[_SCOPE_TO[each] for each in card.scopes],
        warnings=[pb.ConnectionWarning(code=_WARNING_TO[each.code], message=each.words) for each in card.warnings],
        bindings=[binding_to_proto(each) for each in card.bindings],
        broker_revocation=_AT_BROKER_TO[connection.broker_revocation],
        authorization_end_time=optional_time(None if status.end_ahead is None else status.end_ahead.time_ns),
    )


def _permission_to_proto(standing: TierStanding) -> pb.Permission:
    return pb.Permission(
        tier=_TIER_TO[standing.tier],
        state=_STATE_TO[standing.state],
        detail=standing.why,
        missing=[STEP_TO[step] for step in standing.missing],
    )


def _credentials(message: pb.ApiKeyCredentials, found: Found) -> Credentials:
    for name, value in (("key", message.key), ("secret", message.secret)):
        if not value:
            found.add(f"api_key.{name}", "is required")
        elif len(value) > _SECRET_LENGTH_MAX or not (value.isascii() and value.isprintable()):
            found.add(f"api_key.{name}", f"must be at most {_SECRET_LENGTH_MAX} printable ASCII characters")
    return Credentials(key=message.key, secret=message.secret)
