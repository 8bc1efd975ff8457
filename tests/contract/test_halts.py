"""Halts and the kill switch over a real channel: who may, what is asked, what is answered."""

from dataclasses import replace
from typing import Any, Final

import grpc
import pytest
from brokerapi.v1 import halts_pb2 as pb
from brokerapi.v1 import live_pb2
from google.protobuf.message import Message

from brokergw.model.principal import OPERATORS
from tests.contract.test_live import Phone
from tests.fixtures.edge import KEY, Edge, numbered, refused
from tests.fixtures.edge_samples import ACCOUNT

HALTED, REDUCE_ONLY = pb.TRADING_STATE_HALTED, pb.TRADING_STATE_REDUCE_ONLY
PLATFORM = pb.HaltScope(kind=pb.HALT_SCOPE_KIND_PLATFORM)
ANN = pb.HaltScope(kind=pb.HALT_SCOPE_KIND_USER, user_id="ann")


async def enrolled(edge: Edge) -> Phone:
    """Enroll ann's authenticator over the wire."""
    made = await edge.risk.EnrollMfa(live_pb2.EnrollMfaRequest(), metadata=KEY)
    phone = Phone(edge, made.secret)
    await edge.risk.ConfirmMfa(live_pb2.ConfirmMfaRequest(code=phone.code()), metadata=KEY)
    return phone


def setting(scope: pb.HaltScope = PLATFORM, **changes: Any) -> pb.SetKillSwitchRequest:
    """Make a request to throw the switch."""
    return pb.SetKillSwitchRequest(**{"scope": scope, "state": HALTED, "reason": "prices are wrong", **changes})


async def test_the_switch_is_set_seen_and_cleared_with_a_code(edge: Edge) -> None:
    """The answer says how the halt holds; it is cleared by its epoch and a code, and each once."""
    answer = await edge.admin.SetKillSwitch(setting(), metadata=KEY)
    assert (answer.halt.scope, answer.halt.state, answer.halt.cause) == (PLATFORM, HALTED, pb.HALT_CAUSE_KILL_SWITCH)
    assert (answer.halt.reason, answer.halt.set_by, answer.halt.epoch) == ("prices are wrong", "ann", 1)
    assert answer.propagation.reach == pb.HALT_REACH_CONFIRMED
    shown = await edge.admin.GetKillSwitch(pb.GetKillSwitchRequest(), metadata=KEY)
    assert list(shown.halts) == [answer.halt]
    assert [(each.scope, each.flatten, each.done) for each in shown.sweeps] == [(PLATFORM, False, False)]
    assert shown.may_send

    phone = await enrolled(edge)
    clear = pb.ClearKillSwitchRequest(scope=PLATFORM, epoch=2, reason="right again", mfa_code=phone.code())
    refusal = await refused(edge.admin.ClearKillSwitch(clear, metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "KILL_SWITCH_EPOCH_CHANGED")
    clear.epoch = 1
    assert list((await edge.admin.ClearKillSwitch(clear, metadata=KEY)).halts) == []
    await edge.admin.SetKillSwitch(setting(), metadata=KEY)
    clear.epoch = 3
    refusal = await refused(edge.admin.ClearKillSwitch(clear, metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "MFA_CODE_INVALID")


async def test_nothing_clears_the_switch_without_an_authenticator(edge: Edge) -> None:
    """Who has no second factor clears nothing."""
    await edge.admin.SetKillSwitch(setting(), metadata=KEY)
    clear = pb.ClearKillSwitchRequest(scope=PLATFORM, epoch=1, reason="right again", mfa_code="123456")
    assert (await refused(edge.admin.ClearKillSwitch(clear, metadata=KEY))).reason == "MFA_NOT_ENROLLED"


async def test_a_user_halts_and_resumes_its_own(edge: Edge) -> None:
    """Each of a user's own scopes is halted and lifted by itself, and the state shows the strictest."""
    scopes = [
        ({}, ANN),
        ({"broker": "mock"}, pb.HaltScope(kind=pb.HALT_SCOPE_KIND_USER_BROKER, user_id="ann", broker="mock")),
        ({"account_id": ACCOUNT}, pb.HaltScope(kind=pb.HALT_SCOPE_KIND_ACCOUNT, account_id=ACCOUNT)),
        ({"strategy_id": "s1"}, pb.HaltScope(kind=pb.HALT_SCOPE_KIND_STRATEGY, user_id="ann", strategy_id="s1")),
    ]
    for named, scope in scopes:
        request = pb.HaltTradingRequest(state=REDUCE_ONLY, reason="odd fills", **named)
        halt = (await edge.risk.HaltTrading(request, metadata=KEY)).halt
        assert (halt.scope, halt.cause, halt.state) == (scope, pb.HALT_CAUSE_USER, REDUCE_ONLY)
        state = await edge.risk.GetTradingState(pb.GetTradingStateRequest(), metadata=KEY)
        assert (state.state, list(state.halts), state.may_send) == (REDUCE_ONLY, [halt], True)
        resume = pb.ResumeTradingRequest(epoch=halt.epoch, reason="fine", **named)
        answer = await edge.risk.ResumeTrading(resume, metadata=KEY)
        assert (answer.state, list(answer.halts)) == (pb.TRADING_STATE_ACTIVE, [])
        assert (await refused(edge.risk.ResumeTrading(resume, metadata=KEY))).reason == "HALT_NOT_FOUND"


async def test_what_others_have_halted_is_not_the_users_to_lift(edge: Edge) -> None:
    """An operator's halt is seen without its name, and answered HALT_NOT_YOURS; the operator lifts it with a code."""
    request = pb.HaltUserRequest(user_id="bob", state=HALTED, reason="asked for")
    await edge.admin.HaltUser(request, metadata=KEY)
    request.user_id = "ann"
    halt = (await edge.admin.HaltUser(request, metadata=KEY)).halt
    assert halt.cause == pb.HALT_CAUSE_OPERATOR
    resume = pb.ResumeTradingRequest(epoch=halt.epoch, reason="please")
    refusal = await refused(edge.risk.ResumeTrading(resume, metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "HALT_NOT_YOURS")
    state = await edge.risk.GetTradingState(pb.GetTradingStateRequest(), metadata=KEY)
    assert [each.scope.user_id for each in state.halts] == ["ann"]
    phone = await enrolled(edge)
    lift = pb.ResumeUserRequest(user_id="ann", epoch=halt.epoch, reason="done", mfa_code=phone.code())
    assert list((await edge.admin.ResumeUser(lift, metadata=KEY)).halts) == []


MISSPELT: Final[list[tuple[str, Message, str]]] = [
    ("HaltUser", pb.HaltUserRequest(user_id="nobody", state=HALTED, reason="x"), "USER_NOT_FOUND"),
    ("HaltUser", pb.HaltUserRequest(user_id="ann", broker="no", state=HALTED, reason="x"), "BROKER_NOT_FOUND"),
    (
        "SetKillSwitch",
        setting(pb.HaltScope(kind=pb.HALT_SCOPE_KIND_ACCOUNT, account_id="acc_no")),
        "ACCOUNT_NOT_FOUND",
    ),
    ("SetKillSwitch", setting(pb.HaltScope(kind=pb.HALT_SCOPE_KIND_BROKER, broker="no")), "BROKER_NOT_FOUND"),
]


@pytest.mark.parametrize(("method", "request_", "reason"), MISSPELT, ids=numbered(MISSPELT, 2))
async def test_a_misspelt_name_halts_nothing_and_says_so(
    edge: Edge, method: str, request_: Message, reason: str
) -> None:
    """What does not exist is not halted in silence."""
    refusal = await refused(getattr(edge.admin, method)(request_, metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, reason)


async def test_an_account_of_others_cannot_be_halted(edge: Edge) -> None:
    """A foreign account answers as a missing one does."""
    for account_id in ("acc_foreign", "acc_missing"):
        request = pb.HaltTradingRequest(account_id=account_id, state=HALTED, reason="mine?")
        assert (await refused(edge.risk.HaltTrading(request, metadata=KEY))).reason == "ACCOUNT_NOT_FOUND"


BAD: Final[list[tuple[pb.SetKillSwitchRequest, str]]] = [
    (setting(pb.HaltScope()), "scope.kind"),
    (setting(pb.HaltScope(kind=99)), "scope.kind"),  # type: ignore[arg-type]
    (setting(pb.HaltScope(kind=pb.HALT_SCOPE_KIND_PLATFORM, symbol="A")), "scope.symbol"),
    (setting(pb.HaltScope(kind=pb.HALT_SCOPE_KIND_SYMBOL)), "scope.symbol"),
    (setting(state=pb.TRADING_STATE_ACTIVE), "state"),
    (setting(state=pb.TRADING_STATE_UNSPECIFIED), "state"),
    (setting(reason=""), "reason"),
    (setting(reason="x" * 501), "reason"),
    (setting(state=REDUCE_ONLY, flatten=True), "flatten"),
    (
        setting(pb.HaltScope(kind=pb.HALT_SCOPE_KIND_STRATEGY, user_id="ann", strategy_id="s"), flatten=True),
        "flatten",
    ),
]


@pytest.mark.parametrize(("request_", "field"), BAD, ids=numbered(BAD, 1))
async def test_a_bad_request_names_its_field(edge: Edge, request_: pb.SetKillSwitchRequest, field: str) -> None:
    """Every rule of the request is told by field, and nothing is halted."""
    refusal = await refused(edge.admin.SetKillSwitch(request_, metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert field in refusal.fields
    assert not edge.desk.halting.standing.all()


async def test_a_reason_of_the_longest_length_is_taken(edge: Edge) -> None:
    """500 characters are a reason."""
    answer = await edge.admin.SetKillSwitch(setting(reason="x" * 500), metadata=KEY)
    assert len(answer.halt.reason) == 500


async def test_the_switch_is_for_those_who_run_the_platform(edge: Edge) -> None:
    """A key without the administrators' scopes neither sees nor throws it."""
    trader = edge.authenticator.keys["brk_good"]
    edge.authenticator.keys["brk_good"] = replace(trader, scopes=trader.scopes - OPERATORS)
    for call in (
        edge.admin.SetKillSwitch(setting(), metadata=KEY),
        edge.admin.GetKillSwitch(pb.GetKillSwitchRequest(), metadata=KEY),
    ):
        assert (await refused(call)).reason == "SCOPE_MISSING"
