"""The RPCs of halts and the kill switch, one row each. They change the gateway's own state: no key."""

from typing import Final

from brokerapi.v1 import halts_pb2 as pb
from google.protobuf.message import Message

from brokergw.model.principal import RISK_KEEPERS, Role, Scope
from brokergw.rpc.policy import Decoder, MethodPolicy
from brokergw.rpc.settings import Budget
from brokergw.rpc.wire import halts


def _read(method: str, request: type[Message], decode: Decoder, scope: Scope) -> MethodPolicy:
    return MethodPolicy(
        method=f"/brokerapi.v1.{method}", request=request, decode=decode, scope=scope, budget=Budget.READS
    )


def _change(
    method: str,
    request: type[Message],
    decode: Decoder,
    scope: Scope,
    *,
    stops: bool = False,
    only: frozenset[Role] = frozenset(),
) -> MethodPolicy:
    # What stops trading costs nothing and waits for no database: whoever sends too many orders may need it most.
    return MethodPolicy(
        method=f"/brokerapi.v1.{method}",
        request=request,
        decode=decode,
        scope=scope,
        only=only,
        budget=Budget.NONE if stops else Budget.ORDERS,
        audited=True,
        stops=stops,
    )


OWN_HALTS: Final = (
    _read("RiskService/GetTradingState", pb.GetTradingStateRequest, halts.state_from_proto, Scope.RISK_READ),
    _change("RiskService/HaltTrading", pb.HaltTradingRequest, halts.halt_own_from_proto, Scope.RISK_WRITE, stops=True),
    _change("RiskService/ResumeTrading", pb.ResumeTradingRequest, halts.resume_own_from_proto, Scope.RISK_WRITE),
)

EVERYBODYS_HALTS: Final = (
    _read("AdminService/GetKillSwitch", pb.GetKillSwitchRequest, halts.as_it_is, Scope.ADMIN_READ),
    _change("AdminService/SetKillSwitch", pb.SetKillSwitchRequest, halts.set_from_proto, Scope.ADMIN_WRITE, stops=True),
    _change(
        "AdminService/ClearKillSwitch",
        pb.ClearKillSwitchRequest,
        halts.clear_from_proto,
        Scope.ADMIN_WRITE,
        only=RISK_KEEPERS,
    ),
    _change("AdminService/HaltUser", pb.HaltUserRequest, halts.halt_user_from_proto, Scope.ADMIN_WRITE, stops=True),
    _change(
        "AdminService/ResumeUser",
        pb.ResumeUserRequest,
        halts.resume_user_from_proto,
        Scope.ADMIN_WRITE,
        only=RISK_KEEPERS,
    ),
)
