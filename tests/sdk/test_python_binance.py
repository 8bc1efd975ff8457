"""python-binance trades at the simulator, unchanged but for its addresses; it sends forms where others send queries."""

from typing import Any

from tests.fixtures.sdk_environments import drive, options
from tests.fixtures.sim import SimHandle


def check_lists(seen: dict[str, Any]) -> None:
    """Judge what the client saw of a pair of exits: both are placed, found and ended as one."""
    pair = seen["pair"]
    assert [pair[name] for name in ("contingencyType", "listOrderStatus", "listClientOrderId")] == [
        "OCO",
        "EXECUTING",
        "pb-pair",
    ]
    ids = {row["orderId"] for row in pair["orderReports"]}
    assert [row["status"] for row in pair["orderReports"]] == ["NEW", "NEW"]
    (listed,) = seen["open_lists"]
    assert (listed["orderListId"], {row["orderId"] for row in listed["orders"]}) == (pair["orderListId"], ids)
    assert {row["orderId"] for row in seen["pair_open"]} == ids
    assert (seen["pair_gone"]["listOrderStatus"], seen["lists_left"]) == ("ALL_DONE", [])
    assert {row["status"] for row in seen["pair_gone"]["orderReports"]} == {"CANCELED"}
    assert seen["wrong_pair"][:2] == [400, -2010]


def test_python_binance_trades_at_spot_and_futures(binance_sim_thread: SimHandle) -> None:
    """Orders, order lists, look-ups, stops, leverage and both user sockets are as the client expects them."""
    sim = binance_sim_thread
    given = options(url=sim.url, key=sim.key_id, secret=sim.secret_key)
    seen = drive("binance/python-binance.txt", "binance/unofficial.py", *given)
    assert seen["limit"]["clientOrderId"] == "pb-limit"
    assert seen["found"]["orderId"] == seen["limit"]["orderId"] == seen["open"][0]["orderId"]
    assert seen["canceled"]["status"] == "CANCELED"
    assert seen["late_cancel"] == [400, -2011, "Unknown order sent."]
    assert seen["unread"][1] == -1104
    assert seen["bad_signature"] == [400, -1022, "Signature for this request is not valid."]
    check_lists(seen)
    assert seen["f_open_stops"][0]["algoId"] == seen["f_stop"]["algoId"]
    assert seen["f_canceled"]["status"] == "CANCELED"
    assert seen["f_account"]["totalWalletBalance"] == "1000000"
    assert seen["f_leverage"]["leverage"] == 7
    report = [each for each in seen["spot_events"] if each["e"] == "executionReport"][-1]
    assert (report["X"], report["z"]) == ("FILLED", "0.50000000")
    update = [each for each in seen["futures_events"] if each["e"] == "ORDER_TRADE_UPDATE"][-1]
    assert (update["o"]["X"], update["o"]["z"]) == ("FILLED", "0.5")
