"""The calls of ReconciliationService."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from brokerapi.v1 import reconciliation_pb2, reconciliation_pb2_grpc

from brokergw.client import encode
from brokergw.client.base import CallGroup
from brokergw.client.encode import Amount

_COMPARING_S: Final = 40.0
"""A comparison may look several times, two seconds apart, and in another process."""


class ReconciliationCalls(CallGroup):
    """Compare accounts with their brokers, and settle what differs."""

    async def reconcile_account(
        self, account_id: str, *, timeout_s: float | None = None
    ) -> reconciliation_pb2.Reconciliation:
        """Compare one of your accounts with its broker now; what differs is looked at twice, which takes seconds.

        Raises:
            GatewayCallError: the account is not yours, or no gateway could compare it in time.
        """
        request = reconciliation_pb2.ReconcileAccountRequest(account_id=account_id)
        answer = await self._caller.read(self._reconciliation.ReconcileAccount, request, timeout_s or _COMPARING_S)
        return answer.reconciliation

    async def list_reconciliations(
        self,
        account_ids: Sequence[str] = (),
        *,
        open_only: bool = False,
        page_size: int = 0,
        page_token: str = "",
        timeout_s: float | None = None,
    ) -> reconciliation_pb2.ListReconciliationsResponse:
        """List one page of what comparisons of your accounts came to, newest first."""
        request = reconciliation_pb2.ListReconciliationsRequest(
            account_ids=account_ids, open_only=open_only, page_size=page_size, page_token=page_token
        )
        return await self._caller.read(self._reconciliation.ListReconciliations, request, timeout_s)

    async def list_mismatches(
        self, *, page_size: int = 0, page_token: str = "", timeout_s: float | None = None
    ) -> reconciliation_pb2.ListMismatchesResponse:
        """List one page of the mismatches of all users that stand, newest first; for those who run the gateway."""
        request = reconciliation_pb2.ListMismatchesRequest(page_size=page_size, page_token=page_token)
        return await self._caller.read(self._reconciliation.ListMismatches, request, timeout_s)

    async def settle_reconciliation(
        self, reconciliation_id: str, *, evidence: str, timeout_s: float | None = None
    ) -> reconciliation_pb2.SettleReconciliationResponse:
        """Make what the broker has the record's, as this mismatch shows it, and lift the halt that it caused.

        Raises:
            GatewayCallError: the broker shows something else by now, or the mismatch has been settled.
        """
        request = reconciliation_pb2.SettleReconciliationRequest(reconciliation_id=reconciliation_id, evidence=evidence)
        return await self._caller.once(self._reconciliation.SettleReconciliation, request, timeout_s)

    async def get_reconciliation_policy(
        self, user_id: str, *, timeout_s: float | None = None
    ) -> reconciliation_pb2.ReconciliationPolicy:
        """Show what the comparisons of a user's accounts tolerate."""
        request = reconciliation_pb2.GetReconciliationPolicyRequest(user_id=user_id)
        return (await self._caller.read(self._reconciliation.GetReconciliationPolicy, request, timeout_s)).policy

    async def update_reconciliation_policy(
        self, user_id: str, *, positions: str, cash: str, cash_tolerance: Amount, timeout_s: float | None = None
    ) -> reconciliation_pb2.ReconciliationPolicy:
        """Set what they tolerate: positions HALT or ADOPT, cash HALT, WARN or IGNORE beyond a tolerance."""
        policy = reconciliation_pb2.ReconciliationPolicy(
            positions=encode.position_policy(positions),
            cash=encode.cash_policy(cash),
            cash_tolerance=encode.decimal_text("cash_tolerance", cash_tolerance),
        )
        request = reconciliation_pb2.UpdateReconciliationPolicyRequest(user_id=user_id, policy=policy)
        return (await self._caller.once(self._reconciliation.UpdateReconciliationPolicy, request, timeout_s)).policy

    @cached_property
    def _reconciliation(self) -> reconciliation_pb2_grpc.ReconciliationServiceStub:
        return reconciliation_pb2_grpc.ReconciliationServiceStub(self._channel)
