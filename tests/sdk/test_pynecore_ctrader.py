"""pynesys-pynecore-ctrader, another hand's client, signs in by OAuth, trades, listens and refreshes on the socket."""

from typing import Any

import pytest

from brokergw.sim.dialects.ctrader import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEMO_ACCOUNT, CtraderOptions
from tests.fixtures.ctrader_sdk import drive
from tests.fixtures.ctrader_sim import REDIRECT, agreed_code, authorization_server, ctrader_sim


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the SDK saw, from the login on."""
    options = CtraderOptions(authorization=authorization_server())
    with ctrader_sim(tmp_path_factory.mktemp("ctrader"), options) as sim:
        sim.control("POST", "price", {"symbol": "EURUSD", "price": "1.08"})
        seen: dict[str, Any] = drive(
            "pynecore_ctrader",
            "drive_pynecore_ctrader",
            environment={"SSL_CERT_FILE": str(sim.authority)},
            port=sim.protobuf_port,
            url=sim.url,
            ctid=DEMO_ACCOUNT.ctid,
            client_id=DEFAULT_CLIENT_ID,
            client_secret=DEFAULT_CLIENT_SECRET,
            redirect=REDIRECT,
            code=agreed_code(sim.url),
        )
    return seen


def test_a_login_leads_to_the_account(story: dict[str, Any]) -> None:
    """A code becomes tokens of about thirty days, and they open the account that the SDK finds by itself."""
    assert story["life_s"] == 2_628_000
    assert story["account"] == DEMO_ACCOUNT.ctid


def test_a_resting_order_fills_without_being_asked_for(story: dict[str, Any]) -> None:
    """A limit order is accepted, trades when the price comes, and is told of by an event of its own."""
    assert story["accepted"]["executionType"] == "ORDER_ACCEPTED"
    assert story["filled"]["order"]["clientOrderId"] == "pyne-1"
    assert story["filled"]["order"]["orderId"] == story["accepted"]["order"]["orderId"]
    assert story["filled"]["deal"]["executionPrice"] <= 1.05
    assert story["closed"]["position"]["positionStatus"] == "POSITION_STATUS_CLOSED"
    assert "position" not in story["left"]


def test_prices_follow_the_market(story: dict[str, Any]) -> None:
    """The first price has both sides, and the next one is the market's."""
    assert {"bid", "ask"} <= story["first_spot"].keys()
    assert int(story["spot"]["bid"]) < int(story["first_spot"]["bid"])


def test_a_refresh_ends_the_former_token(story: dict[str, Any]) -> None:
    """Whoever refreshes gets another pair; the session of the old token is told so and answers nothing any more."""
    assert story["rotated"] is True
    assert story["invalidated"]["ctidTraderAccountIds"] == [str(DEMO_ACCOUNT.ctid)]
    assert story["locked_out"] == "INVALID_REQUEST"
    assert story["old_token"] == "CH_ACCESS_TOKEN_INVALID"
    assert story["back"]["trader"]["ctidTraderAccountId"] == str(DEMO_ACCOUNT.ctid)
