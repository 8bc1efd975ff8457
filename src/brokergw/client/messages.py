"""The contract's messages for those who may not import the generated code, and how to read any of them."""

from typing import Any

from brokerapi.v1.accounts_pb2 import Account, AccountSummary
from brokerapi.v1.audit_pb2 import AuditEvent
from brokerapi.v1.brokers_pb2 import Broker
from brokerapi.v1.connections_pb2 import Connection, Permission, WatchConnectionsResponse
from brokerapi.v1.fills_pb2 import Fill, FillEvent
from brokerapi.v1.halts_pb2 import Halt, HaltPropagation, HaltScope, HaltSweep
from brokerapi.v1.limits_pb2 import BrokerConfig, EffectiveLimit, GetLimitsResponse, Limits, StoredLimits
from brokerapi.v1.live_pb2 import Modes
from brokerapi.v1.operations_pb2 import OrderInDoubt
from brokerapi.v1.orders_pb2 import CancelResult, Order, OrderEvent, OrderSpec, SubmitOrderResponse
from brokerapi.v1.positions_pb2 import Position, PositionEvent, Residual
from brokerapi.v1.reconciliation_pb2 import Difference, Reconciliation
from brokerapi.v1.streams_pb2 import Gap, Heartbeat, SnapshotComplete, Subscribed, Terminating
from brokerapi.v1.trading_settings_pb2 import TradingSettings
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

__all__ = [
    "Account",
    "AccountSummary",
    "AuditEvent",
    "Broker",
    "BrokerConfig",
    "CancelResult",
    "Connection",
    "Difference",
    "EffectiveLimit",
    "Fill",
    "FillEvent",
    "Gap",
    "GetLimitsResponse",
    "Halt",
    "HaltPropagation",
    "HaltScope",
    "HaltSweep",
    "Heartbeat",
    "Limits",
    "Message",
    "Modes",
    "Order",
    "OrderEvent",
    "OrderInDoubt",
    "OrderSpec",
    "Permission",
    "Position",
    "PositionEvent",
    "Reconciliation",
    "Residual",
    "SnapshotComplete",
    "StoredLimits",
    "SubmitOrderResponse",
    "Subscribed",
    "Terminating",
    "Timestamp",
    "TradingSettings",
    "WatchConnectionsResponse",
    "as_dict",
    "words",
]


def as_dict(message: Message) -> dict[str, Any]:
    """Give a message as protobuf's JSON with the contract's own field names, defaults written out."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def words(message: Message, field: str) -> str:
    """Give an enum field as the short name, such as BUY; several values are joined by commas.

    Unset is empty. A value that is not known here is its number: enums of the contract are open.
    """
    described = message.DESCRIPTOR.fields_by_name[field]
    enum = described.enum_type
    if enum is None:
        raise TypeError(f"{field} is no enum")
    value = getattr(message, field)
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    known = {number: each.name.removeprefix(prefix) for number, each in enum.values_by_number.items()}
    numbers = [value] if isinstance(value, int) else list(value)
    return ", ".join(known.get(number, str(number)) for number in numbers if number)
