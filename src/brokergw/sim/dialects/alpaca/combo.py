"""A multi-leg order: its legs, its terms and how it stands."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from brokergw.exchange import Listing
from brokergw.model.terms import OrderType, Side
from brokergw.sim.dialects.alpaca.shapes import derived_id

_OPEN: Final = frozenset({"accepted", "new"})


@dataclass(frozen=True, slots=True)
class ComboLeg:
    """One leg: `ratio` contracts of it for each unit of the order."""

    listing: Listing
    side: Side
    ratio: int
    intent: str

    @property
    def sign(self) -> int:
        """1 for a leg that buys, -1 for one that sells."""
        return 1 if self.side is Side.BUY else -1

    @property
    def opens(self) -> bool:
        """Whether it opens a position."""
        return self.intent.endswith("open")


@dataclass(frozen=True, slots=True)
class ComboTerms:
    """What is wanted: a positive limit price is the most to pay for a unit, a negative one the least to receive."""

    quantity: Decimal
    type: OrderType
    limit_price: Decimal | None
    client_order_id: str
    legs: tuple[ComboLeg, ...]


@dataclass(slots=True)
class Combo:
    """One multi-leg order; `price` is the net price it traded at, `leg_prices` those of its legs."""

    order_id: str
    client_order_id: str
    terms: ComboTerms
    status: str
    create_time_ns: int
    update_time_ns: int
    expires_at_ns: int
    price: Decimal | None = None
    leg_prices: tuple[Decimal, ...] = ()
    ended: dict[str, int] = field(default_factory=dict)
    replaces: str | None = None
    replaced_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.status in _OPEN

    def leg_id(self, place: int) -> str:
        """Give the order id of a leg."""
        return derived_id("leg", self.order_id, str(place))
