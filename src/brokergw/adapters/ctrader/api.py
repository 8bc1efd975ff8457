"""cTrader's queries, one method each: spans of time and pages in, rows out.

Queries raise a `GatewayError`. Lists have no cursor: what is told is the newest part of a span, and where there is
more, the span is asked for again up to the oldest row that came.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from brokergw.adapters.ctrader.errors import unavailable, understood
from brokergw.adapters.ctrader.messages import Kind
from brokergw.adapters.ctrader.payloads import MS, flag, milliseconds, money, money_digits
from brokergw.adapters.ctrader.session import Session
from brokergw.adapters.ctrader.symbols import required
from brokergw.model.errors import Reason
from brokergw.transport.answers import NOT_FOUND, Refusal
from brokergw.transport.rows import Row, Unusable, int64, rows_in

_WEEK_MS: Final = 604_800_000
_ROWS_MAX: Final = 1_000


class Api:
    """What can be asked as one account."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def trader(self) -> Row:
        """Ask for the account."""
        answer = required(await self._session.query(Kind.TRADER_REQ, Kind.TRADER_RES))
        with understood():
            trader = answer.get("trader")
            if not isinstance(trader, dict):
                raise Unusable("field trader is missing")
            return trader

    async def open_things(self) -> tuple[list[Row], list[Row]]:
        """Ask for every open position and every pending order."""
        answer = required(await self._session.query(Kind.RECONCILE_REQ, Kind.RECONCILE_RES))
        with understood():
            return rows_in(answer, "position"), rows_in(answer, "order")

    async def unrealized(self) -> dict[int, Decimal]:
        """Ask for the net profit of every open position, by its id."""
        answer = required(await self._session.query(Kind.UNREALIZED_REQ, Kind.UNREALIZED_RES))
        with understood():
            digits = money_digits(answer)
            return {
                int64(row, "positionId"): money(row, "netUnrealizedPnL", digits)
                for row in rows_in(answer, "positionUnrealizedPnL")
            }

    async def order(self, order_id: int) -> tuple[Row, list[Row]] | None:
        """Ask for one order with its deals; None when the broker says that there is none."""
        answer = await self._session.query(Kind.ORDER_DETAILS_REQ, Kind.ORDER_DETAILS_RES, {"orderId": order_id})
        if isinstance(answer, Refusal):
            if answer.reason == NOT_FOUND:
                return None
            raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, f"{answer.code} {answer.message}")
        with understood():
            found = answer.get("order")
            if not isinstance(found, dict) or int64(found, "orderId") != order_id:
                raise Unusable("the answer is about another order")
            return found, rows_in(answer, "deal")

    async def orders_since(self, since_ns: int, until_ns: int) -> list[Row]:
        """Ask for orders of any state in a span, oldest first; what lies outside of it may come too."""
        return await self._span(
            (Kind.ORDER_LIST_REQ, Kind.ORDER_LIST_RES), "order", "orderId", (since_ns, until_ns), _entered_ms
        )

    async def deals_since(self, since_ns: int, until_ns: int) -> list[Row]:
        """Ask for executions in a span, oldest first."""
        return await self._span(
            (Kind.DEAL_LIST_REQ, Kind.DEAL_LIST_RES), "deal", "dealId", (since_ns, until_ns), _dealt_ms
        )

    async def cash_flow(self, since_ns: int, until_ns: int) -> list[Row]:
        """Ask for money in and out, week by week, oldest first."""
        found: list[Row] = []
        start, end = milliseconds(since_ns), milliseconds(until_ns)
        while start <= end:
            stop = min(end, start + _WEEK_MS)
            answer = required(
                await self._session.query(
                    Kind.CASH_FLOW_REQ,
                    Kind.CASH_FLOW_RES,
                    {"fromTimestamp": start, "toTimestamp": stop},
                    history=True,
                )
            )
            with understood():
                found += rows_in(answer, "depositWithdraw")
            start = stop + 1
        return found

    async def _span(
        self, kinds: tuple[Kind, Kind], name: str, key: str, span_ns: tuple[int, int], time_ms: "TimeOf"
    ) -> list[Row]:
        """Read a span, a week at most at a time, newest rows of each part first."""
        found: dict[int, Row] = {}
        start, end = milliseconds(span_ns[0]), milliseconds(span_ns[1] + MS - 1)
        while start <= end:
            stop = min(end, start + _WEEK_MS)
            await self._part(found, kinds, name, key, (start, stop), time_ms)
            start = stop + 1
        return sorted(found.values(), key=lambda row: (time_ms(row), int64(row, key)))

    async def _part(
        self,
        found: dict[int, Row],
        kinds: tuple[Kind, Kind],
        name: str,
        key: str,
        span_ms: tuple[int, int],
        time_ms: "TimeOf",
    ) -> None:
        start, stop = span_ms
        while True:
            payload = {"fromTimestamp": start, "toTimestamp": stop}
            if name == "deal":
                payload["maxRows"] = _ROWS_MAX
            answer = required(await self._session.query(*kinds, payload, history=True))
            with understood():
                page = rows_in(answer, name)
                before = len(found)
                found |= {int64(row, key): row for row in page}
                if not flag(answer, "hasMore"):
                    return
                oldest = min((time_ms(row) for row in page), default=stop)
            # Rows of the oldest millisecond may have been cut off, so it is asked for again unless that brings nothing.
            if len(found) == before and oldest >= stop:
                raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, "the pages repeat")
            stop = oldest


class TimeOf:
    """Tells when a row happened, in milliseconds."""

    def __init__(self, *path: str) -> None:
        self._path = path

    def __call__(self, row: Row) -> int:
        """Read it; raises Unusable."""
        inner = row
        for name in self._path[:-1]:
            part = inner.get(name)
            if not isinstance(part, dict):
                raise Unusable(f"field {name} is missing")
            inner = part
        return int64(inner, self._path[-1])


_entered_ms: Final = TimeOf("tradeData", "openTimestamp")
_dealt_ms: Final = TimeOf("executionTimestamp")


def symbol_ids(found: Sequence[Row]) -> set[int]:
    """Give the symbols that orders, positions and deals are about."""
    ids: set[int] = set()
    for row in found:
        data = row.get("tradeData")
        ids.add(int64(data if isinstance(data, dict) else row, "symbolId"))
    return ids
