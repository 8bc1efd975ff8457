"""What the log of an account says about its exposure, by arithmetic of its own: nothing here is the gateway's.

An order may still cost what it holds: so many units less those that traded, at so much each, until it has ended. A
position costs what its trades did, on average. The worst case of a symbol is the dearest that its open orders could
make of it, each trading in full or not at all.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import psycopg

ENDED: Final = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED_BY_BROKER", "DENIED", "NOT_SENT", "ABSENT"})
DOUBTFUL: Final = frozenset({"IN_DOUBT", "MANUAL", "RESOLVED_ABSENT"})
_EVENTS: Final = (
    "SELECT sequence, payload FROM events WHERE account_id = %s AND kind = 'ORDER' AND sequence > %s ORDER BY sequence"
)


@dataclass(frozen=True, slots=True)
class Open:
    """What one order may still trade."""

    symbol: str
    sign: int
    units: Fraction
    price: Fraction


@dataclass
class Account:
    """An account as its log tells it."""

    account_id: str
    sequence: int = 0
    admitted: int = 0
    states: dict[str, str] = field(default_factory=dict)
    open: dict[str, Open] = field(default_factory=dict)
    traded: dict[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    held: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    cost: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    highest: Fraction = Fraction(0)

    def read(self, database: psycopg.Connection[Any], cap: Fraction) -> Iterator[str]:
        """Go on through the log, and tell of every event at which the exposure is above the cap."""
        for sequence, text in database.execute(_EVENTS, (self.account_id, self.sequence)).fetchall():
            self.sequence = sequence
            order = json.loads(text)
            self.take(order)
            exposure = self.exposure()
            self.highest = max(self.highest, exposure)
            if exposure > cap:
                name = f"{order['order_id']} version {order['version']} {order['state']} {order['terms']}"
                yield f"{self.account_id} at {sequence}: exposure {float(exposure)} above {float(cap)} by {name}"

    def take(self, order: dict[str, Any]) -> None:
        """Take an order's next version."""
        order_id, terms = order["order_id"], order["terms"]
        sign = 1 if terms["side"] == "BUY" else -1
        if order["state"] == "SENDING" and self.states.get(order_id) != "SENDING":
            self.admitted += 1
        self.states[order_id] = order["state"]
        done = Fraction(order["cum_quantity"])
        worth = done * Fraction(order.get("average_price", "0"))
        was_done, was_worth = self.traded.get(order_id, (Fraction(0), Fraction(0)))
        if done != was_done:
            self._trade(terms["symbol"], sign * (done - was_done), abs(worth - was_worth))
        self.traded[order_id] = done, worth
        units = max(Fraction(0), Fraction(order.get("hold_quantity", "0")) - done)
        self.open.pop(order_id, None)
        if order["state"] not in ENDED and units:
            self.open[order_id] = Open(terms["symbol"], sign, units, Fraction(order["hold_price"]))

    def _trade(self, symbol: str, units: Fraction, worth: Fraction) -> None:
        held = self.held[symbol]
        after = held + units
        if held * units >= 0:
            self.cost[symbol] += worth
        elif held * after >= 0:
            self.cost[symbol] *= abs(after) / abs(held)
        else:
            self.cost[symbol] = worth * abs(after) / abs(units)
        self.held[symbol] = after

    def exposure(self) -> Fraction:
        """Sum the worst cases of all symbols."""
        symbols = {each.symbol for each in self.open.values()} | self.held.keys()
        return sum((self._worst(symbol) for symbol in symbols), Fraction(0))

    def _worst(self, symbol: str) -> Fraction:
        held, cost = self.held[symbol], self.cost[symbol]
        return max(
            cost,
            _reached(held, cost, [each for each in self.open.values() if each.symbol == symbol and each.sign > 0]),
            _reached(-held, cost, [each for each in self.open.values() if each.symbol == symbol and each.sign < 0]),
        )

    def one_sided(self) -> bool:
        """Tell whether no open order is against a position or another order, so that nothing can be netted."""
        signs: dict[str, set[int]] = defaultdict(set)
        for each in self.open.values():
            signs[each.symbol].add(each.sign)
        for symbol, held in self.held.items():
            if held:
                signs[symbol].add(1 if held > 0 else -1)
        return all(len(each) == 1 for each in signs.values())


def _reached(held: Fraction, cost: Fraction, orders: Iterable[Open]) -> Fraction:
    """Give what a position comes to once all orders of one side have traded, the cheapest against it first."""
    reached = cost if held >= 0 else Fraction(0)
    against = max(Fraction(0), -held)
    for order in sorted(orders, key=lambda each: each.price):
        used = min(against, order.units)
        against -= used
        reached += (order.units - used) * order.price
    return reached
