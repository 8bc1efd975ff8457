"""The terms of an order: side, type, time in force, class and legs, as clients and brokers name them."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique

from brokergw.model.quick import quick


@unique
class Side(StrEnum):
    """Buy or sell."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        """The side that closes what this one opened."""
        return Side.SELL if self is Side.BUY else Side.BUY


@unique
class OrderType(StrEnum):
    """How the price of an order is found."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"


@unique
class TimeInForce(StrEnum):
    """How long an order lives."""

    DAY = "DAY"
    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"
    AT_OPEN = "AT_OPEN"
    AT_CLOSE = "AT_CLOSE"


@unique
class OrderClass(StrEnum):
    """Whether an order stands alone or leads a group.

    BRACKET: entry with take-profit and stop-loss. OCO: an exit pair, one cancels the other. OTO: entry with one
    exit. MULTI_LEG: option legs filled together.
    """

    SIMPLE = "SIMPLE"
    BRACKET = "BRACKET"
    OCO = "OCO"
    OTO = "OTO"
    MULTI_LEG = "MULTI_LEG"


@unique
class PositionEffect(StrEnum):
    """Whether a leg opens or closes a position; AUTO leaves it to the broker."""

    AUTO = "AUTO"
    OPEN = "OPEN"
    CLOSE = "CLOSE"


@unique
class PositionSide(StrEnum):
    """Which of a symbol's positions: NET where it has one, LONG or SHORT in hedge mode, where it has both."""

    NET = ""
    LONG = "LONG"
    SHORT = "SHORT"


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a multi-leg order: `ratio` units of it for each unit of the order."""

    symbol: str
    side: Side
    ratio: int
    position_effect: PositionEffect = PositionEffect.AUTO


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """What a client wants traded; exactly one of `quantity` and `notional` is set.

    Prices are per unit in the instrument's currency, `trail_percent` in percent (`1.5` is 1.5 %),
    `expire_time_ns` Unix nanoseconds. `stop_loss_limit_price` turns the stop-loss into a stop-limit. A `reduce_only`
    order may only make a position smaller.
    """

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    expire_time_ns: int | None = None
    extended_hours: bool = False
    position_effect: PositionEffect = PositionEffect.AUTO
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit_limit_price: Decimal | None = None
    stop_loss_stop_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    legs: tuple[Leg, ...] = ()

    reduce_only: bool = False

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that the order is about: its own, and each leg's."""
        return (self.symbol, *(leg.symbol for leg in self.legs))

    @property
    def closes(self) -> bool:
        """Whether the order says that it closes."""
        return self.reduce_only or self.position_effect is PositionEffect.CLOSE


def hedged_side(terms: OrderTerms) -> PositionSide:
    """Tell which of the two positions an order is about in hedge mode: it opens one unless it says that it closes."""
    return PositionSide.LONG if (terms.side is Side.BUY) != terms.closes else PositionSide.SHORT
