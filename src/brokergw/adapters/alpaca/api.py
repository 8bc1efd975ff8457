"""Alpaca's endpoints, one method each: paths, queries and pages in, rows out.

Queries raise a `GatewayError`; commands give the raw reply, or say that there is none. See Alpaca's API reference,
Trading API v2 and Market Data API.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine, Sequence
from datetime import date
from typing import Any, Final
from urllib.parse import quote, urlencode

from brokergw.adapters.alpaca.errors import read_refusal, understood
from brokergw.adapters.alpaca.payloads import is_option
from brokergw.adapters.alpaca.payloads import write_time as rfc3339
from brokergw.adapters.alpaca.session import Session
from brokergw.model.outcome import NotSent, Unknown
from brokergw.ports.permit import Permit
from brokergw.transport.answers import NOT_FOUND
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, as_row, parse_time, read_row, read_rows, text

ORDERS_PAGE: Final = 500
ACTIVITIES_PAGE: Final = 100
_SYMBOLS_PAGE: Final = 100
_OVERLAP_NS: Final = 1_000


class Api:
    """Alpaca's endpoints as one account."""

    def __init__(self, session: Session, stock_feed: str) -> None:
        self._session = session
        self._stock_feed = stock_feed

    async def account(self) -> Row:
        """GET /v2/account."""
        return await self._required("/v2/account")

    async def clock(self) -> Row:
        """GET /v2/clock."""
        return await self._required("/v2/clock")

    async def calendar(self, first: date, last: date) -> list[Row]:
        """GET /v2/calendar from one day to another, both included."""
        return await self._list(f"/v2/calendar?start={first.isoformat()}&end={last.isoformat()}")

    async def positions(self) -> list[Row]:
        """GET /v2/positions."""
        return await self._list("/v2/positions")

    async def position(self, symbol: str) -> Row | None:
        """GET /v2/positions/{symbol}, which knows crypto pairs without the slash."""
        return await self._optional(f"/v2/positions/{_segment(symbol.replace('/', ''))}")

    async def order(self, order_id: str) -> Row | None:
        """GET /v2/orders/{id}."""
        return await self._optional(f"/v2/orders/{_segment(order_id)}?nested=true")

    async def order_by_client_id(self, client_order_id: str) -> Row | None:
        """GET /v2/orders:by_client_order_id; a group is then asked for by id, which tells its exits or legs too."""
        row = await self._optional(f"/v2/orders:by_client_order_id?{urlencode({'client_order_id': client_order_id})}")
        if row is None or row.get("legs") or row.get("order_class") in {"", "simple", None}:
            return row
        with understood():
            order_id = text(row, "id")
        return await self.order(order_id) or row

    async def open_orders(self) -> list[Row]:
        """GET /v2/orders, every page, oldest first, exits nested in their parents."""
        found: dict[str, Row] = {}
        async for page in self.open_order_pages():
            found.update({str(row.get("id")): row for row in page})
        return list(found.values())

    async def open_order_pages(self) -> AsyncGenerator[list[Row], None]:
        """GET /v2/orders page by page; rows may repeat over pages."""
        found: dict[str, Row] = {}
        query = {"status": "open", "limit": str(ORDERS_PAGE), "direction": "asc", "nested": "true"}
        while True:
            page = await self._list(f"/v2/orders?{urlencode(query)}")
            last = _add(found, page)
            yield page
            if len(page) < ORDERS_PAGE:
                return
            query["after_order_id"] = last

    async def orders_between(self, since_ns: int, until_ns: int) -> list[Row]:
        """GET /v2/orders of any status submitted from `since_ns` until before `until_ns`, every page, oldest first."""
        found: dict[str, Row] = {}
        after_ns = since_ns - 1
        while True:
            query = {
                "status": "all",
                "limit": str(ORDERS_PAGE),
                "direction": "asc",
                "nested": "true",
                "after": rfc3339(after_ns),
                "until": rfc3339(until_ns),
            }
            page = await self._list(f"/v2/orders?{urlencode(query)}")
            _add(found, page)
            if len(page) < ORDERS_PAGE:
                return list(found.values())
            # `after` is exclusive, and a list may round the time: a hair earlier, and known rows are dropped.
            with understood():
                after_ns = parse_time(text(page[-1], "submitted_at")) - _OVERLAP_NS

    async def activities(
        self, since_ns: int, until_ns: int | None, *, kind: str = "", newest_first: bool, trades: bool = True
    ) -> list[Row]:
        """GET /v2/account/activities after `since_ns` (exclusive) until `until_ns`, every page."""
        found: dict[str, Row] = {}
        query = {
            "after": rfc3339(since_ns),
            "direction": "desc" if newest_first else "asc",
            "page_size": str(ACTIVITIES_PAGE),
        }
        if until_ns is not None:
            query["until"] = rfc3339(until_ns)
        if not trades:
            query["category"] = "non_trade_activity"
        path = f"/v2/account/activities/{kind}" if kind else "/v2/account/activities"
        while True:
            page = await self._list(f"{path}?{urlencode(query)}")
            last = _add(found, page)
            if len(page) < ACTIVITIES_PAGE:
                return list(found.values())
            query["page_token"] = last

    async def quotes(self, symbols: Sequence[str]) -> dict[str, Row]:
        """GET the latest quotes from the three markets they may belong to, at once."""
        crypto = [s for s in symbols if "/" in s]
        options = [s for s in symbols if is_option(s)]
        stocks = [s for s in symbols if "/" not in s and not is_option(s)]
        parts = await asyncio.gather(
            *self._quote_calls("/v2/stocks/quotes/latest", stocks, {"feed": self._stock_feed}),
            *self._quote_calls("/v1beta1/options/quotes/latest", options, {}),
            *self._quote_calls("/v1beta3/crypto/us/latest/quotes", crypto, {}),
        )
        return {symbol: row for part in parts for symbol, row in part.items()}

    async def asset(self, symbol: str) -> Row | None:
        """GET /v2/assets/{symbol}."""
        return await self._optional(f"/v2/assets/{_segment(symbol)}")

    async def contract(self, symbol: str) -> Row | None:
        """GET /v2/options/contracts/{symbol}."""
        return await self._optional(f"/v2/options/contracts/{_segment(symbol)}")

    async def submit(self, permit: Permit, body: Row) -> Reply | NotSent | Unknown:
        """POST /v2/orders."""
        return await self._session.command("POST", "/v2/orders", json.dumps(body).encode(), permit)

    async def replace(self, permit: Permit, order_id: str, body: Row) -> Reply | NotSent | Unknown:
        """PATCH /v2/orders/{id}."""
        path = f"/v2/orders/{_segment(order_id)}"
        return await self._session.command("PATCH", path, json.dumps(body).encode(), permit)

    async def cancel(self, order_id: str) -> Reply | NotSent | Unknown:
        """DELETE /v2/orders/{id}."""
        return await self._session.command("DELETE", f"/v2/orders/{_segment(order_id)}")

    async def cancel_all(self) -> Reply | NotSent | Unknown:
        """DELETE /v2/orders."""
        return await self._session.command("DELETE", "/v2/orders")

    async def close_position(self, symbol: str) -> Reply | NotSent | Unknown:
        """DELETE /v2/positions/{symbol}."""
        return await self._session.command("DELETE", f"/v2/positions/{_segment(symbol.replace('/', ''))}")

    async def close_all(self) -> Reply | NotSent | Unknown:
        """DELETE /v2/positions with the open orders cancelled first."""
        return await self._session.command("DELETE", "/v2/positions?cancel_orders=true")

    def _quote_calls(
        self, path: str, symbols: Sequence[str], more: dict[str, str]
    ) -> list[Coroutine[Any, Any, dict[str, Row]]]:
        pages = [symbols[i : i + _SYMBOLS_PAGE] for i in range(0, len(symbols), _SYMBOLS_PAGE)]
        return [self._quotes(f"{path}?{urlencode({'symbols': ','.join(page), **more})}") for page in pages]

    async def _quotes(self, path: str) -> dict[str, Row]:
        with understood():
            quotes = as_row(read_row(self._found(await self._session.query(path, data=True))).get("quotes"))
            return {symbol: as_row(row) for symbol, row in quotes.items()}

    async def _required(self, path: str) -> Row:
        with understood():
            return read_row(self._found(await self._session.query(path)))

    async def _list(self, path: str) -> list[Row]:
        with understood():
            return read_rows(self._found(await self._session.query(path)))

    async def _optional(self, path: str) -> Row | None:
        reply = await self._session.query(path)
        if reply.status == 404 and read_refusal(reply).reason == NOT_FOUND:
            return None
        with understood():
            return read_row(self._found(reply))

    def _found(self, reply: Reply) -> bytes:
        # A 404 without Alpaca's own words comes from something between us and Alpaca.
        if reply.status != 200:
            raise Unusable(f"HTTP {reply.status} where an answer was due")
        return reply.body


def _add(found: dict[str, Row], page: list[Row]) -> str:
    """Add a page to what was found; gives the id of its last row. A full page of known rows would never end."""
    before = len(found)
    last = ""
    with understood():
        for row in page:
            last = text(row, "id")
            found[last] = row
        if page and len(found) == before and len(page) >= ACTIVITIES_PAGE:
            raise Unusable("the pages repeat")
    return last


def _segment(value: str) -> str:
    return quote(value, safe="")
