"""What the streamer tells of an order: message types and their bodies, as users of it have recorded them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from brokergw.exchange import EventKind, Execution
from brokergw.sim.dialects.schwab.shapes import JsonObject

_PLACES: Final = Decimal(1_000_000)
_SCALE: Final = 12
CREATED: Final = frozenset({EventKind.ACCEPTED, EventKind.NEW, EventKind.HELD})


def figure(value: Decimal) -> JsonObject:
    """Write a number in the streamer's way: digits, and twice the decimal places with the sign in the lowest bit."""
    return {"lo": str(int(abs(value) * _PLACES)), "signScale": _SCALE + (value < 0)}


def moment(time_ns: int) -> JsonObject:
    """Write a moment."""
    read = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return {"DateTimeString": f"{read:%Y-%m-%d %H:%M:%S}.{time_ns // 1_000_000 % 1000:03d}"}


def message(kind: str, number: int, account: str, **facts: object) -> tuple[str, JsonObject]:
    """Write one message: its type, and the document that goes as text into field 3."""
    event: JsonObject = {"EventType": kind, **facts}
    return kind, {"SchwabOrderID": str(number), "AccountNumber": account, "BaseEvent": event}


def created(number: int, account: str, time_ns: int, row: JsonObject) -> list[tuple[str, JsonObject]]:
    """Tell of a new order."""
    legs = [
        {
            "LegID": str(leg["legId"]),
            "Quantity": figure(Decimal(str(leg["quantity"]))),
            "LeavesQuantity": figure(Decimal(str(leg["quantity"]))),
            "BuySellCode": "Buy" if leg["instruction"].startswith("BUY") else "Sell",
            "Security": {"Symbol": leg["instrument"]["symbol"]},
        }
        for leg in row.get("orderLegCollection", ())
    ]
    order = {"SchwabOrderID": str(number), "Order": {"AssetOrderEquityOrderLeg": {"OrderLegs": legs}}}
    accepted = {
        "CreatedTimeStamp": moment(time_ns),
        "Status": "Open",
        "TradingSessionCodeOnOrderEntry": "REG",
    }
    return [
        message("OrderCreated", number, account, OrderCreatedEventEquityOrder={"Order": order}),
        message("OrderAccepted", number, account, OrderAcceptedEvent=accepted),
    ]


def executed(
    number: int, account: str, execution: Execution, total: Decimal, left: Decimal
) -> list[tuple[str, JsonObject]]:
    """Tell of a trade."""
    info = {
        "LegId": "1",
        "LegStatus": "LegClosed" if not left else "LegOpen",
        "LegSubStatus": "LegSubStatusFilled",
        "QuantityInfo": {
            "ExecutionID": execution.execution_id,
            "CumulativeQuantity": figure(total),
            "LeavesQuantity": figure(left),
            "AveragePrice": figure(execution.price),
        },
        "ExecutionInfo": {
            "ExecutionId": execution.execution_id,
            "ExecutionQuantity": figure(execution.quantity),
            "ExecutionPrice": figure(execution.price),
            "ExecutionTimeStamp": moment(execution.time_ns),
            "ExecutionTransType": "Fill",
        },
    }
    return [
        message("ExecutionCreated", number, account, ExecutionCreatedEventExecutionInfo=info["ExecutionInfo"]),
        message("OrderFillCompleted", number, account, OrderFillCompletedEventOrderLegQuantityInfo=info),
    ]


def ended(kind: EventKind, number: int, account: str, time_ns: int, left: Decimal) -> list[tuple[str, JsonObject]]:
    """Tell of an end without a trade."""
    if kind is EventKind.EXPIRED:
        return [message("OrderExpired", number, account)]
    out = {
        "LegId": "1",
        "LeavesQuantity": figure(Decimal(0)),
        "CancelQuantity": figure(left),
        "LegStatus": "LegClosed",
        "LegSubStatus": "LegSubStatusCancelled",
        "OutCancelType": "ClientCancel",
    }
    taken = {"LifecycleSchwabOrderID": str(number), "CancelTimeStamp": moment(time_ns)}
    return [
        message("CancelAccepted", number, account, CancelAcceptedEvent=taken),
        message(
            "ExecutionCreated", number, account, ExecutionCreatedEventExecutionInfo={"ExecutionTransType": "UROut"}
        ),
        message("OrderUROutCompleted", number, account, OrderUROutCompletedEvent=out),
    ]


def refused(number: int, account: str, description: str) -> list[tuple[str, JsonObject]]:
    """Tell of an order that was numbered and refused."""
    rule, _, words = description.partition(": ")
    out = {
        "LegId": "1",
        "LegStatus": "LegClosed",
        "LegSubStatus": "LegSubStatusCancelled",
        "OutCancelType": "SystemReject",
        "ValidationDetail": [
            {"NgOMSRuleName": rule if words else "", "NgOMSRuleDescription": words or description},
        ],
    }
    return [message("OrderUROutCompleted", number, account, OrderUROutCompletedEvent=out)]


def changed(number: int, account: str, before: int) -> list[tuple[str, JsonObject]]:
    """Tell of a new generation."""
    facts = {"SchwabOrderID": str(number), "ParentSchwabOrderID": str(before)}
    return [
        message("ChangeCreated", number, account, ChangeCreatedEvent=facts),
        message("ChangeAccepted", number, account, ChangeAcceptedEvent=facts),
    ]
