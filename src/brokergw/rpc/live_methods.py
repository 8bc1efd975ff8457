"""The RPCs of modes, the risk text and the second factor, one row each. They change the gateway's own state: no key."""

from typing import Final

from brokerapi.v1 import live_pb2 as pb
from google.protobuf.message import Message

from brokergw.model.principal import ADMINS, RISK_KEEPERS, Role, Scope
from brokergw.rpc.policy import Decoder, MethodPolicy
from brokergw.rpc.settings import Budget
from brokergw.rpc.wire import live


def _read(method: str, request: type[Message], decode: Decoder, scope: Scope) -> MethodPolicy:
    return MethodPolicy(
        method=f"/brokerapi.v1.{method}", request=request, decode=decode, scope=scope, budget=Budget.READS
    )


def _change(
    method: str, request: type[Message], decode: Decoder, scope: Scope, only: frozenset[Role] = frozenset()
) -> MethodPolicy:
    return MethodPolicy(
        method=f"/brokerapi.v1.{method}",
        request=request,
        decode=decode,
        scope=scope,
        only=only,
        budget=Budget.ORDERS,
        audited=True,
    )


OWN_MODES: Final = (
    _read("RiskService/GetModes", pb.GetModesRequest, live.as_it_is, Scope.RISK_READ),
    _change("RiskService/SetMode", pb.SetModeRequest, live.set_mode_from_proto, Scope.RISK_WRITE),
    _read("RiskService/GetRiskText", pb.GetRiskTextRequest, live.as_it_is, Scope.RISK_READ),
    _change("RiskService/AcknowledgeRisk", pb.AcknowledgeRiskRequest, live.acknowledge_from_proto, Scope.RISK_WRITE),
    _change("RiskService/EnrollMfa", pb.EnrollMfaRequest, live.as_it_is, Scope.RISK_WRITE),
    _change("RiskService/ConfirmMfa", pb.ConfirmMfaRequest, live.confirm_from_proto, Scope.RISK_WRITE),
    _change("RiskService/EscalateToLive", pb.EscalateToLiveRequest, live.escalate_from_proto, Scope.RISK_WRITE),
)

EVERYBODYS_MODES: Final = (
    _read("AdminService/GetUserModes", pb.GetUserModesRequest, live.user_from_proto, Scope.ADMIN_READ),
    _change(
        "AdminService/GrantLiveTrading", pb.GrantLiveTradingRequest, live.user_from_proto, Scope.ADMIN_WRITE, ADMINS
    ),
    _change(
        "AdminService/RevokeLiveTrading",
        pb.RevokeLiveTradingRequest,
        live.user_from_proto,
        Scope.ADMIN_WRITE,
        RISK_KEEPERS,
    ),
    _change("AdminService/ResetMfa", pb.ResetMfaRequest, live.user_from_proto, Scope.ADMIN_WRITE, ADMINS),
    _change("AdminService/UnlockMfa", pb.UnlockMfaRequest, live.user_from_proto, Scope.ADMIN_WRITE, ADMINS),
)
