"""Canonical symbols and the broker's names: shares, options (OCC), futures (ESZ26), pairs (EUR/USD), and BOND:<conid>.

The broker names futures by its own roots where the exchange's are other ones (GBP is 6B), and shares of a class with a
space (BRK B).
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.model.instrument import AssetClass
from brokergw.transport.rows import Unusable

CLASSES: Final = {
    "STK": AssetClass.STOCK,
    "OPT": AssetClass.OPTION,
    "FOP": AssetClass.OPTION,
    "WAR": AssetClass.OPTION,
    "IOPT": AssetClass.OPTION,
    "FUT": AssetClass.FUTURE,
    "CASH": AssetClass.FOREX,
    "CFD": AssetClass.CFD,
    "BOND": AssetClass.BOND,
    "BILL": AssetClass.BOND,
    "FUND": AssetClass.ETF,
    "CRYPTO": AssetClass.CRYPTO,
}
"""The broker's kinds of securities; a combination (BAG) is not one instrument."""

MULTIPLIERS: Final[dict[str, int | Decimal]] = {
    "ES": 50, "MES": 5, "NQ": 20, "MNQ": 2, "YM": 5, "MYM": Decimal("0.5"), "RTY": 50, "M2K": 5, "NKD": 5, "VX": 1000,
    "CL": 1000, "MCL": 100, "NG": 10000, "RB": 42000, "HO": 42000, "GC": 100, "MGC": 10, "SI": 5000, "SIL": 1000,
    "HG": 25000, "PL": 50, "PA": 100, "ZB": 1000, "UB": 1000, "ZN": 1000, "TN": 1000, "ZF": 1000, "ZT": 2000,
    "ZL": 60000, "ZM": 100, "LE": 40000, "HE": 40000, "GF": 50000, "6A": 100000, "6B": 62500, "6C": 100000,
    "6E": 125000, "6J": 12500000, "6S": 125000, "M6E": 12500, "BTC": 5, "MBT": Decimal("0.1"), "ETH": 50,
    "MET": Decimal("0.1"), "FESX": 10, "FDAX": 25, "DX": 1000, "KC": 37500, "SB": 112000, "CT": 50000, "CC": 10,
}  # fmt: skip
"""Sizes of known futures, for where the gateway does not tell one. Grains are left out: it quotes them in cents."""

_BROKER_ROOTS: Final = {
    "6A": "AUD", "6B": "GBP", "6C": "CAD", "6E": "EUR", "6J": "JPY", "6N": "NZD", "6S": "CHF", "VX": "VIX",
    "BTC": "BRR", "ETH": "ETHUSDRR", "FESX": "ESTX50", "FDAX": "DAX",
}  # fmt: skip
_EXCHANGE_ROOTS: Final = {broker: exchange for exchange, broker in _BROKER_ROOTS.items()}

_OPTION: Final = re.compile(r"([A-Z][A-Z.]{0,5})(\d{2})(\d{2})(\d{2})([CP])(\d{8})", re.ASCII)
_FUTURE: Final = re.compile(r"([A-Z0-9]{1,6}?)([FGHJKMNQUVXZ])(\d{2})", re.ASCII)
_PAIR: Final = re.compile(r"([A-Z]{3})/([A-Z]{3})", re.ASCII)
_BY_NUMBER: Final = re.compile(r"([A-Z]{3,6}):(\d{1,10})", re.ASCII)
_SHARE: Final = re.compile(r"[A-Z0-9]{1,12}(?:[. ][A-Z0-9]{1,4})?", re.ASCII)
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_CODES: Final = "FGHJKMNQUVXZ"


@dataclass(frozen=True, slots=True)
class Share:
    """A share or a fund, by the broker's ticker."""

    ticker: str


@dataclass(frozen=True, slots=True)
class Option:
    """An option: the underlying's ticker, the month as JAN27, the day as 20270115, C or P, and the strike."""

    ticker: str
    month: str
    expiry: str
    right: str
    strike: Decimal


@dataclass(frozen=True, slots=True)
class Future:
    """A future: the broker's root and the contract's month as 202612."""

    root: str
    month: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two currencies."""

    base: str
    quote: str


@dataclass(frozen=True, slots=True)
class ByNumber:
    """Anything else, by its contract id."""

    kind: str
    conid: int


Wanted = Share | Option | Future | Pair | ByNumber


def parse(symbol: str) -> Wanted | None:
    """Read a canonical symbol; None for what can be no instrument here."""
    if match := _OPTION.fullmatch(symbol):
        root, year, month, day, right, strike = match.groups()
        if not 1 <= int(month) <= len(_MONTHS):
            return None
        name = f"{_MONTHS[int(month) - 1]}{year}"
        return Option(_ticker(root), name, f"20{year}{month}{day}", right, Decimal(strike) / 1000)
    if match := _PAIR.fullmatch(symbol):
        return Pair(*match.groups())
    if match := _BY_NUMBER.fullmatch(symbol):
        return ByNumber(match.group(1), int(match.group(2)))
    if match := _FUTURE.fullmatch(symbol):
        root, code, year = match.groups()
        return Future(_BROKER_ROOTS.get(root, root), f"20{year}{_CODES.index(code) + 1:02}")
    return Share(_ticker(symbol)) if _SHARE.fullmatch(symbol) else None


def of_share(ticker: str) -> str:
    """Write a share's canonical symbol."""
    return ticker.replace(" ", ".")


def of_contract(kind: str, conid: int, *, ticker: str, local: str, month: str) -> str:
    """Write a contract's canonical symbol from the broker's names; raises Unusable for what is no instrument."""
    if kind not in CLASSES:
        raise Unusable("an instrument is of a kind that is not documented")
    if kind in {"STK", "FUND"}:
        return of_share(ticker)
    if kind == "OPT" and _OPTION.fullmatch(packed := local.replace(" ", "")):
        return packed
    if kind == "FUT" and re.fullmatch(r"20\d{2}(0[1-9]|1[0-2])", month):
        return f"{exchange_root(ticker)}{_CODES[int(month[4:]) - 1]}{month[2:4]}"
    if kind == "CASH" and _PAIR.fullmatch(pair := local.replace(".", "/")):
        return pair
    return f"{'BOND' if kind == 'BILL' else kind}:{conid}"


def exchange_root(ticker: str) -> str:
    """Give the exchange's root of a future that the broker names by its own."""
    return _EXCHANGE_ROOTS.get(ticker, ticker)


def _ticker(symbol: str) -> str:
    return symbol.replace(".", " ")
