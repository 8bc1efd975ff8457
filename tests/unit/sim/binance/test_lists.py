"""Spot's order lists as the simulated Binance takes, tells and ends them."""

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.sim.binance.test_dialect import ORDER, Desk

LIST = "/api/v3/orderList"
PAIR = {
    "symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "listClientOrderId": "list-1",
    "aboveType": "LIMIT_MAKER", "abovePrice": "99000", "aboveClientOrderId": "above-1",
    "belowType": "STOP_LOSS", "belowStopPrice": "95000", "belowClientOrderId": "below-1",
}  # fmt: skip
ENTRY = {
    "symbol": "BTCUSDT", "workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "96000", "workingQuantity": "1",
    "workingTimeInForce": "GTC", "workingClientOrderId": "working-1", "pendingSide": "SELL", "pendingQuantity": "1",
}  # fmt: skip
EXITS = {
    "pendingAboveType": "LIMIT_MAKER", "pendingAbovePrice": "99000",
    "pendingBelowType": "STOP_LOSS_LIMIT", "pendingBelowStopPrice": "95000", "pendingBelowPrice": "94000",
    "pendingBelowTimeInForce": "GTC",
}  # fmt: skip


def holder(**options: Any) -> Desk:
    """Make an account that holds a coin."""
    desk = Desk(**options)
    desk.ask("POST", "/api/v3/order", {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"})
    return desk


def statuses(desk: Desk) -> list[str]:
    """Give where the orders of the only list stand."""
    _, orders = desk.ask("GET", "/api/v3/allOrders", {"symbol": "BTCUSDT"})
    return [each["status"] for each in orders if each["orderListId"] == 1]


def test_a_list_is_found_by_its_number_and_its_name() -> None:
    """Both queries tell the same list; one that is not there is -2018, and one that is done is not open."""
    desk = holder()
    status, made = desk.ask("POST", f"{LIST}/oco", PAIR)
    assert (status, made["contingencyType"], made["listOrderStatus"]) == (200, "OCO", "EXECUTING")
    assert {each["orderListId"] for each in made["orderReports"]} == {1}
    by_name = desk.ask("GET", LIST, {"origClientOrderId": "list-1"})
    assert by_name == desk.ask("GET", LIST, {"orderListId": "1"})
    assert [each["clientOrderId"] for each in by_name[1]["orders"]] == ["above-1", "below-1"]
    assert desk.ask("GET", LIST, {"orderListId": "2"})[1]["code"] == -2018
    assert len(desk.ask("GET", "/api/v3/openOrderList")[1]) == 1
    desk.ask("DELETE", LIST, {"symbol": "BTCUSDT", "listClientOrderId": "list-1"})
    assert desk.ask("GET", "/api/v3/openOrderList") == (200, [])
    assert desk.ask("GET", "/api/v3/allOrderList")[1][0]["listOrderStatus"] == "ALL_DONE"


@pytest.mark.parametrize("by", [{"orderId": "2"}, {"orderId": "3"}])
def test_a_cancel_of_one_order_ends_its_list_under_one_name(by: dict[str, str]) -> None:
    """Whichever order is cancelled, all of its list is, and all are called what the cancel is called."""
    desk = holder()
    desk.ask("POST", f"{LIST}/oco", PAIR)
    status, told = desk.ask("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "newClientOrderId": "gone", **by})
    assert status == 200
    assert [each["clientOrderId"] for each in told["orderReports"]] == ["gone", "gone"]
    assert [each["origClientOrderId"] for each in told["orderReports"]] == ["above-1", "below-1"]
    assert statuses(desk) == ["CANCELED", "CANCELED"]
    again = desk.ask("DELETE", LIST, {"symbol": "BTCUSDT", "orderListId": "1"})[1]
    assert (again["code"], again["msg"]) == (-2011, "Unknown order sent.")


@pytest.mark.parametrize(("price", "ends"), [(99100, ["FILLED", "EXPIRED"]), (94900, ["EXPIRED", "FILLED"])])
def test_of_a_pair_one_trades_and_the_other_expires(price: int, ends: list[str]) -> None:
    """What the pair ended by itself has expired; only the owner's cancel cancels."""
    desk = holder()
    desk.ask("POST", f"{LIST}/oco", PAIR)
    desk.dialect.exchange.set_price("BTCUSDT", Decimal(price))
    desk.dialect.tick()
    assert statuses(desk) == ends


def test_a_stop_that_fires_ends_its_partner_at_once() -> None:
    """A stop-limit beyond its limit does not trade, but its partner is over all the same."""
    desk = holder()
    limited = {"belowType": "STOP_LOSS_LIMIT", "belowPrice": "94900", "belowTimeInForce": "GTC"}
    desk.ask("POST", f"{LIST}/oco", {**PAIR, **limited})
    desk.dialect.exchange.set_price("BTCUSDT", Decimal(93_000))
    desk.dialect.tick()
    assert statuses(desk) == ["EXPIRED", "NEW"]


def test_exits_wait_for_their_entry() -> None:
    """Two exits are pending until the entry is filled, also in the answer to one that fills at once; then they work."""
    desk = Desk()
    _, made = desk.ask("POST", f"{LIST}/otoco", {**ENTRY, **EXITS, "workingPrice": "98000"})
    assert [each["status"] for each in made["orderReports"]] == ["FILLED", "PENDING_NEW", "PENDING_NEW"]
    assert [each["type"] for each in made["orderReports"]] == ["LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT"]
    assert statuses(desk) == ["FILLED", "NEW", "NEW"]
    other = Desk()
    other.ask("POST", f"{LIST}/otoco", {**ENTRY, **EXITS})
    assert statuses(other) == ["NEW", "PENDING_NEW", "PENDING_NEW"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aboveType": "STOP_LOSS", "aboveStopPrice": "99000"}, -1106),
        ({"aboveType": "MARKET"}, -1158),
        ({"belowType": "LIMIT_MAKER", "belowPrice": "95000"}, -1106),
        ({"belowStopPrice": "97000"}, -2010),
        ({"abovePrice": "97000"}, -2010),
        ({"quantity": "0"}, -1013),
        ({"quantity": "1.1"}, -2010),
        ({"belowTimeInForce": "GTC"}, -1106),
        ({"side": "HOLD"}, -1117),
        ({"nonsense": "1"}, -1104),
    ],
)
def test_what_is_no_pair_is_refused(change: dict[str, str], code: int) -> None:
    """Types, sides, prices and quantities that make no pair are refused by their own codes, and leave nothing open."""
    desk = holder()
    status, refused = desk.ask("POST", f"{LIST}/oco", {**PAIR, **change})
    assert (status, refused["code"]) == (400, code)
    assert desk.ask("GET", "/api/v3/openOrders") == (200, [])
    assert desk.ask("GET", "/api/v3/openOrderList") == (200, [])


def test_prices_around_the_last_make_a_pair() -> None:
    """A tick beyond the last price on either side is enough, the last price itself is not."""
    for change, expected in (({"abovePrice": "97000.01"}, 200), ({"belowStopPrice": "96999.99"}, 200)):
        assert holder().ask("POST", f"{LIST}/oco", {**PAIR, **change})[0] == expected


def test_names_of_a_list_are_free_once_it_is_done() -> None:
    """An open list's name and its orders' names are duplicates; after the list they may be used again."""
    desk = holder()
    desk.ask("POST", f"{LIST}/oco", {**PAIR, "quantity": "0.4"})
    for change in ({}, {"listClientOrderId": "list-2"}):
        refused = desk.ask("POST", f"{LIST}/oco", {**PAIR, "quantity": "0.4", **change})[1]
        assert refused["msg"] == "Duplicate order sent."
    desk.ask("DELETE", "/api/v3/openOrders", {"symbol": "BTCUSDT"})
    assert desk.ask("POST", f"{LIST}/oco", PAIR)[0] == 200


def test_a_list_counts_each_of_its_orders() -> None:
    """With five orders allowed an OTOCO and an OTO are let through, and with four the second is one too many."""
    single = {**ENTRY, "pendingType": "STOP_LOSS", "pendingStopPrice": "95000", "workingClientOrderId": "working-2"}
    for limit, expected in ((5, 200), (4, 429)):
        desk = Desk(orders_10s=limit)
        assert desk.ask("POST", f"{LIST}/otoco", {**ENTRY, **EXITS})[0] == 200
        assert desk.ask("POST", f"{LIST}/oto", single)[0] == expected


def test_an_order_by_itself_is_on_no_list() -> None:
    """A plain order and its trades carry -1 as their list."""
    desk = holder()
    desk.ask("POST", "/api/v3/order", {**ORDER, "price": "90000"})
    rows = [*desk.ask("GET", "/api/v3/allOrders", {"symbol": "BTCUSDT"})[1]]
    rows += desk.ask("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT"})[1]
    assert {row["orderListId"] for row in rows} == {-1}
