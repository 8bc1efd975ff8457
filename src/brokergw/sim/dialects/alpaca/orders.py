"""Orders: submit, read, list, replace and cancel (Alpaca docs, Working with /orders)."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import ExchangeOrder, Listing, OrderStatus, RefusalCode, Refused, Ticket
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderClass, Side
from brokergw.sim.dialects.alpaca import body as read
from brokergw.sim.dialects.alpaca import terms
from brokergw.sim.dialects.alpaca.call import Answer, Call
from brokergw.sim.dialects.alpaca.combo import Combo
from brokergw.sim.dialects.alpaca.refusals import (
    ApiError,
    forbidden,
    from_exchange,
    malformed,
    not_found,
    unprocessable,
)
from brokergw.sim.dialects.alpaca.shapes import ASSET_CLASS, SIDE, STATUS, JsonObject, as_submitted, derived_id
from brokergw.sim.faults import FaultName

_LIMIT_DEFAULT, _LIMIT_MAX = 50, 500
_STATUSES: Final = frozenset({"", "open", "closed", "all"})
_DIRECTIONS: Final = frozenset({"", "asc", "desc"})


def submit(call: Call) -> JsonObject:
    """Handle POST /v2/orders: answers 200 with the order as just taken, `pending_new` or `accepted`."""
    body = read.document(call.request.body)
    if call.room.configurations["suspend_trade"]:
        raise forbidden("new orders are rejected by user request")
    if terms.order_class_of(body) is OrderClass.MULTI_LEG:
        return call.brokerage.combos.submit(call.room, body)
    name = read.word(body, "symbol")
    if not name:
        raise malformed("symbol is required")
    listing = call.brokerage.listing(name)
    if listing is None:
        raise unprocessable(f'asset "{name}" not found')
    ticket = terms.ticket_of(body, surroundings(call, listing))
    if ticket.client_order_id and call.brokerage.combos.find(call.room, ticket.client_order_id) is not None:
        raise malformed("client_order_id must be unique")
    _check_intent(call, ticket, read.word(body, "position_intent"))
    _check_permissions(call, ticket, listing)
    placed = as_submitted(place(call, ticket, listing))
    if call.strike(FaultName.OTHER_ORDER) is not None:
        stranger = derived_id("stranger", placed["id"])
        return {**placed, "id": stranger, "client_order_id": stranger}
    return placed


def surroundings(call: Call, listing: Listing) -> terms.Surroundings:
    """Gather what the rules for tickets look at."""
    return terms.Surroundings(
        listing=listing,
        last=call.brokerage.exchange.quote(listing.symbol).last,
        position=call.room.position(listing.symbol),
        in_session=call.brokerage.in_session(listing),
        auctions=call.brokerage.hours.auctions(call.brokerage.now_ns()),
    )


def place(call: Call, ticket: Ticket, listing: Listing) -> JsonObject:
    """Hand a ticket to the exchange and write the order; raises ApiError."""
    brokerage, room = call.brokerage, call.room
    if (fault := call.strike(FaultName.SHOWN_AS)) is not None:
        room.show_next_as = fault.status_word
    try:
        order = brokerage.exchange.submit(room.account_id, ticket)
    except Refused as refused:
        existing = brokerage.exchange.order(room.account_id, str(refused.facts.get("existing_order_id", "")))
        raise from_exchange(refused, listing, existing) from None
    if (fault := call.strike(FaultName.LATE_BIRTH)) is not None:
        room.births[order.order_id] = brokerage.now_ns() + int(fault.duration_s * 1_000_000_000)
    return brokerage.shape(room, order)


def _check_intent(call: Call, ticket: Ticket, specified: str) -> None:
    if specified not in terms.INTENTS:
        raise malformed("invalid position_intent")
    inferred = call.room.infer_intent(ticket.side, ticket.symbol)
    if specified and specified != inferred:
        raise unprocessable(f"position intent mismatch, inferred: {inferred}, specified: {specified}")


def _check_permissions(call: Call, ticket: Ticket, listing: Listing) -> None:
    configurations, options = call.room.configurations, call.brokerage.options
    fraction = ticket.notional is not None or bool(ticket.quantity and ticket.quantity % 1)
    if fraction and listing.asset_class is not AssetClass.CRYPTO and not configurations["fractional_trading"]:
        raise forbidden("account is not allowed to trade fractional shares")
    if ticket.side is Side.BUY or listing.asset_class in {AssetClass.CRYPTO, AssetClass.OPTION}:
        return
    if call.room.position(listing.symbol) <= 0:
        if configurations["no_shorting"] or not options.shorting or options.multiplier <= 1:
            raise forbidden("account is not allowed to short")
        if listing.tradable and not listing.shortable:
            raise unprocessable(f'asset "{listing.symbol}" cannot be sold short')


def get(call: Call) -> JsonObject:
    """Handle GET /v2/orders/{id}."""
    if call.strike(FaultName.UNKNOWN_ORDER) is not None:
        raise not_found(f"order not found for {call.argument}")
    combo = call.brokerage.combos.find(call.room, call.argument)
    if combo is not None:
        return combo
    return call.brokerage.shape(call.room, _visible(call, call.argument))


def get_by_client_order_id(call: Call) -> JsonObject:
    """Handle GET /v2/orders:by_client_order_id, which finds orders in any status."""
    client_order_id = call.request.query.get("client_order_id", "")
    if not client_order_id:
        raise malformed("client_order_id is required")
    brokerage, room = call.brokerage, call.room
    combo = brokerage.combos.find(room, client_order_id)
    if combo is not None:
        return combo
    order = brokerage.exchange.order_by_client_id(room.account_id, client_order_id)
    if order is None or not room.is_born(order.order_id, brokerage.now_ns()):
        raise not_found(f"order not found for {client_order_id}")
    return brokerage.shape(room, order)


def _visible(call: Call, order_id: str) -> ExchangeOrder:
    order = call.brokerage.exchange.order(call.room.account_id, order_id)
    if order is None or not call.room.is_born(order_id, call.brokerage.now_ns()):
        raise not_found(f"order not found for {order_id}")
    return order


def list_orders(call: Call) -> list[JsonObject]:
    """Handle GET /v2/orders with its filters; newest first unless asked otherwise."""
    query = call.request.query
    status, direction = query.get("status", ""), query.get("direction", "")
    if status not in _STATUSES:
        raise malformed("invalid status")
    if direction not in _DIRECTIONS:
        raise malformed("invalid direction")
    nested = read.query_flag(query, "nested")
    limit = read.query_whole(query, "limit", _LIMIT_DEFAULT, _LIMIT_MAX)
    status = status or "open"
    singles = [order for order in _rows(call, status, nested=nested) if _wanted(call, order, status, nested=nested)]
    combos = [combo for combo in call.room.combos.values() if _wanted_combo(call, combo, status)]
    rows: list[ExchangeOrder | Combo] = [*singles, *combos]
    if combos:
        rows.sort(key=lambda row: row.create_time_ns)
    rows = _window(call, rows)
    if direction != "asc":
        rows.reverse()
    if call.strike(FaultName.SHUFFLED_LIST) is not None:
        rows.reverse()
    if (fault := call.strike(FaultName.TRUNCATED_LIST)) is not None:
        limit = min(limit, fault.keep)
    return [_row(call, row, nested=nested) for row in rows[:limit]]


def _row(call: Call, row: ExchangeOrder | Combo, *, nested: bool) -> JsonObject:
    if isinstance(row, Combo):
        return call.brokerage.combos.shape(row)
    return call.brokerage.shape(call.room, row, nested=nested)


def _rows(call: Call, status: str, *, nested: bool) -> Iterable[ExchangeOrder]:
    brokerage, room, now = call.brokerage, call.room, call.brokerage.now_ns()
    is_open = status == "open"
    for order in brokerage.open_orders(room, parents=nested) if is_open else brokerage.exchange.orders(room.account_id):
        if not (nested and order.parent_id) and room.is_born(order.order_id, now):
            yield order


def _wanted_combo(call: Call, combo: Combo, status: str) -> bool:
    query = call.request.query
    if query.get("side", "") or (status != "all" and combo.is_open is (status == "closed")):
        return False
    symbols, classes = read.query_list(query, "symbols"), read.query_list(query, "asset_class")
    if symbols and not symbols & {leg.listing.symbol for leg in combo.terms.legs}:
        return False
    return not classes or "us_option" in classes


def _wanted(call: Call, order: ExchangeOrder, status: str, *, nested: bool) -> bool:
    query = call.request.query
    is_open = order.is_open
    if nested and not is_open:
        # A group counts as open as long as one of its exits can still trade.
        legs = (call.brokerage.exchange.order(call.room.account_id, leg_id) for leg_id in order.leg_ids)
        is_open = any(leg is not None and leg.is_open for leg in legs)
    if status == "open" and (not is_open or call.brokerage.waits(call.room, order)):
        return False
    if status == "closed" and is_open:
        return False
    if query.get("side", "") not in {"", SIDE[order.side]}:
        return False
    symbols = read.query_list(query, "symbols")
    if symbols and not symbols & {order.symbol, order.symbol.replace("/", "")}:
        return False
    classes = read.query_list(query, "asset_class")
    listing = call.brokerage.listing(order.symbol)
    return not classes or (listing is not None and ASSET_CLASS[listing.asset_class] in classes)


def _window(call: Call, rows: list[ExchangeOrder | Combo]) -> list[ExchangeOrder | Combo]:
    query = call.request.query
    after, until = read.query_time(query, "after"), read.query_time(query, "until")
    before_id, after_id = query.get("before_order_id", ""), query.get("after_order_id", "")
    if (before_id or after_id) and (after is not None or until is not None):
        raise malformed("before_order_id and after_order_id cannot be combined with after or until")
    if after is not None:
        rows = [order for order in rows if order.create_time_ns > after]
    if until is not None:
        rows = [order for order in rows if order.create_time_ns < until]
    if before_id or after_id:
        places = {order.order_id: place for place, order in enumerate(rows)}
        last = places.get(before_id, len(rows)) if before_id else len(rows)
        first = places.get(after_id, -1) + 1 if after_id else 0
        rows = rows[first:last]
    return rows


def replace(call: Call) -> JsonObject:
    """Handle PATCH /v2/orders/{id}: answers 200 with the new order, which takes the old one's place."""
    body = read.document(call.request.body)
    brokerage, room = call.brokerage, call.room
    combo = brokerage.combos.replace(room, call.argument, body)
    if combo is not None:
        return combo
    order = _visible(call, call.argument)
    quantity = read.number(body, "qty")
    time_in_force = terms.time_in_force_of(body) if read.word(body, "time_in_force") else None
    changes: dict[str, Any] = {
        "quantity": quantity,
        "limit_price": read.number(body, "limit_price"),
        "stop_price": read.number(body, "stop_price"),
        "trail": read.number(body, "trail"),
        "time_in_force": time_in_force,
    }
    client_order_id = terms.client_order_id_of(body)
    _check_replaceable(call, order)
    _check_changes(call, order, changes)
    changes["client_order_id"] = client_order_id or None
    try:
        new = brokerage.exchange.replace(room.account_id, order.order_id, **changes)
    except Refused as refused:
        raise _replace_refused(refused, brokerage.listing(order.symbol)) from None
    return as_submitted(brokerage.shape(room, new))


def _check_replaceable(call: Call, order: ExchangeOrder) -> None:
    if order.order_id in call.room.canceling:
        raise unprocessable("cannot replace order in pending_cancel status")
    if order.status is OrderStatus.ACCEPTED:
        raise malformed("unable to replace order, order isn't sent to exchange yet")
    if order.status is OrderStatus.REPLACED:
        raise unprocessable("order already replaced")
    if not order.is_open:
        raise unprocessable("unable to replace order, order is not open")
    if order.notional is not None:
        raise unprocessable("notional orders cannot be replaced")


def _check_changes(call: Call, order: ExchangeOrder, changes: dict[str, Any]) -> None:
    ticket = order.ticket
    trail = ticket.trail_amount if ticket.trail_amount is not None else ticket.trail_percent
    present = (order.quantity, ticket.limit_price, order.stop_price, trail, ticket.time_in_force)
    given = (changes[name] for name in ("quantity", "limit_price", "stop_price", "trail", "time_in_force"))
    if all(new is None or new == old for new, old in zip(given, present, strict=True)):
        raise unprocessable("order parameters are not changed")
    listing = call.brokerage.listing(order.symbol)
    asset_class = listing.asset_class if listing is not None else AssetClass.STOCK
    if changes["quantity"] is not None and changes["quantity"] != order.quantity:
        _check_quantity(order, changes["quantity"], asset_class)
    settable = {"limit_price": ticket.limit_price, "stop_price": ticket.stop_price, "trail": trail}
    for name, old in settable.items():
        if changes[name] is not None and changes[name] <= 0:
            raise malformed(f"{name} must be > 0")
        if changes[name] is not None and old is None:
            raise malformed(f"{name} cannot be set on this order")
        if name != "trail" and ASSET_CLASS[asset_class] == "us_equity":
            terms.check_grid(name, changes[name])


def _check_quantity(order: ExchangeOrder, quantity: Decimal, asset_class: AssetClass) -> None:
    if quantity <= 0:
        raise malformed("qty must be > 0")
    if order.order_class is not OrderClass.SIMPLE or order.parent_id:
        raise unprocessable("qty cannot be changed for advanced orders")
    if quantity <= order.filled_quantity:
        raise unprocessable("qty must be > filled_qty")
    if asset_class is not AssetClass.CRYPTO and (order.quantity % 1 or quantity % 1):
        raise unprocessable("qty cannot be changed for fractional orders")


def _replace_refused(refused: Refused, listing: Listing | None) -> ApiError:
    if refused.code is RefusalCode.NOT_REPLACEABLE:
        return unprocessable(f"cannot replace order in {_status_of(refused)} status")
    if refused.code is RefusalCode.NOT_OPEN:
        return unprocessable("unable to replace order, order is not open")
    return from_exchange(refused, listing)


def _status_of(refused: Refused) -> str:
    return str(refused.facts.get("status", "")).lower()


def cancel(call: Call) -> Answer:
    """Handle DELETE /v2/orders/{id}: 204 means the request was taken; the order's own state tells what came of it."""
    if call.brokerage.combos.cancel(call.room, call.argument):
        return Answer(204)
    order = _visible(call, call.argument)
    cancel_order(call, order)
    return Answer(204)


def cancel_order(call: Call, order: ExchangeOrder) -> None:
    """Cancel an order, at once or (as a fault) some time later; raises ApiError."""
    brokerage, room = call.brokerage, call.room
    if order.status is OrderStatus.CANCELED:
        # A repeated cancel was observed to pass without an error.
        return
    if not order.is_open:
        raise unprocessable(f'order is already in "{STATUS[order.status]}" state')
    if order.order_id in room.canceling:
        raise unprocessable('order is already in "pending_cancel" state')
    fault = call.strike(FaultName.SLOW_CANCEL)
    if fault is not None:
        room.canceling.add(order.order_id)
        brokerage.tell(room, "pending_cancel", brokerage.shape(room, order), brokerage.now_ns())
        brokerage.cancel_later(room, order.order_id, fault.duration_s)
        return
    try:
        brokerage.exchange.cancel(room.account_id, order.order_id)
    except Refused as refused:
        raise from_exchange(refused, brokerage.listing(order.symbol)) from None


def cancel_all(call: Call) -> Answer:
    """Handle DELETE /v2/orders: 207 with one row for each order that was open."""
    brokerage, room = call.brokerage, call.room
    rows: list[JsonObject] = []
    for combo in brokerage.combos.open_orders(room):
        brokerage.combos.cancel(room, combo.order_id)
        rows.append({"id": combo.order_id, "status": 200})
    for order in brokerage.open_orders(room):
        now = brokerage.exchange.order(room.account_id, order.order_id)
        row: JsonObject = {"id": order.order_id, "status": 200}
        if now is not None and now.is_open:
            try:
                cancel_order(call, now)
            except ApiError as error:
                row = {"id": order.order_id, "status": error.status, "body": error.document}
        rows.append(row)
    return Answer(207, rows)
