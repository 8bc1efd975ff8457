"""Orders: submit, preview, read, list, replace and cancel."""

import uuid
from datetime import datetime
from typing import Any, Final

from brokergw.exchange import OrderStatus, Refused
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderType, Side
from brokergw.sim.dialects.schwab import activity, body, rows, spreads
from brokergw.sim.dialects.schwab.call import Answer, Call
from brokergw.sim.dialects.schwab.refusals import (
    NOT_ELIGIBLE,
    OVERSOLD,
    WRONG_SIDE,
    ApiError,
    RejectedLater,
    from_exchange,
    invalid,
    not_found,
)
from brokergw.sim.dialects.schwab.room import Entry, Room
from brokergw.sim.dialects.schwab.shapes import JsonObject
from brokergw.sim.dialects.schwab.terms import Wanted, wanted_of
from brokergw.sim.faults import FaultName

_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _NS
_PUBLIC: Final = "https://api.schwabapi.com/trader/v1"
_LONG, _SHORT = frozenset({"SELL", "SELL_TO_CLOSE"}), frozenset({"BUY_TO_COVER", "BUY_TO_CLOSE"})
_OPENS_LONG: Final = frozenset({"BUY", "BUY_TO_OPEN"})


def submit(call: Call) -> Answer:
    """Handle POST /accounts/{hash}/orders: 201 without a body; what becomes of the order shows later."""
    room = call.room
    wanted = wanted_of(body.document(call.request.body), call.brokerage.listing)
    entry = _numbered(call, room, wanted)
    if (fault := call.strike(FaultName.SHOWN_AS)) is not None:
        room.shown_as[entry.number] = fault.status_word
    if (fault := call.strike(FaultName.LATE_BIRTH)) is not None:
        room.births[entry.number] = call.brokerage.now_ns() + int(fault.duration_s * _NS)
    shown = entry.number
    if call.strike(FaultName.OTHER_ORDER) is not None:
        shown += 7_000_000
    return _created(room, shown)


def _created(room: Room, shown: int) -> Answer:
    headers = {
        "Location": f"{_PUBLIC}/accounts/{room.hash}/orders/{shown}",
        "Schwab-Client-CorrelId": str(uuid.uuid5(uuid.NAMESPACE_URL, str(shown))),
    }
    return Answer(201, headers=headers)


def _numbered(call: Call, room: Room, wanted: Wanted) -> Entry:
    brokerage = call.brokerage
    try:
        if wanted.ticket is None:
            return spreads.enter(brokerage, room, wanted)
        _check(call, room, wanted)
        try:
            return brokerage.enter(room, wanted)
        except Refused as refused:
            raise from_exchange(refused) from None
    except RejectedLater as rejected:
        return _refuse(call, room, wanted, rejected.description)


def _refuse(call: Call, room: Room, wanted: Wanted, description: str) -> Entry:
    entry = Entry(call.brokerage.next_number(), call.brokerage.now_ns(), wanted.session)
    legs = rows.legs_of(wanted.legs, tuple(leg.quantity for leg in wanted.legs))
    entry.refused = rows.refused_row(room, entry, wanted.body, description, legs)
    room.entries[entry.number] = entry
    call.brokerage.tell(room, activity.refused(entry.number, room.number, description))
    return entry


def _check(call: Call, room: Room, wanted: Wanted) -> None:
    """Check what the exchange does not: that the instruction fits the position, and a stop its side."""
    leg, ticket = wanted.legs[0], wanted.ticket
    assert ticket is not None
    held = call.brokerage.position(room, leg.listing.symbol)
    fits = {
        **dict.fromkeys(_LONG, held > 0),
        **dict.fromkeys(_SHORT, held < 0),
        **dict.fromkeys(_OPENS_LONG, held >= 0),
    }
    if not fits.get(leg.instruction, held <= 0):
        raise RejectedLater(OVERSOLD)
    if leg.listing.asset_class is AssetClass.OPTION and leg.instruction == "SELL_TO_OPEN":
        raise RejectedLater(NOT_ELIGIBLE)
    if ticket.type in {OrderType.STOP, OrderType.STOP_LIMIT} and ticket.stop_price is not None:
        last = call.brokerage.exchange.quote(ticket.symbol).last
        if ticket.stop_price <= last if ticket.side is Side.BUY else ticket.stop_price >= last:
            raise RejectedLater(WRONG_SIDE)


def preview(call: Call) -> JsonObject:
    """Handle POST /accounts/{hash}/previewOrder: checked as a submit is, and not placed."""
    room = call.room
    wanted = wanted_of(body.document(call.request.body), call.brokerage.listing)
    rejects: list[JsonObject] = []
    try:
        if wanted.ticket is not None:
            _check(call, room, wanted)
    except RejectedLater as rejected:
        rule, _, words = rejected.description.partition(": ")
        rejects = [
            {
                "validationRuleName": rule if words else "",
                "message": words or rejected.description,
                "activityMessage": words or rejected.description,
                "originalSeverity": "REJECT",
            }
        ]
    strategy = {"session": wanted.session, "orderStrategyType": wanted.body["orderStrategyType"]}
    return {
        "orderId": 0,
        "orderStrategy": strategy,
        "orderValidationResult": {"alerts": [], "accepts": [], "rejects": rejects, "reviews": [], "warns": []},
        "commissionAndFee": {"commission": {"commissionLegs": []}, "fee": {"feeLegs": []}, "trueCommission": {}},
    }


def get(call: Call) -> JsonObject:
    """Handle GET /accounts/{hash}/orders/{id}."""
    room = call.room
    if call.strike(FaultName.UNKNOWN_ORDER) is not None:
        raise not_found()
    return call.brokerage.row(room, _visible(call, room))


def _visible(call: Call, room: Room) -> Entry:
    named = call.arguments[1]
    entry = room.entries.get(int(named)) if named.isdecimal() else None
    if entry is None or not room.is_born(entry.number, call.brokerage.now_ns()):
        raise not_found()
    return entry


def list_orders(call: Call) -> list[JsonObject]:
    """Handle GET /accounts/{hash}/orders: what was entered in a span of time, newest first, groups nested."""
    return _listed(call, [call.room], 365)


def list_all(call: Call) -> list[JsonObject]:
    """Handle GET /orders: the same of every account, for sixty days at most."""
    return _listed(call, call.rooms(), 60)


def _listed(call: Call, rooms: list[Room], days_max: int) -> list[JsonObject]:
    query, now = call.request.query, call.brokerage.now_ns()
    since, until = _time(query.get("fromEnteredTime")), _time(query.get("toEnteredTime"))
    if since < now - (days_max + 1) * _DAY_NS or until < since:
        raise invalid("fromEnteredTime and toEnteredTime do not fit")
    limit = min(int(query.get("maxResults", call.brokerage.options.rows_max)), call.brokerage.options.rows_max)
    status = query.get("status", "")
    found = [
        (entry.entered_ns, entry.number, call.brokerage.row(room, entry))
        for room in rooms
        for entry in room.tops()
        if since <= entry.entered_ns <= until and room.is_born(entry.number, now)
    ]
    found.sort(key=lambda each: each[:2], reverse=True)
    listed = [row for _, _, row in found if status in {"", row.get("status", "")}]
    if call.strike(FaultName.SHUFFLED_LIST) is not None:
        listed.reverse()
    if (fault := call.strike(FaultName.TRUNCATED_LIST)) is not None:
        limit = min(limit, fault.keep)
    return listed[:limit]


def _time(text: str | None) -> int:
    if not text:
        raise invalid("fromEnteredTime and toEnteredTime are required")
    try:
        # A plus of an offset that nobody has encoded arrives as a space.
        read = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise invalid("a time must be yyyy-MM-dd'T'HH:mm:ss.SSSZ") from None
    if read.tzinfo is None:
        raise invalid("a time must have its zone")
    return round(read.timestamp() * 1000) * 1_000_000


def replace(call: Call) -> Answer:
    """Handle PUT /accounts/{hash}/orders/{id}: a new order of its own terms takes the old one's place."""
    room = call.room
    old = _visible(call, room)
    wanted = wanted_of(body.document(call.request.body), call.brokerage.listing)
    if old.spread is not None:
        new = _replace_spread(call, room, old, wanted)
    else:
        new = _replace_single(call, room, old, wanted)
    return _created(room, new.number)


def _replace_spread(call: Call, room: Room, old: Entry, wanted: Wanted) -> Entry:
    assert old.spread is not None
    if old.spread.status != "WORKING" or wanted.ticket is not None:
        raise _not_replaceable()
    old.spread.status, old.spread.end_ns = "REPLACED", call.brokerage.now_ns()
    new = _numbered(call, room, wanted)
    call.brokerage.tell(room, activity.changed(new.number, room.number, old.number))
    return new


def _replace_single(call: Call, room: Room, old: Entry, wanted: Wanted) -> Entry:
    if not old.order_id or old.refused is not None or wanted.ticket is None:
        raise _not_replaceable()
    order, ticket = call.brokerage.order_of(room, old), wanted.ticket
    if not order.is_open or (order.symbol, order.side, order.type) != (ticket.symbol, ticket.side, ticket.type):
        raise _not_replaceable()
    assert ticket.quantity is not None
    changes: dict[str, Any] = {
        # What the exchange calls a quantity counts what earlier generations have traded.
        "quantity": ticket.quantity + order.filled_quantity,
        "limit_price": ticket.limit_price,
        "stop_price": None if order.type is OrderType.TRAILING_STOP else ticket.stop_price,
        "trail": ticket.trail_amount if ticket.trail_amount is not None else ticket.trail_percent,
        "time_in_force": ticket.time_in_force,
    }
    try:
        return call.brokerage.change(room, old, wanted, changes)
    except Refused as refused:
        worded = from_exchange(refused)
        raise worded if isinstance(worded, ApiError) else ApiError(400, worded.description) from None


def _not_replaceable() -> ApiError:
    return ApiError(400, "The order cannot be replaced in its current state")


def cancel(call: Call) -> Answer:
    """Handle DELETE /accounts/{hash}/orders/{id}: 200 means that the request was taken."""
    room, brokerage = call.room, call.brokerage
    entry = _visible(call, room)
    if entry.spread is not None:
        if entry.spread.status != "WORKING":
            raise _not_cancelable()
        spreads.end(brokerage, room, entry, "CANCELED")
        return Answer(200)
    target = entry if entry.order_id or not entry.children else _first_open(call, room, entry)
    if not target.order_id or not brokerage.order_of(room, target).is_open:
        raise _not_cancelable()
    if (fault := call.strike(FaultName.SLOW_CANCEL)) is not None:
        room.canceling.add(target.number)
        brokerage.later(fault.duration_s, lambda: _end(call, room, target))
        return Answer(200)
    _end(call, room, target)
    return Answer(200)


def _first_open(call: Call, room: Room, node: Entry) -> Entry:
    children = [room.entries[child] for child in node.children]
    return next((each for each in children if call.brokerage.order_of(room, each).is_open), node)


def _end(call: Call, room: Room, entry: Entry) -> None:
    order = call.brokerage.order_of(room, entry)
    if order.is_open:
        held = order.status is OrderStatus.HELD
        call.brokerage.exchange.cancel(room.number, entry.order_id, keep_entry=held or bool(entry.parent))


def _not_cancelable() -> ApiError:
    return ApiError(400, "The order cannot be canceled in its current state")
