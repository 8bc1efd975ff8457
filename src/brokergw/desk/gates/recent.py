"""The orders of the last moments, by what they ask for, so that one that is placed twice by mistake is seen."""

from typing import Any, TypeAlias

from brokergw.model.terms import OrderTerms

Likeness: TypeAlias = tuple[Any, ...]


def likeness(account_id: str, terms: OrderTerms) -> Likeness:
    """Give what two orders have in common that are the same: account, symbol, side, type, size, prices and exits."""
    return (
        account_id,
        terms.symbol,
        terms.side,
        terms.type,
        terms.quantity,
        terms.notional,
        terms.limit_price,
        terms.stop_price,
        terms.trail_amount,
        terms.trail_percent,
        terms.order_class,
        terms.take_profit_limit_price,
        terms.stop_loss_stop_price,
        terms.legs,
    )


class Recent:
    """Which key placed what last, for as long as `window_ns` after it."""

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._placed: dict[Likeness, tuple[int, str]] = {}

    def other(self, alike: Likeness, key: str, now_ns: int) -> int | None:
        """Give how long ago (nanoseconds) another key placed the same; None if none did within the window."""
        found = self._placed.get(alike)
        if found is None or found[1] == key or now_ns - found[0] >= self._window_ns:
            return None
        return max(0, now_ns - found[0])

    def place(self, alike: Likeness, key: str, now_ns: int) -> None:
        """Remember who placed what."""
        found = self._placed.pop(alike, None)
        if not self._window_ns:
            return
        if found is not None and found[0] > now_ns:
            # Told late of an earlier one.
            self._placed[alike] = found
            return
        self._placed[alike] = (now_ns, key)
        while True:
            oldest = next(iter(self._placed))
            if now_ns - self._placed[oldest][0] < self._window_ns:
                return
            del self._placed[oldest]

    def take_back(self, alike: Likeness, key: str) -> None:
        """Forget what came to nothing, so that it may be placed anew."""
        found = self._placed.get(alike)
        if found is not None and found[1] == key:
            del self._placed[alike]
