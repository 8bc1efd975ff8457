"""Every RPC and what the chain must know of it, one row each.

A test demands that each RPC of the contract has a row, and no row is without an RPC.
"""

from typing import Final

from brokerapi.v1 import (
    admin_pb2,
    brokers_pb2,
    connections_pb2,
    fills_pb2,
    market_data_pb2,
    oauth_pb2,
    operations_pb2,
    orders_pb2,
    positions_pb2,
    quotas_pb2,
    reconciliation_pb2,
    risk_pb2,
)
from google.protobuf.message import Message

from brokergw.model.principal import RISK_KEEPERS, Role, Scope
from brokergw.rpc.account_methods import ACCOUNTS
from brokergw.rpc.audit_methods import AUDIT
from brokergw.rpc.halt_methods import EVERYBODYS_HALTS, OWN_HALTS
from brokergw.rpc.key_methods import EVERYBODYS_KEYS, OWN_KEYS
from brokergw.rpc.live_methods import EVERYBODYS_MODES, OWN_MODES
from brokergw.rpc.policy import Decoder, MethodPolicy, Responder
from brokergw.rpc.risk_methods import ADMIN, RISK
from brokergw.rpc.settings import Budget
from brokergw.rpc.wire import (
    brokers,
    connections,
    fills,
    market_data,
    oauth,
    operations,
    orders,
    positions,
    quotas,
    reconciliation,
    streams,
)

_PACKAGE: Final = "brokerapi.v1"


def _read(method: str, request: type[Message], decode: Decoder, scope: Scope, *, cost: int = 1) -> MethodPolicy:
    return MethodPolicy(
        method=f"/{_PACKAGE}.{method}", request=request, decode=decode, scope=scope, budget=Budget.READS, cost=cost
    )


def _mutation(
    method: str,
    request: type[Message],
    decode: Decoder,
    respond: Responder,
    *,
    cost: int = 1,
    preflight: bool = False,
    stops: bool = False,
) -> MethodPolicy:
    return MethodPolicy(
        method=f"/{_PACKAGE}.{method}",
        request=request,
        decode=decode,
        respond=respond,
        scope=Scope.ORDERS_WRITE,
        budget=Budget.ORDERS,
        cost=cost,
        keyed=True,
        audited=True,
        preflight=preflight,
        stops=stops,
    )


def _stream(method: str, request: type[Message], decode: Decoder, scope: Scope) -> MethodPolicy:
    return MethodPolicy(
        method=f"/{_PACKAGE}.{method}",
        request=request,
        decode=decode,
        scope=scope,
        budget=Budget.STREAMS,
        streams=True,
    )


def _connection(
    method: str, request: type[Message], decode: Decoder, scope: Scope, only: frozenset[Role] = frozenset()
) -> MethodPolicy:
    return MethodPolicy(
        method=f"/{_PACKAGE}.{method}",
        request=request,
        decode=decode,
        scope=scope,
        only=only,
        budget=Budget.CONNECTIONS,
        audited=True,
    )


_ORDERS: Final = (
    _mutation(
        "OrderService/SubmitOrder",
        orders_pb2.SubmitOrderRequest,
        orders.submit_from_proto,
        orders.submitted,
        preflight=True,
    ),
    _mutation(
        "OrderService/ModifyOrder",
        orders_pb2.ModifyOrderRequest,
        orders.modify_from_proto,
        orders.modified,
        preflight=True,
    ),
    _mutation(
        "OrderService/CancelOrder",
        orders_pb2.CancelOrderRequest,
        orders.cancel_from_proto,
        orders.canceled,
        stops=True,
    ),
    _mutation(
        "OrderService/CancelAllOrders",
        orders_pb2.CancelAllOrdersRequest,
        orders.cancel_all_from_proto,
        orders.canceled_all,
        stops=True,
    ),
    _read("OrderService/GetOrder", orders_pb2.GetOrderRequest, orders.get_from_proto, Scope.ORDERS_READ),
    _read("OrderService/ListOrders", orders_pb2.ListOrdersRequest, orders.list_from_proto, Scope.ORDERS_READ, cost=5),
    _read(
        "OrderService/ListOrderEvents",
        orders_pb2.ListOrderEventsRequest,
        orders.list_events_from_proto,
        Scope.ORDERS_READ,
        cost=2,
    ),
    _stream(
        "OrderService/SubscribeOrders",
        orders_pb2.SubscribeOrdersRequest,
        streams.orders_from_proto,
        Scope.ORDERS_READ,
    ),
)

_FILLS: Final = (
    _read("FillService/ListFills", fills_pb2.ListFillsRequest, fills.list_from_proto, Scope.ORDERS_READ, cost=5),
    _stream("FillService/SubscribeFills", fills_pb2.SubscribeFillsRequest, streams.fills_from_proto, Scope.ORDERS_READ),
)

_POSITIONS: Final = (
    _read(
        "PositionService/GetPositions",
        positions_pb2.GetPositionsRequest,
        positions.get_from_proto,
        Scope.ACCOUNTS_READ,
        cost=2,
    ),
    _stream(
        "PositionService/SubscribePositions",
        positions_pb2.SubscribePositionsRequest,
        streams.positions_from_proto,
        Scope.ACCOUNTS_READ,
    ),
    _mutation(
        "PositionService/Flatten", positions_pb2.FlattenRequest, positions.flatten_from_proto, positions.flattened
    ),
    _mutation(
        "PositionService/CloseAll",
        positions_pb2.CloseAllRequest,
        positions.close_all_from_proto,
        positions.closed_all,
    ),
)

_BROKERS: Final = (
    _read("BrokerService/ListBrokers", brokers_pb2.ListBrokersRequest, brokers.list_from_proto, Scope.CONNECTIONS_READ),
    _read("BrokerService/GetBroker", brokers_pb2.GetBrokerRequest, brokers.get_from_proto, Scope.CONNECTIONS_READ),
    _read(
        "BrokerService/PingBroker",
        brokers_pb2.PingBrokerRequest,
        brokers.ping_from_proto,
        Scope.CONNECTIONS_READ,
        cost=2,
    ),
)

_MARKET_DATA: Final = (
    _read(
        "MarketDataService/GetQuotes",
        market_data_pb2.GetQuotesRequest,
        market_data.quotes_from_proto,
        Scope.MARKET_DATA_READ,
        cost=2,
    ),
    _read(
        "MarketDataService/GetInstrument",
        market_data_pb2.GetInstrumentRequest,
        market_data.instrument_from_proto,
        Scope.MARKET_DATA_READ,
    ),
)

_CONNECTIONS: Final = (
    _connection(
        "ConnectionService/CreateConnection",
        connections_pb2.CreateConnectionRequest,
        connections.create_from_proto,
        Scope.CONNECTIONS_WRITE,
    ),
    _read(
        "ConnectionService/GetConnection",
        connections_pb2.GetConnectionRequest,
        connections.named_from_proto,
        Scope.CONNECTIONS_READ,
    ),
    _read(
        "ConnectionService/ListConnections",
        connections_pb2.ListConnectionsRequest,
        connections.list_from_proto,
        Scope.CONNECTIONS_READ,
    ),
    _connection(
        "ConnectionService/UpdateConnection",
        connections_pb2.UpdateConnectionRequest,
        connections.update_from_proto,
        Scope.CONNECTIONS_WRITE,
    ),
    _stream(
        "ConnectionService/WatchConnections",
        connections_pb2.WatchConnectionsRequest,
        connections.watch_from_proto,
        Scope.CONNECTIONS_READ,
    ),
    _connection(
        "ConnectionService/TestConnection",
        connections_pb2.TestConnectionRequest,
        connections.named_from_proto,
        Scope.CONNECTIONS_READ,
    ),
    _connection(
        "ConnectionService/RevokeConnection",
        connections_pb2.RevokeConnectionRequest,
        connections.named_from_proto,
        Scope.CONNECTIONS_WRITE,
    ),
    _connection(
        "ConnectionService/BeginOAuth", oauth_pb2.BeginOAuthRequest, oauth.begin_from_proto, Scope.CONNECTIONS_WRITE
    ),
    _connection(
        "ConnectionService/CompleteOAuth",
        oauth_pb2.CompleteOAuthRequest,
        oauth.complete_from_proto,
        Scope.CONNECTIONS_WRITE,
    ),
)

_QUOTAS: Final = (
    # Asking what is left takes nothing of it, so that a caller without budget learns when it may go on.
    MethodPolicy(
        method=f"/{_PACKAGE}.QuotaService/GetQuota",
        request=quotas_pb2.GetQuotaRequest,
        decode=quotas.get_from_proto,
    ),
)

_OPERATIONS: Final = (
    _read(
        "OperationsService/ListOrdersInDoubt",
        operations_pb2.ListOrdersInDoubtRequest,
        operations.list_from_proto,
        Scope.OPERATIONS_READ,
        cost=5,
    ),
    MethodPolicy(
        method=f"/{_PACKAGE}.OperationsService/SettleOrder",
        request=operations_pb2.SettleOrderRequest,
        decode=operations.settle_from_proto,
        respond=operations.settled,
        scope=Scope.OPERATIONS_WRITE,
        budget=Budget.ORDERS,
        cost=1,
        keyed=True,
        audited=True,
    ),
)

_RECONCILIATION: Final = (
    # It asks the broker several times, and may halt: as dear as a connection's calls, and on the record.
    _connection(
        "ReconciliationService/ReconcileAccount",
        reconciliation_pb2.ReconcileAccountRequest,
        reconciliation.reconcile_from_proto,
        Scope.ACCOUNTS_READ,
    ),
    _read(
        "ReconciliationService/ListReconciliations",
        reconciliation_pb2.ListReconciliationsRequest,
        reconciliation.list_from_proto,
        Scope.ACCOUNTS_READ,
        cost=5,
    ),
    _read(
        "ReconciliationService/ListMismatches",
        reconciliation_pb2.ListMismatchesRequest,
        reconciliation.mismatches_from_proto,
        Scope.OPERATIONS_READ,
        cost=5,
    ),
    _connection(
        "ReconciliationService/SettleReconciliation",
        reconciliation_pb2.SettleReconciliationRequest,
        reconciliation.settle_from_proto,
        Scope.OPERATIONS_WRITE,
    ),
    _read(
        "ReconciliationService/GetReconciliationPolicy",
        reconciliation_pb2.GetReconciliationPolicyRequest,
        reconciliation.get_policy_from_proto,
        Scope.ADMIN_READ,
    ),
    _connection(
        "ReconciliationService/UpdateReconciliationPolicy",
        reconciliation_pb2.UpdateReconciliationPolicyRequest,
        reconciliation.update_policy_from_proto,
        Scope.ADMIN_WRITE,
        RISK_KEEPERS,
    ),
)

POLICIES: Final = (
    *_ORDERS,
    *_FILLS,
    *_POSITIONS,
    *ACCOUNTS,
    *_BROKERS,
    *_MARKET_DATA,
    *_CONNECTIONS,
    *_QUOTAS,
    *_OPERATIONS,
    *RISK,
    *OWN_MODES,
    *OWN_HALTS,
    *ADMIN,
    *EVERYBODYS_MODES,
    *EVERYBODYS_HALTS,
    *EVERYBODYS_KEYS,
    *OWN_KEYS,
    *_RECONCILIATION,
    *AUDIT,
)
"""The rows of the contract, in the order of its services."""

SERVICES: Final = tuple(dict.fromkeys(policy.service for policy in POLICIES))
"""The full names of the contract's services."""

SERVICE_FILES: Final = (admin_pb2.DESCRIPTOR, risk_pb2.DESCRIPTOR)
"""Files that hold services without messages: nobody else imports them, and reflection tells only what was imported."""
