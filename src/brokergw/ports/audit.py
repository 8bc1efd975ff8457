"""Reading the audit log, and finding out whether it is whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Protocol

from brokergw.model.events import AuditRow


@dataclass(frozen=True, slots=True, order=True)
class AuditPosition:
    """Where a row stands in the order of the list: its time (Unix nanoseconds), then its chain and its number there."""

    time_ns: int
    chain: str
    sequence: int


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A row of the log, where it stands, the hash of the row before it in its chain, and its own."""

    position: AuditPosition
    previous_hash: str
    hash: str
    row: AuditRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which rows to list, newest first; what is empty or None asks for all.

    `since_ns` is inclusive, `until_ns` exclusive, `before` a row that the list goes on behind. `action` is the full
    name of an RPC or of a step, or the beginning of one that ends with a dot or a slash.
    """

    user_id: str | None = None
    broker: str = ""
    account_ids: frozenset[str] | None = None
    order_id: str = ""
    action: str = ""
    since_ns: int | None = None
    until_ns: int | None = None
    before: AuditPosition | None = None
    limit: int = 100


@unique
class AuditFault(StrEnum):
    """In which way the log is not what was written."""

    ROW_CHANGED = "ROW_CHANGED"
    ROW_MISSING = "ROW_MISSING"
    ROW_REWRITTEN = "ROW_REWRITTEN"
    ROW_FORGED = "ROW_FORGED"
    CHAIN_MISSING = "CHAIN_MISSING"
    CHAIN_FORGED = "CHAIN_FORGED"
    CHECKPOINT_MISSING = "CHECKPOINT_MISSING"
    CHECKPOINT_FORGED = "CHECKPOINT_FORGED"
    KEY_UNKNOWN = "KEY_UNKNOWN"


@dataclass(frozen=True, slots=True)
class AuditProblem:
    """Something wrong with the log, and the first position where it shows.

    `subject` is a chain, or for checkpoints the process that made them; `position` the number in it. Where the exact
    row cannot be told `position_last` says by which one it shows at the latest; otherwise both are equal.
    """

    fault: AuditFault
    subject: str
    position: int
    position_last: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What a verification came to.

    `unsigned` counts rows that no checkpoint covers yet, `found` those that a later process signed for the one that
    wrote them. `signed_time_ns` is the time of the newest checkpoint. The first hundred problems are told.
    """

    rows: int
    chains: int
    checkpoints: int
    unsigned: int
    found: int
    pruned: int
    signed_time_ns: int | None
    public_keys: tuple[str, ...]
    problems: tuple[AuditProblem, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing was found to be wrong."""
        return not self.problems


class AuditLog(Protocol):
    """The audit log; every call may raise JOURNAL_UNAVAILABLE."""

    async def list(self, query: AuditQuery) -> Sequence[AuditEntry]:
        """List rows, newest first."""
        ...

    async def verify(self) -> AuditReport:
        """Check every row and every checkpoint, in small steps beside all other work."""
        ...
