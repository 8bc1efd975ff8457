"""What a person must hear of at once."""

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class AlertKind(StrEnum):
    """What has happened."""

    HALTED = "HALTED"
    RESUMED = "RESUMED"
    NOT_CLEARED = "NOT_CLEARED"
    RECONCILIATION_MISMATCH = "RECONCILIATION_MISMATCH"
    LIMIT_REACHED = "LIMIT_REACHED"
    ORDER_IN_DOUBT = "ORDER_IN_DOUBT"
    ORDER_BORN_LATE = "ORDER_BORN_LATE"
    EXCESS_SENDS = "EXCESS_SENDS"
    TOKEN_EXPIRES = "TOKEN_EXPIRES"  # noqa: S105 - a kind of alert
    LEDGER_DIFFERS = "LEDGER_DIFFERS"


@unique
class Severity(StrEnum):
    """How soon somebody must look."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. `subject` names what it is about; the same kind and subject again within a while is the same alert.

    `facts` are the numbers behind it (decimal or plain strings), never a secret. `user_id` is whose business it is,
    empty for the platform's.
    """

    kind: AlertKind
    severity: Severity
    subject: str
    message: str
    time_ns: int
    user_id: str = ""
    facts: tuple[tuple[str, str], ...] = ()
