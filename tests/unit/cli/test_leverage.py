from typing import Any

import pytest
from brokerapi.v1 import trading_settings_pb2 as pb

from tests.fixtures.command_line import CommandLine
from tests.fixtures.fake_gateway import FakeGateway

TOLD = pb.TradingSettings(
    account_id="acc_1",
    symbol="BTC/USDT:PERP",
    leverage=5,
    leverage_max=125,
    margin_type=pb.MARGIN_TYPE_ISOLATED,
    position_mode=pb.POSITION_MODE_ONE_WAY,
    notional_max="50000",
)


async def test_settings_are_shown_as_the_broker_tells_them(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Without a choice nothing is changed."""
    fake_gateway.answers["GetTradingSettings"] = pb.GetTradingSettingsResponse(settings=TOLD)

    typed = await command("leverage", "BTC/USDT:PERP", "--account", "acc_1")

    assert typed.status == 0
    assert "125" in typed.out
    (call,) = fake_gateway.calls
    assert (call.request.account_id, call.request.symbol) == ("acc_1", "BTC/USDT:PERP")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--set", "5"), {"leverage": 5}),
        (("--margin", "isolated"), {"margin_type": pb.MARGIN_TYPE_ISOLATED}),
        (("--mode", "one-way"), {"position_mode": pb.POSITION_MODE_ONE_WAY}),
    ],
    ids=["leverage", "margin", "mode"],
)
async def test_what_is_given_is_chosen_and_nothing_else(
    fake_gateway: FakeGateway, command: CommandLine, options: tuple[str, ...], expected: dict[str, Any]
) -> None:
    """Each option is one field of the request; what is not given is left as it is."""
    fake_gateway.answers["UpdateTradingSettings"] = pb.UpdateTradingSettingsResponse(settings=TOLD)

    typed = await command("leverage", "BTC/USDT:PERP", "--account", "acc_1", *options)

    assert typed.status == 0
    (call,) = fake_gateway.calls
    wanted = pb.UpdateTradingSettingsRequest(account_id="acc_1", symbol="BTC/USDT:PERP", **expected)
    assert call.request == wanted


async def test_a_word_that_is_no_choice_is_a_wrong_command_line(
    fake_gateway: FakeGateway, command: CommandLine
) -> None:
    """Nothing is sent."""
    typed = await command("leverage", "BTC/USDT:PERP", "--account", "acc_1", "--margin", "wide")

    assert typed.status == 2
    assert "CROSS, ISOLATED" in typed.err
    assert fake_gateway.calls == []
