"""Where users' modes are kept, and how a process learns of what others changed."""

from collections.abc import Callable, Sequence
from typing import Protocol

from brokergw.model.events import AuditRow
from brokergw.model.modes import Acknowledgement, PaperHistory, Standing


class Modes(Protocol):
    """How far each user may trade. Reads raise JOURNAL_UNAVAILABLE, writes also where nobody knows if it was done."""

    async def changed_since(self, change: int) -> tuple[int, Sequence[Standing]]:
        """Give the newest change's number, and how every user stands whom a change after this one was about."""
        ...

    async def get(self, user_id: str) -> Standing:
        """Read how a user stands; one of whom nothing was ever set stands at the beginning."""
        ...

    async def known(self, user_id: str) -> bool:
        """Tell whether there is such a user."""
        ...

    async def change(self, user_id: str, step: Callable[[Standing], Standing], audit: AuditRow) -> Standing:
        """Change mode, grant, escalation or bindings in one transaction, which no other change of a user's crosses.

        `step` may run again, and what it raises undoes everything; `audit` is written with it. Raises USER_NOT_FOUND.
        """
        ...

    async def acknowledge(self, user_id: str, acknowledgement: Acknowledgement, audit: AuditRow) -> Standing:
        """Put on record that a risk text was read, once for each version; raises USER_NOT_FOUND."""
        ...

    async def paper_history(self, user_id: str) -> PaperHistory:
        """Count what a user has traded on paper."""
        ...
