"""What a user and an operator can have compared, see of it, and settle."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from brokergw.desk.reconcile.settling import Settled
from brokergw.desk.reconcile.wiring import Reconciling
from brokergw.desk.sessions import Sessions
from brokergw.desk.telling import audit_row
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.principal import Caller
from brokergw.model.reconciliation import Finding, Reconciliation, ReconciliationPolicy
from brokergw.model.whose import everyone, only
from brokergw.ports.clock import Clock
from brokergw.ports.reconciliations import ReconciliationQuery

_OF_ANY: Final = everyone("an operator settles mismatches of all users")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleReconciliation:
    """A person's word on a mismatch."""

    reconciliation_id: str
    evidence: str


class Reconcile:
    """The verbs and questions around comparisons."""

    def __init__(self, reconciling: Reconciling | None, sessions: Sessions, clock: Clock) -> None:
        self._reconciling = reconciling
        self._sessions = sessions
        self._clock = clock

    @property
    def _parts(self) -> Reconciling:
        if self._reconciling is None:
            raise GatewayError(Reason.RISK_DATA_UNAVAILABLE, "no accounts are compared here")
        return self._reconciling

    async def account(self, caller: Caller, account_id: str) -> Reconciliation:
        """Compare one of the caller's accounts now."""
        session = await self._sessions.usable_by(caller, account_id)
        return await self._parts.schedule.ask(session)

    async def list(self, caller: Caller, query: ReconciliationQuery) -> Sequence[Reconciliation]:
        """List findings about the caller's accounts, newest first."""
        own = [connection.account_id for connection in await self._sessions.connections_for(caller)]
        for account_id in query.account_ids or ():
            if account_id not in own:
                raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", account_id)
        wanted = ReconciliationQuery(
            whose=only(caller.user_id),
            account_ids=query.account_ids or tuple(own),
            open_only=query.open_only,
            before_id=query.before_id,
            limit=query.limit,
        )
        return await self._parts.reconciliations.list(wanted)

    async def mismatches(self, caller: Caller) -> Sequence[Reconciliation]:  # noqa: ARG002 - every operator sees the same
        """List what stands, of every user, newest first."""
        return await self._parts.reconciliations.open()

    async def settle(self, caller: Caller, command: SettleReconciliation) -> Settled:
        """Settle a mismatch of any user."""
        mismatch = await self._parts.reconciliations.get(_OF_ANY, command.reconciliation_id)
        if mismatch is None or mismatch.finding is not Finding.MISMATCH:
            raise NotFound(Reason.RECONCILIATION_NOT_FOUND, "reconciliation", command.reconciliation_id)
        session = await self._sessions.of_account(only(mismatch.user_id), mismatch.account_id)
        if session is None:
            raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", mismatch.account_id)
        row = audit_row(
            caller,
            self._clock.now_ns(),
            "account.settled",
            "SETTLED",
            account_id=mismatch.account_id,
            reason=mismatch.reconciliation_id,
            detail=command.evidence,
        )
        return await self._parts.settling(session, mismatch, caller.user_id, command.evidence, row)

    async def policy(self, caller: Caller, user_id: str) -> ReconciliationPolicy:  # noqa: ARG002 - every operator sees the same
        """Give what a user's comparisons tolerate."""
        return await self._parts.rounds.policy_of(user_id)

    async def set_policy(self, caller: Caller, user_id: str, policy: ReconciliationPolicy) -> ReconciliationPolicy:
        """Set what a user's comparisons tolerate."""
        now = self._clock.now_ns()
        detail = f"{user_id}: positions {policy.positions}, cash {policy.cash} beyond {policy.cash_tolerance}"
        row = audit_row(caller, now, "reconciliation.policy", policy.positions.value, detail=detail)
        await self._parts.reconciliations.set_policy(user_id, policy, now, row)
        return policy
