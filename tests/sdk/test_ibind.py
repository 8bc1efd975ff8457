"""ibind, unchanged but for its addresses, spends a day at the simulated gateway: session, orders, questions, stream."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from brokergw.sim.dialects.ibkr import DEFAULT_ACCOUNT
from tests.fixtures.ibkr_sim import ibkr_in_thread
from tests.fixtures.sdk_environments import drive


@pytest.fixture(scope="module")
def told() -> Iterator[dict[str, Any]]:
    """What the SDK got, by step."""
    with ibkr_in_thread() as sim:
        yield drive("ibind/requirements.txt", "ibind/drive.py", f"{sim.url}/v1/api/", sim.stream_url, DEFAULT_ACCOUNT)


def test_nothing_is_listed_before_the_accounts_were_asked_for(told: dict[str, Any]) -> None:
    """A brokerage session begins with its accounts; orders asked for before them are refused."""
    assert told["early"]["status"] == 400
    assert "Please query /accounts first" in told["early"]["words"]


def test_a_session_is_made_and_kept(told: dict[str, Any]) -> None:
    """Keep-alive, health check, init and accounts answer as the SDK reads them."""
    assert told["tickle"]["iserver"]["authStatus"]["authenticated"] is True
    assert told["healthy"] is True
    assert told["init"]["competing"] is False
    assert told["accounts"]["accounts"] == [DEFAULT_ACCOUNT]
    assert told["accounts"]["isPaper"] is True
    assert told["portfolio"][0]["currency"] == "USD"


def test_contracts_are_found(told: dict[str, Any]) -> None:
    """The SDK's own filter finds one American share of a ticker, and its rules."""
    assert told["stock"] == {"AAPL": 265598}
    assert told["search"][0]["conid"] == "265598"
    assert told["rules"]["incrementRules"][-1] == {"lowerEdge": 1.0, "increment": 0.01}


def test_caches_are_cold_at_first(told: dict[str, Any]) -> None:
    """Quotes, orders, trades and positions are empty or sparse when asked for the first time, and whole after that."""
    assert told["cold_quote"] == [{"conidEx": "265598", "conid": 265598}]
    assert float(told["quote"][0]["84"]) < float(told["quote"][0]["86"])
    assert told["cold_orders"] == {"orders": [], "snapshot": False}
    assert told["cold_trades"] == []
    assert len(told["cold_positions"][0]) < len(told["positions"][0])


def test_orders_of_every_kind_are_placed(told: dict[str, Any]) -> None:
    """Market, limit and stop orders are taken, the last two after the questions that they raise."""
    assert told["market"]["local_order_id"] == "ref-1"
    assert told["limit"]["order_status"] == "Submitted"
    assert told["stop"]["order_status"] == "PreSubmitted"
    rows = {row["order_ref"]: row for row in told["orders"]["orders"]}
    assert told["orders"]["snapshot"] is True
    assert {reference: row["origOrderType"] for reference, row in rows.items()} == {
        "ref-1": "MARKET",
        "ref-2": "LIMIT",
        "ref-4": "STOP",
    }


def test_a_declined_question_leaves_no_order(told: dict[str, Any]) -> None:
    """The SDK answers no, and the order is not among those listed."""
    assert "not given a positive reply" in told["declined"]["words"]
    assert "ref-3" not in told["end"]


def test_refusals_are_worded_as_the_sdk_knows_them(told: dict[str, Any]) -> None:
    """A used id is recognised by the SDK as registered; want of funds is told in the broker's words."""
    assert "already registered" in told["duplicate"]["error"]
    assert "EQUITY WITH LOAN VALUE" in told["poor"]["error"]


def test_an_order_is_changed_under_its_own_number(told: dict[str, Any]) -> None:
    """A change keeps the number, and the look-up shows the new size."""
    assert told["modified"]["order_id"] == told["limit"]["order_id"]
    assert told["status"]["total_size"] == "2.0"


def test_a_cancel_is_acknowledged_and_then_done(told: dict[str, Any]) -> None:
    """A cancel is taken once; of what has ended, is unknown or belongs to somebody else it is refused."""
    assert told["canceled"]["msg"] == "Request was submitted"
    assert told["end"]["ref-2"] == "Cancelled"
    assert "Order is inactive" in told["cancel_again"]["words"]
    assert "OrderID 12345 doesn't exist" in told["cancel_unknown"]["words"]
    assert "accountId is not valid" in told["foreign"]["words"]
    assert told["all"]["order_id"] == -1
    assert set(told["after_all"]) == {"Filled", "Cancelled"}


def test_a_suppressed_question_is_not_asked(told: dict[str, Any]) -> None:
    """After a suppression the same order goes in without a word."""
    assert told["suppress"] == {"status": "submitted"}
    assert told["suppressed"]["local_order_id"] == "ref-6"


def test_money_positions_and_trades_agree(told: dict[str, Any]) -> None:
    """What was bought is held, and its price is gone from the cash."""
    (trade,) = told["trades"]
    assert (trade["order_ref"], trade["side"], trade["size"]) == ("ref-1", "B", 1.0)
    assert told["positions"][0]["position"] == 1.0
    assert told["summary"]["totalCashValue"] == pytest.approx(100_000 - float(trade["price"]))
    assert told["ledger"]["USD"]["cashbalance"] == told["summary"]["totalCashValue"]


def test_the_stream_tells_orders_and_trades(told: dict[str, Any]) -> None:
    """The SDK's websocket client gets in with its cookie, and hears of the order and of its trade."""
    order_id = int(told["market"]["order_id"])
    text = json.dumps(told["frames"])
    assert f'"orderId": {order_id}' in text
    assert '"order_ref": "ref-1"' in text


def test_nothing_is_answered_after_the_logout(told: dict[str, Any]) -> None:
    """Whoever has logged out gets 401."""
    assert told["logout"] == {"status": True}
    assert told["after_logout"]["status"] == 401
