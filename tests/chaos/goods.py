"""What the load of a broker's trials may send."""

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Final

_LOTS_MAX: Final = 3
_CRUMBS_MAX: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something to buy: orders rest at `resting` ticks (from, to), by one to three `lot`; what is bought at the market
    comes in one to nine `crumb`.
    """

    symbol: str
    resting: tuple[int, int]
    tick: Decimal = Decimal(1)
    lot: Decimal = Decimal(1)
    crumb: Decimal = Decimal(1)

    def price(self, random: Random) -> str:
        """Draw a price that is below the market."""
        return f"{random.randint(*self.resting) * self.tick:f}"

    def quantity(self, random: Random, *, rests: bool) -> str:
        """Draw a quantity."""
        if rests:
            return f"{random.randint(1, _LOTS_MAX) * self.lot:f}"
        return f"{random.randint(1, _CRUMBS_MAX) * self.crumb:f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """What may be traded at a broker, and how.

    A trial trades `at_once` of the items, the next one begins with the next item: where an order in doubt keeps its
    symbol from being traded, the load goes on with others. With `unlike` every order has a quantity of its own, by
    which it is known again. Times in force are those of the API, `changes` whether orders may be changed.
    """

    items: tuple[Item, ...]
    at_once: int = 1
    unlike: bool = False
    changes: bool = True
    market_life: str = "DAY"
    resting_life: str = "DAY"

    def of(self, trial: int) -> tuple[Item, ...]:
        """Give the items of a trial."""
        return tuple(self.items[(trial + more) % len(self.items)] for more in range(self.at_once))


def shares(**prices: int) -> tuple[Item, ...]:
    """Make items of whole shares that rest at a twentieth to an eighth of what they are worth, in dollars."""
    cent = Decimal("0.01")
    return tuple(Item(symbol=name, resting=(5 * price, 12 * price), tick=cent) for name, price in prices.items())
