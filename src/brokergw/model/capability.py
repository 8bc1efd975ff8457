"""What a broker can do, as one table row that preflight, docs and the exam read."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from brokergw.model.account import Environment
from brokergw.model.instrument import AssetClass
from brokergw.model.sessions import SessionKind
from brokergw.model.terms import OrderClass, OrderType, TimeInForce


@unique
class Authentication(StrEnum):
    """How a user proves to a broker who it is."""

    NONE = "NONE"
    API_KEY_SECRET = "API_KEY_SECRET"  # noqa: S105 - a kind of credential, not one
    OAUTH2 = "OAUTH2"
    SESSION = "SESSION"


@unique
class Feature(StrEnum):
    """What a broker may or may not offer beyond types and times in force."""

    FRACTIONAL = "FRACTIONAL"
    NOTIONAL = "NOTIONAL"
    EXTENDED_HOURS = "EXTENDED_HOURS"
    SHORT = "SHORT"
    MODIFY = "MODIFY"
    CANCEL_ALL = "CANCEL_ALL"
    CLOSE_POSITION = "CLOSE_POSITION"
    ORDER_STREAM = "ORDER_STREAM"
    FIND_BY_CLIENT_ORDER_ID = "FIND_BY_CLIENT_ORDER_ID"
    ORDER_HISTORY = "ORDER_HISTORY"
    TRANSACTIONS = "TRANSACTIONS"
    QUOTES = "QUOTES"
    LEVERAGE = "LEVERAGE"
    """Leverage and margin type can be chosen by symbol, and the position mode by account."""


@unique
class ResolutionClass(StrEnum):
    """How an order of unknown outcome is found again at this broker."""

    BY_CLIENT_ID = "A"
    BY_TAG = "B"
    BY_CONTENT = "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Auctions:
    """Until when a broker takes orders for an opening and a closing auction, in seconds before each.

    Later ones are refused until `from_minute` of the day by the market's clocks, when orders for the next day begin.
    """

    open_cutoff_s: int
    close_cutoff_s: int
    from_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRules:
    """How orders for one class of assets meet the hours of its market, at one broker.

    `calendar` names the house calendar; with `told` the broker tells the hours itself, and the calendar's name is what
    an operator's overrides go by. `queues`: whether an order that would live is taken while the market is closed, and
    waits. Orders with `extended_hours` trade in the `extended` sessions too, and must be of `extended_types`,
    `extended_times_in_force` and `extended_classes`. Orders of `open_only_types` are not taken outside the regular
    session, not even to wait.
    """

    calendar: str
    told: bool = False
    queues: bool = False
    extended: frozenset[SessionKind] = frozenset()
    extended_types: frozenset[OrderType] = frozenset(OrderType)
    extended_times_in_force: frozenset[TimeInForce] = frozenset(TimeInForce)
    extended_classes: frozenset[OrderClass] = frozenset(OrderClass)
    open_only_types: frozenset[OrderType] = frozenset()
    auctions: Auctions | None = None


AROUND_THE_CLOCK: Final = MarketRules(calendar="ALWAYS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """One broker's row of the capability matrix.

    `markets` has the hours of each class of assets; orders for a class without a row are not taken.
    `expiry_days_max` is how far ahead an order's own expiry may lie, None where the broker sets no bound.
    `visibility_s` is how long an order may take to show in look-ups after the broker has taken it, `entry_early_s` how
    much too early the broker may tell that it was entered. With `needs_application` the trading protocol itself asks
    for the OAuth application's id and secret.
    """

    broker: str
    name: str
    asset_classes: frozenset[AssetClass]
    order_types: dict[AssetClass, frozenset[OrderType]]
    times_in_force: dict[AssetClass, frozenset[TimeInForce]]
    order_classes: frozenset[OrderClass]
    features: frozenset[Feature]
    environments: frozenset[Environment]
    authentication: Authentication
    resolution: ResolutionClass
    client_order_id_length_max: int
    markets: Mapping[AssetClass, MarketRules]
    expiry_days_max: int | None = None
    visibility_s: float = 30
    entry_early_s: float = 0
    requests_per_minute: int | None = None
    needs_application: bool = False
