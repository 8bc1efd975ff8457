"""QuotaService."""

from brokerapi.v1 import quotas_pb2 as pb

from brokergw.rpc.budgets import Budgets
from brokergw.rpc.call import Call
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.wire.quotas import broker_quota_to_proto, quota_to_proto


class QuotaService:
    """What may still be spent."""

    def __init__(self, desk: DeskFace, budgets: Budgets) -> None:
        self._desk = desk
        self._budgets = budgets

    async def get_quota(self, call: Call) -> bytes:
        """Tell the caller's budgets, and its brokers'."""
        return pb.GetQuotaResponse(
            quotas=[quota_to_proto(standing) for standing in self._budgets.standings(call.caller.user_id)],
            brokers=[broker_quota_to_proto(*spent) for spent in self._desk.budgets(call.caller)],
        ).SerializeToString()
