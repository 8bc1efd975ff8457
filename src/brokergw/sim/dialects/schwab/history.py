"""Transactions: the lines of an account's history, newest first, at most 3,000 of a year."""

from datetime import datetime
from typing import Final

from brokergw.sim.dialects.schwab.call import Call
from brokergw.sim.dialects.schwab.refusals import invalid, not_found
from brokergw.sim.dialects.schwab.shapes import JsonObject

_ROWS_MAX: Final = 3_000
_NS: Final = 1_000_000_000
TYPES: Final = frozenset(
    {
        "TRADE",
        "RECEIVE_AND_DELIVER",
        "DIVIDEND_OR_INTEREST",
        "ACH_RECEIPT",
        "ACH_DISBURSEMENT",
        "CASH_RECEIPT",
        "CASH_DISBURSEMENT",
        "ELECTRONIC_FUND",
        "WIRE_OUT",
        "WIRE_IN",
        "JOURNAL",
        "MEMORANDUM",
        "MARGIN_CALL",
        "MONEY_MARKET",
        "SMA_ADJUSTMENT",
    }
)


def list_transactions(call: Call) -> list[JsonObject]:
    """Handle GET /accounts/{hash}/transactions; start, end and types are required."""
    query, room = call.request.query, call.room
    wanted = set(query.get("types", "").split(","))
    if not wanted <= TYPES:
        raise invalid("types is required and must name transaction types")
    try:
        since = datetime.fromisoformat(query["startDate"].replace(" ", "+")).timestamp()
        until = datetime.fromisoformat(query["endDate"].replace(" ", "+")).timestamp()
    except (KeyError, ValueError):
        raise invalid("startDate and endDate are required") from None
    symbol = query.get("symbol", "")
    rows = [
        row
        for time_ns, row in reversed(room.transactions)
        if row["type"] in wanted and since <= time_ns / _NS < until + 1 and (not symbol or symbol in _symbols(row))
    ]
    return rows[:_ROWS_MAX]


def get(call: Call) -> JsonObject:
    """Handle GET /accounts/{hash}/transactions/{id}."""
    for _, row in call.room.transactions:
        if str(row["activityId"]) == call.arguments[1]:
            return row
    raise not_found()


def _symbols(row: JsonObject) -> set[str]:
    return {item["instrument"]["symbol"] for item in row["transferItems"]}
