"""Spot's wire: requests out, rows and events in (rest-api.md, user-data-stream.md)."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from brokergw.adapters.binance import terms as words
from brokergw.adapters.binance.session import Request
from brokergw.adapters.binance.symbols import OrderId, outward
from brokergw.adapters.binance.terms import SIDES
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerFill, BrokerOrder, OrderReport
from brokergw.model.terms import OrderTerms, OrderType, TimeInForce
from brokergw.ports.broker import Change
from brokergw.transport.rows import Row, Unsupported, decimal, optional_decimal, optional_text, text, whole

_TYPES: Final = {
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    # Placed elsewhere: they wait for a price too, only on the other side.
    "TAKE_PROFIT": OrderType.STOP,
    "TAKE_PROFIT_LIMIT": OrderType.STOP_LIMIT,
}
_WRITTEN: Final = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
    OrderType.TRAILING_STOP: "STOP_LOSS",
}
_TIMES: Final = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_TIMED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_HUNDRED: Final = Decimal(100)


def submit(client_order_id: str, terms: OrderTerms) -> Request:
    """Write a new order; raises Unsupported. Absent fields are left out, since Binance refuses empty ones."""
    words.refuse_groups(terms)
    words.refuse_what_no_product_has(terms)
    if terms.time_in_force is TimeInForce.GTD:
        raise Unsupported("order until a date")
    params = {
        "symbol": outward(terms.symbol),
        "side": SIDES[terms.side],
        "type": _WRITTEN[terms.type],
        "newClientOrderId": client_order_id,
        "newOrderRespType": "FULL",
    }
    if terms.type in _TIMED:
        params["timeInForce"] = terms.time_in_force.value
    elif terms.time_in_force not in {TimeInForce.GTC, TimeInForce.DAY}:
        raise Unsupported(f"{terms.type} order with time in force {terms.time_in_force}")
    given = {
        "quantity": terms.quantity,
        "quoteOrderQty": terms.notional,
        "price": terms.limit_price,
        "stopPrice": terms.stop_price,
    }
    params |= {name: format_decimal(value) for name, value in given.items() if value is not None}
    if terms.trail_percent is not None:
        params["trailingDelta"] = _basis_points(terms.trail_percent)
    return Request(method="POST", path="/api/v3/order", params=params, order=True)


def _basis_points(percent: Decimal) -> str:
    points = percent * _HUNDRED
    if points != points.to_integral_value():
        raise Unsupported("trail finer than a basis point")
    return format_decimal(points)


def modify(order: BrokerOrder, order_id: OrderId, client_order_id: str, change: Change) -> Request:
    """Write a change: less quantity, in place; raises Unsupported for anything else."""
    words.refuse_groups(order.terms)
    if change.quantity is None or change.limit_price or change.stop_price or change.trail:
        raise Unsupported("change of an order but to less quantity")
    params = {
        "symbol": order_id.symbol,
        "orderId": str(order_id.number),
        "newQty": format_decimal(change.quantity),
        # Without it the order would lose its name.
        "newClientOrderId": order.client_order_id or client_order_id,
    }
    return Request(method="PUT", path="/api/v3/order/amend/keepPriority", params=params, weight=4)


def amended(row: Row, order: BrokerOrder) -> BrokerOrder:
    """Read the answer to a change, which says less than an order does."""
    told = row.get("amendedOrder")
    quantity = decimal(told if isinstance(told, dict) else {}, "qty")
    return replace(
        order,
        terms=replace(order.terms, quantity=quantity),
        client_order_id=optional_text(told if isinstance(told, dict) else {}, "clientOrderId"),
        update_time_ns=words.time_ns(row, "transactTime"),
    )


def cancel(order_id: OrderId, client_order_id: str) -> Request:
    """Write a cancel under the order's own client order id, which would be lost to the cancel's otherwise."""
    params = {"symbol": order_id.symbol, "orderId": str(order_id.number)}
    if client_order_id:
        params["newClientOrderId"] = client_order_id
    return Request(method="DELETE", path="/api/v3/order", params=params, cancel=True)


def get(order_id: OrderId) -> Request:
    """Write a look-up by number."""
    params = {"symbol": order_id.symbol, "orderId": str(order_id.number)}
    return Request(method="GET", path="/api/v3/order", params=params, weight=4)


def find(wire: str, client_order_id: str) -> tuple[Request, ...]:
    """Write the look-ups by client order id that must all fail before an order is absent."""
    params = {"symbol": wire, "origClientOrderId": client_order_id}
    return (Request(method="GET", path="/api/v3/order", params=params, weight=4),)


def open_orders() -> tuple[Request, ...]:
    """Write the listings that hold every open order."""
    return (Request(method="GET", path="/api/v3/openOrders", weight=80),)


def order(row: Row, symbols: Mapping[str, str]) -> BrokerOrder:
    """Read an order as queries, lists and the answers to commands tell it."""
    wire, cum = text(row, "symbol"), words.executed(row)
    created = words.time_ns(row, "time", "transactTime", "workingTime")
    return BrokerOrder(
        broker_order_id=str(OrderId(wire, whole(row, "orderId"))),
        client_order_id=optional_text(row, "clientOrderId"),
        terms=_terms(row, symbols[wire]),
        state=words.state_of(text(row, "status")),
        cum_quantity=cum,
        average_price=words.average(row, cum, "cummulativeQuoteQty"),
        submit_time_ns=created,
        update_time_ns=words.time_ns(row, "updateTime", "transactTime", "time"),
    )


def _terms(row: Row, symbol: str) -> OrderTerms:
    notional = words.nonzero(row, "origQuoteOrderQty")
    delta = row.get("trailingDelta")
    trails = isinstance(delta, int) and delta > 0
    type_ = words.word(_TYPES, text(row, "type"), "type")
    return OrderTerms(
        symbol=symbol,
        side=words.side_of(text(row, "side")),
        type=OrderType.TRAILING_STOP if trails and type_ is OrderType.STOP else type_,
        time_in_force=words.word(_TIMES, text(row, "timeInForce"), "timeInForce"),
        quantity=None if notional else _trimmed(decimal(row, "origQty")),
        notional=None if notional is None else _trimmed(notional),
        limit_price=_trimmed(words.nonzero(row, "price")) if type_ in _TIMED else None,
        stop_price=None if trails else _trimmed(words.nonzero(row, "stopPrice")),
        trail_percent=Decimal(delta) / _HUNDRED if trails and isinstance(delta, int) else None,
    )


def _trimmed(value: Decimal | None) -> Decimal | None:
    """Take the zeros off that Binance writes behind every amount."""
    return None if value is None else Decimal(format_decimal(value))


def fill(row: Row, wire: str, time_ns: int) -> BrokerFill:
    """Read one of the fills that a FULL answer tells."""
    return BrokerFill(
        execution_id=words.execution_id(wire, whole(row, "tradeId")),
        quantity=decimal(row, "qty"),
        price=decimal(row, "price"),
        trade_time_ns=time_ns,
        fees=words.fees(row, "commission", "commissionAsset"),
        liquidity=words.liquidity({"m": False}, "m"),
    )


def trade(row: Row) -> tuple[OrderId, BrokerFill]:
    """Read a row of the account's trades."""
    return OrderId(text(row, "symbol"), whole(row, "orderId")), words.traded(row, "isMaker")


def report(event: Row, symbols: Mapping[str, str]) -> OrderReport:
    """Read an executionReport; on a cancel the order's own client order id stands beside the cancel's."""
    wire, cum = text(event, "s"), decimal(event, "z")
    row = {
        "symbol": wire,
        "type": event.get("o"),
        "side": event.get("S"),
        "timeInForce": event.get("f"),
        "origQty": event.get("q"),
        "origQuoteOrderQty": event.get("Q"),
        "price": event.get("p"),
        "stopPrice": event.get("P"),
        "trailingDelta": event.get("d"),
    }
    time_ns = words.time_ns(event, "T", "E")
    order_id = OrderId(wire, whole(event, "i"))
    known = BrokerOrder(
        broker_order_id=str(order_id),
        client_order_id=optional_text(event, "C") or optional_text(event, "c"),
        terms=_terms(row, symbols[wire]),
        state=words.state_of(text(event, "X")),
        cum_quantity=cum,
        average_price=words.average(event, cum, "Z"),
        submit_time_ns=words.time_ns(event, "O", "T"),
        update_time_ns=time_ns,
        reject_reason="" if event.get("r") in {"NONE", None} else optional_text(event, "r"),
    )
    if text(event, "x") != "TRADE":
        return OrderReport(known, time_ns)
    return OrderReport(known, time_ns, words.trading(event, time_ns))


def held(row: Row) -> tuple[str, Decimal, Decimal]:
    """Read a balance: the asset, what is free, and what orders lock."""
    return text(row, "asset"), decimal(row, "free"), optional_decimal(row, "locked") or ZERO
