"""The audit log for callers: users see their own, those who run the platform everybody's; one verification at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import Caller, Role
from brokergw.ports.audit import AuditEntry, AuditLog, AuditQuery, AuditReport

AUDITORS: Final = frozenset({Role.OPERATOR, Role.RISK_OFFICER, Role.ADMIN})
"""Who may read what others did, and verify the log."""


class AuditTrail:
    """The log, behind who may see what."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self._running: asyncio.Task[AuditReport] | None = None

    async def list(self, caller: Caller, query: AuditQuery) -> Sequence[AuditEntry]:
        """List rows, newest first; with `user_id` None everybody's. Raises ROLE_MISSING for another's."""
        principal = caller.principal
        if query.user_id != caller.user_id and principal.roles.isdisjoint(AUDITORS):
            raise GatewayError(
                Reason.ROLE_MISSING,
                "what others did is for those who run the platform",
                metadata={"roles": " ".join(sorted(AUDITORS))},
            )
        if principal.accounts is not None:
            query = replace(query, account_ids=_within(query.account_ids, principal.accounts))
        return await self._log.list(query)

    async def verify(self) -> AuditReport:
        """Check the whole log; who asks while that goes on waits for the same report."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._log.verify(), name="verify the audit log")
        # A caller that leaves must not end it for the others.
        return await asyncio.shield(self._running)


def _within(asked: frozenset[str] | None, allowed: frozenset[str]) -> frozenset[str]:
    return allowed if asked is None else asked & allowed
