"""Portfolio history: equity over time in numbers (Alpaca docs, Portfolio History)."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from brokergw.sim.dialects.alpaca import body as read
from brokergw.sim.dialects.alpaca.call import Call
from brokergw.sim.dialects.alpaca.refusals import malformed
from brokergw.sim.dialects.alpaca.shapes import JsonObject
from brokergw.sim.hours import Doors
from brokergw.sim.new_york import at_minute, close_ns, is_trading_day, new_york_day, open_ns

_MINUTE_NS: Final = 60_000_000_000
_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
_STEPS: Final = {"1Min": 1, "5Min": 5, "15Min": 15, "1H": 60, "1D": 1440}
_UNITS: Final = {"D": 1, "W": 7, "M": 30, "A": 365}
_POINTS_MAX: Final = 10_000


def get(call: Call) -> JsonObject:
    """Handle GET /v2/account/portfolio/history."""
    start, end, timeframe = _span(call)
    times = list(_times(call, start, end, _STEPS[timeframe]))
    base = float(call.brokerage.options.cash)
    equity = [_equity_at(call, time_ns) for time_ns in times]
    profit = [round(value - base, 2) if value else 0.0 for value in equity]
    return {
        "timestamp": [time_ns // _SECOND_NS for time_ns in times],
        "equity": equity,
        "profit_loss": profit,
        "profit_loss_pct": [round(value / base, 6) if base else None for value in profit],
        "base_value": base,
        "base_value_asof": new_york_day(call.room.create_time_ns).isoformat(),
        "timeframe": timeframe,
        "cashflow": {},
    }


def _span(call: Call) -> tuple[int, int, str]:
    query = call.request.query
    end = read.query_time(query, "end") or call.brokerage.now_ns()
    if last := query.get("date_end", ""):
        end = min(end, at_minute(_day(last), 1440))
    start = read.query_time(query, "start")
    days = _days(query.get("period", "") or "1M")
    if start is None:
        start = end - days * _DAY_NS
    days = max(1, (end - start) // _DAY_NS)
    timeframe = query.get("timeframe", "") or ("1Min" if days < 7 else "15Min" if days < 30 else "1D")
    if timeframe not in _STEPS:
        raise malformed("invalid timeframe")
    if start > end:
        raise malformed("start must be before end")
    if (end - start) // (_STEPS[timeframe] * _MINUTE_NS) > _POINTS_MAX:
        raise malformed("period is too long for the timeframe")
    return start, end, timeframe


def _days(period: str) -> int:
    number, unit = period[:-1], period[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdigit() or not 0 < int(number) < 1000:
        raise malformed("invalid period")
    return int(number) * _UNITS[unit]


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise malformed("invalid date_end") from None


def _times(call: Call, start: int, end: int, minutes: int) -> Iterator[int]:
    """Give the left edges of the windows: midnights of sessions by day, otherwise times at which the market is open."""
    if minutes == _STEPS["1D"]:
        day, last = new_york_day(start), new_york_day(end)
        while day <= last:
            if is_trading_day(day):
                yield at_minute(day, 0)
            day += timedelta(days=1)
        return
    step = minutes * _MINUTE_NS
    reporting = call.request.query.get("intraday_reporting", "")
    around_the_clock = call.brokerage.hours.doors is Doors.OPEN or reporting == "continuous"
    time_ns = -(-start // step) * step
    while time_ns <= end:
        day = new_york_day(time_ns)
        if around_the_clock or (is_trading_day(day) and open_ns(day) <= time_ns < close_ns(day)):
            yield time_ns
        time_ns += step


def _equity_at(call: Call, time_ns: int) -> float:
    """Give the last equity sampled by then; an account that was not open yet had none."""
    samples = call.room.samples
    minutes = list(samples)
    place = bisect_right(minutes, time_ns // _MINUTE_NS)
    return round(float(samples[minutes[place - 1]]), 2) if place else 0.0
