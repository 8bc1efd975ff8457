"""Contracts by id (conid) and by canonical symbol: looked up once, kept for as long as the process lives.

What a contract is does not change, so the cache needs no end; whether it may be traded does, and is asked each time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from brokergw.adapters.ibkr import faults, symbols
from brokergw.adapters.ibkr.payloads import decimal, optional_decimal, text
from brokergw.adapters.ibkr.session import Session
from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass, TickBand
from brokergw.model.money import format_decimal
from brokergw.transport.rows import Row, Unusable, as_row, as_rows, flag, int64, optional_text, read_json

_ONE: Final = Decimal(1)
_AHEAD_MONTHS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One contract: the canonical symbol, what the broker calls it, and how many units of the thing one is."""

    conid: int
    symbol: str
    kind: str
    ticker: str
    name: str
    currency: str
    venue: str
    multiplier: Decimal

    @property
    def asset_class(self) -> AssetClass:
        """Its class of assets."""
        return symbols.CLASSES[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """On which grid a contract trades, and whether this account may trade it now."""

    tick_bands: tuple[TickBand, ...]
    quantity_step: Decimal
    tradable: bool


class Contracts:
    """Looks contracts up."""

    def __init__(self, session: Session, cache: "Cache") -> None:
        self._session = session
        self._cache = cache

    async def of_symbol(self, symbol: str) -> Contract | None:
        """Find a contract by its canonical symbol, None when the broker has none; raises GatewayError."""
        known = self._cache.by_symbol.get(symbol)
        if known is not None:
            return known
        wanted = symbols.parse(symbol)
        if wanted is None:
            return None
        found = await self._find(wanted)
        if found is None or found.symbol != symbol:
            return None
        self._cache.keep(found)
        return found

    async def of_conids(self, conids: Iterable[int]) -> dict[int, Contract]:
        """Give the contracts of some ids; raises GatewayError."""
        return {conid: await self.of_conid(conid) for conid in set(conids)}

    async def of_conid(self, conid: int) -> Contract:
        """Give the contract of an id; raises GatewayError."""
        known = self._cache.by_conid.get(conid)
        if known is None:
            known = await self._described(conid)
            if known is None:
                raise faults.unavailable(Reason.BROKER_ANSWER_UNUSABLE, f"contract {conid} is not described")
            self._cache.keep(known)
        return known

    async def rules(self, contract: Contract) -> Rules:
        """Ask for the rules that hold for a contract now; raises GatewayError."""
        reply = await self._session.query("POST", "/iserver/contract/rules", {"conid": contract.conid, "isBuy": True})
        if reply.status != 200:
            raise self._session.gateway.failed(reply)
        with faults.understood():
            return _rules(as_row(read_json(reply.body)), self._session.account)

    async def _find(self, wanted: symbols.Wanted) -> Contract | None:
        with faults.understood():
            match wanted:
                case symbols.Share(ticker):
                    conid = await self._share(ticker)
                case symbols.Option():
                    conid = await self._option(wanted)
                case symbols.Future():
                    return await self._future(wanted)
                case symbols.Pair():
                    conid = await self._pair(wanted)
                case symbols.ByNumber(_, number):
                    conid = number
            return None if conid is None else await self._described(conid)

    async def _share(self, ticker: str) -> int | None:
        """Give the one American share of a ticker; of several nobody can tell which is meant."""
        found = as_row(await self._asked("/trsrv/stocks", symbols=ticker))
        listed = [
            contract
            for row in as_rows(found.get(ticker) or [])
            if optional_text(row, "assetClass") == "STK"
            for contract in as_rows(row.get("contracts"))
            if flag(contract, "isUS")
        ]
        return int64(listed[0], "conid") if len(listed) == 1 else None

    async def _option(self, wanted: symbols.Option) -> int | None:
        underlying = await self._share(wanted.ticker)
        if underlying is None:
            return None
        # The gateway knows the options of what was searched for.
        await self._asked("/iserver/secdef/search", symbol=wanted.ticker)
        rows = await self._asked(
            "/iserver/secdef/info",
            conid=str(underlying),
            sectype="OPT",
            month=wanted.month,
            strike=format_decimal(wanted.strike),
            right=wanted.right,
            exchange="SMART",
        )
        fitting = [
            row
            for row in as_rows(rows)
            if (optional_text(row, "maturityDate"), optional_text(row, "right")) == (wanted.expiry, wanted.right)
            and decimal(row, "strike") == wanted.strike
            and optional_text(row, "tradingClass") in {"", wanted.ticker.replace(" ", "")}
        ]
        return int64(fitting[0], "conid") if len(fitting) == 1 else None

    async def _future(self, wanted: symbols.Future) -> Contract | None:
        """Find the contract of a month, which for some is not the month in which it ends."""
        found = as_row(await self._asked("/trsrv/futures", symbols=wanted.root))
        month = _months(wanted.month)
        for row in as_rows(found.get(wanted.root) or []):
            ends = _months(text(row, "expirationDate"))
            if abs(month - ends) > _AHEAD_MONTHS:
                continue
            contract = await self._described(int64(row, "conid"))
            if contract is not None and symbols.parse(contract.symbol) == wanted:
                return contract
        return None

    async def _pair(self, wanted: symbols.Pair) -> int | None:
        found = as_row(await self._asked("/iserver/currency/pairs", currency=wanted.quote))
        name = f"{wanted.base}.{wanted.quote}"
        rows = as_rows(found.get(wanted.quote) or [])
        return next((int64(row, "conid") for row in rows if optional_text(row, "symbol") == name), None)

    async def _described(self, conid: int) -> Contract | None:
        reply = await self._session.query("GET", f"/iserver/contract/{conid}/info")
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise self._session.gateway.failed(reply)
        with faults.understood():
            return _contract(as_row(read_json(reply.body)))

    async def _asked(self, path: str, **query: str) -> Any:
        reply = await self._session.query("GET", f"{path}?{urlencode(query)}")
        if reply.status != 200:
            raise self._session.gateway.failed(reply)
        return read_json(reply.body)


class Cache:
    """The contracts that are known; all connections through one gateway share them."""

    def __init__(self) -> None:
        self.by_conid: dict[int, Contract] = {}
        self.by_symbol: dict[str, Contract] = {}

    def keep(self, contract: Contract) -> None:
        """Remember a contract."""
        self.by_conid[contract.conid] = contract
        self.by_symbol[contract.symbol] = contract


def _contract(row: Row) -> Contract:
    kind, ticker = text(row, "instrument_type"), text(row, "symbol")
    conid = int64(row, "con_id")
    local, month = optional_text(row, "local_symbol"), optional_text(row, "contract_month")
    return Contract(
        conid=conid,
        symbol=symbols.of_contract(kind, conid, ticker=ticker, local=local, month=month),
        kind=kind,
        ticker=ticker,
        name=optional_text(row, "company_name"),
        currency=text(row, "currency"),
        venue=optional_text(row, "exchange"),
        multiplier=_multiplier(row, kind, ticker),
    )


def _multiplier(row: Row, kind: str, ticker: str) -> Decimal:
    """Read a contract's size; the table of known futures helps out where the gateway tells none, and nothing else does.

    A future of a size that nobody knows must not be traded as if it were of size one.
    """
    told = optional_decimal(row, "multiplier")
    if told:
        return told
    if kind == "FUT":
        known = symbols.MULTIPLIERS.get(symbols.exchange_root(ticker))
        if known is None:
            raise Unusable("a future's multiplier is not told")
        return Decimal(known)
    if kind in {"OPT", "FOP", "WAR", "IOPT"}:
        raise Unusable("an option's multiplier is not told")
    return _ONE


def _rules(row: Row, account: str) -> Rules:
    rows = as_rows(row.get("incrementRules") or [])
    bands = [TickBand(decimal(each, "lowerEdge"), decimal(each, "increment")) for each in rows]
    if not bands:
        bands = [TickBand(Decimal(0), decimal(row, "increment"))]
    bands.sort(key=lambda band: band.price_from)
    traders = row.get("canTradeAcctIds")
    may = account in traders if isinstance(traders, list) else True
    return Rules(
        tick_bands=tuple(bands),
        # What is traded by halves is not offered here, whatever the smallest part is.
        quantity_step=_ONE,
        tradable=may and not optional_text(row, "error"),
    )


def _months(date: str) -> int:
    """Count the months of a date or a month that begins with its year, 202612 or 20261218."""
    if len(date) < 6 or not date.isdigit():
        raise Unusable("a date is not one")
    return int(date[:4]) * 12 + int(date[4:6])
