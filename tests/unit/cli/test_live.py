"""`brokergw live` and `brokergw mfa`."""

import grpc
import pytest
from brokerapi.v1 import live_pb2 as pb
from brokerapi.v1 import trading_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from tests.fixtures.command_line import CommandLine
from tests.fixtures.fake_gateway import Failure, FakeGateway

MODES = pb.Modes(
    user_id="ann",
    mode=trading_pb2.ENVIRONMENT_PAPER,
    missing=[pb.LIVE_STEP_GRANT, pb.LIVE_STEP_ESCALATION],
    bindings=[pb.ModeBinding(account_id="acc_1", mode=trading_pb2.ENVIRONMENT_MOCK, set_time=Timestamp(seconds=1))],
    risk_version="1",
    risk_acknowledged=True,
    mfa_enrolled=True,
    mfa_valid_until=Timestamp(seconds=1_800_000_000),
)


async def test_the_status_shows_what_holds_and_what_is_open(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Mode, open steps, bindings and how long the code is good; as JSON in the contract's words; another user's too."""
    fake_gateway.answers["GetModes"] = pb.GetModesResponse(modes=MODES)
    fake_gateway.answers["GetUserModes"] = pb.GetUserModesResponse(modes=MODES)
    typed = await command("live", "status")
    for word in ("PAPER", "GRANT, ESCALATION", "acc_1", "MOCK", "2027-01-15 08:00:00 UTC", "enrolled"):
        assert word in typed.out
    (line,) = (await command("live", "status", "--json")).lines
    assert line["missing"] == ["LIVE_STEP_GRANT", "LIVE_STEP_ESCALATION"]
    await command("live", "status", "--user", "bob")
    assert fake_gateway.seen("GetUserModes")[0].request.user_id == "bob"


@pytest.mark.parametrize(
    ("typed", "method", "request_"),
    [
        (("live", "mode", "paper"), "SetMode", pb.SetModeRequest(mode=trading_pb2.ENVIRONMENT_PAPER)),
        (
            ("live", "mode", "MOCK", "--account", "acc_1", "--strategy", "alpha"),
            "SetMode",
            pb.SetModeRequest(account_id="acc_1", strategy_id="alpha", mode=trading_pb2.ENVIRONMENT_MOCK),
        ),
        (("live", "mode", "none", "--strategy", "alpha"), "SetMode", pb.SetModeRequest(strategy_id="alpha")),
        (("live", "acknowledge", "1"), "AcknowledgeRisk", pb.AcknowledgeRiskRequest(version="1")),
        (
            ("live", "escalate", "--account", "acc_1", "--code", "123456"),
            "EscalateToLive",
            pb.EscalateToLiveRequest(account_id="acc_1", code="123456"),
        ),
        (("live", "grant", "bob"), "GrantLiveTrading", pb.GrantLiveTradingRequest(user_id="bob")),
        (("live", "revoke", "bob", "--yes"), "RevokeLiveTrading", pb.RevokeLiveTradingRequest(user_id="bob")),
        (("mfa", "confirm", "--code", "123456"), "ConfirmMfa", pb.ConfirmMfaRequest(code="123456")),
        (("mfa", "reset", "bob", "--yes"), "ResetMfa", pb.ResetMfaRequest(user_id="bob")),
        (("mfa", "unlock", "bob"), "UnlockMfa", pb.UnlockMfaRequest(user_id="bob")),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else "",
)
async def test_each_verb_asks_for_what_was_typed(
    fake_gateway: FakeGateway, command: CommandLine, typed: tuple[str, ...], method: str, request_: object
) -> None:
    """The request that arrives is the one that was meant."""
    assert (await command(*typed)).status == 0
    assert [call.request for call in fake_gateway.seen(method)] == [request_]


async def test_a_code_is_asked_for_when_it_was_not_given(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """What is typed at the prompt is what is sent."""
    assert (await command("mfa", "confirm", stdin="654321\n")).status == 0
    assert (await command("live", "escalate", stdin="123456\n")).status == 0
    assert fake_gateway.seen("ConfirmMfa")[0].request.code == "654321"
    assert fake_gateway.seen("EscalateToLive")[0].request.code == "123456"


async def test_what_ends_live_trading_is_asked_about(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Without a yes nothing is sent."""
    for words in (("live", "revoke", "bob"), ("mfa", "reset", "bob")):
        await command(*words, stdin="n\n")
    assert fake_gateway.calls == []


async def test_the_text_and_the_secret_are_printed_as_they_are(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """The risk text comes out unchanged, brackets too; the secret and its URI once."""
    fake_gateway.answers["GetRiskText"] = pb.GetRiskTextResponse(version="7", text="Lose [all] of it\n")
    fake_gateway.answers["EnrollMfa"] = pb.EnrollMfaResponse(secret="ABCD", uri="otpauth://totp/x?secret=ABCD")
    assert "Lose [all] of it" in (await command("live", "text")).out
    (line,) = (await command("live", "text", "--json")).lines
    assert line["version"] == "7"
    assert "otpauth://totp/x?secret=ABCD" in (await command("mfa", "enroll")).out


async def test_a_wrong_mode_is_a_wrong_command_line(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Live is not chosen but escalated to, and the message says so."""
    typed = await command("live", "mode", "live")
    assert typed.status == 2
    assert "escalate" in typed.err
    assert fake_gateway.calls == []


async def test_a_refused_step_ends_with_the_status_of_a_refusal(
    fake_gateway: FakeGateway, command: CommandLine
) -> None:
    """What is open is shown."""
    message = "these steps to live trading are open: GRANT"
    fake_gateway.fail(
        "EscalateToLive", Failure(grpc.StatusCode.FAILED_PRECONDITION, "LIVE_NOT_GRANTED", message=message)
    )
    typed = await command("live", "escalate", "--code", "123456")
    assert (typed.status, message in typed.err) == (3, True)
