"""Symbols and ids: Binance's `BTCUSDT` beside our `BTC/USDT`, and orders named by symbol and number together.

A contract is called `BTC/USDT:PERP`, so that nobody takes it for the pair. The way out needs no list; the way in does,
since `BTCUSDT` does not say where the coin ends, so the list of symbols is read once and again for a name it lacks.
Binance numbers orders by symbol, and finds none without one: our id of an order is `BTCUSDT:123`, and `BTCUSDT:a123`
for a conditional order at futures, which has a number of another kind.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.adapters.binance.config import Product
from brokergw.model.instrument import AssetClass, Instrument, TickBand
from brokergw.model.terms import OrderClass
from brokergw.ports.clock import Clock
from brokergw.transport.rows import Row, Unusable, as_rows, decimal, optional_decimal, optional_text, text

PERPETUAL: Final = ":PERP"
_AGAIN_S: Final = 60.0
_STALE_S: Final = 3600.0
_ID: Final = re.compile(r"([A-Z0-9_]{1,40}):(a?)([0-9]{1,19})", re.ASCII)
_QUOTES: Final = ("USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB")
_TRADING: Final = "TRADING"


@dataclass(frozen=True, slots=True)
class OrderId:
    """An order at Binance: its symbol, its number, and whether it is a conditional one."""

    symbol: str
    number: int
    algo: bool = False

    def __str__(self) -> str:
        return f"{self.symbol}:{'a' if self.algo else ''}{self.number}"


def read_id(written: str) -> OrderId | None:
    """Read our id of an order; None for what Binance cannot have given."""
    match = _ID.fullmatch(written)
    return None if match is None else OrderId(match[1], int(match[3]), bool(match[2]))


def outward(symbol: str) -> str:
    """Write a canonical symbol as Binance does."""
    return symbol.removesuffix(PERPETUAL).replace("/", "")


@dataclass(frozen=True, slots=True)
class Listed:
    """A symbol at Binance, what it trades for what, and which order lists it takes (spot)."""

    instrument: Instrument
    base: str
    quote: str
    takes_pairs: bool = False
    takes_followers: bool = False

    def takes(self, order_class: OrderClass) -> bool:
        """Tell whether orders of a class are taken in it."""
        needs = {
            OrderClass.SIMPLE: (),
            OrderClass.OCO: (self.takes_pairs,),
            OrderClass.OTO: (self.takes_followers,),
            OrderClass.BRACKET: (self.takes_pairs, self.takes_followers),
        }
        return all(needs.get(order_class, (False,)))


class SymbolBook:
    """The symbols of one product, as exchangeInfo told them; shared by every connection to an address."""

    def __init__(self, product: Product, clock: Clock) -> None:
        self._product = product
        self._clock = clock
        self._by_wire: dict[str, Listed] = {}
        self._read_at: float | None = None

    async def listed(self, wire: str, read: Callable[[], Awaitable[Row]]) -> Listed | None:
        """Give what a symbol on the wire is, or None if Binance does not list it."""
        await self._freshen(read, lacks=wire not in self._by_wire)
        return self._by_wire.get(wire)

    async def canonical(self, wires: Iterable[str], read: Callable[[], Awaitable[Row]]) -> Mapping[str, str]:
        """Give our names of symbols on the wire; raises Unusable for one that Binance does not list."""
        wanted = set(wires)
        if wanted - self._by_wire.keys():
            await self._freshen(read, lacks=True)
        if unknown := wanted - self._by_wire.keys():
            raise Unusable(f"the symbol {min(unknown)} is not listed")
        return {wire: self._by_wire[wire].instrument.symbol for wire in wanted}

    async def pair_of(self, asset: str, read: Callable[[], Awaitable[Row]]) -> Listed | None:
        """Give the pair that a spot asset is best traded in, or None."""
        await self._freshen(read, lacks=False)
        pairs = (self._by_wire.get(f"{asset}{quote}") for quote in _QUOTES)
        return next((pair for pair in pairs if pair is not None), None)

    async def _freshen(self, read: Callable[[], Awaitable[Row]], *, lacks: bool) -> None:
        """Read the list when it was never read, is old, or lacks a name and was not read just now."""
        now = self._clock.monotonic()
        age_s = None if self._read_at is None else now - self._read_at
        if age_s is not None and age_s < (_AGAIN_S if lacks else _STALE_S):
            return
        rows = as_rows((await read()).get("symbols"))
        self._by_wire = {text(each, "symbol"): _listed(self._product, each) for each in rows}
        self._read_at = now


def _listed(product: Product, row: Row) -> Listed:
    wire, base, quote = text(row, "symbol"), text(row, "baseAsset"), text(row, "quoteAsset")
    filters = {text(each, "filterType"): each for each in as_rows(row.get("filters"))}
    lot = filters.get("LOT_SIZE", {})
    spot = product is Product.SPOT
    least = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    step = decimal(lot, "stepSize") if lot else Decimal(1)
    symbol = f"{base}/{quote}" + ("" if spot else PERPETUAL)
    if not spot and optional_text(row, "contractType") not in {"PERPETUAL", ""}:
        # A contract that ends has its day in its name.
        symbol = wire
    instrument = Instrument(
        symbol=symbol,
        broker="binance" if spot else "binance-futures",
        broker_symbol=wire,
        asset_class=AssetClass.CRYPTO if spot else AssetClass.FUTURE,
        name=f"{base}/{quote}" if spot else f"{base}/{quote} perpetual",
        currency=quote,
        tick_bands=(TickBand(Decimal(0), _positive(filters.get("PRICE_FILTER", {}), "tickSize")),),
        quantity_step=step,
        quantity_min=optional_decimal(lot, "minQty") or step,
        notional_min=optional_decimal(least, "minNotional") or optional_decimal(least, "notional"),
        tradable=text(row, "status") == _TRADING,
        fractionable=step < 1,
        shortable=not spot,
        venue="BINANCE",
    )
    return Listed(
        instrument,
        base,
        quote,
        takes_pairs=row.get("ocoAllowed") is True,
        takes_followers=row.get("otoAllowed") is True,
    )


def _positive(row: Row, name: str) -> Decimal:
    """Read a step; 0 means that there is none, so the smallest that Binance writes holds."""
    return optional_decimal(row, name) or Decimal("0.00000001")


def floored(quantity: Decimal, step: Decimal) -> Decimal:
    """Round a quantity down to its step, exactly."""
    return quantity // step * step
