"""The symbols of one broker server: names, ids, digits and volumes, and what they are called here.

A currency pair is called by its two currencies, `EUR/USD`; everything else by the broker's own name. cTrader's ids
differ from server to server, so nothing is known before it was asked for.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.adapters.ctrader.errors import unavailable
from brokergw.adapters.ctrader.messages import Kind
from brokergw.adapters.ctrader.payloads import Message, flag, optional_text, units
from brokergw.adapters.ctrader.session import Session
from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass, Instrument, TickBand
from brokergw.ports.clock import Clock
from brokergw.transport.answers import Refusal
from brokergw.transport.rows import Row, Unusable, int64, optional_int64, rows_in, text

_FOREX: Final = "forex"
_ENABLED: Final = 0
_LIST_LIFE_S: Final = 3_600.0
_DETAILS_LIFE_S: Final = 600.0
_DETAILS_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol as its list shows it."""

    symbol_id: int
    name: str
    canonical: str
    asset_class: AssetClass
    currency: str
    description: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Details:
    """The rest of it; quantities in units."""

    digits: int
    step: Decimal
    least: Decimal
    shortable: bool
    tradable: bool

    @property
    def point(self) -> Decimal:
        """The smallest step of a price."""
        return Decimal(1).scaleb(-self.digits)


class SymbolBook:
    """Every symbol of the account's server, read when first needed and now and then again."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._by_id: dict[int, Symbol] = {}
        self._by_name: dict[str, Symbol] = {}
        self._assets: dict[int, str] = {}
        self._details: dict[int, tuple[float, Details]] = {}
        self._read_at = float("-inf")
        self._turn = asyncio.Lock()
        session.hear(self._heard)

    async def find(self, name: str) -> Symbol | None:
        """Find a symbol by its name here or at the broker; raises GatewayError."""
        await self._fresh()
        return self._by_name.get(name)

    async def asset(self, asset_id: int) -> str:
        """Name an asset; raises GatewayError."""
        await self._fresh()
        found = self._assets.get(asset_id)
        if found is None:
            raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, "an account's currency is not among the assets")
        return found

    async def know(self, symbol_ids: Iterable[int]) -> None:
        """See to it that `of` and `details_of` know some symbols; raises GatewayError."""
        wanted = set(symbol_ids)
        await self._fresh()
        if not wanted <= self._by_id.keys():
            self._read_at = float("-inf")
            await self._fresh()
        if unknown := wanted - self._by_id.keys():
            raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, f"symbol {min(unknown)} is not on the broker's list")
        oldest = self._clock.monotonic() - _DETAILS_LIFE_S
        missing = sorted(each for each in wanted if self._details.get(each, (oldest, None))[0] <= oldest)
        for start in range(0, len(missing), _DETAILS_PAGE):
            await self._read_details(missing[start : start + _DETAILS_PAGE])

    def of(self, symbol_id: int) -> Symbol:
        """Give a symbol that is known; raises Unusable."""
        found = self._by_id.get(symbol_id)
        if found is None:
            raise Unusable("field symbolId names no symbol")
        return found

    def details_of(self, symbol_id: int) -> Details:
        """Give a known symbol's details; raises Unusable."""
        found = self._details.get(symbol_id)
        if found is None:
            raise Unusable("field symbolId names no symbol with details")
        return found[1]

    def instrument(self, symbol: Symbol) -> Instrument:
        """Describe a symbol whose details are known."""
        details = self.details_of(symbol.symbol_id)
        return Instrument(
            symbol=symbol.canonical,
            broker="ctrader",
            broker_symbol=symbol.name,
            asset_class=symbol.asset_class,
            name=symbol.description or symbol.name,
            currency=symbol.currency,
            tick_bands=(TickBand(Decimal(0), details.point),),
            quantity_step=details.step,
            quantity_min=details.least,
            notional_min=None,
            tradable=symbol.enabled and details.tradable,
            fractionable=details.step < 1,
            shortable=details.shortable,
        )

    async def _fresh(self) -> None:
        async with self._turn:
            if self._clock.monotonic() - self._read_at >= _LIST_LIFE_S:
                await self._read()

    async def _read(self) -> None:
        ask = self._session.query
        answers = await asyncio.gather(
            ask(Kind.ASSET_LIST_REQ, Kind.ASSET_LIST_RES),
            ask(Kind.ASSET_CLASS_LIST_REQ, Kind.ASSET_CLASS_LIST_RES),
            ask(Kind.CATEGORY_LIST_REQ, Kind.CATEGORY_LIST_RES),
            ask(Kind.SYMBOLS_LIST_REQ, Kind.SYMBOLS_LIST_RES),
        )
        assets, classes, categories, symbols = (required(answer) for answer in answers)
        try:
            self._assets = {int64(row, "assetId"): text(row, "name") for row in rows_in(assets, "asset")}
            forex = {int64(row, "id") for row in rows_in(classes, "assetClass") if text(row, "name").lower() == _FOREX}
            pairs = {
                int64(row, "id") for row in rows_in(categories, "symbolCategory") if int64(row, "assetClassId") in forex
            }
            found = [self._symbol(row, pairs) for row in rows_in(symbols, "symbol")]
        except Unusable as error:
            raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, str(error)) from error
        self._by_id = {symbol.symbol_id: symbol for symbol in found}
        self._by_name = {symbol.name: symbol for symbol in found} | {symbol.canonical: symbol for symbol in found}
        self._read_at = self._clock.monotonic()

    def _symbol(self, row: Row, pairs: set[int]) -> Symbol:
        name = text(row, "symbolName")
        base = self._assets.get(optional_int64(row, "baseAssetId") or 0, "")
        quote = self._assets.get(optional_int64(row, "quoteAssetId") or 0, "")
        pair = optional_int64(row, "symbolCategoryId") in pairs and base and quote
        return Symbol(
            symbol_id=int64(row, "symbolId"),
            name=name,
            canonical=f"{base}/{quote}" if pair else name,
            asset_class=AssetClass.FOREX if pair else AssetClass.CFD,
            currency=quote,
            description=optional_text(row, "description"),
            enabled=flag(row, "enabled"),
        )

    async def _read_details(self, symbol_ids: list[int]) -> None:
        answer = required(
            await self._session.query(Kind.SYMBOL_BY_ID_REQ, Kind.SYMBOL_BY_ID_RES, {"symbolId": symbol_ids})
        )
        now = self._clock.monotonic()
        try:
            self._details |= {int64(row, "symbolId"): (now, _details(row)) for row in rows_in(answer, "symbol")}
        except Unusable as error:
            raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, str(error)) from error

    def _heard(self, message: Message) -> None:
        if message.kind != Kind.SYMBOL_CHANGED_EVENT:
            return
        changed = message.payload.get("symbolId")
        for symbol_id in changed if isinstance(changed, list) else ():
            self._details.pop(symbol_id, None)
        self._read_at = float("-inf")


def _details(row: Row) -> Details:
    step = units(row, "stepVolume") or units(row, "minVolume")
    if step <= 0:
        raise Unusable("field stepVolume is missing")
    return Details(
        digits=int64(row, "digits"),
        step=step,
        least=units(row, "minVolume") or step,
        shortable=flag(row, "enableShortSelling"),
        tradable=(optional_int64(row, "tradingMode") or _ENABLED) == _ENABLED,
    )


def required(answer: Row | Refusal) -> Row:
    """Insist on an answer where nothing can be refused; raises BROKER_ANSWER_UNUSABLE."""
    if isinstance(answer, Refusal):
        raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, f"{answer.code} {answer.message}")
    return answer
