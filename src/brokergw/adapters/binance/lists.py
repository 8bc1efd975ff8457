"""Spot's order lists on the wire: pairs of exits (OCO), entries with one exit (OTO) or two (OTOCO) (rest-api.md).

A list, and each of its orders, needs an id of its own. They follow from the id of the order that leads the list, which
keeps its own: `ord-1` leads the list `ordL1`, with the profit `ordP1` and the stop `ordS1`. None is longer, since an id
of ours fills Binance's 36 characters. So after a crash any of the ids leads to all.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from brokergw.adapters.binance.session import Request
from brokergw.adapters.binance.symbols import outward
from brokergw.adapters.binance.terms import SIDES, refuse_what_no_product_has
from brokergw.model.money import format_decimal
from brokergw.model.outcome import BrokerOrder
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, Side, TimeInForce
from brokergw.transport.rows import Row, Unsupported, Unusable, as_rows, text, whole

PATH: Final = "/api/v3/orderList"
_OURS: Final = re.compile(r"([a-z]+)([-LPS])([A-Za-z0-9_-]+)", re.ASCII)
_LIST, _PROFIT, _STOP, _LEAD = "L", "P", "S", "-"
_ROUTES: Final = {OrderClass.OCO: ("oco", 2), OrderClass.OTO: ("oto", 2), OrderClass.BRACKET: ("otoco", 3)}
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


@dataclass(frozen=True, slots=True)
class Composition:
    """Which orders one list was placed with; that never changes. `name` is the list's client id."""

    list_id: int
    kind: str
    name: str
    symbol: str
    numbers: tuple[int, ...]

    def name_of(self, order: BrokerOrder, *, leads: bool) -> str:
        """Give an order's client order id as it was placed, for a cancel renames every order of a list."""
        match = _OURS.fullmatch(self.name)
        if match is None or match[2] != _LIST:
            return order.client_order_id
        role = _STOP if order.terms.type in _STOPS else _PROFIT
        return match[1] + (_LEAD if leads else role) + match[3]


def _derived(client_order_id: str, role: str) -> str:
    match = _OURS.fullmatch(client_order_id)
    if match is None:
        raise Unsupported("order list under an id of this form")
    return match[1] + role + match[3]


def composition(row: Row) -> Composition:
    """Read which orders a list has, from a query, an answer, or a listStatus event."""
    event = row.get("e") == "listStatus"
    orders = as_rows(row.get("O" if event else "orders"))
    numbers = tuple(sorted(whole(each, "i" if event else "orderId") for each in orders))
    kind = text(row, "c" if event else "contingencyType")
    if len(numbers) < 2:
        raise Unusable("an order list has fewer than two orders")
    return Composition(
        list_id=whole(row, "g" if event else "orderListId"),
        kind=kind,
        name=text(row, "C" if event else "listClientOrderId"),
        symbol=text(row, "s" if event else "symbol"),
        numbers=numbers,
    )


def list_id(row: Row) -> int | None:
    """Give the list that a row of an order, or an executionReport, belongs to."""
    found = row.get("g" if row.get("e") == "executionReport" else "orderListId")
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def get(number: int) -> Request:
    """Write the query of one list."""
    return Request(method="GET", path=PATH, params={"orderListId": str(number)}, weight=4)


def find(client_order_id: str) -> Request | None:
    """Write the query of the list that an order of ours would belong to; None for an id that leads to none."""
    try:
        name = _derived(client_order_id, _LIST)
    except Unsupported:
        return None
    return Request(method="GET", path=PATH, params={"origClientOrderId": name}, weight=4)


def leads(listed: Composition, order: BrokerOrder) -> bool:
    """Tell whether an order leads its list: a pair's limit order, else the one that was placed first."""
    if listed.kind == OrderClass.OCO:
        return order.terms.type is OrderType.LIMIT
    return order.broker_order_id == f"{listed.symbol}:{listed.numbers[0]}"


def joined(listed: Composition, lead: BrokerOrder, exits: Sequence[BrokerOrder]) -> BrokerOrder:
    """Tell a list as one order with its exits as legs; one of a shape that we have no word for as its first order."""
    profits = [each.terms for each in exits if each.terms.type is OrderType.LIMIT]
    stops = [each.terms for each in exits if each.terms.type in _STOPS]
    oco = listed.kind == OrderClass.OCO
    side = lead.terms.side if oco else lead.terms.side.opposite
    alike = all(each.terms.side is side and each.terms.quantity == lead.terms.quantity for each in exits)
    shape = (oco, len(profits), len(stops))
    classes = {
        (True, 0, 1): OrderClass.OCO,
        (False, 1, 1): OrderClass.BRACKET,
        (False, 0, 1): OrderClass.OTO,
        (False, 1, 0): OrderClass.OTO,
    }
    if not alike or shape not in classes or len(profits) + len(stops) != len(exits):
        return lead
    terms = replace(
        lead.terms,
        order_class=classes[shape],
        take_profit_limit_price=lead.terms.limit_price if oco else profits[0].limit_price if profits else None,
        stop_loss_stop_price=stops[0].stop_price if stops else None,
        stop_loss_limit_price=stops[0].limit_price if stops else None,
    )
    return replace(lead, terms=terms, legs=tuple(exits))


def submit(client_order_id: str, terms: OrderTerms) -> Request:
    """Write a new list; raises Unsupported."""
    refuse_what_no_product_has(terms)
    if terms.order_class not in _ROUTES:
        raise Unsupported(f"order class {terms.order_class}")
    if terms.quantity is None:
        raise Unsupported("group by an amount of money")
    if terms.time_in_force is not TimeInForce.GTC:
        # An entry that ends half filled would take its exits with it.
        raise Unsupported(f"group with time in force {terms.time_in_force}")
    if terms.type is not OrderType.LIMIT:
        raise Unsupported(f"group that a {terms.type} order leads")
    route, orders = _ROUTES[terms.order_class]
    params = {
        "symbol": outward(terms.symbol),
        "listClientOrderId": _derived(client_order_id, _LIST),
        "newOrderRespType": "FULL",
        **_body(client_order_id, terms, terms.quantity),
    }
    return Request(method="POST", path=f"{PATH}/{route}", params=params, order=True, orders=orders)


def _body(client_order_id: str, terms: OrderTerms, quantity: Decimal) -> dict[str, str]:
    if terms.order_class is OrderClass.OCO:
        head = {"side": SIDES[terms.side], "quantity": format_decimal(quantity)}
        return head | _pair(client_order_id, terms, terms.side, "above", "below", client_order_id)
    if terms.limit_price is None:
        raise Unsupported("group without an entry price")
    exit_side = terms.side.opposite
    head = {
        "workingType": "LIMIT",
        "workingSide": SIDES[terms.side],
        "workingClientOrderId": client_order_id,
        "workingPrice": format_decimal(terms.limit_price),
        "workingQuantity": format_decimal(quantity),
        "workingTimeInForce": "GTC",
        "pendingSide": SIDES[exit_side],
        "pendingQuantity": format_decimal(quantity),
    }
    if terms.order_class is OrderClass.BRACKET:
        profit_name = _derived(client_order_id, _PROFIT)
        return head | _pair(client_order_id, terms, exit_side, "pendingAbove", "pendingBelow", profit_name)
    if terms.stop_loss_stop_price is not None:
        return head | _loss(client_order_id, terms, "pending")
    return (
        head
        | _profit(_derived(client_order_id, _PROFIT), terms, "pending")
        | {
            "pendingType": "LIMIT",
            "pendingTimeInForce": "GTC",
        }
    )


def _pair(
    client_order_id: str, terms: OrderTerms, side: Side, above: str, below: str, profit_name: str
) -> dict[str, str]:
    """Write two exits: the profit lies above when it sells, below when it buys back."""
    profit, loss = (above, below) if side is Side.SELL else (below, above)
    return _profit(profit_name, terms, profit) | _loss(client_order_id, terms, loss)


def _profit(name: str, terms: OrderTerms, prefix: str) -> dict[str, str]:
    price = terms.take_profit_limit_price
    if price is None and terms.order_class is OrderClass.OCO:
        price = terms.limit_price
    if price is None:
        raise Unsupported("group without a take-profit or a stop-loss")
    return {
        f"{prefix}Type": "LIMIT_MAKER",
        f"{prefix}ClientOrderId": name,
        f"{prefix}Price": format_decimal(price),
    }


def _loss(client_order_id: str, terms: OrderTerms, prefix: str) -> dict[str, str]:
    if terms.stop_loss_stop_price is None:
        raise Unsupported("pair of exits without a stop-loss")
    params = {
        f"{prefix}Type": "STOP_LOSS",
        f"{prefix}ClientOrderId": _derived(client_order_id, _STOP),
        f"{prefix}StopPrice": format_decimal(terms.stop_loss_stop_price),
    }
    if terms.stop_loss_limit_price is None:
        return params
    return params | {
        f"{prefix}Type": "STOP_LOSS_LIMIT",
        f"{prefix}Price": format_decimal(terms.stop_loss_limit_price),
        f"{prefix}TimeInForce": "GTC",
    }
