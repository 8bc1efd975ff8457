"""One account as Schwab keeps it beside the exchange: its numbers, groups, births and the lines of its history."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from brokergw.sim.dialects.schwab.terms import WantedLeg

ZERO: Final = Decimal(0)
_MINUTE_NS: Final = 60_000_000_000


@dataclass(slots=True)
class Budget:
    """Requests per minute of the clock; None at the limit is unlimited."""

    limit: int | None
    minute: int = 0
    spent: int = 0

    def spend(self, now_ns: int) -> bool:
        """Count a request and tell whether it is within the budget."""
        if self.limit is None:
            return True
        minute = now_ns // _MINUTE_NS
        if minute != self.minute:
            self.minute, self.spent = minute, 0
        within = self.spent < self.limit
        self.spent += within
        return within


@dataclass(slots=True)
class Spread:
    """An order of several legs, which trades all of them in one go at a net price, signed."""

    legs: tuple[WantedLeg, ...]
    net_price: Decimal | None
    duration: str
    expires_at_ns: int
    status: str = "WORKING"
    end_ns: int = 0
    leg_prices: tuple[Decimal, ...] = ()

    @property
    def quantity(self) -> Decimal:
        """How many of it are wanted: the least of its legs."""
        return min(leg.quantity for leg in self.legs)


@dataclass(slots=True)
class Entry:
    """What one number stands for: an order of the exchange, a pair's node, a spread, or a refused order.

    `inherited` is what earlier generations had traded: the exchange counts that in, Schwab begins anew.
    """

    number: int
    entered_ns: int
    session: str = "NORMAL"
    order_id: str = ""
    instruction: str = ""
    parent: int = 0
    children: list[int] = field(default_factory=list)
    inherited: Decimal = ZERO
    spread: Spread | None = None
    refused: dict[str, Any] | None = None


@dataclass(slots=True)
class Room:
    """The state of one account.

    `births` are the numbers hidden from look-ups and lists, with the time they appear; `shown_as` the status that open
    orders are shown with instead of their own, `canceling` those whose cancel is under way.
    """

    number: str
    hash: str
    login: str
    budget: Budget
    entries: dict[int, Entry] = field(default_factory=dict)
    by_order: dict[str, int] = field(default_factory=dict)
    births: dict[int, int] = field(default_factory=dict)
    shown_as: dict[int, str] = field(default_factory=dict)
    canceling: set[int] = field(default_factory=set)
    transactions: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def tops(self) -> list[Entry]:
        """Give what stands at the top of lists, oldest first: everything that is nobody's child."""
        return [entry for entry in self.entries.values() if not entry.parent]

    def is_born(self, number: int, now_ns: int) -> bool:
        """Tell whether look-ups may see an order yet."""
        return self.births.get(number, 0) <= now_ns
