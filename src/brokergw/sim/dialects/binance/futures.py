"""USDⓈ-M futures' orders: plain ones, conditional ("algo") ones, their changes and cancels."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import ExchangeOrder, Listing, Refused, Ticket
from brokergw.model.terms import OrderType, Side, TimeInForce
from brokergw.sim.dialects.binance import futures_shapes, ordering
from brokergw.sim.dialects.binance.call import Call
from brokergw.sim.dialects.binance.futures_shapes import CHILD, is_algo
from brokergw.sim.dialects.binance.refusals import UNKNOWN_ORDER, ApiError, from_exchange, missing
from brokergw.sim.dialects.binance.spot import SIDES
from brokergw.sim.dialects.binance.spot_shapes import JsonObject
from brokergw.sim.faults import FaultName

_TIMES: Final = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTX": TimeInForce.GTC,
    "GTD": TimeInForce.GTD,
}
_TYPES: Final = {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET}
_ALGO_TYPES: Final = {
    "STOP": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP,
    "TRAILING_STOP_MARKET": OrderType.TRAILING_STOP,
}
_MOVED: Final = frozenset({*_ALGO_TYPES, "TAKE_PROFIT", "TAKE_PROFIT_MARKET"})
_SIDES: Final = {"BOTH": "BOTH", "LONG": "LONG", "SHORT": "SHORT"}
_GTD_LEAST_S: Final = 600
_ALGO_OPEN_MAX: Final = 200


def submit(call: Call) -> JsonObject:
    """Handle POST /fapi/v1/order, which takes limit and market orders only since 2025-12-09."""
    if call.text("type") in _MOVED:
        raise ApiError(
            -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        )
    _, ticket, facts = _ticket(call, "newClientOrderId", _TYPES)
    number, order = ordering.place(call, ticket, facts)
    room = call.room
    shape = futures_shapes.order(room, number, order, call.brokerage.executions(room, number), query=False)
    if call.strike(FaultName.OTHER_ORDER) is not None:
        return {**shape, "orderId": number + 7_000_000, "clientOrderId": f"stranger{number}"}
    if call.text("newOrderRespType", "ACK") == "ACK":
        # Taken, and nothing has come of it yet.
        shape |= {"status": "NEW", "executedQty": "0", "cumQty": "0"}
    return shape


def test(call: Call) -> JsonObject:
    """Handle POST /fapi/v1/order/test."""
    _ticket(call, "newClientOrderId", _TYPES)
    return {}


def submit_algo(call: Call) -> JsonObject:
    """Handle POST /fapi/v1/algoOrder."""
    if call.required("algoType") != "CONDITIONAL":
        raise ApiError(-1102, "Mandatory parameter 'algoType' was not sent, was empty/null, or malformed.")
    _, ticket, facts = _ticket(call, "clientAlgoId", _ALGO_TYPES)
    if len(_algo_numbers(call)) >= _ALGO_OPEN_MAX:
        raise ApiError(-4045, "Reach max stop order limit.")
    number, order = ordering.place(call, ticket, {**facts, "algo": True})
    return futures_shapes.algo(call.room, number, order, (), query=False)


def _ticket(call: Call, id_name: str, types: dict[str, OrderType]) -> tuple[Listing, Ticket, dict[str, Any]]:
    listing = call.listing()
    side = call.word("side", SIDES, -1117, "Invalid side.")
    type_: OrderType = call.word("type", types, -1116, "Invalid orderType.")
    name = call.order_name(id_name)
    ordering.refuse_open_name(call, name)
    position_side = _position_side(call)
    quantity = call.number("quantity")
    if quantity is None:
        raise missing("quantity")
    if quantity <= 0:
        raise ApiError(-4003, "Quantity less than or equal to zero.")
    if not listing.tradable:
        raise ApiError(-4141, "Symbol is closed.")
    price, stop, rate = call.number("price"), call.number("triggerPrice"), call.number("callbackRate")
    if type_ in {OrderType.LIMIT, OrderType.STOP_LIMIT}:
        if price is None:
            raise missing("price")
        if type_ is OrderType.LIMIT and "timeInForce" not in call.values:
            raise missing("timeInForce")
    if type_ in {OrderType.STOP, OrderType.STOP_LIMIT} and stop is None:
        raise missing("triggerPrice")
    if type_ is OrderType.TRAILING_STOP and rate is None:
        raise missing("callbackRate")
    time_in_force: TimeInForce = _TIMES["GTC"]
    if "timeInForce" in call.values:
        time_in_force = call.word("timeInForce", _TIMES, -1115, "Invalid timeInForce.")
    ordering.check_limits(call, listing, quantity, price or stop)
    ticket = Ticket(
        symbol=listing.symbol,
        side=side,
        type=type_,
        time_in_force=TimeInForce.IOC if type_ is OrderType.MARKET else time_in_force,
        quantity=quantity,
        limit_price=price,
        stop_price=stop if type_ is not OrderType.TRAILING_STOP else None,
        trail_percent=rate if type_ is OrderType.TRAILING_STOP else None,
        expire_time_ns=_expiry(call, time_in_force),
        client_order_id=call.room.marked(name) if name else "",
    )
    facts = {"reduce_only": call.flag("reduceOnly"), "position_side": position_side,
             "post_only": call.text("timeInForce") == "GTX"}  # fmt: skip
    return listing, _check_market(call, listing, ticket, facts), facts


def _position_side(call: Call) -> str:
    side = call.text("positionSide", "BOTH")
    if side not in _SIDES or (side == "BOTH") == call.room.hedged:
        raise ApiError(-4061, "Order's position side does not match user's setting.")
    if call.room.hedged and "reduceOnly" in call.values:
        raise ApiError(-1106, "Parameter 'reduceonly' sent when not required.")
    return side


def _expiry(call: Call, time_in_force: TimeInForce) -> int | None:
    if time_in_force is not TimeInForce.GTD:
        return None
    date = call.whole("goodTillDate")
    if date is None:
        raise missing("goodTillDate")
    if date <= call.brokerage.now_ms() + _GTD_LEAST_S * 1000:
        raise ApiError(-5040, "The goodTillDate timestamp must be greater than the current time plus 600 seconds.")
    # Only whole seconds count.
    return date // 1000 * 1_000_000_000


def _check_market(call: Call, listing: Listing, ticket: Ticket, facts: dict[str, Any]) -> Ticket:
    depth = call.brokerage.exchange.quote(listing.symbol)
    buys = ticket.side is Side.BUY
    stop = ticket.stop_price
    if stop is not None and (stop <= depth.last if buys else stop >= depth.last):
        raise ApiError(-2021, "Order would immediately trigger.")
    if facts["post_only"] and ticket.limit_price is not None:
        crosses = ticket.limit_price >= depth.ask if buys else ticket.limit_price <= depth.bid
        if crosses:
            raise ApiError(
                -5022, "Due to the order could not be executed as maker, the Post Only order will be rejected."
            )
    if not facts["reduce_only"]:
        return ticket
    held = position_of(call, listing.symbol)
    if not held or (held > 0) == buys:
        raise ApiError(-2022, "ReduceOnly Order is rejected.")
    assert ticket.quantity is not None, "a futures order has a quantity"
    # What goes beyond the position is cut off.
    return replace(ticket, quantity=min(ticket.quantity, abs(held)))


def position_of(call: Call, symbol: str) -> Decimal:
    """Give the signed position of a listing."""
    held = (each for each in call.brokerage.exchange.positions(call.room.account_id) if each.symbol == symbol)
    return next((each.quantity for each in held), Decimal(0))


def find(call: Call) -> tuple[int, ExchangeOrder]:
    """Find a plain order, or the child that a conditional one has become; raises -2013."""
    number = call.whole("orderId")
    if number is not None and number >= CHILD:
        call = replace(call, values={**call.values, "orderId": str(number - CHILD)})
    found, order = ordering.find(call)
    if is_algo(order) and (not order.triggered or number is None or number < CHILD):
        raise ApiError(-2013, "Order does not exist.")
    return found, order


def get(call: Call) -> JsonObject:
    """Handle GET /fapi/v1/order."""
    number, order = find(call)
    return call.brokerage.order_shape(call.room, number, order)


def open_orders(call: Call) -> list[JsonObject]:
    """Handle GET /fapi/v1/openOrders: conditional orders are not among them, their children are."""
    symbol = call.listing().symbol if "symbol" in call.values else ""
    rows = []
    for number in call.brokerage.open_numbers(call.room, symbol):
        order = call.brokerage.visible(call.room, number)
        if not is_algo(order) or order.triggered:
            rows.append(call.brokerage.order_shape(call.room, number, order))
    if (fault := call.strike(FaultName.TRUNCATED_LIST)) is not None:
        return rows[: fault.keep]
    return rows


def all_orders(call: Call) -> list[JsonObject]:
    """Handle GET /fapi/v1/allOrders."""
    start, end = ordering.window(call)
    first = call.whole("orderId") or 0
    rows = [
        call.brokerage.order_shape(call.room, number, order)
        for number, order in ordering.known(call)
        if not is_algo(order) or order.triggered
    ]
    found = [row for row in rows if row["orderId"] >= first and start <= row["time"] <= end]
    return ordering.page(call, sorted(found, key=lambda row: int(row["orderId"])))


def my_trades(call: Call) -> list[JsonObject]:
    """Handle GET /fapi/v1/userTrades."""
    symbol, brokerage, room = call.listing().symbol, call.brokerage, call.room
    start, end = ordering.window(call)
    asked, first = call.whole("orderId"), call.whole("fromId") or 0
    number = asked if asked is None or asked < CHILD else asked - CHILD
    rows = []
    for row in room.trades.select(number=number, symbol=symbol, first_id=first, start_ms=start, end_ms=end):
        order = brokerage.newest(room, row.number)
        shape = futures_shapes.trade(row, order, room.facts.get(row.number, {}).get("position_side", "BOTH"))
        if asked in {None, shape["orderId"]}:
            rows.append(shape)
    return ordering.page(call, rows)


def modify(call: Call) -> JsonObject:
    """Handle PUT /fapi/v1/order: side, quantity and price are needed, and number and client order id stay."""
    number, order = find(call)
    side = call.word("side", SIDES, -1117, "Invalid side.")
    quantity, price = call.number("quantity"), call.number("price")
    if quantity is None or price is None:
        raise missing("price" if price is None else "quantity")
    if side is not order.side or order.type is not OrderType.LIMIT:
        raise ApiError(-5026, "Only limit order is supported.")
    if not order.is_open:
        raise ApiError(*UNKNOWN_ORDER)
    if quantity == order.quantity and price == order.limit_price:
        raise ApiError(-5027, "No need to modify the order.")
    brokerage, room = call.brokerage, call.room
    if quantity <= order.filled_quantity:
        ordering.cancel(call, number)
    else:
        try:
            brokerage.exchange.replace(room.account_id, order.order_id, quantity=quantity, limit_price=price)
        except Refused as refused:
            raise from_exchange(call.kind, refused) from None
    new = brokerage.newest(room, number)
    assert new is not None, "a changed order stays on the books"
    return futures_shapes.order(room, number, new, brokerage.executions(room, number), query=False)


def cancel(call: Call) -> JsonObject:
    """Handle DELETE /fapi/v1/order: the answer tells the order as cancelled already."""
    try:
        number, order = find(call)
    except ApiError as error:
        if error.code == -2013:
            raise ApiError(*UNKNOWN_ORDER) from None
        raise
    if not order.is_open:
        raise ApiError(*UNKNOWN_ORDER)
    return _cancel(call, number)


def _cancel(call: Call, number: int) -> JsonObject:
    ordering.cancel(call, number)
    order = call.brokerage.newest(call.room, number)
    assert order is not None, "a cancelled order stays on the books"
    return futures_shapes.order(call.room, number, order, call.brokerage.executions(call.room, number), query=False)


def cancel_all(call: Call) -> JsonObject:
    """Handle DELETE /fapi/v1/allOpenOrders for a symbol, conditional orders apart."""
    symbol = call.listing().symbol
    for number in call.brokerage.open_numbers(call.room, symbol):
        order = call.brokerage.newest(call.room, number)
        if order is not None and order.is_open and (not is_algo(order) or order.triggered):
            ordering.cancel(call, number)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def cancel_batch(call: Call) -> list[JsonObject]:
    """Handle DELETE /fapi/v1/batchOrders: a result for each, an order or an error."""
    names = {"orderIdList": "orderId", "origClientOrderIdList": "origClientOrderId"}
    given = next((name for name in names if name in call.values), None)
    if given is None:
        raise missing("orderIdList")
    try:
        asked = json.loads(call.text(given))
    except ValueError:
        raise missing(given) from None
    rows = []
    for each in asked[:10]:
        one = replace(call, values={"symbol": call.required("symbol"), names[given]: str(each)})
        try:
            rows.append(cancel(one))
        except ApiError as error:
            rows.append(error.document)
    return rows


def get_algo(call: Call) -> JsonObject:
    """Handle GET /fapi/v1/algoOrder, which needs no symbol."""
    number, order = _find_algo(call)
    return _algo_shape(call, number, order)


def _find_algo(call: Call) -> tuple[int, ExchangeOrder]:
    number, name = call.whole("algoId"), call.text("clientAlgoId")
    if number is None and not name:
        raise missing("algoId")
    if call.strike(FaultName.UNKNOWN_ORDER) is not None:
        raise ApiError(-2013, "Order does not exist.")
    if number is None:
        number = call.room.by_name.get(name, -1)
    order = call.brokerage.visible(call.room, number)
    if not is_algo(order):
        raise ApiError(-2013, "Order does not exist.")
    return number, order


def _algo_shape(call: Call, number: int, order: ExchangeOrder) -> JsonObject:
    return futures_shapes.algo(call.room, number, order, call.brokerage.executions(call.room, number), query=True)


def _algo_numbers(call: Call) -> list[int]:
    numbers = call.brokerage.open_numbers(call.room)
    orders = ((number, call.brokerage.newest(call.room, number)) for number in numbers)
    return [number for number, order in orders if order is not None and is_algo(order) and not order.triggered]


def open_algos(call: Call) -> list[JsonObject]:
    """Handle GET /fapi/v1/openAlgoOrders."""
    symbol = call.listing().symbol if "symbol" in call.values else ""
    rows = ((number, call.brokerage.visible(call.room, number)) for number in _algo_numbers(call))
    return [_algo_shape(call, number, order) for number, order in rows if symbol in {"", order.symbol}]


def all_algos(call: Call) -> list[JsonObject]:
    """Handle GET /fapi/v1/allAlgoOrders."""
    symbol, brokerage, room = call.listing().symbol, call.brokerage, call.room
    start, end = ordering.window(call)
    first = call.whole("algoId") or 0
    rows = []
    for number in sorted(room.generations):
        order = brokerage.newest(room, number)
        if order is None or order.symbol != symbol or not is_algo(order) or number < first:
            continue
        shape = _algo_shape(call, number, order)
        if start <= shape["createTime"] <= end:
            rows.append(shape)
    return ordering.page(call, rows)


def cancel_algo(call: Call) -> JsonObject:
    """Handle DELETE /fapi/v1/algoOrder; the code of success is the text "200"."""
    try:
        number, order = _find_algo(call)
    except ApiError as error:
        if error.code == -2013:
            raise ApiError(*UNKNOWN_ORDER) from None
        raise
    if not order.is_open or order.triggered:
        raise ApiError(*UNKNOWN_ORDER)
    ordering.cancel(call, number)
    return {"algoId": number, "clientAlgoId": call.room.names[number], "code": "200", "msg": "success"}


def cancel_algos(call: Call) -> JsonObject:
    """Handle DELETE /fapi/v1/algoOpenOrders for a symbol."""
    symbol = call.listing().symbol
    for number in _algo_numbers(call):
        if call.brokerage.visible(call.room, number).symbol == symbol:
            ordering.cancel(call, number)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}
