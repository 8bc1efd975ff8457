"""What this broker lists: assets, classes, categories, and symbols with their ids, digits and volumes.

Volumes are hundredths of a unit. Ids, digits, lots and steps of EURUSD and XAUUSD are those of a recorded account;
the others follow the same rules. Everything is quoted in dollars, the accounts' currency.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import Listing
from brokergw.model.instrument import AssetClass, TickBand
from brokergw.sim.dialects.ctrader.enums import TradingMode

CENTS: Final = Decimal(100)
"""Hundredths of a unit in a unit."""
POINTS: Final = 100_000
"""What spot prices are multiplied by."""
USD: Final = 7

ASSETS: Final = {USD: ("USD", 2), 1: ("EUR", 2), 2: ("GBP", 2), 40: ("XAU", 2), 60: ("BTC", 8), 90: ("US500", 2)}
_SHARES: Final = 200
"""Shares have assets of their own from here on."""
CLASSES: Final = {1: "Forex", 2: "Metals", 3: "Indices", 4: "Stocks", 5: "Crypto Currencies"}
CATEGORIES: Final = {
    11: (1, "Forex Majors"),
    12: (2, "Metals"),
    13: (3, "Indices"),
    14: (4, "US Shares"),
    15: (5, "Crypto"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """One symbol; `lot`, `least`, `step` and `most` are volumes."""

    symbol_id: int
    name: str
    description: str
    base: int
    category: int
    digits: int
    pip: int
    lot: int
    least: int
    step: int
    most: int
    listing: Listing
    mode: TradingMode = TradingMode.ENABLED

    def light(self) -> dict[str, Any]:
        """Write the ProtoOALightSymbol."""
        return {
            "symbolId": self.symbol_id,
            "symbolName": self.name,
            "enabled": True,
            "baseAssetId": self.base,
            "quoteAssetId": USD,
            "symbolCategoryId": self.category,
            "description": self.description,
        }

    def full(self) -> dict[str, Any]:
        """Write the ProtoOASymbol."""
        return {
            "symbolId": self.symbol_id,
            "digits": self.digits,
            "pipPosition": self.pip,
            "enableShortSelling": self.listing.shortable,
            "maxVolume": self.most,
            "minVolume": self.least,
            "stepVolume": self.step,
            "schedule": [{"startSecond": 0, "endSecond": 604_800}],
            "scheduleTimeZone": "UTC",
            "commissionType": 1,
            "tradingMode": int(self.mode),
            "lotSize": self.lot,
            "preciseTradingCommissionRate": 0,
        }


def assets() -> dict[int, tuple[str, int]]:
    """Give every asset by its id: name and digits."""
    own = {symbol.base: (symbol.name.partition(".")[0], 2) for symbol in SYMBOLS if symbol.base >= _SHARES}
    return {**ASSETS, **own}


def _symbol(
    symbol_id: int,
    name: str,
    price: str,
    *,
    base: int,
    category: int,
    digits: int,
    pip: int,
    lot: int,
    least: int,
    most: int,
    top: int = 1_000_000,
    description: str = "",
    shortable: bool = True,
    mode: TradingMode = TradingMode.ENABLED,
) -> Symbol:
    listing = Listing(
        symbol=name,
        name=description or name,
        asset_class=AssetClass.FOREX if CATEGORIES[category][0] == 1 else AssetClass.CFD,
        reference_price=Decimal(price),
        venue="CTRADER",
        tick_bands=(TickBand(Decimal(0), Decimal(1).scaleb(-digits)),),
        quantity_step=least / CENTS,
        quantity_min=least / CENTS,
        notional_min=None,
        top_size=Decimal(top),
        volatility_basis_points=80,
        spread_basis_points=1,
        tradable=mode is TradingMode.ENABLED,
        fractionable=least % CENTS != 0,
        shortable=shortable,
        netted=True,
    )
    return Symbol(
        symbol_id=symbol_id, name=name, description=description or name, base=base, category=category, digits=digits,
        pip=pip, lot=lot, least=least, step=least, most=most, listing=listing, mode=mode,
    )  # fmt: skip


def _currency(symbol_id: int, name: str, price: str, base: int) -> Symbol:
    return _symbol(
        symbol_id, name, price, base=base, category=11, digits=5, pip=4, lot=10_000_000, least=100_000,
        most=1_000_000_000, top=5_000_000,
    )  # fmt: skip


def _share(
    number: int,
    name: str,
    price: str,
    *,
    top: int = 100_000,
    least: int = 100,
    shortable: bool = True,
    mode: TradingMode = TradingMode.ENABLED,
) -> Symbol:
    return _symbol(
        1_000 + number, name, price, base=_SHARES + number, category=14, digits=2, pip=2, lot=100, least=least,
        most=1_000_000_000, top=top, shortable=shortable, mode=mode,
    )  # fmt: skip


SYMBOLS: Final = (
    _currency(1, "EURUSD", "1.08123", 1),
    _currency(2, "GBPUSD", "1.29450", 2),
    _symbol(41, "XAUUSD", "2650.10", base=40, category=12, digits=2, pip=1, lot=10_000, least=100, most=1_000_000),
    _symbol(90, "US500", "5890.5", base=90, category=13, digits=1, pip=0, lot=100, least=10, most=100_000),
    _symbol(101, "BTCUSD", "97450.00", base=60, category=15, digits=2, pip=0, lot=100, least=1, most=10_000),
    # One that trades in fractions.
    _share(1, "AAPL.US", "231.50", least=1),
    _share(2, "MSFT.US", "428.30"),
    _share(3, "KO.US", "63.40"),
    # A thin one: five thousand trade at a time.
    _share(4, "F.US", "11.05", top=5_000),
    _share(5, "OCGN.US", "0.85", shortable=False),
    _share(6, "HALT.US", "12.00", mode=TradingMode.DISABLED_WITHOUT_PENDINGS_EXECUTION),
)
BY_ID: Final = {symbol.symbol_id: symbol for symbol in SYMBOLS}
BY_NAME: Final = {symbol.name: symbol for symbol in SYMBOLS}
