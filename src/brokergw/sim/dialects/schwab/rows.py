"""Orders as Schwab writes them: rows with their legs, executions and children nested."""

from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import ExchangeOrder, Execution, OrderStatus
from brokergw.model.terms import OrderType, TimeInForce
from brokergw.sim.dialects.schwab.room import ZERO, Entry, Room, Spread
from brokergw.sim.dialects.schwab.shapes import (
    DURATION,
    JsonObject,
    instrument,
    number,
    price_fields,
    shown_status,
    stable_number,
    stamp,
)
from brokergw.sim.dialects.schwab.terms import WantedLeg

_FINAL: Final = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED", "REPLACED"})
_ENDED_AS: Final = {OrderStatus.CANCELED: "CANCELED", OrderStatus.REPLACED: "CANCEL_REPLACE"}
_OPENING: Final = frozenset({"BUY", "SELL_SHORT", "BUY_TO_OPEN", "SELL_TO_OPEN"})
TAG: Final = "TA_simulatedapplication1704153600"


def legs_of(legs: tuple[WantedLeg, ...], quantities: tuple[Decimal, ...]) -> list[JsonObject]:
    """Write the legs of an order."""
    return [
        {
            "orderLegType": instrument(leg.listing)["assetType"],
            "legId": place,
            "instrument": instrument(leg.listing),
            "instruction": leg.instruction,
            "positionEffect": "OPENING" if leg.instruction in _OPENING else "CLOSING",
            "quantity": number(quantity),
        }
        for place, (leg, quantity) in enumerate(zip(legs, quantities, strict=True), 1)
    ]


def common(room: Room, entry: Entry, status: str, end_ns: int) -> JsonObject:
    """Write what every row has."""
    row: JsonObject = {
        "session": entry.session,
        "complexOrderStrategyType": "NONE",
        "requestedDestination": "AUTO",
        "destinationLinkName": "AutoRoute",
        "orderId": entry.number,
        "cancelable": status not in _FINAL,
        "editable": status not in _FINAL,
        "status": status,
        "enteredTime": stamp(entry.entered_ns),
        "tag": TAG,
        "accountNumber": int(room.number),
    }
    if status in _FINAL:
        row["closeTime"] = stamp(end_ns)
    return row


def single_row(
    room: Room, entry: Entry, order: ExchangeOrder, leg: WantedLeg, executions: tuple[Execution, ...]
) -> JsonObject:
    """Write an order of one leg."""
    status = shown_status(order)
    if order.is_open:
        status = "PENDING_CANCEL" if entry.number in room.canceling else room.shown_as.get(entry.number, status)
    quantity, filled = order.quantity - entry.inherited, order.filled_quantity - entry.inherited
    row = {
        **common(room, entry, status, order.update_time_ns),
        "duration": DURATION.get(order.time_in_force, "DAY"),
        "orderType": _type(order),
        "quantity": number(quantity),
        "filledQuantity": number(filled),
        "remainingQuantity": number(quantity - filled if order.is_open else ZERO),
        **price_fields(order),
        "orderLegCollection": legs_of((leg,), (quantity,)),
        "orderStrategyType": "TRIGGER" if entry.children else "SINGLE",
    }
    activities = _activities(entry, order, quantity, executions)
    if activities:
        row["orderActivityCollection"] = activities
    return row


def _type(order: ExchangeOrder) -> str:
    return f"{order.type.value}_ON_CLOSE" if order.time_in_force is TimeInForce.AT_CLOSE else _word(order.type)


def _word(kind: OrderType) -> str:
    return kind.value


def _activities(
    entry: Entry, order: ExchangeOrder, quantity: Decimal, executions: tuple[Execution, ...]
) -> list[JsonObject]:
    rows = []
    left = quantity
    for execution in executions:
        left -= execution.quantity
        rows.append(
            activity(execution.execution_id, "FILL", execution.quantity, left, execution.time_ns, (execution.price,))
        )
    if order.status in _ENDED_AS:
        # What ends an order is told as an execution too: of all that was left, at a price of nothing.
        kind = _ENDED_AS[order.status]
        rows.append(activity(f"{entry.number} {kind}", kind, left, ZERO, order.update_time_ns, (ZERO,)))
    return rows


def activity(
    name: str, kind: str, quantity: Decimal, left: Decimal, time_ns: int, prices: tuple[Decimal, ...], ratio: Any = None
) -> JsonObject:
    """Write one row of what happened to an order."""
    return {
        "activityType": "EXECUTION",
        "activityId": stable_number("activity", name),
        "executionType": kind,
        "quantity": number(quantity),
        "orderRemainingQuantity": number(left),
        "executionLegs": [
            {
                "legId": place,
                "price": number(price),
                "quantity": number(quantity * (ratio[place - 1] if ratio else 1)),
                "mismarkedQuantity": 0.0,
                "instrumentId": 0,
                "time": stamp(time_ns),
            }
            for place, price in enumerate(prices, 1)
        ],
    }


def spread_row(room: Room, entry: Entry, spread: Spread) -> JsonObject:
    """Write an order of several legs."""
    filled = spread.quantity if spread.status == "FILLED" else ZERO
    kind = "MARKET"
    if spread.net_price is not None:
        kind = "NET_DEBIT" if spread.net_price > 0 else "NET_CREDIT" if spread.net_price < 0 else "NET_ZERO"
    row = {
        **common(room, entry, spread.status, spread.end_ns),
        "complexOrderStrategyType": "CUSTOM",
        "duration": spread.duration,
        "orderType": kind,
        "quantity": number(spread.quantity),
        "filledQuantity": number(filled),
        "remainingQuantity": number(spread.quantity if spread.status == "WORKING" else ZERO),
        "orderLegCollection": legs_of(spread.legs, tuple(leg.quantity for leg in spread.legs)),
        "orderStrategyType": "SINGLE",
    }
    if spread.net_price is not None:
        row["price"] = number(abs(spread.net_price))
    if filled:
        ratios = [leg.quantity / spread.quantity for leg in spread.legs]
        name = f"spread {entry.number}"
        row["orderActivityCollection"] = [
            activity(name, "FILL", spread.quantity, ZERO, spread.end_ns, spread.leg_prices, ratios)
        ]
    return row


def refused_row(room: Room, entry: Entry, wanted: JsonObject, description: str, legs: list[JsonObject]) -> JsonObject:
    """Write an order that was numbered and refused."""
    total = legs[0]["quantity"] if legs else 0.0
    prices = {
        name: float(wanted[name]) for name in ("price", "stopPrice", "stopPriceOffset") if wanted.get(name) is not None
    }
    return {
        **common(room, entry, "REJECTED", entry.entered_ns),
        "duration": wanted.get("duration", "DAY"),
        "orderType": wanted.get("orderType", "LIMIT"),
        "quantity": total,
        "filledQuantity": 0.0,
        "remainingQuantity": 0.0,
        **prices,
        "orderLegCollection": legs,
        "orderStrategyType": "SINGLE",
        "statusDescription": description,
    }
