"""Modes, the risk text and the second factor. A secret goes out once; no code ever does."""

from dataclasses import dataclass, field
from typing import Final

from brokerapi.v1 import live_pb2 as pb
from brokerapi.v1 import trading_pb2

from brokergw.desk.live.live import EVERYTHING, ModesView
from brokergw.desk.live.totp import is_code
from brokergw.model.account import Environment
from brokergw.model.modes import LiveStep, ModeBinding
from brokergw.rpc.wire.found import Found, optional_token_from, token_from
from brokergw.rpc.wire.times import optional_time, time_to_proto
from brokergw.rpc.wire.trading import ENVIRONMENT_TO

STEP_TO: Final[dict[LiveStep, pb.LiveStep.ValueType]] = {
    step: pb.LiveStep.Value(f"LIVE_STEP_{step.value}") for step in LiveStep
}
_CHOICES: Final = {trading_pb2.ENVIRONMENT_MOCK: Environment.MOCK, trading_pb2.ENVIRONMENT_PAPER: Environment.PAPER}


@dataclass(frozen=True, slots=True)
class ModeChoice:
    """What SetMode asks for: the mode of a place, None to take its binding away."""

    place: tuple[str, str]
    mode: Environment | None


@dataclass(frozen=True, slots=True)
class Escalation:
    """What EscalateToLive asks for."""

    place: tuple[str, str]
    code: str = field(repr=False)


def as_it_is(
    request: pb.GetModesRequest | pb.GetRiskTextRequest | pb.EnrollMfaRequest,
    found: Found,  # noqa: ARG001 - there is nothing to check
) -> object:
    """Read a request that holds nothing."""
    return request


def acknowledge_from_proto(request: pb.AcknowledgeRiskRequest, found: Found) -> str:
    """Read which version was acknowledged."""
    return token_from(request.version, "version", found)


def confirm_from_proto(request: pb.ConfirmMfaRequest, found: Found) -> str:
    """Read the code."""
    return _code(request.code, found)


def escalate_from_proto(request: pb.EscalateToLiveRequest, found: Found) -> Escalation:
    """Read EscalateToLiveRequest."""
    return Escalation(_place(request, found), _code(request.code, found))


def set_mode_from_proto(request: pb.SetModeRequest, found: Found) -> ModeChoice:
    """Read SetModeRequest."""
    place, number = _place(request, found), request.mode
    mode = _CHOICES.get(number)
    if number == trading_pb2.ENVIRONMENT_LIVE:
        found.add("mode", "must be MOCK or PAPER; EscalateToLive takes live trading up")
    elif mode is None and (number != trading_pb2.ENVIRONMENT_UNSPECIFIED or place == EVERYTHING):
        found.add("mode", "is required" if number == 0 else f"has the unknown value {number}")
    return ModeChoice(place, mode)


def user_from_proto(
    request: pb.GetUserModesRequest
    | pb.GrantLiveTradingRequest
    | pb.RevokeLiveTradingRequest
    | pb.ResetMfaRequest
    | pb.UnlockMfaRequest,
    found: Found,
) -> str:
    """Read which user a request is about."""
    return token_from(request.user_id, "user_id", found)


def modes_to_proto(view: ModesView, accounts: frozenset[str] | None = None) -> pb.Modes:
    """Write how a user stands; with `accounts`, leaving out what is bound of any other."""
    standing = view.standing
    return pb.Modes(
        user_id=standing.user_id,
        mode=ENVIRONMENT_TO[view.mode],
        chosen_mode=trading_pb2.ENVIRONMENT_UNSPECIFIED if standing.mode is None else ENVIRONMENT_TO[standing.mode],
        bindings=[
            binding_to_proto(each)
            for each in standing.bindings
            if accounts is None or not each.account_id or each.account_id in accounts
        ],
        missing=[STEP_TO[step] for step in view.missing],
        grant_time=optional_time(standing.grant_time_ns),
        granted_by=standing.grant_by,
        risk_version=view.risk_version,
        risk_acknowledged=view.risk_version in standing.acknowledged,
        mfa_enrolled=standing.mfa_confirmed,
        mfa_locked=standing.mfa_locked,
        mfa_code_time=optional_time(standing.code_time_ns),
        mfa_valid_until=optional_time(view.code_valid_until_ns),
    )


def binding_to_proto(binding: ModeBinding) -> pb.ModeBinding:
    """Write a binding."""
    return pb.ModeBinding(
        account_id=binding.account_id,
        strategy_id=binding.strategy_id,
        mode=ENVIRONMENT_TO[binding.mode],
        set_time=time_to_proto(binding.set_time_ns),
    )


def _place(request: pb.SetModeRequest | pb.EscalateToLiveRequest, found: Found) -> tuple[str, str]:
    return (
        optional_token_from(request.account_id, "account_id", found),
        optional_token_from(request.strategy_id, "strategy_id", found),
    )


def _code(code: str, found: Found) -> str:
    if not is_code(code):
        found.add("code", "must be six digits from 0 to 9" if code else "is required")
    return code
