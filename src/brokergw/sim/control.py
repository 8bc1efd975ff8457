"""The control plane under `/_sim/`: how tests and users in any language steer a running simulator."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from aiohttp import web

from brokergw.exchange import Refused
from brokergw.sim.faults import Faults, fault_from_json
from brokergw.sim.journal import WireJournal
from brokergw.sim.wire import Dialect, Entry

PREFIX: Final = "/_sim/"
ZERO: Final = Decimal(0)


@dataclass(slots=True)
class Clockwork:
    """Whether time passes by itself."""

    ticks: bool


class BadControl(Exception):
    """A control request that makes no sense, in words."""


class Control:
    """Answers control requests; every error is `{"error": "..."}` with status 400 or 404."""

    def __init__(self, dialect: Dialect, journal: WireJournal, faults: Faults, clockwork: Clockwork) -> None:
        self._dialect = dialect
        self._record = journal
        self._faults = faults
        self._clockwork = clockwork
        self._verbs: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[Any]]] = {
            ("GET", "state"): self._state,
            ("GET", "journal"): self._journal,
            ("DELETE", "journal"): self._clear_journal,
            ("GET", "faults"): self._list_faults,
            ("POST", "faults"): self._arm,
            ("DELETE", "faults"): self._disarm,
            ("POST", "price"): self._pin,
            ("DELETE", "price"): self._unpin,
            ("POST", "tick"): self._tick,
            ("POST", "ticking"): self._set_ticking,
            ("POST", "market"): self._market,
            ("POST", "execution"): self._execute,
            ("POST", "bust"): self._bust,
            ("POST", "correction"): self._correct,
            ("POST", "entry"): self._enter,
            ("POST", "stream/drop"): self._drop_streams,
        }

    async def answer(self, request: web.BaseRequest, path: str) -> web.Response:
        """Answer one request under the prefix."""
        verb = path.removeprefix(PREFIX).rstrip("/")
        if verb.startswith("faults/"):
            verb = "faults"
        handler = self._verbs.get((request.method, verb))
        if handler is None:
            known = ", ".join(f"{method} {PREFIX}{name}" for method, name in self._verbs)
            return _json({"error": f"no such control; known are {known}"}, 404)
        try:
            return _json(await handler(request))
        except (BadControl, ValueError) as error:
            return _json({"error": str(error)}, 400)
        except Refused as refused:
            return _json({"error": refused.message}, 400)

    async def _state(self, _: web.BaseRequest) -> Any:
        return {
            "dialect": self._dialect.name,
            "ticking": self._clockwork.ticks,
            "journal": {"arrived": self._record.arrived, "kept": len(self._record)},
            "faults": [armed.as_json() for armed in self._faults.listing()],
            **self._dialect.state(),
        }

    async def _journal(self, request: web.BaseRequest) -> Any:
        query = request.rel_url.query
        entries = self._record.select(
            after=_whole(query.get("after", "0"), "after"),
            method=query.get("method", ""),
            path=query.get("path", ""),
        )
        return {"arrived": self._record.arrived, "entries": [entry.as_json() for entry in entries]}

    async def _clear_journal(self, _: web.BaseRequest) -> Any:
        self._record.clear()
        return {}

    async def _list_faults(self, _: web.BaseRequest) -> Any:
        return {"faults": [armed.as_json() for armed in self._faults.listing()]}

    async def _arm(self, request: web.BaseRequest) -> Any:
        return self._faults.arm(fault_from_json(await _document(request))).as_json()

    async def _disarm(self, request: web.BaseRequest) -> Any:
        fault_id = request.rel_url.raw_path.removeprefix(f"{PREFIX}faults").strip("/")
        if not fault_id:
            self._faults.clear()
        elif not self._faults.disarm(fault_id):
            raise BadControl(f"no fault has the id {fault_id}")
        return {}

    async def _pin(self, request: web.BaseRequest) -> Any:
        document = await _document(request)
        symbol = self._listed(document.get("symbol"))
        self._dialect.exchange.set_price(symbol, _positive(document.get("price"), "price"))
        self._dialect.tick()
        return {"symbol": symbol, "price": str(document["price"])}

    async def _unpin(self, request: web.BaseRequest) -> Any:
        symbol = self._listed(request.rel_url.query.get("symbol"))
        self._dialect.exchange.clear_price(symbol)
        return {"symbol": symbol}

    async def _tick(self, request: web.BaseRequest) -> Any:
        document = await _document(request)
        times = _whole(document.get("times", 1), "times")
        for _ in range(times):
            self._dialect.tick()
        return {"times": times}

    async def _set_ticking(self, request: web.BaseRequest) -> Any:
        self._clockwork.ticks = _flag(await _document(request), "on")
        return {"on": self._clockwork.ticks}

    async def _market(self, request: web.BaseRequest) -> Any:
        document = await _document(request)
        mode = document.get("mode")
        if mode is None:
            mode = "open" if _flag(document, "open") else "shut"
        self._dialect.set_market(str(mode))
        return {"mode": mode}

    async def _execute(self, request: web.BaseRequest) -> Any:
        document = await _document(request)
        quantity = document.get("quantity")
        price = document.get("price")
        return self._dialect.force_fill(
            str(document.get("order_id", "")),
            None if quantity is None else _positive(quantity, "quantity"),
            None if price is None else _positive(price, "price"),
        )

    async def _bust(self, request: web.BaseRequest) -> Any:
        document = await _document(request)
        return self._dialect.amend(str(document.get("order_id", "")), str(document.get("execution_id", "")), ZERO, None)

    async def _correct(self, request: web.BaseRequest) -> Any:
        document = await _document(request)
        return self._dialect.amend(
            str(document.get("order_id", "")),
            str(document.get("execution_id", "")),
            _positive(document.get("quantity"), "quantity"),
            _positive(document.get("price"), "price"),
        )

    async def _enter(self, request: web.BaseRequest) -> Any:
        document = await _document(request)
        symbol = self._listed(document["symbol"]) if "symbol" in document else ""
        if "quantity" in document and not symbol:
            raise BadControl("quantity needs a symbol")
        told = document.get("told_quantity")
        entry = Entry(
            symbol=symbol,
            quantity=_number(document.get("quantity", 0), "quantity"),
            money=_number(document.get("money", 0), "money"),
            activity=str(document.get("activity", "")),
            told_quantity=None if told is None else _number(told, "told_quantity"),
            key_id=str(document.get("key_id", "")),
        )
        return self._dialect.enter(entry)

    async def _drop_streams(self, _: web.BaseRequest) -> Any:
        return {"dropped": await self._dialect.drop_streams()}

    def _listed(self, symbol: Any) -> str:
        if not isinstance(symbol, str) or self._dialect.exchange.listing(symbol) is None:
            raise BadControl("symbol must be one the exchange lists")
        return symbol


async def _document(request: web.BaseRequest) -> dict[str, Any]:
    raw = await request.read()
    if not raw:
        return {}
    document = json.loads(raw, parse_float=Decimal)
    if not isinstance(document, dict):
        raise BadControl("the body must be a JSON object")
    return document


def _json(document: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(document).encode(), content_type="application/json")


def _flag(document: dict[str, Any], name: str) -> bool:
    value = document.get(name)
    if not isinstance(value, bool):
        raise BadControl(f"{name} must be true or false")
    return value


def _whole(value: Any, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise BadControl(f"{name} must be a whole number") from None
    if number < 0:
        raise BadControl(f"{name} must not be negative")
    return number


def _positive(value: Any, name: str) -> Decimal:
    number = _number(value, name)
    if number <= 0:
        raise BadControl(f"{name} must be above 0")
    return number


def _number(value: Any, name: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise BadControl(f"{name} must be a decimal number") from None
    if not number.is_finite():
        raise BadControl(f"{name} must be a decimal number")
    return number
