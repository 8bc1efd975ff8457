"""Spot's order lists: OCO, OTO and OTOCO placed, shown and cancelled (rest-api.md, Order lists).

Here a list is a group of the exchange, so the exits trade against the entry, for the entry's quantity, and a pair
leaves what is held; lists that buy back, or whose orders differ in quantity, are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from brokergw.exchange import Ticket
from brokergw.model.terms import OrderClass, OrderType, Side, TimeInForce
from brokergw.sim.dialects.binance import ordering, spot_shapes
from brokergw.sim.dialects.binance.call import Call
from brokergw.sim.dialects.binance.refusals import (
    NO_SUCH_LIST,
    UNKNOWN_ORDER,
    ApiError,
    missing,
    rejected,
    unneeded,
)
from brokergw.sim.dialects.binance.room import OrderList, Room
from brokergw.sim.dialects.binance.spot_shapes import JsonObject
from brokergw.sim.faults import FaultName

_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_STOPS: Final = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT"})
_LIMITS: Final = frozenset({"LIMIT", "LIMIT_MAKER"})
_TIMED: Final = frozenset({"LIMIT", "STOP_LOSS_LIMIT"})
_KINDS: Final = frozenset({"ACK", "RESULT", "FULL"})
_STRANGE: Final = 7_000_000


@dataclass(frozen=True, slots=True)
class _Part:
    """One order of a list, as it was asked for."""

    word: str
    name: str
    price: Decimal | None
    stop: Decimal | None

    @property
    def stops(self) -> bool:
        return self.word in _STOPS


def oco(call: Call) -> JsonObject:
    """Handle POST /api/v3/orderList/oco."""
    side = call.word("side", _SIDES, -1117, "Invalid side.")
    quantity = _quantity(call, "quantity")
    profit, loss = _pair(call, side, quantity, "above", "below")
    last = call.brokerage.exchange.quote(call.listing().symbol).last
    assert profit.price is not None, "a limit order has a price"
    assert loss.stop is not None, "a stop order has a stop"
    low, high = (loss.stop, profit.price) if side is Side.SELL else (profit.price, loss.stop)
    if not low < last < high:
        raise rejected("The relationship of the prices for the orders is not correct.")
    lead = replace(_ticket(call, profit, side, quantity), order_class=OrderClass.OCO)
    return _place(call, "OCO", _with_exits(lead, profit, loss), (profit, loss))


def oto(call: Call) -> JsonObject:
    """Handle POST /api/v3/orderList/oto."""
    entry, side, quantity = _working(call)
    pending = _part(call, "pending", quantity, _LIMITS | _STOPS)
    exits = (None, pending) if pending.stops else (pending, None)
    lead = replace(_ticket(call, entry, side, quantity), order_class=OrderClass.OTO)
    return _place(call, "OTO", _with_exits(lead, *exits), (entry, pending))


def otoco(call: Call) -> JsonObject:
    """Handle POST /api/v3/orderList/otoco."""
    entry, side, quantity = _working(call)
    profit, loss = _pair(call, side.opposite, quantity, "pendingAbove", "pendingBelow")
    lead = replace(_ticket(call, entry, side, quantity), order_class=OrderClass.BRACKET)
    return _place(call, "OTO", _with_exits(lead, profit, loss), (entry, profit, loss))


def cancel(call: Call) -> JsonObject:
    """Handle DELETE /api/v3/orderList."""
    symbol = call.listing().symbol
    name, number = call.text("listClientOrderId"), call.whole("orderListId")
    found = [
        each
        for each in call.room.lists.values()
        if each.symbol == symbol and (each.list_id == number or (number is None and each.name == name))
    ]
    alive = [each for order_list in found for each in _open(call, order_list)]
    if number is None and not name:
        raise missing("listClientOrderId")
    if not alive:
        raise ApiError(*UNKNOWN_ORDER)
    return canceled(call, alive[0], call.order_name("newClientOrderId"))


def canceled(call: Call, number: int, name: str) -> JsonObject:
    """Cancel the list of an open order, and answer for all of it under the cancel's own id."""
    room, brokerage = call.room, call.brokerage
    order_list = room.list_of(number)
    assert order_list is not None, "only an order of a list is cancelled so"
    former = {each: room.names[each] for each in _open(call, order_list)}
    ordering.cancel(call, number, name or f"cancel{room.marked('').removeprefix('#')}")
    reports = []
    for each, was in former.items():
        order = brokerage.newest(room, each)
        assert order is not None, "a cancelled order stays on the books"
        reports.append(spot_shapes.canceled(room, each, order, brokerage.executions(room, each), was))
    return {**_document(call, order_list), "orderReports": reports}


def get(call: Call) -> JsonObject:
    """Handle GET /api/v3/orderList."""
    number, name = call.whole("orderListId"), call.text("origClientOrderId")
    if number is None and not name:
        raise missing("orderListId")
    if call.strike(FaultName.UNKNOWN_ORDER) is not None:
        raise ApiError(*NO_SUCH_LIST)
    # A name is free again once its list is done, so the newest that had it is meant.
    for each in reversed(call.room.lists.values()):
        if (each.list_id == number if number is not None else each.name == name) and _is_born(call, each):
            return _document(call, each)
    raise ApiError(*NO_SUCH_LIST)


def open_lists(call: Call) -> list[JsonObject]:
    """Handle GET /api/v3/openOrderList."""
    return [_document(call, each) for each in call.room.lists.values() if _is_born(call, each) and _open(call, each)]


def all_lists(call: Call) -> list[JsonObject]:
    """Handle GET /api/v3/allOrderList."""
    start, end = ordering.window(call)
    first = call.whole("fromId") or 0
    found = [
        _document(call, each)
        for each in call.room.lists.values()
        if each.list_id >= first and start <= spot_shapes.ms(each.time_ns) <= end and _is_born(call, each)
    ]
    return ordering.page(call, found)


def _is_born(call: Call, order_list: OrderList) -> bool:
    return all(call.room.is_born(each, call.brokerage.options.now_ns()) for each in order_list.numbers)


def _open(call: Call, order_list: OrderList) -> list[int]:
    orders = {each: call.brokerage.newest(call.room, each) for each in order_list.numbers}
    return [each for each, order in orders.items() if order is not None and order.is_open]


def _document(call: Call, order_list: OrderList) -> JsonObject:
    return spot_shapes.order_list(call.room, order_list, alive=bool(_open(call, order_list)))


def _quantity(call: Call, name: str) -> Decimal:
    quantity = call.number(name)
    if quantity is None:
        raise missing(name)
    if quantity <= 0:
        raise ApiError(-1013, "Invalid quantity.")
    return quantity


def _working(call: Call) -> tuple[_Part, Side, Decimal]:
    side = call.word("workingSide", _SIDES, -1117, "Invalid side.")
    quantity = _quantity(call, "workingQuantity")
    entry = _part(call, "working", quantity, _LIMITS)
    if (
        call.word("pendingSide", _SIDES, -1117, "Invalid side.") is side
        or _quantity(call, "pendingQuantity") != quantity
    ):
        raise ApiError(-1013, "Invalid quantity: exits of another side or quantity are not simulated.")
    depth = call.brokerage.exchange.quote(call.listing().symbol)
    assert entry.price is not None, "a limit order has a price"
    if entry.word == "LIMIT_MAKER" and (entry.price >= depth.ask if side is Side.BUY else entry.price <= depth.bid):
        raise rejected("Order would immediately match and take.")
    return entry, side, quantity


def _pair(call: Call, side: Side, quantity: Decimal, above: str, below: str) -> tuple[_Part, _Part]:
    """Read a pair of exits, and give the profit's and the loss's; raises ApiError where they are no such pair."""
    over = _part(call, above, quantity, _LIMITS | _STOPS, -1158)
    under = _part(call, below, quantity, _LIMITS | _STOPS, -1158)
    if {"LIMIT"} & {over.word, under.word}:
        raise ApiError(-1158, "Order type not supported in OCO.")
    if over.stops and under.stops:
        raise ApiError(-1158, "Order type not supported in OCO.")
    if not over.stops and not under.stops:
        raise ApiError(-1168, "At least one OCO order must be contingent.")
    sells = side is Side.SELL
    if sells and over.stops:
        raise ApiError(-1166, "A limit order in a sell OCO must be above.")
    if not sells and under.stops:
        raise ApiError(-1165, "A limit order in a buy OCO must be below.")
    return (over, under) if sells else (under, over)


def _part(call: Call, prefix: str, quantity: Decimal, words: frozenset[str], code: int = -1116) -> _Part:
    """Read one order of a list by its parameters' prefix."""
    word = call.word(f"{prefix}Type", {each: each for each in words}, code, "Invalid orderType.")
    name = call.order_name(f"{prefix}ClientOrderId")
    ordering.refuse_open_name(call, name)
    price, stop = call.number(f"{prefix}Price"), call.number(f"{prefix}StopPrice")
    needs = {"Price": word != "STOP_LOSS", "StopPrice": word in _STOPS, "TimeInForce": word in _TIMED}
    for field, needed in needs.items():
        if needed != (f"{prefix}{field}" in call.values):
            raise missing(f"{prefix}{field}") if needed else unneeded(f"{prefix}{field}")
    if word in _TIMED:
        call.word(f"{prefix}TimeInForce", {"GTC": TimeInForce.GTC}, -1115, "Invalid timeInForce.")
    ordering.check_limits(call, call.listing(), quantity, price or stop)
    return _Part(word, name, price, stop)


def _ticket(call: Call, lead: _Part, side: Side, quantity: Decimal) -> Ticket:
    listing = call.listing()
    if not listing.tradable:
        raise rejected("Market is closed.")
    return Ticket(
        symbol=listing.symbol,
        side=side,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=quantity,
        limit_price=lead.price,
        client_order_id=call.room.marked(lead.name) if lead.name else "",
    )


def _with_exits(lead: Ticket, profit: _Part | None, loss: _Part | None) -> Ticket:
    return replace(
        lead,
        take_profit_limit_price=profit.price if profit else None,
        stop_loss_stop_price=loss.stop if loss else None,
        stop_loss_limit_price=loss.price if loss else None,
    )


def _place(call: Call, kind: str, ticket: Ticket, parts: tuple[_Part, ...]) -> JsonObject:
    """Hand a list to the exchange, its leading order first, and answer with a report of each order."""
    room, brokerage = call.room, call.brokerage
    word = call.text("newOrderRespType", "FULL")
    if word not in _KINDS:
        raise missing("newOrderRespType")
    name = call.order_name("listClientOrderId")
    alive = [each for each in room.lists.values() if each.name == name and _open(call, each)]
    if name and alive:
        raise rejected("Duplicate order sent.")
    now = brokerage.options.now_ns()
    made = room.begin_list(kind, name, ticket.symbol, len(parts), now)
    lead, *exits = parts
    room.next_legs = [(each.name, {"type": each.word, "list": made.list_id, "created_ns": now}) for each in exits]
    try:
        number, _ = ordering.place(call, ticket, {"type": lead.word, "list": made.list_id})
    except ApiError:
        del room.lists[made.list_id]
        raise
    finally:
        room.next_legs = []
    if number in room.births:
        room.births |= dict.fromkeys(made.numbers, room.births[number])
    document = {**_document(call, made), "orderReports": [_report(call, each, word) for each in made.numbers]}
    return document if call.strike(FaultName.OTHER_ORDER) is None else _stranger(document)


def _report(call: Call, number: int, word: str) -> JsonObject:
    room, brokerage = call.room, call.brokerage
    order = brokerage.newest(room, number)
    assert order is not None, "what was placed is on the books"
    report = spot_shapes.taken(room, number, order, brokerage.executions(room, number), word)
    entry_waits = order.parent_id and _kind_of(room, number) == "OTO" and "status" in report
    # What waits for its entry is answered as waiting, also where the entry has filled at once.
    return {**report, "status": "PENDING_NEW", "workingTime": -1} if entry_waits else report


def _stranger(document: JsonObject) -> JsonObject:
    def other(row: Mapping[str, object]) -> JsonObject:
        number = row["orderId"]
        assert isinstance(number, int), "orders are numbered"
        return {**row, "orderId": number + _STRANGE, "clientOrderId": f"stranger{number}"}

    return {
        **document,
        "listClientOrderId": "stranger",
        "orders": [other(each) for each in document["orders"]],
        "orderReports": [other(each) for each in document["orderReports"]],
    }


def _kind_of(room: Room, number: int) -> str:
    order_list = room.list_of(number)
    return "" if order_list is None else order_list.kind
