"""Modes, the risk text and the second factor over a real channel: who may, what is asked, what is answered."""

import hashlib
from dataclasses import replace
from typing import Any, cast

import grpc
import pyotp
import pytest
from brokerapi.v1 import live_pb2 as pb
from brokerapi.v1 import trading_pb2

from brokergw.model.principal import OPERATORS, Principal, Scope
from tests.fixtures.edge import KEY, Edge, numbered, refused
from tests.fixtures.edge_samples import ACCOUNT, ROLES
from tests.fixtures.memory_modes import MemoryModes

PAPER, LIVE = trading_pb2.ENVIRONMENT_PAPER, trading_pb2.ENVIRONMENT_LIVE


ROOT = (("authorization", "Bearer brk_root"),)


class Phone:
    """The app that was enrolled, and its codes."""

    def __init__(self, edge: Edge, secret: str) -> None:
        self.clock = edge.desk.live_clock
        self.totp = pyotp.TOTP(secret)

    def code(self) -> str:
        """Wait for a fresh code."""
        self.clock.advance(30)
        return self.totp.generate_otp(self.clock.now_ns() // 30_000_000_000)


async def enrolled(edge: Edge) -> Phone:
    """Enroll over the wire."""
    made = await edge.risk.EnrollMfa(pb.EnrollMfaRequest(), metadata=KEY)
    assert f"secret={made.secret}" in made.uri
    phone = Phone(edge, made.secret)
    confirmed = await edge.risk.ConfirmMfa(pb.ConfirmMfaRequest(code=phone.code()), metadata=KEY)
    assert confirmed.modes.mfa_enrolled
    return phone


async def test_the_whole_way_to_live_and_back(edge: Edge) -> None:
    """Grant, text, authenticator, escalation; a binding of its own; the revocation ends all of it."""
    start = (await edge.risk.GetModes(pb.GetModesRequest(), metadata=KEY)).modes
    assert (start.user_id, start.mode, start.chosen_mode) == ("ann", trading_pb2.ENVIRONMENT_MOCK, 0)
    assert list(start.missing) == [
        pb.LIVE_STEP_GRANT,
        pb.LIVE_STEP_RISK_ACKNOWLEDGEMENT,
        pb.LIVE_STEP_MFA,
        pb.LIVE_STEP_ESCALATION,
    ]
    paper = (await edge.risk.SetMode(pb.SetModeRequest(mode=PAPER), metadata=KEY)).modes
    assert (paper.mode, paper.chosen_mode) == (PAPER, PAPER)
    granted = (await edge.admin.GrantLiveTrading(pb.GrantLiveTradingRequest(user_id="ann"), metadata=KEY)).modes
    assert (granted.granted_by, granted.HasField("grant_time")) == ("ann", True)
    text = await edge.risk.GetRiskText(pb.GetRiskTextRequest(), metadata=KEY)
    assert text.text_sha256 == hashlib.sha256(text.text.encode()).hexdigest()
    read = (await edge.risk.AcknowledgeRisk(pb.AcknowledgeRiskRequest(version=text.version), metadata=KEY)).modes
    assert (read.risk_acknowledged, read.risk_version) == (True, text.version)
    phone = await enrolled(edge)
    live = (await edge.risk.EscalateToLive(pb.EscalateToLiveRequest(code=phone.code()), metadata=KEY)).modes
    assert (live.mode, live.chosen_mode, list(live.missing)) == (LIVE, LIVE, [])
    assert live.mfa_valid_until.seconds - live.mfa_code_time.seconds == 43_200

    bind = pb.SetModeRequest(account_id=ACCOUNT, strategy_id="alpha", mode=PAPER)
    (binding,) = (await edge.risk.SetMode(bind, metadata=KEY)).modes.bindings
    assert (binding.account_id, binding.strategy_id, binding.mode) == (ACCOUNT, "alpha", PAPER)
    raise_it = pb.EscalateToLiveRequest(account_id=ACCOUNT, strategy_id="alpha", code=phone.code())
    assert (await edge.risk.EscalateToLive(raise_it, metadata=KEY)).modes.bindings[0].mode == LIVE

    ended = (await edge.admin.RevokeLiveTrading(pb.RevokeLiveTradingRequest(user_id="ann"), metadata=KEY)).modes
    assert (ended.mode, ended.bindings[0].mode, ended.HasField("grant_time")) == (PAPER, PAPER, False)
    shown = await edge.admin.GetUserModes(pb.GetUserModesRequest(user_id="ann"), metadata=KEY)
    assert list(shown.modes.missing) == [pb.LIVE_STEP_GRANT, pb.LIVE_STEP_ESCALATION]


async def test_an_open_step_is_refused_with_what_is_missing(edge: Edge) -> None:
    """The reason is the first open step's; all of them are in the metadata."""
    refusal = await refused(edge.risk.EscalateToLive(pb.EscalateToLiveRequest(code="123456"), metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LIVE_NOT_GRANTED")
    assert refusal.metadata["missing"] == "GRANT RISK_ACKNOWLEDGEMENT MFA"
    assert refusal.effect == "NONE"


async def test_wrong_codes_lock_until_an_administrator_unlocks(edge: Edge) -> None:
    """Ten wrong codes, then the right one gets the same answer as another wrong one; reset starts over."""
    edge.authenticator.keys["brk_root"] = Principal("root", "key_root", frozenset(Scope), ROLES)
    phone = await enrolled(edge)
    right = phone.code()
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    for _ in range(10):
        refusal = await refused(edge.risk.ConfirmMfa(pb.ConfirmMfaRequest(code=wrong), metadata=KEY))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "MFA_CODE_INVALID")
    answers = [await refused(edge.risk.ConfirmMfa(pb.ConfirmMfaRequest(code=c), metadata=KEY)) for c in (right, wrong)]
    assert [(each.reason, each.text) for each in answers] == [("MFA_LOCKED", answers[0].text)] * 2
    unlocked = await edge.admin.UnlockMfa(pb.UnlockMfaRequest(user_id="ann"), metadata=ROOT)
    assert not unlocked.modes.mfa_locked
    await edge.risk.ConfirmMfa(pb.ConfirmMfaRequest(code=right), metadata=KEY)
    refusal = await refused(edge.risk.EnrollMfa(pb.EnrollMfaRequest(), metadata=KEY))
    assert refusal.reason == "MFA_ALREADY_ENROLLED"
    reset = await edge.admin.ResetMfa(pb.ResetMfaRequest(user_id="ann"), metadata=ROOT)
    assert not reset.modes.mfa_enrolled
    await enrolled(edge)


NO_CODES = ["", "12345", "1234567", " 123456", "123456 ", "12345a", "+12345", "１２３４５６"]  # noqa: RUF001 - such are refused


@pytest.mark.parametrize("code", NO_CODES, ids=range(len(NO_CODES)))
async def test_what_is_no_code_is_a_malformed_request(edge: Edge, code: str) -> None:
    """Blanks, other lengths and other scripts' digits are refused at the door, and nothing is counted."""
    await enrolled(edge)
    for call in (
        edge.risk.ConfirmMfa(pb.ConfirmMfaRequest(code=code), metadata=KEY),
        edge.risk.EscalateToLive(pb.EscalateToLiveRequest(code=code), metadata=KEY),
    ):
        refusal = await refused(call)
        assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["code"])
    known = cast("Any", edge.desk.live.mfa._authenticators).known["ann"]
    assert known.failures == 0


BAD_MODES: list[tuple[str, dict[str, Any]]] = [
    ("mode", {"mode": LIVE}),
    ("mode", {}),
    ("mode", {"mode": 9}),
    ("mode", {"mode": 9, "strategy_id": "alpha"}),
    ("account_id", {"mode": PAPER, "account_id": "two words"}),
    ("strategy_id", {"mode": PAPER, "strategy_id": "x" * 65}),
]


@pytest.mark.parametrize(("field", "asked"), BAD_MODES, ids=numbered(BAD_MODES, 0))
async def test_what_is_no_choice_is_refused(edge: Edge, field: str, asked: dict[str, Any]) -> None:
    """Live is not chosen, the whole user needs a mode, and names are names."""
    refusal = await refused(edge.risk.SetMode(pb.SetModeRequest(**asked), metadata=KEY))
    assert refusal.fields == [field]


async def test_another_s_account_is_bound_by_nobody(edge: Edge) -> None:
    """A foreign account answers as a missing one does."""
    for account_id in ("acc_foreign", "acc_missing"):
        refusal = await refused(edge.risk.SetMode(pb.SetModeRequest(account_id=account_id, mode=PAPER), metadata=KEY))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND")


async def test_an_old_risk_text_is_not_acknowledged(edge: Edge) -> None:
    """The refusal names the present version."""
    refusal = await refused(edge.risk.AcknowledgeRisk(pb.AcknowledgeRiskRequest(version="0"), metadata=KEY))
    assert (refusal.reason, refusal.metadata["version"]) == ("RISK_TEXT_OUTDATED", edge.desk.live.text.version)


async def test_administration_takes_scopes_of_its_own(edge: Edge) -> None:
    """A trader's key grants, revokes, resets, unlocks and sees nobody; a key that only reads risk changes nothing."""
    trader = edge.authenticator.keys["brk_good"]
    edge.authenticator.keys["brk_good"] = replace(trader, scopes=trader.scopes - OPERATORS)
    for method, request in (
        (edge.admin.GetUserModes, pb.GetUserModesRequest(user_id="ann")),
        (edge.admin.GrantLiveTrading, pb.GrantLiveTradingRequest(user_id="ann")),
        (edge.admin.RevokeLiveTrading, pb.RevokeLiveTradingRequest(user_id="ann")),
        (edge.admin.ResetMfa, pb.ResetMfaRequest(user_id="ann")),
        (edge.admin.UnlockMfa, pb.UnlockMfaRequest(user_id="ann")),
    ):
        assert (await refused(cast("Any", method)(request, metadata=KEY))).reason == "SCOPE_MISSING"
    edge.authenticator.keys["brk_good"] = replace(trader, scopes=frozenset({Scope.RISK_READ}))
    for own, asked in (
        (edge.risk.SetMode, pb.SetModeRequest(mode=PAPER)),
        (edge.risk.AcknowledgeRisk, pb.AcknowledgeRiskRequest(version="1")),
        (edge.risk.EnrollMfa, pb.EnrollMfaRequest()),
        (edge.risk.ConfirmMfa, pb.ConfirmMfaRequest(code="123456")),
        (edge.risk.EscalateToLive, pb.EscalateToLiveRequest(code="123456")),
    ):
        assert (await refused(cast("Any", own)(asked, metadata=KEY))).reason == "SCOPE_MISSING"
    await edge.risk.GetModes(pb.GetModesRequest(), metadata=KEY)
    await edge.risk.GetRiskText(pb.GetRiskTextRequest(), metadata=KEY)


@pytest.mark.parametrize("user_id", ["", "nobody"])
async def test_administrators_act_on_users_there_are(edge: Edge, user_id: str) -> None:
    """No user is a malformed request, an unknown one is not found."""
    for method, request in (
        (edge.admin.GetUserModes, pb.GetUserModesRequest(user_id=user_id)),
        (edge.admin.GrantLiveTrading, pb.GrantLiveTradingRequest(user_id=user_id)),
        (edge.admin.RevokeLiveTrading, pb.RevokeLiveTradingRequest(user_id=user_id)),
    ):
        refusal = await refused(cast("Any", method)(request, metadata=KEY))
        assert refusal.reason == ("USER_NOT_FOUND" if user_id else "FIELD_INVALID")


async def test_nobody_replaces_its_own_authenticator(edge: Edge) -> None:
    """An administrator's stolen key neither resets nor unlocks the authenticator that stands before what it may do."""
    await enrolled(edge)
    for call in (
        edge.admin.ResetMfa(pb.ResetMfaRequest(user_id="ann"), metadata=KEY),
        edge.admin.UnlockMfa(pb.UnlockMfaRequest(user_id="ann"), metadata=KEY),
    ):
        refusal = await refused(call)
        assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", ["user_id"])
    assert (await edge.risk.GetModes(pb.GetModesRequest(), metadata=KEY)).modes.mfa_enrolled


async def test_every_change_is_audited_and_no_secret_is(edge: Edge) -> None:
    """Each call leaves its row, refused ones too; neither secrets nor codes are in any."""
    phone = await enrolled(edge)
    code = phone.code()
    await edge.risk.ConfirmMfa(pb.ConfirmMfaRequest(code=code), metadata=KEY)
    await refused(edge.risk.ConfirmMfa(pb.ConfirmMfaRequest(code=code), metadata=KEY))
    await edge.admin.GrantLiveTrading(pb.GrantLiveTradingRequest(user_id="ann"), metadata=KEY)
    rows = [(row.action, row.outcome, row.reason) for row in edge.book.rows]
    assert rows == [
        ("brokerapi.v1.RiskService/EnrollMfa", "OK", ""),
        ("brokerapi.v1.RiskService/ConfirmMfa", "OK", ""),
        ("brokerapi.v1.RiskService/ConfirmMfa", "OK", ""),
        ("brokerapi.v1.RiskService/ConfirmMfa", "PERMISSION_DENIED", "MFA_CODE_INVALID"),
        ("brokerapi.v1.AdminService/GrantLiveTrading", "OK", ""),
    ]
    told = f"{edge.book.rows}{cast('MemoryModes', edge.desk.live._modes).audit}"
    assert phone.totp.secret not in told
    assert code not in told
