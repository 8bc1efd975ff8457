"""USDⓈ-M futures' wire: requests out, rows and events in.

Orders that wait for a price ("algo" orders) have endpoints, numbers and client order ids of their own. Once such an
order's price has come, Binance places another one for it, its child, which trades. Whoever asked for the one order is
told of one: the conditional order's number and terms, with what has become of its child.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from brokergw.adapters.binance import terms as words
from brokergw.adapters.binance.session import Request
from brokergw.adapters.binance.symbols import OrderId, outward
from brokergw.adapters.binance.terms import SIDES
from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerFill, BrokerOrder, OrderReport
from brokergw.model.terms import OrderTerms, OrderType, PositionEffect, PositionSide, TimeInForce, hedged_side
from brokergw.ports.broker import Change
from brokergw.transport.rows import Row, Unsupported, decimal, flag, optional_text, text, whole

_MS: Final = 1_000_000
_TYPES: Final = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    # Orders of before 2025-12-09 that still stand.
    "STOP": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP,
    "TAKE_PROFIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.STOP,
    "TRAILING_STOP_MARKET": OrderType.TRAILING_STOP,
    # Binance's own order, which closes a position that has no margin left.
    "LIQUIDATION": OrderType.LIMIT,
}
_PLAIN: Final = {OrderType.LIMIT: "LIMIT", OrderType.MARKET: "MARKET"}
_ALGO: Final = {
    OrderType.STOP: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP",
    OrderType.TRAILING_STOP: "TRAILING_STOP_MARKET",
}
_TIMES: Final = {
    "GTC": TimeInForce.GTC,
    "GTX": TimeInForce.GTC,
    "RPI": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTD": TimeInForce.GTD,
    # Good till cancelled or expired: of contracts that end.
    "GTE_GTC": TimeInForce.GTC,
}
_ALGO_STATES: Final = {
    "NEW": State.WORKING,
    "TRIGGERING": State.TRIGGERED,
    "TRIGGERED": State.TRIGGERED,
    # What became of it is its child's to say.
    "FINISHED": State.TRIGGERED,
    "CANCELED": State.CANCELED,
    "REJECTED": State.REJECTED_BY_BROKER,
    "EXPIRED": State.EXPIRED,
}
_LIMITED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})


def submit(client_order_id: str, terms: OrderTerms, *, hedged: bool) -> Request:
    """Write a new order, where it belongs; raises Unsupported."""
    words.refuse_groups(terms)
    words.refuse_what_no_product_has(terms)
    if terms.quantity is None:
        raise Unsupported("order for an amount of money")
    params = {
        "symbol": outward(terms.symbol),
        "side": SIDES[terms.side],
        "quantity": format_decimal(terms.quantity),
        **_position(terms, hedged=hedged),
    }
    if terms.limit_price is not None:
        params["price"] = format_decimal(terms.limit_price)
    if terms.type in _LIMITED:
        params["timeInForce"] = terms.time_in_force.value
    elif terms.time_in_force not in {TimeInForce.GTC, TimeInForce.DAY}:
        raise Unsupported(f"{terms.type} order with time in force {terms.time_in_force}")
    if terms.expire_time_ns is not None:
        params["goodTillDate"] = str(terms.expire_time_ns // _MS)
    if terms.type in _PLAIN:
        params |= {"type": _PLAIN[terms.type], "newClientOrderId": client_order_id, "newOrderRespType": "RESULT"}
        return Request(method="POST", path="/fapi/v1/order", params=params, weight=0, order=True)
    if terms.time_in_force is TimeInForce.GTD:
        raise Unsupported("stop order until a date")
    params |= {"algoType": "CONDITIONAL", "type": _ALGO[terms.type], "clientAlgoId": client_order_id}
    if terms.stop_price is not None:
        params["triggerPrice"] = format_decimal(terms.stop_price)
    if terms.trail_percent is not None:
        params["callbackRate"] = format_decimal(terms.trail_percent)
    return Request(method="POST", path="/fapi/v1/algoOrder", params=params, weight=0, order=True)


def _position(terms: OrderTerms, *, hedged: bool) -> dict[str, str]:
    """Say which position an order is about: in hedge mode a symbol has two, and reducing goes by naming one."""
    if not hedged:
        return {"reduceOnly": "true"} if terms.closes else {}
    if not terms.closes and terms.position_effect is PositionEffect.AUTO:
        raise Unsupported("order in hedge mode that says neither open nor close")
    return {"positionSide": hedged_side(terms).value}


def modify(order: BrokerOrder, order_id: OrderId, change: Change) -> Request:
    """Write a change of price or quantity, of which Binance wants both; raises Unsupported."""
    if order_id.algo or order.terms.type is not OrderType.LIMIT or change.stop_price or change.trail:
        raise Unsupported("change of an order that is not a limit order")
    quantity = change.quantity if change.quantity is not None else order.terms.quantity
    price = change.limit_price if change.limit_price is not None else order.terms.limit_price
    assert quantity is not None, "a futures order has a quantity"
    assert price is not None, "a limit order has a price"
    params = {
        "symbol": order_id.symbol,
        "orderId": str(order_id.number),
        "side": SIDES[order.terms.side],
        "quantity": format_decimal(quantity),
        "price": format_decimal(price),
    }
    return Request(method="PUT", path="/fapi/v1/order", params=params, order=True)


def cancel(order_id: OrderId) -> Request:
    """Write a cancel."""
    if order_id.algo:
        params = {"algoId": str(order_id.number)}
        return Request(method="DELETE", path="/fapi/v1/algoOrder", params=params, cancel=True)
    params = {"symbol": order_id.symbol, "orderId": str(order_id.number)}
    return Request(method="DELETE", path="/fapi/v1/order", params=params, cancel=True)


def get(order_id: OrderId) -> Request:
    """Write a look-up by number."""
    if order_id.algo:
        return Request(method="GET", path="/fapi/v1/algoOrder", params={"algoId": str(order_id.number)})
    params = {"symbol": order_id.symbol, "orderId": str(order_id.number)}
    return Request(method="GET", path="/fapi/v1/order", params=params)


def find(wire: str, client_order_id: str) -> tuple[Request, ...]:
    """Write the look-ups by client order id that must all fail before an order is absent."""
    plain = {"symbol": wire, "origClientOrderId": client_order_id}
    return (
        Request(method="GET", path="/fapi/v1/order", params=plain),
        Request(method="GET", path="/fapi/v1/algoOrder", params={"clientAlgoId": client_order_id}),
    )


def open_orders() -> tuple[Request, ...]:
    """Write the listings that hold every open order."""
    return (
        Request(method="GET", path="/fapi/v1/openOrders", weight=40),
        Request(method="GET", path="/fapi/v1/openAlgoOrders", weight=40),
    )


def is_algo(row: Row) -> bool:
    """Tell a conditional order's row from a plain one's."""
    return "algoId" in row


def child_of(row: Row) -> int | None:
    """Give the number of the order that a conditional one has become; Binance writes it as text."""
    written = str(row.get("actualOrderId") or row.get("ai") or "")
    return int(written) if written.isascii() and written.isdigit() and int(written) > 0 else None


def order(row: Row, symbols: Mapping[str, str]) -> BrokerOrder:
    """Read an order of either kind; of a conditional one what its own row says, which is not yet its child's fate."""
    return _algo_order(row, symbols) if is_algo(row) else _plain_order(row, symbols)


def _plain_order(row: Row, symbols: Mapping[str, str]) -> BrokerOrder:
    wire, cum = text(row, "symbol"), words.executed(row)
    updated = words.time_ns(row, "updateTime", "time")
    average = words.nonzero(row, "avgPrice") or words.average(row, cum, "cumQuote")
    return BrokerOrder(
        broker_order_id=str(OrderId(wire, whole(row, "orderId"))),
        client_order_id=optional_text(row, "clientOrderId"),
        terms=_terms(row, symbols[wire], optional_text(row, "origType") or text(row, "type")),
        state=words.state_of(text(row, "status")),
        cum_quantity=cum,
        average_price=average if cum else None,
        submit_time_ns=words.time_ns(row, "time", "updateTime"),
        update_time_ns=updated,
        position_side=side_held(optional_text(row, "positionSide")),
    )


def _terms(row: Row, symbol: str, type_word: str) -> OrderTerms:
    type_ = words.word(_TYPES, type_word, "type")
    expires = row.get("goodTillDate")
    return OrderTerms(
        symbol=symbol,
        side=words.side_of(text(row, "side")),
        type=type_,
        time_in_force=words.word(_TIMES, optional_text(row, "timeInForce") or "GTC", "timeInForce"),
        quantity=decimal(row, "origQty"),
        limit_price=words.nonzero(row, "price") if type_ in _LIMITED else None,
        stop_price=words.nonzero(row, "stopPrice") if type_ is not OrderType.TRAILING_STOP else None,
        trail_percent=words.nonzero(row, "priceRate"),
        expire_time_ns=expires * _MS if isinstance(expires, int) and expires > 0 else None,
        reduce_only=flag(row, "reduceOnly"),
    )


def _algo_order(row: Row, symbols: Mapping[str, str]) -> BrokerOrder:
    wire = text(row, "symbol")
    plain = {
        **row,
        "origQty": row.get("quantity"),
        "stopPrice": row.get("triggerPrice"),
        "priceRate": row.get("callbackRate"),
    }
    return BrokerOrder(
        broker_order_id=str(OrderId(wire, whole(row, "algoId"), algo=True)),
        client_order_id=optional_text(row, "clientAlgoId"),
        terms=_terms(plain, symbols[wire], text(row, "orderType")),
        state=words.word(_ALGO_STATES, text(row, "algoStatus"), "algoStatus"),
        cum_quantity=ZERO,
        average_price=None,
        submit_time_ns=words.time_ns(row, "createTime"),
        update_time_ns=words.time_ns(row, "updateTime", "createTime"),
        position_side=side_held(optional_text(row, "positionSide")),
    )


def side_held(word: str) -> PositionSide:
    """Read which of a symbol's positions something is about; outside of hedge mode Binance says BOTH."""
    return PositionSide(word) if word in {"LONG", "SHORT"} else PositionSide.NET


def joined(algo: BrokerOrder, child: BrokerOrder) -> BrokerOrder:
    """Tell a conditional order with what has become of its child."""
    state = child.state
    if state is State.WORKING and not is_terminal(algo.state):
        state = State.TRIGGERED
    return replace(
        algo,
        state=state,
        cum_quantity=child.cum_quantity,
        average_price=child.average_price,
        update_time_ns=max(algo.update_time_ns, child.update_time_ns),
    )


def trade(row: Row) -> tuple[OrderId, BrokerFill]:
    """Read a row of the account's trades."""
    return OrderId(text(row, "symbol"), whole(row, "orderId")), words.traded(row, "maker")


def report(event: Row, symbols: Mapping[str, str]) -> OrderReport:
    """Read the order of an ORDER_TRADE_UPDATE."""
    wire, cum = text(event, "s"), decimal(event, "z")
    row = {
        "side": event.get("S"),
        "timeInForce": event.get("f"),
        "origQty": event.get("q"),
        "price": event.get("p"),
        "stopPrice": event.get("sp"),
        "priceRate": event.get("cr"),
        "goodTillDate": event.get("gtd"),
        "reduceOnly": event.get("R"),
    }
    time_ns = words.time_ns(event, "T")
    known = BrokerOrder(
        broker_order_id=str(OrderId(wire, whole(event, "i"))),
        client_order_id=optional_text(event, "c"),
        terms=_terms(row, symbols[wire], optional_text(event, "ot") or text(event, "o")),
        state=words.state_of(text(event, "X")),
        cum_quantity=cum,
        average_price=words.nonzero(event, "ap") if cum else None,
        submit_time_ns=time_ns,
        update_time_ns=time_ns,
        position_side=side_held(optional_text(event, "ps")),
    )
    if text(event, "x") not in {"TRADE", "CALCULATED"}:
        return OrderReport(known, time_ns)
    return OrderReport(known, time_ns, words.trading(event, time_ns))


def algo_event(event: Row, time_ms: int) -> Row:
    """Write the order of an ALGO_UPDATE as a look-up tells it."""
    return {
        "algoId": event.get("aid"),
        "clientAlgoId": event.get("caid"),
        "orderType": event.get("o"),
        "symbol": event.get("s"),
        "side": event.get("S"),
        "timeInForce": event.get("f"),
        "quantity": event.get("q"),
        "algoStatus": event.get("X"),
        "triggerPrice": event.get("tp"),
        "price": event.get("p"),
        "callbackRate": event.get("cr"),
        "reduceOnly": event.get("R"),
        "positionSide": event.get("ps"),
        "actualOrderId": event.get("ai"),
        "createTime": time_ms,
        "updateTime": time_ms,
    }
