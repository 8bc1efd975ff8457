"""The closing orders of sweeps: one after another for each symbol, under keys that every process makes alike.

So a process that takes a sweep over finds what the one before it has sent, and none is sent twice.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from brokergw.desk.keys.derived import derived_key
from brokergw.model.lifecycle import is_terminal
from brokergw.model.order import Order
from brokergw.ports.halts import Sweep

_TRIES_MAX: Final = 64
_SETTLED_NS: Final = 10 * 1_000_000_000
"""How long after a closing order has ended the broker's positions are given to show it."""


class ClosingOrders:
    """The closing orders that some sweeps have sent in one account, as the record has them."""

    def __init__(self, sweeps: Iterable[Sweep], account_id: str, orders: Sequence[Order]) -> None:
        self._account_id = account_id
        self._by_key = {order.idempotency_key: order for order in orders}
        self._sweeps = [sweep for sweep in sweeps if sweep.order.flatten]

    def owns(self, order: Order) -> bool:
        """Tell whether an order is one of them, by its key: a client's word on its order proves nothing."""
        return any(
            order.idempotency_key == self._key(sweep, order.terms.symbol, number)
            for sweep in self._sweeps
            for number in range(_TRIES_MAX)
        )

    def next_keys(self, sweep: Sweep, symbol: str, now_ns: int, count: int) -> list[str]:
        """Give the keys of the next closing orders for a symbol; none while one is open, or has ended just now."""
        for other in self._sweeps:
            for number in range(_TRIES_MAX):
                order = self._by_key.get(self._key(other, symbol, number))
                if order is None:
                    break
                if not is_terminal(order.state) or now_ns - order.update_time_ns < _SETTLED_NS * 2 ** min(number, 5):
                    return []
        fresh = (self._key(sweep, symbol, number) for number in range(_TRIES_MAX))
        return list(islice((key for key in fresh if key not in self._by_key), count))

    def _key(self, sweep: Sweep, symbol: str, number: int) -> str:
        return derived_key("close", sweep.sweep_id, self._account_id, symbol, str(number))
