"""What is listed under which contract id (conid): shares, options on them, futures, currencies, a bond."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final
from zlib import crc32

from brokergw.exchange import LISTINGS, Listing
from brokergw.model.instrument import AssetClass, TickBand

_OPTION: Final = re.compile(r"([A-Z.]{1,6})(\d{2})(\d{2})(\d{2})([CP])(\d{8})", re.ASCII)
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_KNOWN: Final = {
    "AAPL": 265598,
    "SPY": 756733,
    "QQQ": 320227571,
    "MSFT": 272093,
    "EUR/USD": 12087792,
    "GBP/USD": 12087797,
    "ESZ26": 515416632,
}
"""Contract ids as the broker has them; the others are made up from the symbol."""
_UNDERLYINGS: Final = {"ES": 11004968, "NQ": 11004958}
_SHARES: Final = frozenset({AssetClass.STOCK, AssetClass.ETF})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A listing with the names that the broker has for it; `month` is JAN27, `expiry` 20270115, `right` C or P."""

    listing: Listing
    conid: int
    sec_type: str
    ticker: str
    local_symbol: str
    currency: str = "USD"
    underlying: int = 0
    month: str = ""
    contract_month: str = ""
    expiry: str = ""
    strike: Decimal = Decimal(0)
    right: str = ""

    @property
    def multiplier(self) -> str | None:
        """The contract's size as text; None where a unit is one of the thing itself."""
        size = self.listing.contract_size
        return None if size == 1 else f"{size.normalize():f}"

    @property
    def exchange(self) -> str:
        """The exchange of its listing."""
        return self.listing.venue


def _future(symbol: str, name: str, price: str, size: str, tick: str, venue: str = "CME") -> Listing:
    return Listing(
        symbol=symbol,
        name=name,
        asset_class=AssetClass.FUTURE,
        reference_price=Decimal(price),
        venue=venue,
        tick_bands=(TickBand(Decimal(0), Decimal(tick)),),
        quantity_step=Decimal(1),
        quantity_min=Decimal(1),
        notional_min=None,
        contract_size=Decimal(size),
        top_size=Decimal(200),
        fractionable=False,
    )


def _currency(symbol: str, price: str) -> Listing:
    return Listing(
        symbol=symbol,
        name=symbol.replace("/", "."),
        asset_class=AssetClass.FOREX,
        reference_price=Decimal(price),
        venue="IDEALPRO",
        tick_bands=(TickBand(Decimal(0), Decimal("0.00005")),),
        quantity_step=Decimal(1),
        quantity_min=Decimal(1),
        notional_min=None,
        top_size=Decimal(1_000_000),
        volatility_basis_points=60,
        spread_basis_points=1,
        fractionable=False,
    )


_BOND: Final = Listing(
    symbol="BOND:412345678",
    name="US TREASURY 4 1/4 11/15/34",
    asset_class=AssetClass.BOND,
    reference_price=Decimal("99.25"),
    venue="SMART",
    tick_bands=(TickBand(Decimal(0), Decimal("0.001")),),
    quantity_step=Decimal(1),
    quantity_min=Decimal(1),
    notional_min=None,
    contract_size=Decimal(10),
    volatility_basis_points=40,
    fractionable=False,
    shortable=False,
)
"""A bond trades in units of 1,000 at a price in percent, so a unit is ten times its price."""


def _whole(listing: Listing) -> Listing:
    return replace(listing, quantity_step=Decimal(1), quantity_min=Decimal(1), notional_min=None, fractionable=False)


IBKR_LISTINGS: Final = (
    *(_whole(listing) for listing in LISTINGS if listing.asset_class is not AssetClass.CRYPTO),
    _future("ESZ26", "E-mini S&P 500", "6050.00", "50", "0.25"),
    _future("MESZ26", "Micro E-mini S&P 500", "6050.00", "5", "0.25"),
    _future("NQZ26", "E-mini NASDAQ 100", "21500.00", "20", "0.25"),
    _future("CLF27", "Light Sweet Crude Oil", "68.40", "1000", "0.01", "NYMEX"),
    _future("GCG27", "Gold", "2640.0", "100", "0.1", "COMEX"),
    _currency("EUR/USD", "1.08500"),
    _currency("GBP/USD", "1.27500"),
    _BOND,
)
_EXPIRIES: Final = {
    "ESZ26": "20261218",
    "MESZ26": "20261218",
    "NQZ26": "20261218",
    "CLF27": "20261221",
    "GCG27": "20270224",
}
_CODES: Final = "FGHJKMNQUVXZ"


class Contracts:
    """Every contract, by id and by symbol."""

    def __init__(self, listings: Iterable[Listing]) -> None:
        self.by_symbol = {listing.symbol: _contract(listing) for listing in listings}
        self.by_conid = {contract.conid: contract for contract in self.by_symbol.values()}

    def shares(self, ticker: str) -> list[Contract]:
        """Give the shares of a ticker."""
        return [each for each in self.of("STK") if each.ticker == ticker]

    def of(self, sec_type: str) -> list[Contract]:
        """Give all of a kind."""
        return [each for each in self.by_symbol.values() if each.sec_type == sec_type]

    def options_on(self, underlying: int) -> list[Contract]:
        """Give the options on a share."""
        return [each for each in self.of("OPT") if each.underlying == underlying]


def conid_of(symbol: str) -> int:
    """Give the contract id of a symbol."""
    return _KNOWN.get(symbol) or 100_000_000 + crc32(symbol.encode()) % 800_000_000


def _contract(listing: Listing) -> Contract:
    symbol, conid = listing.symbol, conid_of(listing.symbol)
    ticker = symbol.replace(".", " ")
    if listing.asset_class in _SHARES:
        return Contract(listing=listing, conid=conid, sec_type="STK", ticker=ticker, local_symbol=ticker)
    if listing.asset_class is AssetClass.FUTURE:
        return _of_future(listing, conid)
    if listing.asset_class is AssetClass.FOREX:
        base, _, quote = symbol.partition("/")
        local = f"{base}.{quote}"
        return Contract(listing=listing, conid=conid, sec_type="CASH", ticker=base, local_symbol=local, currency=quote)
    if listing.asset_class is AssetClass.BOND:
        conid = int(symbol.removeprefix("BOND:"))
        return Contract(listing=listing, conid=conid, sec_type="BOND", ticker="US-T", local_symbol=listing.name)
    return _of_option(listing, conid)


def _of_future(listing: Listing, conid: int) -> Contract:
    root, code, year = listing.symbol[:-3], listing.symbol[-3], listing.symbol[-2:]
    month = _CODES.index(code) + 1
    return Contract(
        listing=listing,
        conid=conid,
        sec_type="FUT",
        ticker=root,
        local_symbol=f"{root}{code}{year[-1]}",
        underlying=_UNDERLYINGS.get(root, conid_of(root)),
        month=f"{_MONTHS[month - 1]}{year}",
        contract_month=f"20{year}{month:02}",
        expiry=_EXPIRIES[listing.symbol],
    )


def _of_option(listing: Listing, conid: int) -> Contract:
    match = _OPTION.fullmatch(listing.symbol)
    assert match is not None, f"{listing.symbol} is no option"
    root, year, month, day, right, strike = match.groups()
    return Contract(
        listing=listing,
        conid=conid,
        sec_type="OPT",
        ticker=root,
        local_symbol=f"{root:<6}{year}{month}{day}{right}{strike}",
        underlying=conid_of(root),
        month=f"{_MONTHS[int(month) - 1]}{year}",
        contract_month=f"20{year}{month}",
        expiry=f"20{year}{month}{day}",
        strike=Decimal(strike) / 1000,
        right=right,
    )
