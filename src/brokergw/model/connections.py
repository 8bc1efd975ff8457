"""What is shown of a connection: how fresh it is, what it may do and why not, and what its user should know."""

from dataclasses import dataclass
from enum import StrEnum, unique

from brokergw.model.modes import LiveStep


@unique
class SyncState(StrEnum):
    """Whether the record is in step with the broker. DISABLED: nobody asks, because nothing can be asked."""

    FRESH = "FRESH"
    STALE = "STALE"
    DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True)
class Sync:
    """When the broker last told what the record must agree with, and when it is asked next, or why it is not."""

    state: SyncState
    last_ns: int | None
    next_ns: int | None
    why: str = ""


@unique
class Tier(StrEnum):
    """What a connection may be used for, each tier for itself."""

    READ_ONLY = "READ_ONLY"
    PAPER = "PAPER"
    LIVE = "LIVE"


@unique
class TierState(StrEnum):
    """How a tier stands. NOT_GRANTED: nobody gave it. REVOKED: it was taken back. BLOCKED: something is in the way."""

    GRANTED = "GRANTED"
    NOT_GRANTED = "NOT_GRANTED"
    REVOKED = "REVOKED"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True)
class TierStanding:
    """How a tier stands and, where it is not granted, why; `missing` are steps to live trading that are open."""

    tier: Tier
    state: TierState
    why: str = ""
    missing: tuple[LiveStep, ...] = ()


@unique
class ReadScope(StrEnum):
    """What can be read through a connection."""

    ACCOUNT = "ACCOUNT"
    BALANCES = "BALANCES"
    POSITIONS = "POSITIONS"
    ORDERS = "ORDERS"
    FILLS = "FILLS"


@unique
class WarningCode(StrEnum):
    """What a user is warned of."""

    ACCESS_REVOKED = "ACCESS_REVOKED"
    CREDENTIALS_REFUSED = "CREDENTIALS_REFUSED"
    CREDENTIALS_UNREADABLE = "CREDENTIALS_UNREADABLE"
    DATA_STALE = "DATA_STALE"
    TRADING_HALTED = "TRADING_HALTED"
    NOTHING_GRANTED = "NOTHING_GRANTED"
    NO_BINDING_POSSIBLE = "NO_BINDING_POSSIBLE"
    AUTHORIZATION_ENDS = "AUTHORIZATION_ENDS"


@dataclass(frozen=True, slots=True)
class ConnectionWarning:
    """Something that a user should know, in a sentence of its own."""

    code: WarningCode
    words: str
