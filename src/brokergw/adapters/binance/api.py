"""What is asked of Binance beyond one request: lists in pages, over all the symbols that an account has touched.

Binance lists orders and trades for one symbol at a time, in spans of a day (spot) or a week (futures), or from a number
on. So a short span is asked for by its times and a long one by numbers from the first; both go on by number while a
page is full. Rows may come twice, which the callers' ids sort out.
"""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from brokergw.adapters.binance.config import Product
from brokergw.adapters.binance.errors import UNKNOWN_SYMBOL, unavailable, understood
from brokergw.adapters.binance.session import Request, Session
from brokergw.model.errors import Reason
from brokergw.transport.answers import NOT_FOUND
from brokergw.transport.rows import Row, Unusable, as_row, as_rows, read_json, read_row, read_rows, whole

PAGE: Final = 1000
_MS: Final = 1_000_000
_DAY_MS: Final = 86_400_000
_INCOME_PAGES_MAX: Final = 200
_SPAN_MS: Final = {Product.SPOT: _DAY_MS, Product.FUTURES: 7 * _DAY_MS}
_MISSING: Final = frozenset({NOT_FOUND, UNKNOWN_SYMBOL})
"""What an order that Binance does not have is refused as; of a symbol that it does not list it has none."""

_PATHS: Final = {
    Product.SPOT: {
        "info": ("/api/v3/exchangeInfo", 20),
        "orders": ("/api/v3/allOrders", 20),
        "trades": ("/api/v3/myTrades", 20),
        "book": ("/api/v3/ticker/bookTicker", 4),
    },
    Product.FUTURES: {
        "info": ("/fapi/v1/exchangeInfo", 1),
        "orders": ("/fapi/v1/allOrders", 5),
        "trades": ("/fapi/v1/userTrades", 5),
        "book": ("/fapi/v1/ticker/bookTicker", 5),
    },
}


class Api:
    """Binance's queries as one account."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._product = session.product
        self._paths = _PATHS[session.product]

    async def row(self, path: str, weight: int, **params: str) -> Row:
        """GET one object."""
        reply = await self._session.query(Request(method="GET", path=path, params=params, weight=weight))
        with understood():
            return read_row(reply.body)

    async def rows(self, path: str, weight: int, **params: str) -> list[Row]:
        """GET a list of objects."""
        return await self.listing(Request(method="GET", path=path, params=params, weight=weight))

    async def listing(self, request: Request) -> list[Row]:
        """Make a request for a list of objects."""
        reply = await self._session.query(request)
        with understood():
            return read_rows(reply.body)

    async def optional(self, request: Request) -> Row | None:
        """Make a request for one object; None when Binance says that it does not exist."""
        reply = await self._session.query(request, also=_MISSING)
        if reply.status != 200:
            return None
        with understood():
            return read_row(reply.body)

    async def exchange_info(self) -> Row:
        """GET exchangeInfo, which anybody may."""
        path, weight = self._paths["info"]
        reply = await self._session.query(Request(method="GET", path=path, weight=weight, signed=False))
        with understood():
            row = read_row(reply.body)
            for limit in as_rows(row.get("rateLimits") or []):
                if limit.get("rateLimitType") == "REQUEST_WEIGHT":
                    self._session.learn_limit(whole(limit, "limit"))
            return row

    async def books(self, wires: Sequence[str]) -> list[Row]:
        """GET the best bid and ask of some listed symbols; futures tell one or all."""
        path, weight = self._paths["book"]
        params = {"symbols": json.dumps(list(wires), separators=(",", ":"))}
        if self._product is Product.FUTURES:
            params = {"symbol": wires[0]} if len(wires) == 1 else {}
        reply = await self._session.query(Request(method="GET", path=path, params=params, weight=weight, signed=False))
        with understood():
            parsed: Any = read_json(reply.body)
            return [as_row(parsed)] if isinstance(parsed, dict) else as_rows(parsed)

    async def last_prices(self, wires: Sequence[str]) -> list[Row]:
        """GET the last prices of some pairs."""
        params = {"symbols": json.dumps(list(wires), separators=(",", ":"))}
        request = Request(method="GET", path="/api/v3/ticker/price", params=params, weight=4, signed=False)
        return await self.listing(request)

    async def orders(self, wire: str, since_ns: int, until_ns: int) -> list[Row]:
        """GET allOrders of a symbol placed from `since_ns` until before `until_ns`."""
        path, weight = self._paths["orders"]
        return await self._paged(path, weight, wire, ("orderId", "orderId"), _span(since_ns, until_ns))

    async def algos(self, wire: str, since_ns: int, until_ns: int) -> list[Row]:
        """GET allAlgoOrders of a symbol, likewise."""
        return await self._paged("/fapi/v1/allAlgoOrders", 5, wire, ("algoId", "algoId"), _span(since_ns, until_ns))

    async def trades(self, wire: str, since_ns: int, until_ns: int) -> list[Row]:
        """GET the trades of a symbol, likewise."""
        path, weight = self._paths["trades"]
        return await self._paged(path, weight, wire, ("fromId", "id"), _span(since_ns, until_ns))

    async def trades_of(self, wire: str, number: int) -> list[Row]:
        """GET the trades of one order."""
        path, _ = self._paths["trades"]
        return await self.rows(path, 5, symbol=wire, orderId=str(number), limit=str(PAGE))

    async def income(self, since_ns: int, until_ns: int) -> list[Row]:
        """GET the futures account's income in a span of time, page by page from the oldest."""
        first, last = _span(since_ns, until_ns)
        found: dict[tuple[object, ...], Row] = {}
        for _ in range(_INCOME_PAGES_MAX):
            page = await self.rows("/fapi/v1/income", 30, startTime=str(first), endTime=str(last), limit=str(PAGE))
            with understood():
                for each in page:
                    found[each.get("tranId"), each.get("incomeType"), each.get("symbol"), each.get("tradeId")] = each
                if len(page) < PAGE:
                    return list(found.values())
                later = whole(page[-1], "time")
            # A page of one millisecond would be asked for again and again.
            first = max(first + 1, later)
        raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, "the income has no end")

    async def _paged(
        self, path: str, weight: int, wire: str, names: tuple[str, str], span: tuple[int, int]
    ) -> list[Row]:
        return [row async for row in self._pages(path, weight, wire, names, span)]

    async def _pages(
        self, path: str, weight: int, wire: str, names: tuple[str, str], span: tuple[int, int]
    ) -> AsyncIterator[Row]:
        (asked, field), (first, last) = names, span
        if last < first:
            return
        params = {"startTime": str(first), "endTime": str(last)}
        if last - first > _SPAN_MS[self._product]:
            params = {asked: "0"}
        newest = -1
        while True:
            page = await self.rows(path, weight, symbol=wire, limit=str(PAGE), **params)
            with understood():
                numbers = [whole(row, field) for row in page]
                for row in page:
                    if first <= _time_of(row) <= last:
                        yield row
                if len(page) < PAGE:
                    return
                if max(numbers) <= newest:
                    raise Unusable("the pages repeat")
            newest = max(numbers)
            params = {asked: str(newest + 1)}


def _span(since_ns: int, until_ns: int) -> tuple[int, int]:
    """Give the whole milliseconds of a span: those that begin in it."""
    return max(0, -(-since_ns // _MS)), max(0, -(-until_ns // _MS) - 1)


def _time_of(row: Row) -> int:
    return whole(row, "time" if "time" in row else "createTime")
