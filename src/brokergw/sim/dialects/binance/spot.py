"""Spot's signed endpoints: orders, account, trades (rest-api.md, Trading and Account endpoints)."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import ExchangeOrder, Listing, Refused, Ticket
from brokergw.model.terms import OrderType, Side, TimeInForce
from brokergw.sim.dialects.binance import lists, ordering, spot_shapes
from brokergw.sim.dialects.binance.call import Call
from brokergw.sim.dialects.binance.refusals import (
    UNKNOWN_ORDER,
    ApiError,
    from_exchange,
    missing,
    rejected,
    unneeded,
)
from brokergw.sim.dialects.binance.spot_shapes import JsonObject, ms, places
from brokergw.sim.faults import FaultName

SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_TIMES: Final = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_TYPES: Final = {
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
}
_KINDS: Final = frozenset({"ACK", "RESULT", "FULL"})
_FULL: Final = frozenset({"LIMIT", "MARKET"})
_HUNDRED: Final = Decimal(100)


def submit(call: Call) -> JsonObject:
    """Handle POST /api/v3/order."""
    ticket = ticket_of(call)
    kind = call.text("newOrderRespType", "FULL" if call.text("type") in _FULL else "ACK")
    if kind not in _KINDS:
        raise ApiError(-1102, "Mandatory parameter 'newOrderRespType' was not sent, was empty/null, or malformed.")
    number, order = ordering.place(call, ticket, {"type": call.text("type")})
    if call.strike(FaultName.OTHER_ORDER) is not None:
        stranger = spot_shapes.order(call.room, number, order, ())
        return {**stranger, "orderId": number + 7_000_000, "clientOrderId": f"stranger{number}"}
    return spot_shapes.taken(call.room, number, order, call.brokerage.executions(call.room, number), kind)


def test(call: Call) -> JsonObject:
    """Handle POST /api/v3/order/test, which checks and makes nothing."""
    ticket_of(call)
    return {}


def ticket_of(call: Call) -> Ticket:
    """Read an order's parameters; raises ApiError."""
    listing = call.listing()
    side = call.word("side", SIDES, -1117, "Invalid side.")
    word = call.required("type")
    type_ = call.word("type", _TYPES, -1116, "Invalid orderType.")
    name = call.order_name("newClientOrderId")
    ordering.refuse_open_name(call, name)
    quantity, notional = call.number("quantity"), call.number("quoteOrderQty")
    price, stop, trail = call.number("price"), call.number("stopPrice"), call.whole("trailingDelta")
    if trail is not None and type_ is OrderType.STOP:
        type_ = OrderType.TRAILING_STOP
    _check_given(call, word, type_, quantity, notional)
    time_in_force = TimeInForce.GTC
    if "timeInForce" in call.values:
        if word in {"MARKET", "LIMIT_MAKER", "STOP_LOSS"}:
            raise unneeded("timeInForce")
        time_in_force = call.word("timeInForce", _TIMES, -1115, "Invalid timeInForce.")
    if not listing.tradable:
        raise rejected("Market is closed.")
    if quantity is not None and quantity <= 0:
        raise ApiError(-1013, "Invalid quantity.")
    ordering.check_limits(call, listing, quantity, price or stop)
    ticket = Ticket(
        symbol=listing.symbol,
        side=side,
        type=type_,
        # What a market order cannot trade at once has expired.
        time_in_force=TimeInForce.IOC if type_ is OrderType.MARKET else time_in_force,
        quantity=quantity,
        notional=notional,
        limit_price=price,
        stop_price=None if type_ is OrderType.TRAILING_STOP else stop,
        trail_percent=Decimal(trail) / _HUNDRED if trail is not None else None,
        client_order_id=call.room.marked(name) if name else "",
    )
    _check_market(call, listing, ticket, maker=word == "LIMIT_MAKER")
    return ticket


def _check_given(call: Call, word: str, type_: OrderType, quantity: Decimal | None, notional: Decimal | None) -> None:
    if type_ is OrderType.MARKET:
        if (quantity is None) == (notional is None):
            raise missing("quantity") if quantity is None else unneeded("quoteOrderQty")
    elif quantity is None:
        raise missing("quantity")
    elif notional is not None:
        raise unneeded("quoteOrderQty")
    limited = type_ in {OrderType.LIMIT, OrderType.STOP_LIMIT}
    if limited != ("price" in call.values):
        raise missing("price") if limited else unneeded("price")
    if limited and word != "LIMIT_MAKER" and "timeInForce" not in call.values:
        raise missing("timeInForce")
    stops = type_ in {OrderType.STOP, OrderType.STOP_LIMIT}
    if stops and "stopPrice" not in call.values:
        raise missing("stopPrice")
    if not stops and type_ is not OrderType.TRAILING_STOP and {"stopPrice", "trailingDelta"} & set(call.values):
        raise unneeded("stopPrice")


def _check_market(call: Call, listing: Listing, ticket: Ticket, *, maker: bool) -> None:
    depth = call.brokerage.exchange.quote(listing.symbol)
    buys = ticket.side is Side.BUY
    stop = ticket.stop_price
    if stop is not None and (stop <= depth.last if buys else stop >= depth.last):
        raise rejected("Stop price would trigger immediately.")
    if maker and ticket.limit_price is not None:
        crosses = ticket.limit_price >= depth.ask if buys else ticket.limit_price <= depth.bid
        if crosses:
            raise rejected("Order would immediately match and take.")


def get(call: Call) -> JsonObject:
    """Handle GET /api/v3/order."""
    number, order = ordering.find(call)
    return call.brokerage.order_shape(call.room, number, order)


def open_orders(call: Call) -> list[JsonObject]:
    """Handle GET /api/v3/openOrders."""
    symbol = call.listing().symbol if "symbol" in call.values else ""
    brokerage, room = call.brokerage, call.room
    numbers = brokerage.open_numbers(room, symbol)
    rows = [brokerage.order_shape(room, number, brokerage.visible(room, number)) for number in numbers]
    if (fault := call.strike(FaultName.TRUNCATED_LIST)) is not None:
        return rows[: fault.keep]
    return rows


def all_orders(call: Call) -> list[JsonObject]:
    """Handle GET /api/v3/allOrders: from an id on, or from a time on, or the latest."""
    start, end = ordering.window(call)
    first = call.whole("orderId") or 0
    rows = [
        call.brokerage.order_shape(call.room, number, order)
        for number, order in ordering.known(call)
        if number >= first
    ]
    return ordering.page(call, [row for row in rows if start <= row["time"] <= end])


def my_trades(call: Call) -> list[JsonObject]:
    """Handle GET /api/v3/myTrades."""
    symbol = call.listing().symbol
    start, end = ordering.window(call)
    number, first = call.whole("orderId"), call.whole("fromId") or 0
    found = call.room.trades.select(number=number, symbol=symbol, first_id=first, start_ms=start, end_ms=end)
    return ordering.page(call, [spot_shapes.trade(call.room, row) for row in found])


def cancel(call: Call) -> JsonObject:
    """Handle DELETE /api/v3/order: the answer tells the order as cancelled already, under the cancel's id."""
    number, order = _cancelable(call)
    restriction = call.text("cancelRestrictions")
    partly = order.filled_quantity > 0
    if (restriction == "ONLY_NEW" and partly) or (restriction == "ONLY_PARTIALLY_FILLED" and not partly):
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    return _cancel(call, number, call.order_name("newClientOrderId"))


def _cancelable(call: Call) -> tuple[int, ExchangeOrder]:
    try:
        number, order = ordering.find(call)
    except ApiError as error:
        if error.code == -2013:
            raise ApiError(*UNKNOWN_ORDER) from None
        raise
    if not order.is_open:
        raise ApiError(*UNKNOWN_ORDER)
    return number, order


def _cancel(call: Call, number: int, name: str) -> JsonObject:
    if call.room.list_of(number) is not None:
        return lists.canceled(call, number, name)
    brokerage, room = call.brokerage, call.room
    former = room.names[number]
    ordering.cancel(call, number, name or f"cancel{room.marked('').removeprefix('#')}")
    order = brokerage.newest(room, number)
    assert order is not None, "a cancelled order stays on the books"
    return spot_shapes.canceled(room, number, order, brokerage.executions(room, number), former)


def cancel_all(call: Call) -> list[JsonObject]:
    """Handle DELETE /api/v3/openOrders for a symbol."""
    symbol = call.listing().symbol
    numbers = call.brokerage.open_numbers(call.room, symbol)
    if not numbers:
        raise ApiError(*UNKNOWN_ORDER)
    rows = []
    for number in numbers:
        order = call.brokerage.newest(call.room, number)
        # One of a list may have ended with another before it.
        if order is not None and order.is_open:
            rows.append(_cancel(call, number, ""))
    return rows


def cancel_replace(call: Call) -> JsonObject:
    """Handle POST /api/v3/order/cancelReplace: a cancel, then a new order; the pair is not atomic."""
    modes = {"STOP_ON_FAILURE": True, "ALLOW_FAILURE": False}
    stops = call.word("cancelReplaceMode", modes, -1102, "Invalid cancelReplaceMode.")
    asked = {"orderId": call.text("cancelOrderId"), "origClientOrderId": call.text("cancelOrigClientOrderId")}
    values = {"symbol": call.required("symbol"), **{name: value for name, value in asked.items() if value}}
    name = call.text("cancelNewClientOrderId")
    old = replace(call, values={**values, **({"newClientOrderId": name} if name else {})})
    canceled: Any = None
    try:
        canceled = cancel(old)
        cancel_result = "SUCCESS"
    except ApiError as error:
        canceled, cancel_result = error.document, "FAILURE"
    new: Any = None
    new_result = "NOT_ATTEMPTED"
    if cancel_result == "SUCCESS" or not stops:
        try:
            new, new_result = submit(call), "SUCCESS"
        except ApiError as error:
            new, new_result = error.document, "FAILURE"
    data = {
        "cancelResult": cancel_result,
        "newOrderResult": new_result,
        "cancelResponse": canceled,
        "newOrderResponse": new,
    }
    results = (cancel_result, new_result)
    if results == ("SUCCESS", "SUCCESS"):
        return data
    if "SUCCESS" in results:
        raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data)
    raise ApiError(-2022, "Order cancel-replace failed.", 400, data)


def amend(call: Call) -> JsonObject:
    """Handle PUT /api/v3/order/amend/keepPriority: the order keeps its number and place, and has less to trade."""
    number, order = _cancelable(call)
    quantity = call.number("newQty")
    if quantity is None:
        raise missing("newQty")
    if not order.filled_quantity < quantity < order.quantity:
        raise ApiError(-2038, "The requested action would change no state; rejecting.")
    name = call.order_name("newClientOrderId")
    brokerage, room = call.brokerage, call.room
    former = room.names[number]
    room.call(number, name or f"amend{room.marked('').removeprefix('#')}")
    room.facts.setdefault(number, {})["former"] = former
    try:
        new = brokerage.exchange.replace(room.account_id, order.order_id, quantity=quantity)
    except Refused as refused:
        room.call(number, former)
        raise from_exchange(call.kind, refused) from None
    executions = brokerage.executions(room, number)
    shape = spot_shapes.terms(room, number, new, executions)
    amended = {
        "symbol": new.symbol,
        "orderId": number,
        "orderListId": -1,
        "origClientOrderId": former,
        "clientOrderId": room.names[number],
        "price": shape["price"],
        "qty": places(new.quantity),
        "executedQty": shape["executedQty"],
        "preventedQty": places(None),
        "quoteOrderQty": places(None),
        "cumulativeQuoteQty": shape["cummulativeQuoteQty"],
        "status": shape["status"],
        "timeInForce": shape["timeInForce"],
        "type": shape["type"],
        "side": shape["side"],
        "workingTime": ms(new.create_time_ns),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
    return {
        "transactTime": ms(new.update_time_ns),
        "executionId": new.update_time_ns // 1000 % 10**9,
        "amendedOrder": amended,
    }


def account(call: Call) -> JsonObject:
    """Handle GET /api/v3/account."""
    zero = call.flag("omitZeroBalances")
    rows = [
        {"asset": asset, "free": places(free), "locked": places(locked)}
        for asset, free, locked in call.brokerage.balances(call.room)
        if not zero or free or locked
    ]
    if (fault := call.strike(FaultName.WRONG_POSITION)) is not None:
        rows = [row for row in rows if row["asset"] != fault.symbol]
        rows.append({"asset": fault.symbol, "free": places(Decimal(fault.quantity)), "locked": places(None)})
    commission = places(call.brokerage.options.fee_rate)
    return {
        "makerCommission": 0,
        "takerCommission": 0,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": commission, "taker": commission, "buyer": "0.00000000", "seller": "0.00000000"},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.brokerage.now_ms(),
        "accountType": "SPOT",
        "balances": rows,
        "permissions": ["SPOT"],
        "uid": call.room.uid,
    }


def order_limits(call: Call) -> list[JsonObject]:
    """Handle GET /api/v3/rateLimit/order."""
    window = call.room.orders_10s
    return [
        {
            "rateLimitType": "ORDERS",
            "interval": "SECOND",
            "intervalNum": 10,
            "limit": window.limit or 50,
            "count": window.used,
        }
    ]


def commission(call: Call) -> JsonObject:
    """Handle GET /api/v3/account/commission."""
    rate = places(call.brokerage.options.fee_rate)
    rates = {"maker": rate, "taker": rate, "buyer": "0.00000000", "seller": "0.00000000"}
    none = dict.fromkeys(rates, "0.00000000")
    return {
        "symbol": call.listing().symbol,
        "standardCommission": rates,
        "specialCommission": none,
        "taxCommission": none,
        "discount": {"enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "BNB", "discount": "0.75"},
    }
