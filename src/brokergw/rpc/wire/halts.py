"""Halts, the kill switch, and what is swept under it."""

from collections.abc import Iterable
from typing import Final, Protocol

from brokerapi.v1 import halts_pb2 as pb
from google.protobuf.duration_pb2 import Duration

from brokergw.desk.halts.states import (
    SCOPE_NAMES,
    HaltRequest,
    KillSwitchView,
    ResumeRequest,
    SweepView,
    TradingStateView,
)
from brokergw.desk.halts.switch import Halted, Reach
from brokergw.desk.live.totp import is_code
from brokergw.model.errors import Reason
from brokergw.model.trading import PLATFORM, Halt, HaltCause, ScopeKind, TradingScope, TradingState
from brokergw.ports.halts import Finding, FindingState
from brokergw.rpc.wire.found import Found, enum_from, optional_token_from, token_from
from brokergw.rpc.wire.times import time_to_proto

_REASON_LENGTH_MAX: Final = 500
_NANOSECONDS: Final = 1_000_000_000

_STATE_TO: Final = {each: pb.TradingState.Value(f"TRADING_STATE_{each.value}") for each in TradingState}
_CAUSE_TO: Final = {each: pb.HaltCause.Value(f"HALT_CAUSE_{each.value}") for each in HaltCause}
_KIND_TO: Final = {each: pb.HaltScopeKind.Value(f"HALT_SCOPE_KIND_{each.value}") for each in ScopeKind}
_REACH_TO: Final = {each: pb.HaltReach.Value(f"HALT_REACH_{each.value}") for each in Reach}
_SWEEP_TO: Final = {each: pb.SweepState.Value(f"SWEEP_STATE_{each.value}") for each in FindingState}
_CAUSE_FROM: Final[dict[int, HaltCause]] = {number: each for each, number in _CAUSE_TO.items()}
_KIND_FROM: Final[dict[int, ScopeKind]] = {number: each for each, number in _KIND_TO.items()}
_STOPS: Final[dict[int, TradingState]] = {
    _STATE_TO[each]: each for each in (TradingState.REDUCE_ONLY, TradingState.HALTED)
}


class _OwnScope(Protocol):
    broker: str
    account_id: str
    strategy_id: str


def state_from_proto(request: pb.GetTradingStateRequest, found: Found) -> pb.GetTradingStateRequest:
    """Check GetTradingStateRequest."""
    optional_token_from(request.account_id, "account_id", found)
    optional_token_from(request.strategy_id, "strategy_id", found)
    return request


def halt_own_from_proto(request: pb.HaltTradingRequest, found: Found) -> HaltRequest:
    """Read HaltTradingRequest; whose scope it is, only the call tells."""
    return HaltRequest(
        scope=_own_scope(request, found),
        state=_stop_from(request.state, found),
        reason=_reason_from(request.reason, found),
    )


def resume_own_from_proto(request: pb.ResumeTradingRequest, found: Found) -> ResumeRequest:
    """Read ResumeTradingRequest; whose scope it is, only the call tells."""
    return ResumeRequest(
        scope=_own_scope(request, found),
        cause=HaltCause.USER,
        epoch=_epoch_from(request.epoch, found),
        reason=_reason_from(request.reason, found),
    )


def as_it_is(request: pb.GetKillSwitchRequest, found: Found) -> pb.GetKillSwitchRequest:  # noqa: ARG001 - nothing to check
    """Read a request that holds nothing."""
    return request


def set_from_proto(request: pb.SetKillSwitchRequest, found: Found) -> HaltRequest:
    """Read SetKillSwitchRequest."""
    scope = _scope_from(request.scope, found)
    state = _stop_from(request.state, found)
    if request.flatten and state is not TradingState.HALTED:
        found.add("flatten", "needs the state HALTED")
    if request.flatten and scope.kind is ScopeKind.STRATEGY:
        found.add("flatten", "is not for a strategy: no broker tells its positions apart")
    return HaltRequest(scope=scope, state=state, reason=_reason_from(request.reason, found), flatten=request.flatten)


def clear_from_proto(request: pb.ClearKillSwitchRequest, found: Found) -> ResumeRequest:
    """Read ClearKillSwitchRequest."""
    cause = HaltCause.KILL_SWITCH
    if request.cause:
        cause = enum_from(_CAUSE_FROM, request.cause, "cause", found, Reason.FIELD_INVALID, cause)
    return ResumeRequest(
        scope=_scope_from(request.scope, found),
        cause=cause,
        epoch=_epoch_from(request.epoch, found),
        reason=_reason_from(request.reason, found),
        code=_code_from(request.mfa_code, found),
    )


def halt_user_from_proto(request: pb.HaltUserRequest, found: Found) -> HaltRequest:
    """Read HaltUserRequest."""
    return HaltRequest(
        scope=_user_scope(request.user_id, request.broker, found),
        state=_stop_from(request.state, found),
        reason=_reason_from(request.reason, found),
    )


def resume_user_from_proto(request: pb.ResumeUserRequest, found: Found) -> ResumeRequest:
    """Read ResumeUserRequest."""
    return ResumeRequest(
        scope=_user_scope(request.user_id, request.broker, found),
        cause=HaltCause.OPERATOR,
        epoch=_epoch_from(request.epoch, found),
        reason=_reason_from(request.reason, found),
        code=_code_from(request.mfa_code, found),
    )


def state_to_proto(state: TradingState) -> pb.TradingState.ValueType:
    """Write a state."""
    return _STATE_TO[state]


def own_halts_to_proto(view: TradingStateView, user_id: str) -> list[pb.Halt]:
    """Write what is halted for a user; who else has halted it is not the user's to know."""
    shown = [halt_to_proto(halt) for halt in view.halts]
    for each in shown:
        if each.set_by != user_id:
            each.set_by = ""
    return shown


def halts_to_proto(halts: Iterable[Halt]) -> list[pb.Halt]:
    """Write halts."""
    return [halt_to_proto(halt) for halt in halts]


def halt_to_proto(halt: Halt) -> pb.Halt:
    """Write a halt."""
    return pb.Halt(
        scope=_scope_to_proto(halt.scope),
        cause=_CAUSE_TO[halt.cause],
        state=_STATE_TO[halt.state],
        reason=halt.reason,
        set_by=halt.set_by,
        set_time=time_to_proto(halt.set_time_ns),
        epoch=halt.epoch,
    )


def propagation_to_proto(halted: Halted) -> pb.HaltPropagation:
    """Write how a halt came to hold everywhere."""
    took = Duration()
    took.FromNanoseconds(round(halted.took_s * _NANOSECONDS))
    return pb.HaltPropagation(reach=_REACH_TO[halted.reach], took=took, silent_instances=halted.silent)


def kill_switch_to_proto(view: KillSwitchView) -> pb.GetKillSwitchResponse:
    """Write everything that is halted and swept."""
    return pb.GetKillSwitchResponse(
        halts=halts_to_proto(view.halts), sweeps=[_sweep_to_proto(each) for each in view.sweeps], may_send=view.may_send
    )


def _sweep_to_proto(view: SweepView) -> pb.HaltSweep:
    sweep = view.sweep
    return pb.HaltSweep(
        scope=_scope_to_proto(sweep.scope),
        cause=_CAUSE_TO[sweep.cause],
        flatten=sweep.order.flatten,
        set_by=sweep.order.user_id,
        begin_time=time_to_proto(sweep.begin_time_ns),
        accounts=[_finding_to_proto(each) for each in view.findings],
        done=view.done,
    )


def _finding_to_proto(finding: Finding) -> pb.SweepAccount:
    return pb.SweepAccount(
        account_id=finding.account_id,
        user_id=finding.user_id,
        state=_SWEEP_TO[finding.state],
        residuals=[
            pb.SweepResidual(
                symbol=each.symbol,
                order_id=each.order_id,
                broker_order_id=each.broker_order_id,
                quantity=each.quantity,
                why=each.why,
            )
            for each in finding.residuals
        ],
        why=finding.why,
        update_time=time_to_proto(finding.time_ns),
    )


def _scope_to_proto(scope: TradingScope) -> pb.HaltScope:
    return pb.HaltScope(kind=_KIND_TO[scope.kind], **dict(zip(SCOPE_NAMES[scope.kind], scope.names, strict=True)))


def _scope_from(message: pb.HaltScope, found: Found) -> TradingScope:
    unset = ScopeKind.PLATFORM
    kind = enum_from(_KIND_FROM, message.kind, "scope.kind", found, Reason.FIELD_INVALID, unset)
    if not message.kind:
        return PLATFORM
    wanted = SCOPE_NAMES[kind]
    for name in ("broker", "user_id", "account_id", "strategy_id", "symbol"):
        if name not in wanted and getattr(message, name):
            found.add(f"scope.{name}", f"must not be set for {kind.value}")
    return TradingScope(kind, tuple(token_from(getattr(message, name), f"scope.{name}", found) for name in wanted))


def _own_scope(request: _OwnScope, found: Found) -> TradingScope:
    """Read what of the caller's is meant; the user's own name comes in with the call (`owned_by`)."""
    given = {
        ScopeKind.USER_BROKER: optional_token_from(request.broker, "broker", found),
        ScopeKind.ACCOUNT: optional_token_from(request.account_id, "account_id", found),
        ScopeKind.STRATEGY: optional_token_from(request.strategy_id, "strategy_id", found),
    }
    named = [(kind, name) for kind, name in given.items() if name]
    if len(named) > 1:
        found.add("broker", "at most one of broker, account_id and strategy_id may be set")
    if not named:
        return TradingScope(ScopeKind.USER)
    kind, name = named[0]
    return TradingScope(kind, (name,))


def owned_by(scope: TradingScope, user_id: str) -> TradingScope:
    """Put the caller's name into a scope of its own."""
    return scope if scope.kind is ScopeKind.ACCOUNT else TradingScope(scope.kind, (user_id, *scope.names))


def _user_scope(user_id: str, broker: str, found: Found) -> TradingScope:
    user_id, broker = token_from(user_id, "user_id", found), optional_token_from(broker, "broker", found)
    if broker:
        return TradingScope(ScopeKind.USER_BROKER, (user_id, broker))
    return TradingScope(ScopeKind.USER, (user_id,))


def _stop_from(number: int, found: Found) -> TradingState:
    if number == _STATE_TO[TradingState.ACTIVE]:
        found.add("state", "must be REDUCE_ONLY or HALTED")
        return TradingState.HALTED
    return enum_from(_STOPS, number, "state", found, Reason.FIELD_INVALID, TradingState.HALTED)


def _reason_from(text: str, found: Found) -> str:
    text = text.strip()
    if not 1 <= len(text) <= _REASON_LENGTH_MAX or not text.isprintable():
        found.add("reason", f"must be 1 to {_REASON_LENGTH_MAX} printable characters, on one line")
    return text


def _epoch_from(epoch: int, found: Found) -> int:
    if epoch <= 0:
        found.add("epoch", "must be the epoch of the halt as it was read")
    return epoch


def _code_from(code: str, found: Found) -> str:
    if not is_code(code):
        found.add("mfa_code", "must be six digits from 0 to 9" if code else "is required")
    return code
