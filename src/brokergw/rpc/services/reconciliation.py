"""ReconciliationService."""

from brokerapi.v1 import reconciliation_pb2 as pb

from brokergw.model.reconciliation import Reconciliation
from brokergw.ports.reconciliations import ReconciliationQuery
from brokergw.rpc.call import Call
from brokergw.rpc.needs import Comparisons
from brokergw.rpc.wire.paging import PageTokens, limit_of
from brokergw.rpc.wire.reconciliation import policy_to_proto, reconciliation_to_proto


class ReconciliationService:
    """Comparisons of accounts with their brokers."""

    def __init__(self, desk: Comparisons, pages: PageTokens) -> None:
        self._desk = desk
        self._pages = pages

    async def reconcile_account(self, call: Call) -> bytes:
        """Compare one account now."""
        request: pb.ReconcileAccountRequest = call.command
        found = await self._desk.reconcile_account(call.caller, request.account_id)
        return pb.ReconcileAccountResponse(reconciliation=reconciliation_to_proto(found)).SerializeToString()

    async def list_reconciliations(self, call: Call) -> bytes:
        """List findings, a page at a time."""
        request: pb.ListReconciliationsRequest = call.command
        query = ReconciliationQuery(
            account_ids=tuple(request.account_ids),
            open_only=request.open_only,
            before_id=self._pages.after(call.caller.user_id, request),
            limit=limit_of(request),
        )
        found = await self._desk.list_reconciliations(call.caller, query)
        page, token = self._pages.cut(call.caller.user_id, request, found, _id)
        rows = map(reconciliation_to_proto, page)
        return pb.ListReconciliationsResponse(reconciliations=rows, next_page_token=token).SerializeToString()

    async def list_mismatches(self, call: Call) -> bytes:
        """List what stands, of every user, a page at a time."""
        request: pb.ListMismatchesRequest = call.command
        found = await self._desk.list_mismatches(call.caller)
        page, token = self._pages.slice(call.caller.user_id, request, found, _id)
        rows = map(reconciliation_to_proto, page)
        return pb.ListMismatchesResponse(reconciliations=rows, next_page_token=token).SerializeToString()

    async def settle_reconciliation(self, call: Call) -> bytes:
        """Settle a mismatch by a person's word."""
        settled = await self._desk.settle_reconciliation(call.caller, call.command)
        return pb.SettleReconciliationResponse(
            reconciliation=reconciliation_to_proto(settled.reconciliation), halt_lifted=settled.halt_lifted
        ).SerializeToString()

    async def get_reconciliation_policy(self, call: Call) -> bytes:
        """Show what a user's comparisons tolerate."""
        policy = await self._desk.get_reconciliation_policy(call.caller, call.command.user_id)
        return pb.GetReconciliationPolicyResponse(policy=policy_to_proto(policy)).SerializeToString()

    async def update_reconciliation_policy(self, call: Call) -> bytes:
        """Set what a user's comparisons tolerate."""
        user_id, policy = call.command
        policy = await self._desk.set_reconciliation_policy(call.caller, user_id, policy)
        return pb.UpdateReconciliationPolicyResponse(policy=policy_to_proto(policy)).SerializeToString()


def _id(finding: Reconciliation) -> str:
    return finding.reconciliation_id
