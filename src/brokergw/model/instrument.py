"""What can be traded, and on which grid of prices and quantities."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique


@unique
class AssetClass(StrEnum):
    """The kind of an instrument."""

    STOCK = "STOCK"
    ETF = "ETF"
    OPTION = "OPTION"
    CRYPTO = "CRYPTO"
    FUTURE = "FUTURE"
    FOREX = "FOREX"
    CFD = "CFD"
    BOND = "BOND"


@dataclass(frozen=True, slots=True)
class TickBand:
    """From this price upwards (inclusive) prices are multiples of `tick`."""

    price_from: Decimal
    tick: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable thing at one broker, in the broker's own units.

    `symbol` is canonical (`AAPL`, `BTC/USD`); `broker_symbol` is what the broker calls it. Quantities are in
    units, never lots. `tick_bands` are sorted by `price_from`, the first starts at 0. `multiplier` is how many units of
    the underlying one unit trades: a unit is worth its price times that.
    """

    symbol: str
    broker: str
    broker_symbol: str
    asset_class: AssetClass
    name: str
    currency: str
    tick_bands: tuple[TickBand, ...]
    quantity_step: Decimal
    quantity_min: Decimal
    notional_min: Decimal | None
    tradable: bool
    fractionable: bool
    shortable: bool
    venue: str = ""
    multiplier: Decimal = Decimal(1)

    def tick_at(self, price: Decimal) -> Decimal:
        """Give the price step that holds at a price."""
        tick = self.tick_bands[0].tick
        for band in self.tick_bands:
            if price >= band.price_from:
                tick = band.tick
        return tick


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid and ask at a moment; None where the broker shows none.

    `time` is the broker's own quote time as a Unix timestamp in nanoseconds.
    """

    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    bid_size: Decimal | None
    ask_size: Decimal | None
    time_ns: int
