"""The gateway's endpoints as one account, one method each: rows out; what is cold is asked for twice.

The lists of orders and trades may be asked for once in five seconds, so whoever needs one shares a reading that begins
after the asking. Queries raise a `GatewayError`; commands give the raw reply, or say that there is none.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from brokergw.adapters.ibkr import faults
from brokergw.adapters.ibkr.config import IbkrConfig
from brokergw.adapters.ibkr.pacing import Reading, list_turn
from brokergw.adapters.ibkr.session import Session
from brokergw.model.errors import Reason
from brokergw.model.outcome import NotSent, Unknown
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, as_row, as_rows, flag, read_json

ROWS_MAX: Final = 1000
TRADE_DAYS_MAX: Final = 7
_TURNS_MAX: Final = 6
_QUOTES_PAGE: Final = 100
_QUOTE_FIELDS: Final = "31,84,85,86,88"
_ALL: Final = "-1"


class Api:
    """The gateway's endpoints."""

    def __init__(self, session: Session, config: IbkrConfig, clock: Clock) -> None:
        self.session = session
        self._clock = clock
        self._pause_s = config.pause_s
        self._recent_s = config.list_every_s
        gateway = session.gateway
        self._orders = Reading(gateway.orders_lane, self._read_orders, clock)
        self._trades = Reading(gateway.trades_lane, self._read_trades, clock)
        self._warm: dict[str, int] = {}

    async def summary(self) -> Row:
        """GET /iserver/account/{account}/summary."""
        with faults.understood():
            return as_row(await self._asked(f"/iserver/account/{self._account}/summary"))

    async def positions(self) -> list[Row]:
        """GET /portfolio2/{account}/positions, which has no cache in between; rows of nothing are left out."""
        path = f"/portfolio2/{self._account}/positions"
        ready = await self.session.ready()
        if self._warm.get("positions") != ready.generation:
            await self._asked(path)
            self._warm["positions"] = ready.generation
        with faults.understood():
            return as_rows(await self._asked(path))

    async def orders(self) -> list[Row]:
        """GET /iserver/account/orders: every order of the day, and whatever is open; as of after this call."""
        return await self._orders.fresh()

    async def recent_orders(self) -> tuple[list[Row], float]:
        """Give the orders as of at most two paces ago, and from when they are (seconds of the monotonic clock)."""
        return await self._orders.recent(2 * self._recent_s), self._orders.last_at

    @property
    def last_orders(self) -> list[Row]:
        """The orders as they were last read, however long ago."""
        return self._orders.last or []

    async def trades(self) -> list[Row]:
        """GET /iserver/account/trades: the executions of a week, as of after this call."""
        return await self._trades.fresh()

    async def quotes(self, conids: Sequence[int]) -> dict[int, Row]:
        """GET /iserver/marketdata/snapshot, again until each has a side; the first answer only begins to gather."""
        found: dict[int, Row] = {}
        for start in range(0, len(conids), _QUOTES_PAGE):
            found |= await self._quotes(conids[start : start + _QUOTES_PAGE])
        return found

    async def submit(self, permit: Permit | None, ticket: Row) -> Reply | NotSent | Unknown:
        """POST /iserver/account/{account}/orders."""
        return await self.session.command(
            "POST", f"/iserver/account/{self._account}/orders", {"orders": [ticket]}, permit
        )

    async def change(self, permit: Permit, order_id: str, ticket: Row) -> Reply | NotSent | Unknown:
        """POST /iserver/account/{account}/order/{id}."""
        path = f"/iserver/account/{self._account}/order/{_segment(order_id)}"
        return await self.session.command("POST", path, ticket, permit)

    async def reply(
        self, question_id: str, *, confirmed: bool, permit: Permit | None = None
    ) -> Reply | NotSent | Unknown:
        """POST /iserver/reply/{id}; a yes comes under a permit of its own."""
        path = f"/iserver/reply/{_segment(question_id)}"
        return await self.session.command("POST", path, {"confirmed": confirmed}, permit)

    async def cancel(self, order_id: str, tags: Row) -> Reply | NotSent | Unknown:
        """DELETE /iserver/account/{account}/order/{id}."""
        words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in tags.items()}
        query = f"?{urlencode(words)}" if words else ""
        path = f"/iserver/account/{self._account}/order/{_segment(order_id)}{query}"
        return await self.session.command("DELETE", path)

    async def cancel_all(self) -> Reply | NotSent | Unknown:
        """DELETE the order that stands for all of them."""
        return await self.session.command("DELETE", f"/iserver/account/{self._account}/order/{_ALL}")

    @property
    def _account(self) -> str:
        return _segment(self.session.account)

    async def _read_orders(self) -> list[Row]:
        path = f"/iserver/account/orders?{urlencode({'accountId': self.session.account})}"
        for turn in range(_TURNS_MAX):
            if turn:
                await self._clock.sleep(self._pause_s)
                await list_turn(self.session.gateway.orders_lane)
            with faults.understood():
                answer = as_row(await self._asked(path))
                rows = as_rows(answer.get("orders"))
                if len(rows) >= ROWS_MAX:
                    raise Unusable("the list of orders is full, so some may be missing")
            if flag(answer, "snapshot"):
                return rows
        raise faults.unavailable(Reason.BROKER_ANSWER_UNUSABLE, "the list of orders is not whole yet")

    async def _read_trades(self) -> list[Row]:
        path = f"/iserver/account/trades?{urlencode({'days': TRADE_DAYS_MAX, 'accountId': self.session.account})}"
        ready = await self.session.ready()
        with faults.understood():
            rows = as_rows(await self._asked(path))
            if not rows and self._warm.get("trades") != ready.generation:
                # The first answer of a session is empty, whatever there is.
                await self._clock.sleep(self._pause_s)
                await list_turn(self.session.gateway.trades_lane)
                rows = as_rows(await self._asked(path))
            self._warm["trades"] = ready.generation
            return rows

    async def _quotes(self, conids: Sequence[int]) -> dict[int, Row]:
        query = {"conids": ",".join(map(str, conids)), "fields": _QUOTE_FIELDS}
        found: dict[int, Row] = {}
        for turn in range(_TURNS_MAX):
            if turn:
                await self._clock.sleep(self._pause_s)
            with faults.understood():
                rows = as_rows(await self._asked(f"/iserver/marketdata/snapshot?{urlencode(query)}"))
            found = {int(row["conid"]): row for row in rows if str(row.get("conid", "")).isdigit()}
            if all(row.get("84") or row.get("86") for row in found.values()):
                break
        return {conid: row for conid, row in found.items() if row.get("84") or row.get("86")}

    async def _asked(self, path: str) -> Any:
        reply = await self.session.query("GET", path)
        if reply.status != 200:
            raise self.session.gateway.failed(reply)
        with faults.understood():
            return read_json(reply.body)


def _segment(value: str) -> str:
    return quote(value, safe="")
