"""Schwab's endpoints as one account, one method each: paths and queries in, rows out.

Queries raise a `GatewayError`; commands give the raw reply, or say that there is none. Every path but those of market
data names the account by its hash, which is asked for once.
"""

import json
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode

from brokergw.adapters.schwab.errors import FAILURES, read_refusal, understood
from brokergw.adapters.schwab.payloads import broker_symbol, write_time
from brokergw.adapters.schwab.records import KINDS
from brokergw.adapters.schwab.session import Session
from brokergw.model.errors import GatewayError
from brokergw.model.outcome import NotSent, Unknown
from brokergw.ports.permit import Permit
from brokergw.transport.answers import NOT_FOUND
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, as_row, as_rows, read_json, text

_TRADER: Final = "/trader/v1"
_DATA: Final = "/marketdata/v1"
_SYMBOLS_MAX: Final = 200
_LOCATION: Final = re.compile(r"/accounts/(\w+)/orders/(\d+)/?$", re.ASCII)


class Api:
    """Schwab's endpoints as one account."""

    def __init__(self, session: Session, account_number: str) -> None:
        self._session = session
        self._wanted = account_number
        self._hash = ""
        self._number = ""

    @property
    def account_number(self) -> str:
        """The account's number, once it was asked for."""
        return self._number

    async def learn_account(self) -> None:
        """GET /accounts/accountNumbers, unless the account is known; raises CONNECTION_NOT_USABLE for several."""
        if self._hash:
            return
        with understood():
            rows = as_rows(self._found(await self._session.query(f"{_TRADER}/accounts/accountNumbers")))
            linked = {text(row, "accountNumber"): text(row, "hashValue") for row in rows}
        if self._wanted:
            linked = {number: name for number, name in linked.items() if number == self._wanted}
        if len(linked) != 1:
            what = f"the login opens {len(linked)} accounts" if not self._wanted else "the login does not open it"
            raise FAILURES.not_usable(
                f"Schwab: a connection is for one account, and {what}; link that one only when logging in"
            )
        ((self._number, self._hash),) = linked.items()

    async def account(self, *, positions: bool) -> Row:
        """GET /accounts/{hash}."""
        path = await self._account("")
        with understood():
            return as_row(self._found(await self._session.query(path + ("?fields=positions" if positions else ""))))

    async def preferences(self) -> Row:
        """GET /userPreference, which the schema has as an array and the service gives as an object."""
        with understood():
            found = self._found(await self._session.query(f"{_TRADER}/userPreference"))
            return as_row(found[0] if isinstance(found, list) and found else found)

    async def order(self, order_id: str) -> Row | None:
        """GET /accounts/{hash}/orders/{id}."""
        reply = await self._session.query(await self._account(f"/orders/{quote(order_id, safe='')}"))
        if reply.status == 404 and read_refusal(reply, "GET").reason == NOT_FOUND:
            return None
        with understood():
            return as_row(self._found(reply))

    async def orders(self, since_ns: int, until_ns: int, rows_max: int) -> list[Row]:
        """GET /accounts/{hash}/orders entered in a span of time, both ends included."""
        query = {
            "fromEnteredTime": write_time(since_ns),
            "toEnteredTime": write_time(until_ns),
            "maxResults": str(rows_max),
        }
        with understood():
            path = await self._account(f"/orders?{urlencode(query)}")
            return as_rows(self._found(await self._session.query(path)))

    async def transactions(self, since_ns: int, until_ns: int, kinds: Sequence[str] = tuple(KINDS)) -> list[Row]:
        """GET /accounts/{hash}/transactions of some types in a span of time."""
        query = {"startDate": write_time(since_ns), "endDate": write_time(until_ns), "types": ",".join(kinds)}
        with understood():
            path = await self._account(f"/transactions?{urlencode(query)}")
            return as_rows(self._found(await self._session.query(path)))

    async def quotes(self, symbols: Sequence[str]) -> dict[str, Row]:
        """GET /quotes, by the symbols asked for; those that Schwab does not know are left out."""
        found: dict[str, Row] = {}
        named = {broker_symbol(symbol): symbol for symbol in symbols}
        names = list(named)
        for start in range(0, len(names), _SYMBOLS_MAX):
            query = urlencode({"symbols": ",".join(names[start : start + _SYMBOLS_MAX]), "fields": "quote,reference"})
            with understood():
                told = as_row(self._found(await self._session.query(f"{_DATA}/quotes?{query}", data=True)))
                found |= {named[name]: as_row(row) for name, row in told.items() if name in named}
        return found

    async def submit(self, permit: Permit | None, body: Row) -> Reply | NotSent | Unknown:
        """POST /accounts/{hash}/orders."""
        return await self._command("POST", "/orders", body, permit)

    async def replace(self, permit: Permit, order_id: str, body: Row) -> Reply | NotSent | Unknown:
        """PUT /accounts/{hash}/orders/{id}."""
        return await self._command("PUT", f"/orders/{quote(order_id, safe='')}", body, permit)

    async def cancel(self, order_id: str) -> Reply | NotSent | Unknown:
        """DELETE /accounts/{hash}/orders/{id}."""
        return await self._command("DELETE", f"/orders/{quote(order_id, safe='')}")

    def order_id_of(self, reply: Reply) -> str:
        """Read the id of a new order from where it is said to be; empty where that is not in this account."""
        match = _LOCATION.search(reply.headers.get("location", ""))
        return match.group(2) if match is not None and match.group(1) == self._hash else ""

    async def _command(
        self, method: str, path: str, body: Row | None = None, permit: Permit | None = None
    ) -> Reply | NotSent | Unknown:
        try:
            whole = await self._account(path)
        except GatewayError as error:
            return NotSent.by(error)
        content = None if body is None else json.dumps(body).encode()
        return await self._session.command(method, whole, content, permit)

    async def _account(self, path: str) -> str:
        await self.learn_account()
        return f"{_TRADER}/accounts/{self._hash}{path}"

    def _found(self, reply: Reply) -> object:
        # A 404 without Schwab's own words comes from something between us and Schwab.
        if reply.status != 200:
            raise Unusable(f"HTTP {reply.status} where an answer was due")
        return read_json(reply.body)
