"""The RPCs of risk and administration, one row each. They change the gateway's own state: no key, but audited."""

from typing import Final

from brokerapi.v1 import limits_pb2
from google.protobuf.message import Message

from brokergw.model.principal import ADMINS, RISK_KEEPERS, Role, Scope
from brokergw.rpc.policy import Decoder, MethodPolicy
from brokergw.rpc.settings import Budget
from brokergw.rpc.wire import limits

_PACKAGE: Final = "brokerapi.v1"
_LIMITS_ITEMS_MAX: Final = 12_000
"""Limits have two lists of 5,000 symbols, and some short ones."""


def _read(method: str, request: type[Message], decode: Decoder, scope: Scope, *, cost: int = 1) -> MethodPolicy:
    return MethodPolicy(
        method=f"/{_PACKAGE}.{method}", request=request, decode=decode, scope=scope, budget=Budget.READS, cost=cost
    )


def _change(
    method: str, request: type[Message], decode: Decoder, scope: Scope, only: frozenset[Role] = frozenset()
) -> MethodPolicy:
    return MethodPolicy(
        method=f"/{_PACKAGE}.{method}",
        request=request,
        decode=decode,
        scope=scope,
        only=only,
        items_max=_LIMITS_ITEMS_MAX,
        budget=Budget.ORDERS,
        audited=True,
    )


RISK: Final = (
    _read("RiskService/GetLimits", limits_pb2.GetLimitsRequest, limits.get_from_proto, Scope.RISK_READ, cost=2),
    _change("RiskService/UpdateLimits", limits_pb2.UpdateLimitsRequest, limits.update_from_proto, Scope.RISK_WRITE),
)

ADMIN: Final = (
    _read(
        "AdminService/ListBrokerConfigs",
        limits_pb2.ListBrokerConfigsRequest,
        limits.list_configs_from_proto,
        Scope.ADMIN_READ,
    ),
    _change(
        "AdminService/UpdateBrokerConfig",
        limits_pb2.UpdateBrokerConfigRequest,
        limits.update_broker_from_proto,
        Scope.ADMIN_WRITE,
        ADMINS,
    ),
    _read(
        "AdminService/GetUserLimits",
        limits_pb2.GetUserLimitsRequest,
        limits.get_user_from_proto,
        Scope.ADMIN_READ,
        cost=2,
    ),
    _change(
        "AdminService/UpdateUserLimits",
        limits_pb2.UpdateUserLimitsRequest,
        limits.update_user_from_proto,
        Scope.ADMIN_WRITE,
        RISK_KEEPERS,
    ),
    _change(
        "AdminService/UpdatePlatformLimits",
        limits_pb2.UpdatePlatformLimitsRequest,
        limits.update_platform_from_proto,
        Scope.ADMIN_WRITE,
        RISK_KEEPERS,
    ),
)
