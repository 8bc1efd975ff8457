"""A user's authenticator: the second factor that stands before live money, and before what an attacker would undo."""

from dataclasses import dataclass, field
from enum import StrEnum, unique


@unique
class MfaPurpose(StrEnum):
    """What a code was asked for; the audit tells it."""

    CONFIRM = "CONFIRM"
    ESCALATE_TO_LIVE = "ESCALATE_TO_LIVE"
    CLEAR_KILL_SWITCH = "CLEAR_KILL_SWITCH"
    RESUME_TRADING = "RESUME_TRADING"
    RAISE_LIMIT = "RAISE_LIMIT"


@unique
class CodeVerdict(StrEnum):
    """What became of a code. GONE: the authenticator was reset or replaced while the code was looked at."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    LOCKED = "LOCKED"
    GONE = "GONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """One user's authenticator. `secret` is base32 and never printed.

    It counts from `confirm_time_ns` on, when its first code was right. `last_step` is the latest time step whose code
    was taken (0 before the first), `code_time_ns` when that was. `failures` counts the wrong codes since; while
    `lock_time_ns` is set no code is looked at.
    """

    user_id: str
    authenticator_id: str
    secret: str = field(repr=False)
    enroll_time_ns: int
    confirm_time_ns: int | None = None
    last_step: int = 0
    code_time_ns: int | None = None
    failures: int = 0
    lock_time_ns: int | None = None

    @property
    def confirmed(self) -> bool:
        """Whether its first code was right."""
        return self.confirm_time_ns is not None

    @property
    def locked(self) -> bool:
        """Whether too many wrong codes were sent."""
        return self.lock_time_ns is not None
