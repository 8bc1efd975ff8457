"""A small write of its own: what it is, and who runs it."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Connection

from brokergw.model.whose import Whose

Work: TypeAlias = Callable[[Connection], Any]
"""A small write of its own, run inside the group's transaction; may run again after a failed attempt."""


class RunsWork(Protocol):
    """Runs a small write in a transaction, which may run again when that failed; gives what it returned."""

    def __call__(self, whose: Whose, work: Work) -> Awaitable[Any]:
        """Run it for some users; raises JOURNAL_UNAVAILABLE, or JOURNAL_OUTCOME_UNKNOWN."""
        ...
