"""What is listed: the grid of prices and quantities of each symbol, and where its price path runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.model.instrument import AssetClass, TickBand

_EQUITY_TICKS: Final = (TickBand(Decimal(0), Decimal("0.0001")), TickBand(Decimal(1), Decimal("0.01")))
_CENTS: Final = (TickBand(Decimal(0), Decimal("0.01")),)
_NINE_PLACES: Final = Decimal("0.000000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One tradable thing.

    `reference_price` is what its price path circles, `volatility_basis_points` how far (the sum of all its waves),
    `spread_basis_points` the distance of bid and ask (at least one tick). `top_size` is what stands at the best price
    on each side. `contract_size` is how many units of the underlying one unit trades. What is not `marginable`
    must be paid in full from cash. Of what is `netted` orders of both sides may stand beside one another and turn a
    position over, against margin at the account's leverage for the symbol, as with perpetual futures and contracts for
    difference: they hold nothing of a position, and need margin only for what makes it larger.
    """

    symbol: str
    name: str
    asset_class: AssetClass
    reference_price: Decimal
    venue: str
    tick_bands: tuple[TickBand, ...] = _EQUITY_TICKS
    quantity_step: Decimal = _NINE_PLACES
    quantity_min: Decimal = _NINE_PLACES
    notional_min: Decimal | None = Decimal(1)
    top_size: Decimal = Decimal(5000)
    volatility_basis_points: int = 300
    spread_basis_points: int = 2
    contract_size: Decimal = Decimal(1)
    tradable: bool = True
    fractionable: bool = True
    shortable: bool = True
    marginable: bool = True
    netted: bool = False

    def tick_at(self, price: Decimal) -> Decimal:
        """Give the price step that holds at a price."""
        tick = self.tick_bands[0].tick
        for band in self.tick_bands:
            if price >= band.price_from:
                tick = band.tick
        return tick

    @property
    def always_trades(self) -> bool:
        """Whether it trades around the clock, every day."""
        return self.asset_class is AssetClass.CRYPTO


def _stock(symbol: str, name: str, price: str, *, venue: str = "NASDAQ", volatility: int = 300) -> Listing:
    return Listing(
        symbol=symbol,
        name=name,
        asset_class=AssetClass.STOCK,
        reference_price=Decimal(price),
        venue=venue,
        volatility_basis_points=volatility,
    )


def _fund(symbol: str, name: str, price: str, *, venue: str = "ARCA") -> Listing:
    return Listing(
        symbol=symbol,
        name=name,
        asset_class=AssetClass.ETF,
        reference_price=Decimal(price),
        venue=venue,
        volatility_basis_points=150,
        spread_basis_points=1,
        top_size=Decimal(10000),
    )


def _whole_only(symbol: str, name: str, price: str, *, venue: str, tradable: bool = True) -> Listing:
    return Listing(
        symbol=symbol,
        name=name,
        asset_class=AssetClass.STOCK,
        reference_price=Decimal(price),
        venue=venue,
        quantity_step=Decimal(1),
        quantity_min=Decimal(1),
        notional_min=None,
        tradable=tradable,
        fractionable=False,
        shortable=False,
    )


def _coin(symbol: str, name: str, price: str, *, smallest: str, top: str) -> Listing:
    return Listing(
        symbol=symbol,
        name=name,
        asset_class=AssetClass.CRYPTO,
        reference_price=Decimal(price),
        venue="CRYPTO",
        tick_bands=_CENTS,
        quantity_min=Decimal(smallest),
        top_size=Decimal(top),
        volatility_basis_points=500,
        spread_basis_points=5,
        shortable=False,
        marginable=False,
    )


def _option(symbol: str, name: str, price: str) -> Listing:
    return Listing(
        symbol=symbol,
        name=name,
        asset_class=AssetClass.OPTION,
        reference_price=Decimal(price),
        venue="OPRA",
        tick_bands=_CENTS,
        quantity_step=Decimal(1),
        quantity_min=Decimal(1),
        notional_min=None,
        top_size=Decimal(50),
        volatility_basis_points=900,
        spread_basis_points=80,
        contract_size=Decimal(100),
        fractionable=False,
        shortable=False,
        marginable=False,
    )


LISTINGS: Final[Sequence[Listing]] = (
    _stock("AAPL", "Apple Inc.", "231.50"),
    _stock("MSFT", "Microsoft Corporation", "428.30"),
    _stock("GOOGL", "Alphabet Inc. Class A", "176.80"),
    _stock("AMZN", "Amazon.com, Inc.", "204.60"),
    _stock("META", "Meta Platforms, Inc.", "561.20"),
    _stock("NVDA", "NVIDIA Corporation", "141.90", volatility=500),
    _stock("TSLA", "Tesla, Inc.", "338.70", volatility=600),
    _stock("AMD", "Advanced Micro Devices, Inc.", "139.40", volatility=500),
    _stock("KO", "The Coca-Cola Company", "63.40", venue="NYSE", volatility=120),
    _stock("JPM", "JPMorgan Chase & Co.", "243.10", venue="NYSE", volatility=200),
    _stock("F", "Ford Motor Company", "11.05", venue="NYSE"),
    _stock("BRK.B", "Berkshire Hathaway Inc. Class B", "468.90", venue="NYSE", volatility=120),
    _fund("SPY", "S&P 500 index fund", "589.50"),
    _fund("QQQ", "Nasdaq-100 index fund", "503.70", venue="NASDAQ"),
    _fund("IWM", "Russell 2000 index fund", "231.20"),
    _whole_only("OCGN", "Ocugen, Inc.", "0.8520", venue="NASDAQ"),
    _whole_only("HALT", "Halted Example Corp.", "12.00", venue="NYSE", tradable=False),
    _coin("BTC/USD", "Bitcoin", "97450.00", smallest="0.0001", top="2"),
    _coin("ETH/USD", "Ether", "3340.00", smallest="0.001", top="50"),
    _coin("SOL/USD", "Solana", "245.00", smallest="0.01", top="400"),
    _option("AAPL270115C00230000", "AAPL 15 Jan 2027 230 call", "18.40"),
    _option("AAPL270115P00230000", "AAPL 15 Jan 2027 230 put", "14.10"),
    _option("SPY270115C00590000", "SPY 15 Jan 2027 590 call", "31.20"),
)
"""The default listings: shares, funds, whole-shares-only and halted samples, coins and options."""
