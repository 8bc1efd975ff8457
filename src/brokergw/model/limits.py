"""Limits on orders, positions and losses: what can be set, in which scopes, and what they come to together.

Amounts are in the base currency. A limit that is not set inherits; zero means zero. The strictest of all scopes binds,
so that no scope can give more than another allows.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final

from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass


@unique
class LimitSource(StrEnum):
    """Who set a limit, from the widest to the narrowest. ADMIN is what an administrator set for one user."""

    PLATFORM = "PLATFORM"
    BROKER = "BROKER"
    ADMIN = "ADMIN"
    USER = "USER"
    STRATEGY = "STRATEGY"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingHours:
    """A weekly window: days (Monday is 0) and minutes of the day in an IANA time zone, `end_minute` exclusive.

    A window whose end lies before its start runs over midnight into the next day.
    """

    zone: str
    days: frozenset[int]
    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one scope; None is not set.

    `order_notional_max`: worth of one order. `order_quantity_max`: its size in units. `position_notional_max`: the
    worst case of one symbol in one account. `exposure_max`: the sum of those worst cases over all of a user's accounts.
    `daily_volume_max`: worth of a trading day's executions and open orders. `daily_loss_max`: loss of a trading day.
    `price_collar_percent`: how far a limit price may lie from the reference price, for the worse. `market_orders`:
    whether market orders are taken. `leverage_max`: the highest leverage that may be chosen. `trading_hours`: windows
    in one of which an order must come.
    """

    order_notional_max: Decimal | None = None
    order_quantity_max: Decimal | None = None
    position_notional_max: Decimal | None = None
    exposure_max: Decimal | None = None
    daily_volume_max: Decimal | None = None
    daily_loss_max: Decimal | None = None
    orders_per_day_max: int | None = None
    orders_per_minute_max: int | None = None
    open_orders_max: int | None = None
    leverage_max: int | None = None
    price_collar_percent: Decimal | None = None
    market_orders: bool | None = None
    asset_classes: frozenset[AssetClass] | None = None
    symbols_allowed: frozenset[str] | None = None
    symbols_restricted: frozenset[str] | None = None
    trading_hours: tuple[TradingHours, ...] | None = None


AMOUNTS: Final = (
    "order_notional_max",
    "order_quantity_max",
    "position_notional_max",
    "exposure_max",
    "daily_volume_max",
    "daily_loss_max",
    "price_collar_percent",
)
"""The limits that are decimals."""

COUNTS: Final = ("orders_per_day_max", "orders_per_minute_max", "open_orders_max", "leverage_max")
"""The limits that are whole numbers."""

NUMBERS: Final = (*AMOUNTS, *COUNTS)
"""Every limit of which the smaller is the stricter."""

COUNTED: Final = ("exposure_max", "daily_volume_max", "orders_per_day_max", "orders_per_minute_max", "open_orders_max")
"""The limits whose measures are counted for a strategy by itself as well as for its user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsScope:
    """Whose limits: PLATFORM's, or for a user those that ADMIN, the USER itself, or it for a STRATEGY has set."""

    source: LimitSource
    user_id: str = ""
    strategy_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLimits:
    """The limits of one scope as they stand; version 0 is what nobody has set.

    `region` is the user's, kept with what the administrator has set for it. A `fault` says why what is stored cannot
    be read; `limits` are then empty.
    """

    scope: LimitsScope
    limits: Limits = field(default_factory=Limits)
    region: str = ""
    version: int = 0
    set_by: str = ""
    set_time_ns: int = 0
    fault: str = ""

    @property
    def etag(self) -> str:
        """The tag that a caller sends back to change only what it has seen."""
        return f'"{self.version}"'


@dataclass(frozen=True, slots=True)
class LimitsFault:
    """Why nothing may be judged by some limits: they cannot be read, or are not known to be current."""

    reason: Reason
    description: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EffectiveLimits:
    """What all scopes come to for one user, broker and strategy.

    `values` is the strictest of each: least numbers, intersected allow-lists, joined restrictions, AND of permissions.
    `sources` names the source that binds, by the field's name. `hours` are schedules, each of which must be open.
    `strategy` is what the strategy's own limits say of what is counted for it alone (`COUNTED`); `values` has nothing
    of those, because they are measured against all that the user does.
    Each is equal to itself alone, so that what is made of it can be kept. `version` changes whenever any limit behind
    it does. With a `fault` only what reduces a position may pass.
    """

    values: Limits
    sources: dict[str, LimitSource]
    hours: tuple[tuple[TradingHours, ...], ...] = ()
    strategy: Limits = field(default_factory=Limits)
    version: int = 0
    fault: LimitsFault | None = None
