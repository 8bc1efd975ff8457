"""What a broker can do, as one table row that preflight, docs and the exam read."""

from dataclasses import dataclass
from enum import StrEnum, unique

from brokergw.model.account import Environment
from brokergw.model.instrument import AssetClass
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


@unique
class ResolutionClass(StrEnum):
    """How an order of unknown outcome is found again at this broker."""

    BY_CLIENT_ID = "A"
    BY_TAG = "B"
    BY_CONTENT = "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """One broker's row of the capability matrix.

    `visibility_s` is how long an order may take to show in look-ups after the broker has taken it.
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
    visibility_s: float = 30
    requests_per_minute: int | None = None
