"""Price paths: what a symbol costs at a moment, as a pure function of seed, symbol and time.

A path is its listing's reference price plus a few waves of value noise. Each wave has lattice points at fixed spacing
in time; the value at a point is hashed from (seed, symbol, wave, point), and between points the path runs straight.
So any moment can be asked for in any order, two runs with one seed see the same market, and prices never leave the
band around the reference. Prices stand still within a step of 100 ms. Everything is integer and Decimal arithmetic.
"""

import hashlib
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from brokergw.exchange.listings import Listing
from brokergw.exchange.refusals import RefusalCode, Refused
from brokergw.exchange.values import Depth

STEP_NS: Final = 100_000_000
_SECOND_NS: Final = 1_000_000_000
_UNIT: Final = 1 << 20
_WAVES: Final = (
    # (spacing of the lattice, share of the volatility in percent)
    (21_600 * _SECOND_NS, 60),
    (1_200 * _SECOND_NS, 25),
    (60 * _SECOND_NS, 10),
    (4 * _SECOND_NS, 5),
)


class Path:
    """The path of one symbol; remembers the last answer and the lattice points around it."""

    def __init__(self, seed: int, listing: Listing) -> None:
        self.listing = listing
        self.pinned: Decimal | None = None
        self._seed = f"{seed}|{listing.symbol}|"
        self._points: dict[int, tuple[int, int, int]] = {}
        self._step = -1
        self._depth: Depth | None = None

    def at(self, time_ns: int) -> Depth:
        """Give the top of the book at a moment."""
        step = time_ns // STEP_NS
        depth = self._depth
        if depth is None or step != self._step:
            depth = self._depth = self._make(step * STEP_NS)
            self._step = step
        return depth

    def pin(self, price: Decimal | None) -> None:
        """Hold the price (None lets it run again)."""
        self.pinned = price
        self._depth = None

    def _make(self, time_ns: int) -> Depth:
        listing = self.listing
        last = self.pinned if self.pinned is not None else self._last(time_ns)
        tick = listing.tick_at(last)
        half = last * listing.spread_basis_points / 20_000
        half = max(tick, (half / tick).to_integral_value(ROUND_HALF_EVEN) * tick)
        bid = max(tick, last - half)
        return Depth(listing.symbol, bid, last + half, listing.top_size, listing.top_size, last, time_ns)

    def _last(self, time_ns: int) -> Decimal:
        listing = self.listing
        offset = sum(self._wave(wave, spacing, time_ns) * share for wave, (spacing, share) in enumerate(_WAVES))
        # `offset` is in hundredths of the volatility, times _UNIT.
        move = listing.reference_price * listing.volatility_basis_points * offset / (1_000_000 * _UNIT)
        price = listing.reference_price + move
        tick = listing.tick_at(price)
        return max(tick, (price / tick).to_integral_value(ROUND_HALF_EVEN) * tick)

    def _wave(self, wave: int, spacing: int, time_ns: int) -> int:
        point, into = divmod(time_ns, spacing)
        known = self._points.get(wave)
        if known is None or known[0] != point:
            known = self._points[wave] = (point, self._noise(wave, point), self._noise(wave, point + 1))
        _, before, after = known
        return before + (after - before) * into // spacing

    def _noise(self, wave: int, point: int) -> int:
        digest = hashlib.blake2b(f"{self._seed}{wave}|{point}".encode(), digest_size=4).digest()
        return int.from_bytes(digest) % (2 * _UNIT + 1) - _UNIT


class Market:
    """The paths of all listings, read at the present moment."""

    def __init__(self, seed: int, now_ns: Callable[[], int], listings: Sequence[Listing]) -> None:
        self._now_ns = now_ns
        self._paths = {listing.symbol: Path(seed, listing) for listing in listings}
        self.listings = tuple(listings)
        self.pins = 0

    def path(self, symbol: str) -> Path:
        """Give the path of a symbol; raises UNKNOWN_SYMBOL."""
        try:
            return self._paths[symbol]
        except KeyError:
            raise Refused(RefusalCode.UNKNOWN_SYMBOL, f"{symbol} is not listed", symbol=symbol) from None

    def listing(self, symbol: str) -> Listing | None:
        """Give a listing, or None."""
        path = self._paths.get(symbol)
        return None if path is None else path.listing

    def quote(self, symbol: str) -> Depth:
        """Give the top of a book now; raises UNKNOWN_SYMBOL."""
        return self.path(symbol).at(self._now_ns())

    def pin(self, symbol: str, price: Decimal | None) -> None:
        """Hold a symbol's price (None lets it run again); raises UNKNOWN_SYMBOL or INVALID_TERMS."""
        path = self.path(symbol)
        if price is not None and not (price.is_finite() and price > 0):
            raise Refused(RefusalCode.INVALID_TERMS, "a price must be above zero", field="price")
        path.pin(price)
        self.pins += 1
