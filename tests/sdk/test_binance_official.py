"""Binance's own SDKs trade at the simulator, unchanged but for their addresses."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from brokergw.adapters.binance import BinanceBroker, BinanceConfig
from brokergw.app.clock import SystemClock
from brokergw.model.account import Environment
from brokergw.model.trading_settings import MarginType, PositionMode, TradingSettings
from brokergw.ports.broker import BrokerLink, Credentials
from brokergw.sim.dialects.binance import BinanceOptions
from tests.fixtures.binance import binance_in_thread
from tests.fixtures.sdk_environments import drive, options
from tests.fixtures.sim import SimHandle


def seen_by(program: str, **given: str) -> dict[str, Any]:
    """Run a program with both SDKs in one environment."""
    return drive("binance/official.txt", f"binance/{program}.py", *options(**given))


@pytest.fixture
def sim(binance_sim_thread: SimHandle) -> Iterator[SimHandle]:
    """The simulator that the SDKs talk to."""
    return binance_sim_thread  # type: ignore[return-value]


def reports(events: list[dict[str, Any]], field: str) -> list[dict[str, Any]]:
    """Give the events that have a field; the SDK keeps the kind of an event to itself."""
    return [event for event in events if field in event]


def check_spot(seen: dict[str, Any]) -> None:
    """Judge what the spot SDK saw."""
    assert seen["symbol"] == "BTCUSDT"
    assert (seen["resting"]["status"], seen["resting"]["clientOrderId"]) == ("NEW", "sdk-resting")
    assert seen["found"]["orderId"] == seen["resting"]["orderId"] == seen["open"][0]["orderId"]
    assert "Duplicate order sent." in seen["duplicate"]["words"]
    assert (seen["canceled"]["status"], seen["canceled"]["origClientOrderId"]) == ("CANCELED", "sdk-resting")
    assert seen["canceled"]["clientOrderId"] != "sdk-resting"
    assert "-2013" in seen["gone"]["words"]
    assert (seen["market"]["status"], seen["market"]["fills"][0]["qty"]) == ("FILLED", "0.50000000")
    told = reports(seen["events"], "x")
    assert [each["x"] for each in told] == ["NEW", "TRADE"]
    assert told[-1]["t"] == seen["trades"][0]["id"] == seen["market"]["fills"][0]["tradeId"]
    assert reports(seen["events"], "B")
    coins = {row["asset"]: row["free"] for row in seen["account"]["balances"]}
    assert coins["BTC"] == "0.50000000"
    assert [row["status"] for row in seen["history"]] == ["CANCELED", "FILLED"]
    assert [row["type"] for row in seen["canceled_all"]] == ["STOP_LOSS_LIMIT"]
    assert "PRICE_FILTER" in seen["off_tick"]["words"]
    assert "NOTIONAL" in seen["too_small"]["words"]
    assert "insufficient balance" in seen["poor"]["words"]
    assert "-1121" in seen["symbol_unknown"]["words"]
    assert "-2015" in seen["bad_key"]["words"]


def check_lists(seen: dict[str, Any]) -> None:
    """Judge what the spot SDK saw of order lists."""
    assert [seen["pair"][name] for name in ("contingencyType", "listOrderStatus")] == ["OCO", "EXECUTING"]
    assert seen["pair_found"]["orderListId"] == seen["pair"]["orderListId"]
    assert [row["status"] for row in seen["pair"]["orderReports"]] == ["NEW", "NEW"]
    assert [row["status"] for row in seen["group"]["orderReports"]] == ["NEW", "PENDING_NEW", "PENDING_NEW"]
    assert [row["listClientOrderId"] for row in seen["open_lists"]] == ["sdk-pair", "sdk-group"]
    for name in ("pair_gone", "group_gone"):
        assert seen[name]["listOrderStatus"] == "ALL_DONE"
        assert {row["status"] for row in seen[name]["orderReports"]} == {"CANCELED"}
    told = reports(seen["list_events"], "O")
    statuses = [each for each in told if isinstance(each["O"], list)]
    assert [each["l"] for each in statuses][:2] == ["EXEC_STARTED", "EXEC_STARTED"]
    assert [len(each["O"]) for each in statuses][:2] == [2, 3]


def test_the_spot_sdk_trades_with_a_secret(sim: SimHandle) -> None:
    """With an HMAC key orders, look-ups, the user data stream and refusals are as the SDK expects them."""
    seen = seen_by("official_spot", url=sim.url, key=sim.key_id, secret=sim.secret_key)
    check_spot(seen)
    check_lists(seen)
    assert "-1022" in seen["bad_signature"]["words"]


def test_the_spot_sdk_trades_with_a_private_key(tmp_path: Path) -> None:
    """The same with an Ed25519 key, whose signatures the simulator checks with its public half."""
    private = Ed25519PrivateKey.generate()
    pem = tmp_path / "private.pem"
    pem.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    choices = BinanceOptions(public_keys={"ed25519key": public}, cash=1_000_000)  # type: ignore[arg-type]
    with binance_in_thread(choices) as sim:
        seen = seen_by("official_spot", url=sim.url, key="ed25519key", private_key=str(pem))
    check_spot(seen)


async def _read_by_the_adapter(sim: SimHandle) -> TradingSettings:
    """Ask through our own adapter for what the SDK has chosen."""
    broker = BinanceBroker(SystemClock(), BinanceConfig.futures().at(sim.url))
    link = BrokerLink(
        connection_id="con_1",
        account_id="acc_1",
        environment=Environment.PAPER,
        credentials=Credentials(key=sim.key_id, secret=sim.secret_key),
    )
    connection = broker.open(link)
    try:
        return await connection.get_trading_settings("BTC/USDT:PERP")
    finally:
        await connection.disconnect()


def test_the_futures_sdk_trades(sim: SimHandle) -> None:
    """Leverage and margin type, orders and their changes, conditional orders, positions, and the user data stream."""
    seen = seen_by("official_futures", url=sim.url, key=sim.key_id, secret=sim.secret_key)
    assert seen["leverage"]["leverage"] == 10
    assert seen["margin"]["code"] == 200
    assert "-4046" in seen["margin_again"]
    (config,) = seen["config"]
    assert (config["leverage"], config["marginType"], seen["mode"]["dualSidePosition"]) == (10, "ISOLATED", True)
    assert "-4059" in seen["hedged_again"]
    assert seen["brackets"] == 1
    told = asyncio.run(_read_by_the_adapter(sim))
    assert (told.leverage, told.leverage_max, told.margin_type) == (10, 125, MarginType.ISOLATED)
    assert (told.notional_max, told.position_mode) == (Decimal(config["maxNotionalValue"]), PositionMode.ONE_WAY)
    assert seen["modified"]["orderId"] == seen["resting"]["orderId"] == seen["found"]["orderId"]
    assert (seen["found"]["origQty"], seen["found"]["price"]) == ("0.02", "90500")
    assert "-4116" in seen["duplicate"]
    assert seen["canceled"]["status"] == "CANCELED"
    assert seen["market"]["status"] == "FILLED"
    updates = reports(seen["events"], "o")
    assert [each["o"]["x"] for each in updates] == ["NEW", "TRADE"]
    (position,) = seen["positions"]
    assert (position["positionAmt"], position["initialMargin"]) == ("-0.5", "4850")
    assert seen["account"]["totalWalletBalance"] == seen["balances"][0]["balance"] == "1000000"
    assert seen["algo_found"]["algoId"] == seen["algo"]["algoId"]
    assert seen["algo_found"]["algoStatus"] == "NEW"
    assert seen["algo_canceled"]["code"] == "200"
    assert "-4120" in seen["moved"]
    assert "-2022" in seen["reduce"]
    assert "-2019" in seen["poor"]
