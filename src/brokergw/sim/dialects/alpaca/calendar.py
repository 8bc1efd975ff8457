"""The market's clock and calendar (Alpaca docs, Clock and Calendar)."""

from datetime import date
from typing import Final

from brokergw.sim import new_york
from brokergw.sim.dialects.alpaca.call import Call
from brokergw.sim.dialects.alpaca.refusals import malformed
from brokergw.sim.dialects.alpaca.shapes import JsonObject

_FIRST: Final = date(1970, 1, 1)
_LAST: Final = date(2029, 12, 31)


def clock(call: Call) -> JsonObject:
    """Handle GET /v2/clock."""
    now, kept = call.brokerage.now_ns(), call.brokerage.hours
    return {
        "timestamp": new_york.local_text(now),
        "is_open": kept.is_open(now),
        "next_open": new_york.local_text(kept.next_open_ns(now)),
        "next_close": new_york.local_text(kept.next_close_ns(now)),
    }


def calendar(call: Call) -> list[JsonObject]:
    """Handle GET /v2/calendar; all days there are when no span is given."""
    query = call.request.query
    if query.get("date_type", "").upper() not in {"", "TRADING", "SETTLEMENT"}:
        raise malformed("invalid date_type")
    by_settlement = query.get("date_type", "").upper() == "SETTLEMENT"
    first, last = _day(query.get("start", ""), _FIRST), _day(query.get("end", ""), _LAST)
    if last < first:
        raise malformed("end must not be before start")
    rows = (_row(day) for day in new_york.trading_days(max(first, _FIRST), min(last, _LAST)))
    if by_settlement:
        return [row for row in rows if first.isoformat() <= row["settlement_date"] <= last.isoformat()]
    return list(rows)


def _row(day: date) -> JsonObject:
    minute = new_york.close_minute(day)
    return {
        "date": day.isoformat(),
        "open": "09:30",
        "close": f"{minute // 60:02d}:{minute % 60:02d}",
        "session_open": "0400",
        "session_close": "2000" if minute == new_york.CLOSE_MINUTE else "1700",
        "settlement_date": new_york.next_trading_day(day).isoformat(),
    }


def _day(value: str, default: date) -> date:
    if not value:
        return default
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        raise malformed("invalid date") from None
