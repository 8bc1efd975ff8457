"""Every way the gateway says no: one class, one published reason each, and what became of the order.

`Reason` is the catalogue that clients read (never the text). Each reason fixes two facts a client needs
before it may try again: whether an order may exist (`OrderEffect`) and which key a retry takes (`Retry`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final


@unique
class OrderEffect(StrEnum):
    """What a failed call left at the broker."""

    NONE = "NONE"
    POSSIBLE = "POSSIBLE"
    EXISTS = "EXISTS"


@unique
class Retry(StrEnum):
    """How the caller may try again."""

    SAME_KEY = "SAME_KEY"
    NEW_KEY = "NEW_KEY"
    NEVER = "NEVER"


@unique
class Reason(StrEnum):
    """The published reasons; `REASONS` holds what each one means."""

    # The request itself
    IDEMPOTENCY_KEY_REQUIRED = "IDEMPOTENCY_KEY_REQUIRED"
    IDEMPOTENCY_KEY_INVALID = "IDEMPOTENCY_KEY_INVALID"
    REQUEST_UNDECODABLE = "REQUEST_UNDECODABLE"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    FIELD_INVALID = "FIELD_INVALID"
    INVALID_ORDER_FIELD = "INVALID_ORDER_FIELD"
    TIF_REQUIRES_EXPIRY = "TIF_REQUIRES_EXPIRY"
    PRICE_OFF_TICK = "PRICE_OFF_TICK"
    QUANTITY_OFF_STEP = "QUANTITY_OFF_STEP"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"  # noqa: S105 - a reason, not a secret
    CURSOR_INVALID = "CURSOR_INVALID"
    CURSOR_FILTER_MISMATCH = "CURSOR_FILTER_MISMATCH"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    CURSOR_EPOCH_CHANGED = "CURSOR_EPOCH_CHANGED"
    DEADLINE_TOO_SHORT = "DEADLINE_TOO_SHORT"
    # Who asks
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    API_KEY_INVALID = "API_KEY_INVALID"
    API_KEY_EXPIRED = "API_KEY_EXPIRED"
    API_KEY_REVOKED = "API_KEY_REVOKED"
    SCOPE_MISSING = "SCOPE_MISSING"
    ROLE_MISSING = "ROLE_MISSING"
    CREDENTIALS_AMBIGUOUS = "CREDENTIALS_AMBIGUOUS"
    ADDRESS_NOT_ALLOWED = "ADDRESS_NOT_ALLOWED"
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 - a reason, not a secret
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a reason, not a secret
    TOKEN_REVOKED = "TOKEN_REVOKED"  # noqa: S105 - a reason, not a secret
    ISSUER_UNAVAILABLE = "ISSUER_UNAVAILABLE"
    CERTIFICATE_UNKNOWN = "CERTIFICATE_UNKNOWN"
    CERTIFICATE_EXPIRED = "CERTIFICATE_EXPIRED"
    CERTIFICATE_MISMATCH = "CERTIFICATE_MISMATCH"
    # How often
    RATE_LIMITED = "RATE_LIMITED"
    STREAM_LIMIT = "STREAM_LIMIT"
    CLIENT_CONNECTION_LIMIT = "CLIENT_CONNECTION_LIMIT"
    BROKER_RATE_LIMITED = "BROKER_RATE_LIMITED"
    # The key
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    IDEMPOTENCY_KEY_EXPIRED = "IDEMPOTENCY_KEY_EXPIRED"
    CLIENT_ORDER_ID_TAKEN = "CLIENT_ORDER_ID_TAKEN"
    # Gate 1: authority
    ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
    ACCOUNT_DISABLED = "ACCOUNT_DISABLED"
    CONNECTION_NOT_USABLE = "CONNECTION_NOT_USABLE"
    BROKER_SESSION_DOWN = "BROKER_SESSION_DOWN"
    BROKER_DISABLED = "BROKER_DISABLED"
    REGION_NOT_PERMITTED = "REGION_NOT_PERMITTED"
    LIMITS_UNREADABLE = "LIMITS_UNREADABLE"
    ACCOUNT_CLOSE_ONLY = "ACCOUNT_CLOSE_ONLY"
    POSITION_EFFECT_REQUIRED = "POSITION_EFFECT_REQUIRED"
    ENVIRONMENT_MISMATCH = "ENVIRONMENT_MISMATCH"
    LIVE_NOT_ENABLED = "LIVE_NOT_ENABLED"
    MFA_REQUIRED = "MFA_REQUIRED"
    TRADING_HALTED = "TRADING_HALTED"
    REDUCE_ONLY_MODE = "REDUCE_ONLY_MODE"
    STRATEGY_DISABLED = "STRATEGY_DISABLED"
    # Gate 2: instrument and capability
    INSTRUMENT_NOT_FOUND = "INSTRUMENT_NOT_FOUND"
    INSTRUMENT_NOT_TRADABLE = "INSTRUMENT_NOT_TRADABLE"
    UNSUPPORTED_ORDER_TYPE = "UNSUPPORTED_ORDER_TYPE"
    UNSUPPORTED_TIME_IN_FORCE = "UNSUPPORTED_TIME_IN_FORCE"
    UNSUPPORTED_FEATURE = "UNSUPPORTED_FEATURE"
    INSTRUMENT_RESTRICTED = "INSTRUMENT_RESTRICTED"
    ASSET_CLASS_NOT_ALLOWED = "ASSET_CLASS_NOT_ALLOWED"
    OUTSIDE_TRADING_HOURS = "OUTSIDE_TRADING_HOURS"
    MARKET_CLOSED = "MARKET_CLOSED"
    SESSION_NOT_ALLOWED = "SESSION_NOT_ALLOWED"
    SESSION_CLOSING = "SESSION_CLOSING"
    CALENDAR_UNAVAILABLE = "CALENDAR_UNAVAILABLE"
    CLOCK_SKEW = "CLOCK_SKEW"
    # Gate 3: order sanity
    EXPIRE_TIME_INVALID = "EXPIRE_TIME_INVALID"
    QUANTITY_BELOW_MINIMUM = "QUANTITY_BELOW_MINIMUM"
    ORDER_NOTIONAL_EXCEEDS_LIMIT = "ORDER_NOTIONAL_EXCEEDS_LIMIT"
    STOP_PRICE_WRONG_SIDE = "STOP_PRICE_WRONG_SIDE"
    ORDER_QUANTITY_EXCEEDS_LIMIT = "ORDER_QUANTITY_EXCEEDS_LIMIT"
    REFERENCE_PRICE_MISSING = "REFERENCE_PRICE_MISSING"
    REFERENCE_PRICE_STALE = "REFERENCE_PRICE_STALE"
    PRICE_OUTSIDE_COLLAR = "PRICE_OUTSIDE_COLLAR"
    MARKET_ORDER_NOT_ALLOWED = "MARKET_ORDER_NOT_ALLOWED"
    DUPLICATIVE_ORDER = "DUPLICATIVE_ORDER"
    SELF_MATCH_RISK = "SELF_MATCH_RISK"
    REDUCE_ONLY_WOULD_INCREASE = "REDUCE_ONLY_WOULD_INCREASE"
    ORDER_TOO_OLD = "ORDER_TOO_OLD"
    IN_DOUBT_ORDER_EXISTS = "IN_DOUBT_ORDER_EXISTS"
    # Gate 4: exposure, loss and what the broker says of the account
    SYMBOL_POSITION_EXCEEDS_LIMIT = "SYMBOL_POSITION_EXCEEDS_LIMIT"
    GROSS_EXPOSURE_EXCEEDS_LIMIT = "GROSS_EXPOSURE_EXCEEDS_LIMIT"
    OPEN_ORDERS_EXCEED_LIMIT = "OPEN_ORDERS_EXCEED_LIMIT"
    ORDER_COUNT_EXCEEDS_LIMIT = "ORDER_COUNT_EXCEEDS_LIMIT"
    DAY_NOTIONAL_EXCEEDS_LIMIT = "DAY_NOTIONAL_EXCEEDS_LIMIT"
    DAILY_LOSS_LIMIT_REACHED = "DAILY_LOSS_LIMIT_REACHED"
    RECONCILIATION_DRIFT = "RECONCILIATION_DRIFT"
    RISK_DATA_STALE = "RISK_DATA_STALE"
    FX_RATE_STALE = "FX_RATE_STALE"
    INSUFFICIENT_BUYING_POWER = "INSUFFICIENT_BUYING_POWER"
    INSUFFICIENT_POSITION = "INSUFFICIENT_POSITION"
    SHORT_NOT_PERMITTED = "SHORT_NOT_PERMITTED"
    RISK_DATA_UNAVAILABLE = "RISK_DATA_UNAVAILABLE"
    # Leverage, margin type and position mode
    LEVERAGE_EXCEEDS_LIMIT = "LEVERAGE_EXCEEDS_LIMIT"
    SETTINGS_OUTCOME_UNKNOWN = "SETTINGS_OUTCOME_UNKNOWN"
    # What is asked for
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    CONNECTION_NOT_FOUND = "CONNECTION_NOT_FOUND"
    CONNECTION_CHANGED = "CONNECTION_CHANGED"
    BROKER_ACCOUNT_DIFFERS = "BROKER_ACCOUNT_DIFFERS"
    SYMBOL_NOT_FOUND = "SYMBOL_NOT_FOUND"
    BROKER_NOT_FOUND = "BROKER_NOT_FOUND"
    BROKER_CREDENTIALS_REFUSED = "BROKER_CREDENTIALS_REFUSED"
    OAUTH_NOT_CONFIGURED = "OAUTH_NOT_CONFIGURED"
    OAUTH_STATE_INVALID = "OAUTH_STATE_INVALID"
    OAUTH_REFUSED = "OAUTH_REFUSED"
    OAUTH_ATTEMPTS_EXCEED_LIMIT = "OAUTH_ATTEMPTS_EXCEED_LIMIT"
    METHOD_NOT_FOUND = "METHOD_NOT_FOUND"
    SERVICE_NOT_FOUND = "SERVICE_NOT_FOUND"
    ORDER_TERMINAL = "ORDER_TERMINAL"
    ORDER_PENDING = "ORDER_PENDING"
    ORDER_OUTCOME_UNKNOWN = "ORDER_OUTCOME_UNKNOWN"
    ORDER_NOT_PLACED = "ORDER_NOT_PLACED"
    MODIFY_REFUSED = "MODIFY_REFUSED"
    CANCEL_REFUSED = "CANCEL_REFUSED"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    ORDER_NOT_IN_DOUBT = "ORDER_NOT_IN_DOUBT"
    VERDICT_REFUTED = "VERDICT_REFUTED"
    # Limits, modes and the kill switch
    LIMIT_ABOVE_PLATFORM = "LIMIT_ABOVE_PLATFORM"
    USER_NOT_FOUND = "USER_NOT_FOUND"
    API_KEY_NOT_FOUND = "API_KEY_NOT_FOUND"
    LAST_ADMIN = "LAST_ADMIN"
    CERTIFICATE_NOT_FOUND = "CERTIFICATE_NOT_FOUND"
    CERTIFICATE_MAPPED = "CERTIFICATE_MAPPED"
    API_KEY_NOT_USABLE = "API_KEY_NOT_USABLE"
    API_KEYS_EXCEED_LIMIT = "API_KEYS_EXCEED_LIMIT"
    HALT_NOT_FOUND = "HALT_NOT_FOUND"
    HALT_NOT_YOURS = "HALT_NOT_YOURS"
    KILL_SWITCH_EPOCH_CHANGED = "KILL_SWITCH_EPOCH_CHANGED"
    MFA_NOT_ENROLLED = "MFA_NOT_ENROLLED"
    MFA_ALREADY_ENROLLED = "MFA_ALREADY_ENROLLED"
    MFA_CODE_INVALID = "MFA_CODE_INVALID"
    MFA_LOCKED = "MFA_LOCKED"
    RISK_NOT_ACKNOWLEDGED = "RISK_NOT_ACKNOWLEDGED"
    RISK_TEXT_OUTDATED = "RISK_TEXT_OUTDATED"
    LIVE_NOT_GRANTED = "LIVE_NOT_GRANTED"
    PAPER_HISTORY_MISSING = "PAPER_HISTORY_MISSING"
    # Comparing accounts with their brokers
    RECONCILIATION_NOT_FOUND = "RECONCILIATION_NOT_FOUND"
    RECONCILIATION_SETTLED = "RECONCILIATION_SETTLED"
    RECONCILIATION_MOVED = "RECONCILIATION_MOVED"
    # The broker
    BROKER_REJECTED = "BROKER_REJECTED"
    BROKER_UNREACHABLE = "BROKER_UNREACHABLE"
    BROKER_ANSWER_UNUSABLE = "BROKER_ANSWER_UNUSABLE"
    # The gateway
    SLOW_CONSUMER = "SLOW_CONSUMER"
    STREAM_MAX_AGE = "STREAM_MAX_AGE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    SERVER_DRAINING = "SERVER_DRAINING"
    JOURNAL_UNAVAILABLE = "JOURNAL_UNAVAILABLE"
    AUDIT_UNAVAILABLE = "AUDIT_UNAVAILABLE"
    JOURNAL_OUTCOME_UNKNOWN = "JOURNAL_OUTCOME_UNKNOWN"
    INTERNAL_ERROR = "INTERNAL_ERROR"


UNWRITTEN: Final = frozenset({Reason.JOURNAL_UNAVAILABLE, Reason.AUDIT_UNAVAILABLE})
"""The record could not be written or read, and nothing came of it."""

RECORD_AWAY: Final = UNWRITTEN | {Reason.JOURNAL_OUTCOME_UNKNOWN}
"""The record could not be written or read, whatever came of it."""


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field of a request: its path, the broken rule in words, the reason."""

    field: str
    rule: str
    reason: Reason = Reason.FIELD_INVALID


@dataclass(frozen=True, slots=True)
class Objection:
    """One failed preflight check.

    `subject` names what it is about (a field path, an account, a symbol); `limit` and `observed` are
    decimal or plain strings, present where the check compares two values. Where a limit that somebody set is reached,
    `limit_name` names it, `source` who set it, `used` what stands already and `requested` what the order would add.
    `missing` names the steps that are open before what was asked for is possible.
    """

    reason: Reason
    subject: str
    description: str
    limit: str | None = None
    observed: str | None = None
    limit_name: str = ""
    source: str = ""
    used: str | None = None
    requested: str | None = None
    missing: tuple[str, ...] = ()


class GatewayError(Exception):
    """The root of everything the gateway refuses or fails at, with its published reason.

    `metadata` holds every variable part of the message, so that no client has to parse text.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        effect: OrderEffect | None = None,
        retry: Retry | None = None,
        retry_after_s: float | None = None,
        order_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.effect = effect
        self.retry = retry
        self.retry_after_s = retry_after_s
        self.order_id = order_id


class InvalidRequest(GatewayError):
    """The request breaks a rule of the contract; all broken rules are listed."""

    def __init__(self, violations: tuple[FieldViolation, ...]) -> None:
        first = violations[0]
        super().__init__(
            first.reason,
            "; ".join(f"{v.field}: {v.rule}" for v in violations[:5]),
            metadata={"field": first.field},
        )
        self.violations = violations


class PreflightDenied(GatewayError):
    """A gate said no; `objections` are all its failed checks, by the limits of a version."""

    def __init__(
        self, gate: str, objections: tuple[Objection, ...], *, order_id: str | None = None, limits_version: int = 0
    ) -> None:
        super().__init__(
            objections[0].reason,
            "; ".join(o.description for o in objections[:5]),
            metadata={"gate": gate},
            order_id=order_id,
        )
        self.gate = gate
        self.objections = objections
        self.limits_version = limits_version


class NotFound(GatewayError):
    """The thing does not exist, or belongs to somebody else (the same answer on purpose)."""

    def __init__(self, reason: Reason, kind: str, name: str) -> None:
        super().__init__(reason, f"{kind} was not found", metadata={"kind": kind, "name": name})
        self.kind = kind
        self.name = name


class Throttled(GatewayError):
    """A budget is spent; `subject` names whose."""

    def __init__(self, reason: Reason, subject: str, retry_after_s: float) -> None:
        super().__init__(
            reason,
            f"the budget of {subject} is spent",
            metadata={"subject": subject},
            retry_after_s=retry_after_s,
        )
        self.subject = subject
