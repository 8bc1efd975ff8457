"""Account activities: fills and everything else that moved the account (Alpaca docs, Account Activities)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from brokergw.model.money import format_decimal
from brokergw.sim.dialects.alpaca import body as read
from brokergw.sim.dialects.alpaca.call import Call
from brokergw.sim.dialects.alpaca.refusals import malformed
from brokergw.sim.dialects.alpaca.room import FillNote
from brokergw.sim.dialects.alpaca.shapes import SIDE, JsonObject, derived_id, timestamp
from brokergw.sim.new_york import local_stamp, new_york_day

_PAGE_MAX: Final = 100
_CATEGORIES: Final = frozenset({"", "trade_activity", "non_trade_activity"})


@dataclass(frozen=True, slots=True)
class _Row:
    time_ns: int
    activity_id: str
    kind: str
    content: FillNote | JsonObject

    def shape(self) -> JsonObject:
        return _fill_shape(self.activity_id, self.content) if isinstance(self.content, FillNote) else self.content


def list_activities(call: Call) -> list[JsonObject]:
    """Handle GET /v2/account/activities and /v2/account/activities/{TYPE}: newest first, paged by the last id."""
    query = call.request.query
    category, direction = query.get("category", ""), query.get("direction", "")
    kinds = frozenset({call.argument}) if call.argument else read.query_list(query, "activity_types")
    if category not in _CATEGORIES:
        raise malformed("invalid category")
    if category and kinds:
        raise malformed("category cannot be combined with activity_types")
    if direction not in {"", "asc", "desc"}:
        raise malformed("invalid direction")
    rows = sorted(_rows(call, kinds, category), key=lambda row: row.time_ns, reverse=direction != "asc")
    page_size = read.query_whole(query, "page_size", _PAGE_MAX, _PAGE_MAX)
    first = _first(rows, query.get("page_token", ""))
    return [row.shape() for row in rows[first : first + page_size]]


def _rows(call: Call, kinds: frozenset[str], category: str) -> Iterator[_Row]:
    """Find what is asked for. Of the fills, of which there are many, only those are put into words."""
    meant = _span(call)
    if _wanted("FILL", kinds, category):
        for note in call.room.fills:
            execution = note.execution
            if meant(execution.time_ns):
                yield _Row(execution.time_ns, _fill_id(execution.time_ns, execution.execution_id), "FILL", note)
    for time_ns, row in call.room.other_activities:
        if _wanted(row["activity_type"], kinds, category) and meant(time_ns):
            yield _Row(time_ns, row["id"], row["activity_type"], row)


def _wanted(kind: str, kinds: frozenset[str], category: str) -> bool:
    if category:
        return (kind == "FILL") == (category == "trade_activity")
    return not kinds or kind in kinds


def _span(call: Call) -> Callable[[int], bool]:
    """Read which times are asked for."""
    query = call.request.query
    after, until = read.query_time(query, "after"), read.query_time(query, "until")
    first_ns = 0 if after is None else after + 1
    wanted = _day(day) if (day := query.get("date", "")) else None

    def meant(time_ns: int) -> bool:
        if time_ns < first_ns or (until is not None and time_ns > until):
            return False
        return wanted is None or new_york_day(time_ns) == wanted

    return meant


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        raise malformed("invalid date") from None


def _first(rows: list[_Row], page_token: str) -> int:
    if not page_token:
        return 0
    for place, row in enumerate(rows):
        if row.activity_id == page_token:
            return place + 1
    raise malformed("invalid page_token")


@lru_cache(maxsize=65_536)
def _fill_id(time_ns: int, execution_id: str) -> str:
    # The prefix is New York's local time, as recorded; no client should read it.
    return f"{local_stamp(time_ns)}::{derived_id('fill', execution_id)}"


def _fill_shape(activity_id: str, note: FillNote) -> JsonObject:
    execution = note.execution
    return {
        "id": activity_id,
        "activity_type": "FILL",
        "transaction_time": timestamp(execution.time_ns // 1000 * 1000),
        "type": "partial_fill" if note.leaves else "fill",
        "price": format_decimal(execution.price),
        "qty": format_decimal(execution.quantity),
        "side": "sell_short" if note.intent == "sell_to_open" else SIDE[execution.side],
        "symbol": execution.symbol,
        "leaves_qty": format_decimal(note.leaves),
        "order_id": execution.order_id,
        "cum_qty": format_decimal(note.total),
        "order_status": "partially_filled" if note.leaves else "filled",
    }
