"""Spotware's ctrader-open-api, unchanged but for its addresses, trades over protobuf and TLS at the simulator."""

from pathlib import Path
from typing import Any

import pytest

from brokergw.sim.dialects.ctrader import (
    DEFAULT_CLIENT_ID,
    DEFAULT_CLIENT_SECRET,
    DEFAULT_TOKEN,
    DEMO_ACCOUNT,
    CtraderOptions,
)
from tests.fixtures.ctrader_sdk import drive
from tests.fixtures.ctrader_sim import REDIRECT, agreed_code, authorization_server, ctrader_sim


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the SDK saw of a long talk with one simulator, EURUSD at 1.08."""
    with ctrader_sim(tmp_path_factory.mktemp("ctrader")) as sim:
        sim.control("POST", "price", {"symbol": "EURUSD", "price": "1.08"})
        seen: dict[str, Any] = drive(
            "ctrader_open_api",
            "drive_ctrader_open_api",
            port=sim.protobuf_port,
            ctid=DEMO_ACCOUNT.ctid,
            client_id=DEFAULT_CLIENT_ID,
            client_secret=DEFAULT_CLIENT_SECRET,
            token=DEFAULT_TOKEN,
        )
        seen["arrived"] = len(sim.journal("NewOrderReq"))
    assert "failed" not in seen, seen
    return seen


def executions(story: dict[str, Any], message_id: str) -> list[str]:
    """Give what the SDK was told under the id of a request."""
    return [event["executionType"] for event in story["events"] if event["id"] == message_id]


def test_nothing_is_answered_before_the_application_has_proved_itself(story: dict[str, Any]) -> None:
    """Before the application only the version is told; a wrong secret opens nothing, and twice is once too often."""
    assert story["early"]["errorCode"] == "CH_CLIENT_NOT_AUTHENTICATED"
    assert story["version"]["name"] == "ProtoOAVersionRes"
    assert story["wrong_secret"]["errorCode"] == "CH_CLIENT_AUTH_FAILURE"
    assert story["application"]["name"] == "ProtoOAApplicationAuthRes"
    assert story["again"]["errorCode"] == "CH_CLIENT_ALREADY_AUTHENTICATED"


def test_an_account_is_opened_by_its_token_alone(story: dict[str, Any]) -> None:
    """Without its token an account answers nothing, with a wrong one neither, with its own it does."""
    assert story["unauthorised"]["errorCode"] == "INVALID_REQUEST"
    assert story["wrong_token"]["errorCode"] == "CH_ACCESS_TOKEN_INVALID"
    (row,) = story["accounts"]["ctidTraderAccount"]
    assert (row["ctidTraderAccountId"], row["isLive"], row["traderLogin"]) == ("12345", False, "5012345")
    assert story["account"]["name"] == "ProtoOAAccountAuthRes"
    assert story["trader"]["trader"]["balance"] == "10000000"
    assert story["trader"]["trader"]["leverageInCents"] == 3000


def test_symbols_are_described_with_their_digits_and_volumes(story: dict[str, Any]) -> None:
    """Assets, classes, categories and symbols lead to one another; EURUSD has five digits and lots of 100,000."""
    euro = next(row for row in story["symbols"]["symbol"] if row["symbolName"] == "EURUSD")
    names = {row["assetId"]: row["name"] for row in story["assets"]["asset"]}
    assert (names[euro["baseAssetId"]], names[euro["quoteAssetId"]]) == ("EUR", "USD")
    category = next(row for row in story["categories"]["symbolCategory"] if row["id"] == euro["symbolCategoryId"])
    assert (
        next(row["name"] for row in story["classes"]["assetClass"] if row["id"] == category["assetClassId"]) == "Forex"
    )
    details = story["details"]["symbol"][0]
    assert (details["digits"], details["lotSize"], details["stepVolume"]) == (5, "10000000", "100000")


def test_a_market_order_is_accepted_and_filled_under_the_request_s_id(story: dict[str, Any]) -> None:
    """Acceptance and fill are two events; the order carries the client's id, its position the label."""
    assert executions(story, "market-1") == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    filled = next(event for event in story["events"] if event["id"] == "market-1" and "deal" in event)
    assert filled["order"]["clientOrderId"] == "sdk-1"
    assert filled["position"]["tradeData"]["label"] == "mine"
    assert filled["deal"]["executionPrice"] == pytest.approx(1.08005)
    assert story["details_of"]["order"]["orderStatus"] == "ORDER_STATUS_FILLED"
    assert len(story["details_of"]["deal"]) == 1


def test_orders_of_every_type_rest_as_they_were_meant(story: dict[str, Any]) -> None:
    """Limit, stop and stop-limit orders are told back with their prices and lives."""
    assert story["limit"]["order"]["limitPrice"] == pytest.approx(1.05)
    assert story["stop"]["order"]["timeInForce"] == "GOOD_TILL_DATE"
    assert story["stop_limit"]["order"]["slippageInPoints"] == "50"
    resting = {row["orderType"] for row in story["held"]["order"]}
    assert resting == {"LIMIT", "STOP", "STOP_LIMIT"}


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("off_grid", "INVALID_REQUEST"),
        ("off_step", "TRADING_BAD_VOLUME"),
        ("too_dear", "NOT_ENOUGH_MONEY"),
        ("unknown", "SYMBOL_NOT_FOUND"),
        ("halted", "TRADING_DISABLED"),
        ("no_order", "ORDER_NOT_FOUND"),
        ("unchanged", "INVALID_REQUEST"),
        ("gone", "ORDER_NOT_FOUND"),
        ("long_flows", "INVALID_REQUEST"),
    ],
)
def test_what_cannot_be_is_refused_in_the_broker_s_words(story: dict[str, Any], step: str, code: str) -> None:
    """A refusal names its code, and nothing comes of what was refused."""
    assert story[step]["errorCode"] == code
    assert story["arrived"] == 9
    assert len(story["orders"]["order"]) == 5


def test_an_order_is_amended_in_place_and_cancelled(story: dict[str, Any]) -> None:
    """An amended order keeps its id, and a cancelled one is open no more."""
    assert executions(story, "amend-1") == ["ORDER_REPLACED"]
    assert story["amended"]["order"]["orderId"] == story["limit"]["order"]["orderId"]
    assert story["amended"]["order"]["tradeData"]["volume"] == "300000"
    assert executions(story, "cancel-1") == ["ORDER_CANCELLED"]
    assert {row["orderType"] for row in story["left"]["order"]} == {"STOP", "STOP_LIMIT"}


def test_a_position_is_closed_in_part(story: dict[str, Any]) -> None:
    """Closing makes an order of its own, tells what it brought, and leaves the rest open."""
    assert story["profit"]["positionUnrealizedPnL"][0]["netUnrealizedPnL"] == -20
    assert executions(story, "close-1") == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    filled = next(event for event in story["events"] if event["id"] == "close-1" and "deal" in event)
    assert filled["order"]["closingOrder"] is True
    assert filled["deal"]["closePositionDetail"]["balance"] == story["after"]["trader"]["balance"] == "9999990"
    assert story["left"]["position"][0]["tradeData"]["volume"] == "100000"


def test_the_past_is_told_in_pages_newest_first(story: dict[str, Any]) -> None:
    """Orders, deals and cash flows of a span are listed; a page that is full says that there is more."""
    assert [row["tradeSide"] for row in story["deals"]["deal"]] == ["SELL", "BUY"]
    assert story["deals"]["hasMore"] is False
    assert story["few_deals"]["hasMore"] is True
    assert story["flows"]["depositWithdraw"][0]["delta"] == "10000000"


def test_prices_are_told_to_who_subscribes(story: dict[str, Any]) -> None:
    """The first spot event after a subscription has both sides, in hundred-thousandths."""
    first = next(event for event in story["events"] if event["name"] == "ProtoOASpotEvent")
    assert (first["bid"], first["ask"]) == ("107995", "108005")


def test_the_token_endpoint_gives_rotates_and_refuses(tmp_path: Path) -> None:
    """The SDK's own OAuth calls get tokens for a code and for a refresh token, and a used one is refused."""
    with ctrader_sim(tmp_path, CtraderOptions(authorization=authorization_server())) as sim:
        seen = drive(
            "ctrader_open_api",
            "drive_ctrader_open_api",
            port=sim.protobuf_port,
            ctid=DEMO_ACCOUNT.ctid,
            url=sim.url,
            client_id=DEFAULT_CLIENT_ID,
            client_secret=DEFAULT_CLIENT_SECRET,
            redirect=REDIRECT,
            code=agreed_code(sim.url),
        )
    assert seen["granted"]["expiresIn"] == 2_628_000
    assert seen["refreshed"]["refreshToken"] != seen["granted"]["refreshToken"]
    assert seen["refused"]["errorCode"]
