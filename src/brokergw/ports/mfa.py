"""Where authenticators are kept: what several processes must agree on is decided there, not in a process's memory."""

from collections.abc import Callable
from typing import Protocol

from brokergw.model.events import AuditRow
from brokergw.model.mfa import Authenticator, CodeVerdict


class Authenticators(Protocol):
    """One authenticator for each user at most. Each of these is a transaction of its own, whatever becomes of the call.

    All raise JOURNAL_UNAVAILABLE where nobody knows whether it was done.
    """

    async def get(self, user_id: str) -> Authenticator | None:
        """Read a user's authenticator; raises MFA_NOT_ENROLLED when its secret does not open."""
        ...

    async def enroll(self, new: Authenticator, audit: AuditRow | None = None) -> bool:
        """Keep a new one, in place of one that was neither confirmed nor locked, and tell the audit.

        False, and nothing written, where another stands.
        """
        ...

    async def take_code(
        self,
        user_id: str,
        authenticator_id: str,
        step: int | None,
        time_ns: int,
        failures_max: int,
        audit: Callable[[CodeVerdict], AuditRow] | None = None,
    ) -> CodeVerdict:
        """Use up a code's step, once over all processes; `step` is None for a wrong code. `audit` tells of the verdict.

        A step that is not later than the last one taken is as wrong as a wrong code. A wrong code is counted, and the
        one that makes `failures_max` locks; a right one confirms, and sets the count back.
        """
        ...

    async def reset(self, user_id: str, audit: AuditRow) -> bool:
        """Remove a user's authenticator, end live trading with it, and tell the audit; False when there is none."""
        ...

    async def unlock(self, user_id: str, audit: AuditRow) -> bool:
        """Let codes be looked at again, and tell the audit; False when there is no authenticator."""
        ...
