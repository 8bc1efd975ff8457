"""JSON shapes of the spot API: decimals as text with eight places, times in milliseconds (rest-api.md)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import ExchangeOrder, Execution, OrderStatus
from brokergw.model.terms import OrderType, Side, TimeInForce
from brokergw.sim.dialects.binance.room import OrderList, Room
from brokergw.sim.dialects.binance.trades import Trade

JsonObject = dict[str, Any]

SIDE: Final = {Side.BUY: "BUY", Side.SELL: "SELL"}
STATUS: Final = {
    OrderStatus.ACCEPTED: "NEW",
    OrderStatus.NEW: "NEW",
    OrderStatus.HELD: "PENDING_NEW",
    OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
    OrderStatus.REPLACED: "NEW",
}
_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_STOPS: Final = {
    OrderType.STOP: "STOP_LOSS",
    OrderType.TRAILING_STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
}
ZERO: Final = Decimal(0)


def places(value: Decimal | None) -> str:
    """Write an amount with eight places."""
    return format(value or ZERO, ".8f")


def ms(time_ns: int) -> int:
    """Write a time."""
    return time_ns // 1_000_000


def status_of(order: ExchangeOrder, facts: Mapping[str, Any]) -> str:
    """Tell where an order stands.

    What had to trade at once and did not has expired, and so has what its list ended and not its owner.
    """
    of_list = "list" in facts and not facts.get("canceled")
    if order.status is OrderStatus.CANCELED and (of_list or order.time_in_force in _AT_ONCE):
        return "EXPIRED"
    return STATUS[order.status]


def spent(executions: Sequence[Execution]) -> Decimal:
    """Give the money that trades were about."""
    return sum((each.quantity * each.price for each in executions), ZERO)


def terms(room: Room, number: int, order: ExchangeOrder, executions: Sequence[Execution]) -> JsonObject:
    """Write what every answer about an order has."""
    facts = room.facts.get(number, {})
    ticket = order.ticket
    type_ = facts.get("type") or (_STOPS.get(ticket.type) or ticket.type.value)
    market = ticket.type in {OrderType.MARKET, OrderType.STOP, OrderType.TRAILING_STOP}
    shape: JsonObject = {
        "price": places(ticket.limit_price),
        "origQty": places(order.quantity),
        "executedQty": places(order.filled_quantity),
        "origQuoteOrderQty": places(ticket.notional),
        "cummulativeQuoteQty": places(spent(executions)),
        "status": room.shown_as[number] if number in room.shown_as and order.is_open else status_of(order, facts),
        "timeInForce": "GTC" if market else ticket.time_in_force.value,
        "type": type_,
        "side": SIDE[ticket.side],
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
    if ticket.stop_price is not None:
        shape["stopPrice"] = places(ticket.stop_price)
    if ticket.trail_percent is not None:
        shape |= {"trailingDelta": int(ticket.trail_percent * 100), "trailingTime": ms(order.create_time_ns)}
    return shape


def head(room: Room, number: int, symbol: str) -> JsonObject:
    """Write what names an order."""
    return {
        "symbol": symbol,
        "orderId": number,
        "orderListId": room.facts.get(number, {}).get("list", -1),
        "clientOrderId": room.names[number],
    }


def order(room: Room, number: int, order_: ExchangeOrder, executions: Sequence[Execution]) -> JsonObject:
    """Write an order as queries and lists show it."""
    return {
        **head(room, number, order_.symbol),
        "stopPrice": places(ZERO),
        "icebergQty": places(ZERO),
        **terms(room, number, order_, executions),
        "time": ms(room.facts.get(number, {}).get("created_ns", order_.create_time_ns)),
        "updateTime": ms(order_.update_time_ns),
        "isWorking": order_.triggered and order_.status is not OrderStatus.HELD,
        "workingTime": ms(order_.create_time_ns) if order_.triggered else -1,
    }


def taken(room: Room, number: int, order_: ExchangeOrder, executions: Sequence[Execution], kind: str) -> JsonObject:
    """Write the answer to a new order: ACK, RESULT or FULL."""
    shape: JsonObject = {**head(room, number, order_.symbol), "transactTime": ms(order_.create_time_ns)}
    if kind == "ACK":
        return shape
    shape |= {**terms(room, number, order_, executions), "workingTime": ms(order_.create_time_ns)}
    if kind == "FULL":
        shape["fills"] = [
            {
                "price": places(each.price),
                "qty": places(each.quantity),
                "commission": places(each.fee),
                "commissionAsset": "USDT",
                "tradeId": room.trades.of(each).trade_id,
            }
            for each in executions
        ]
    return shape


def canceled(
    room: Room, number: int, order_: ExchangeOrder, executions: Sequence[Execution], former: str
) -> JsonObject:
    """Write the answer to a cancel, whose `clientOrderId` is the cancel's own."""
    return {
        **head(room, number, order_.symbol),
        "origClientOrderId": former,
        "transactTime": ms(order_.update_time_ns),
        **terms(room, number, order_, executions),
    }


def order_list(room: Room, order_list_: OrderList, *, alive: bool) -> JsonObject:
    """Write a list as queries show it."""
    return {
        "orderListId": order_list_.list_id,
        "contingencyType": order_list_.kind,
        "listStatusType": "EXEC_STARTED" if alive else "ALL_DONE",
        "listOrderStatus": "EXECUTING" if alive else "ALL_DONE",
        "listClientOrderId": order_list_.name,
        "transactionTime": ms(order_list_.time_ns),
        "symbol": order_list_.symbol,
        "orders": [
            {"symbol": order_list_.symbol, "orderId": each, "clientOrderId": room.names[each]}
            for each in order_list_.numbers
        ],
    }


def list_status(room: Room, order_list_: OrderList, time_ns: int, *, alive: bool) -> JsonObject:
    """Write a listStatus event (user-data-stream.md, List Status)."""
    shape = order_list(room, order_list_, alive=alive)
    return {
        "e": "listStatus",
        "E": ms(time_ns),
        "s": order_list_.symbol,
        "g": order_list_.list_id,
        "c": order_list_.kind,
        "l": shape["listStatusType"],
        "L": shape["listOrderStatus"],
        "r": "NONE",
        "C": order_list_.name,
        "T": ms(time_ns),
        "O": [{"s": each["symbol"], "i": each["orderId"], "c": each["clientOrderId"]} for each in shape["orders"]],
    }


def trade(room: Room, row: Trade) -> JsonObject:
    """Write a line of GET /api/v3/myTrades."""
    execution = row.execution
    return {
        "symbol": execution.symbol,
        "id": row.trade_id,
        "orderId": row.number,
        "orderListId": room.facts.get(row.number, {}).get("list", -1),
        "price": places(execution.price),
        "qty": places(execution.quantity),
        "quoteQty": places(execution.quantity * execution.price),
        "commission": places(execution.fee),
        "commissionAsset": "USDT",
        "time": ms(execution.time_ns),
        "isBuyer": execution.side is Side.BUY,
        "isMaker": row.maker,
        "isBestMatch": True,
    }


def report(
    room: Room,
    number: int,
    order_: ExchangeOrder,
    executions: Sequence[Execution],
    *,
    kind: str,
    time_ns: int,
    row: Trade | None,
    former: str = "",
) -> JsonObject:
    """Write an executionReport (user-data-stream.md, Order Update)."""
    shape = terms(room, number, order_, executions)
    last = row.execution if row is not None else None
    return {
        "e": "executionReport",
        "E": ms(time_ns),
        "s": order_.symbol,
        "c": room.names[number],
        "S": shape["side"],
        "o": shape["type"],
        "f": shape["timeInForce"],
        "q": shape["origQty"],
        "p": shape["price"],
        "P": shape.get("stopPrice", places(ZERO)),
        **({"d": shape["trailingDelta"]} if "trailingDelta" in shape else {}),
        "F": places(ZERO),
        "g": room.facts.get(number, {}).get("list", -1),
        "C": former,
        "x": kind,
        "X": shape["status"],
        "r": "NONE",
        "i": number,
        "l": places(last.quantity if last else ZERO),
        "z": shape["executedQty"],
        "L": places(last.price if last else ZERO),
        "n": places(last.fee if last else ZERO),
        "N": "USDT" if last else None,
        "T": ms(time_ns),
        "t": row.trade_id if row is not None else -1,
        "I": time_ns // 1000 % 10**10,
        "w": order_.is_open and order_.triggered,
        "m": row is not None and row.maker,
        "M": False,
        "O": ms(room.facts.get(number, {}).get("created_ns", order_.create_time_ns)),
        "Z": shape["cummulativeQuoteQty"],
        "Y": places(last.quantity * last.price if last else ZERO),
        "Q": shape["origQuoteOrderQty"],
        "W": ms(order_.create_time_ns),
        "V": "EXPIRE_MAKER",
    }
