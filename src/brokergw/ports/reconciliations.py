"""The record of comparisons between accounts and their brokers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from brokergw.model.events import AuditRow
from brokergw.model.reconciliation import Reconciliation, ReconciliationPolicy
from brokergw.model.whose import NOBODYS, Whose


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationQuery:
    """Which comparisons to list, newest first: whose, of some accounts or all, only open ones, older than an id."""

    whose: Whose = NOBODYS
    account_ids: tuple[str, ...] | None = None
    open_only: bool = False
    before_id: str = ""
    limit: int = 100


class Reconciliations(Protocol):
    """What comparisons came to. Every call may raise JOURNAL_UNAVAILABLE."""

    async def latest(self, user_id: str, account_id: str) -> Reconciliation | None:
        """Give an account's newest finding."""
        ...

    async def get(self, whose: Whose, reconciliation_id: str) -> Reconciliation | None:
        """Read one."""
        ...

    async def list(self, query: ReconciliationQuery) -> Sequence[Reconciliation]:
        """List findings, newest first."""
        ...

    async def open(self) -> Sequence[Reconciliation]:
        """Give the mismatches of every account that stand."""
        ...

    async def put(self, finding: Reconciliation, audit: AuditRow | None = None) -> None:
        """Write a finding, new or in the place of its earlier state, and its audit row in the same commit.

        What has been settled stays as it was settled.
        """
        ...

    async def settle(
        self,
        user_id: str,
        reconciliation_id: str,
        settled_by: str,
        time_ns: int,
        evidence: str,
        audit: AuditRow | None = None,
    ) -> bool:
        """Settle a mismatch, with its audit row; False, and nothing written, when a person has settled it already."""
        ...

    async def want(self, user_id: str, account_id: str, time_ns: int) -> None:
        """Ask whoever does an account's background work for a comparison."""
        ...

    async def wanted(self) -> Mapping[str, int]:
        """Tell for which accounts a comparison has been asked for, and when last."""
        ...

    async def answered(self, user_id: str, account_id: str, time_ns: int) -> None:
        """Take back what was asked for up to a time: it has been done."""
        ...

    async def policy(self, user_id: str) -> ReconciliationPolicy | None:
        """Read what a user's comparisons tolerate; None where nothing was set."""
        ...

    async def set_policy(
        self, user_id: str, policy: ReconciliationPolicy, time_ns: int, audit: AuditRow | None = None
    ) -> None:
        """Set what a user's comparisons tolerate, with its audit row in the same commit."""
        ...

    async def prune(self, before_ns: int, limit: int) -> int:
        """Forget up to so many findings whose last comparison is older, but for an account's newest and for open
        mismatches; gives how many.
        """
        ...
