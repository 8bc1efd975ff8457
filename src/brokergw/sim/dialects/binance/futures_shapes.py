"""JSON shapes of the USDⓈ-M futures API: decimals as plain text, times in milliseconds."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import ExchangeOrder, Execution, OrderStatus
from brokergw.model.money import format_decimal
from brokergw.model.terms import OrderType, Side
from brokergw.sim.dialects.binance.listings import wire_symbol
from brokergw.sim.dialects.binance.room import Room
from brokergw.sim.dialects.binance.spot_shapes import SIDE, JsonObject, ms, spent, status_of
from brokergw.sim.dialects.binance.trades import Trade

CHILD: Final = 1_000_000_000
"""How far the id of the order that a conditional one becomes lies from the conditional one's own."""
ZERO: Final = Decimal(0)
_ALGO: Final = {
    OrderType.STOP: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP",
    OrderType.TRAILING_STOP: "TRAILING_STOP_MARKET",
}


def plain(value: Decimal | None) -> str:
    """Write an amount."""
    return format_decimal(value.quantize(Decimal("1e-12")) if value else ZERO)


def is_algo(order: ExchangeOrder) -> bool:
    """Tell whether an order waits, or waited, for its trigger."""
    return order.type in _ALGO


def number_of(number: int, order: ExchangeOrder) -> int:
    """Give the id that an order has among orders: a conditional one's is that of its child."""
    return number + CHILD if is_algo(order) else number


def average(order: ExchangeOrder, executions: Sequence[Execution]) -> str:
    """Write the average price of what has traded."""
    return plain(spent(executions) / order.filled_quantity) if order.filled_quantity else "0"


def order(
    room: Room, number: int, order_: ExchangeOrder, executions: Sequence[Execution], *, query: bool
) -> JsonObject:
    """Write an order; queries add what the answer to a command leaves out."""
    ticket, facts = order_.ticket, room.facts.get(number, {})
    child = is_algo(order_)
    type_ = "LIMIT" if ticket.limit_price is not None else "MARKET"
    shape: JsonObject = {
        "clientOrderId": f"algo_{number}" if child else room.names[number],
        "cumQty": plain(order_.filled_quantity),
        "executedQty": plain(order_.filled_quantity),
        "orderId": number_of(number, order_),
        "origQty": plain(order_.quantity),
        "price": plain(ticket.limit_price),
        "reduceOnly": facts.get("reduce_only", False),
        "side": SIDE[ticket.side],
        "positionSide": facts.get("position_side", "BOTH"),
        "status": room.shown_as[number] if number in room.shown_as and order_.is_open else status_of(order_, {}),
        "stopPrice": "0",
        "closePosition": False,
        "symbol": wire_symbol(order_.symbol),
        "timeInForce": _time_in_force(order_, facts),
        "type": type_,
        "origType": type_,
        "updateTime": ms(order_.update_time_ns),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": ms(ticket.expire_time_ns or 0),
    }
    if query:
        shape |= {
            "avgPrice": average(order_, executions),
            "cumQuote": plain(spent(executions)),
            "time": ms(facts.get("created_ns", order_.create_time_ns)),
        }
    return shape


def _time_in_force(order_: ExchangeOrder, facts: JsonObject) -> str:
    if facts.get("post_only"):
        return "GTX"
    if order_.ticket.limit_price is None:
        return "GTC"
    return order_.time_in_force.value


def algo_status(order_: ExchangeOrder) -> str:
    """Tell where a conditional order stands."""
    if not order_.triggered:
        ended = {OrderStatus.CANCELED: "CANCELED", OrderStatus.EXPIRED: "EXPIRED", OrderStatus.REJECTED: "REJECTED"}
        return ended.get(order_.status, "NEW")
    return "TRIGGERED" if order_.is_open else "FINISHED"


def algo(room: Room, number: int, order_: ExchangeOrder, executions: Sequence[Execution], *, query: bool) -> JsonObject:
    """Write a conditional order."""
    ticket, facts = order_.ticket, room.facts.get(number, {})
    shape: JsonObject = {
        "algoId": number,
        "clientAlgoId": room.names[number],
        "algoType": "CONDITIONAL",
        "orderType": _ALGO[ticket.type],
        "symbol": wire_symbol(order_.symbol),
        "side": SIDE[ticket.side],
        "positionSide": facts.get("position_side", "BOTH"),
        "timeInForce": ticket.time_in_force.value,
        "quantity": plain(order_.quantity),
        "algoStatus": algo_status(order_),
        "triggerPrice": plain(ticket.stop_price),
        "price": plain(ticket.limit_price),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": False,
        "priceProtect": False,
        "reduceOnly": facts.get("reduce_only", False),
        "activatePrice": "0",
        "callbackRate": plain(ticket.trail_percent),
        "createTime": ms(order_.create_time_ns),
        "updateTime": ms(order_.update_time_ns),
        "triggerTime": ms(order_.update_time_ns) if order_.triggered else 0,
        "goodTillDate": 0,
    }
    if query:
        shape |= {
            "actualOrderId": str(number + CHILD) if order_.triggered else "",
            "actualPrice": average(order_, executions),
            "actualType": "LIMIT" if ticket.limit_price is not None else "MARKET",
            "actualQty": plain(order_.filled_quantity),
        }
    return shape


def trade(row: Trade, order_: ExchangeOrder | None, position_side: str) -> JsonObject:
    """Write a line of GET /fapi/v1/userTrades."""
    execution = row.execution
    return {
        "buyer": execution.side is Side.BUY,
        "commission": plain(execution.fee),
        "commissionAsset": "USDT",
        "id": row.trade_id,
        "maker": row.maker,
        "orderId": row.number if order_ is None else number_of(row.number, order_),
        "price": plain(execution.price),
        "qty": plain(execution.quantity),
        "quoteQty": plain(execution.quantity * execution.price),
        "realizedPnl": plain(row.realized),
        "side": SIDE[execution.side],
        "positionSide": position_side,
        "symbol": wire_symbol(execution.symbol),
        "time": ms(execution.time_ns),
    }


def update(
    room: Room,
    number: int,
    order_: ExchangeOrder,
    executions: Sequence[Execution],
    *,
    kind: str,
    time_ns: int,
    row: Trade | None,
) -> JsonObject:
    """Write an ORDER_TRADE_UPDATE."""
    shape = order(room, number, order_, executions, query=True)
    last: Any = row.execution if row is not None else None
    return {
        "e": "ORDER_TRADE_UPDATE",
        "E": ms(time_ns),
        "T": ms(time_ns),
        "o": {
            "s": shape["symbol"],
            "c": shape["clientOrderId"],
            "S": shape["side"],
            "o": shape["type"],
            "f": shape["timeInForce"],
            "q": shape["origQty"],
            "p": shape["price"],
            "ap": shape["avgPrice"],
            "sp": "0",
            "x": kind,
            "X": shape["status"],
            "i": shape["orderId"],
            "l": plain(last.quantity) if last else "0",
            "z": shape["executedQty"],
            "L": plain(last.price) if last else "0",
            "N": "USDT",
            "n": plain(last.fee) if last else "0",
            "T": ms(time_ns),
            "t": row.trade_id if row is not None else 0,
            "b": "0",
            "a": "0",
            "m": row is not None and row.maker,
            "R": shape["reduceOnly"],
            "wt": "CONTRACT_PRICE",
            "ot": shape["origType"],
            "ps": shape["positionSide"],
            "cp": False,
            "rp": plain(row.realized) if row is not None else "0",
            "pP": False,
            "V": "EXPIRE_MAKER",
            "pm": "NONE",
            "gtd": shape["goodTillDate"],
        },
    }


def algo_update(
    room: Room, number: int, order_: ExchangeOrder, executions: Sequence[Execution], time_ns: int
) -> JsonObject:
    """Write an ALGO_UPDATE."""
    shape = algo(room, number, order_, executions, query=True)
    return {
        "e": "ALGO_UPDATE",
        "E": ms(time_ns),
        "T": ms(time_ns),
        "o": {
            "caid": shape["clientAlgoId"],
            "aid": number,
            "at": "CONDITIONAL",
            "o": shape["orderType"],
            "s": shape["symbol"],
            "S": shape["side"],
            "ps": shape["positionSide"],
            "f": shape["timeInForce"],
            "q": shape["quantity"],
            "X": shape["algoStatus"],
            "ai": shape["actualOrderId"],
            "ap": shape["actualPrice"],
            "aq": shape["actualQty"],
            "act": "0",
            "tp": shape["triggerPrice"],
            "p": shape["price"],
            "V": "EXPIRE_MAKER",
            "wt": "CONTRACT_PRICE",
            "pm": "NONE",
            "cp": False,
            "pP": False,
            "R": shape["reduceOnly"],
            "tt": shape["triggerTime"],
            "gtd": 0,
        },
    }
