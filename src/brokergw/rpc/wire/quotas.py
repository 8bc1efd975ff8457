"""What may still be spent, here and at the brokers."""

from brokerapi.v1 import quotas_pb2 as pb

from brokergw.model.account import Connection
from brokergw.model.outcome import Budget
from brokergw.rpc.budgets import Standing
from brokergw.rpc.wire.found import Found
from brokergw.rpc.wire.times import duration_to_proto, optional_time


def get_from_proto(request: pb.GetQuotaRequest, _: Found) -> pb.GetQuotaRequest:
    """Take GetQuotaRequest, which has nothing to check."""
    return request


def quota_to_proto(standing: Standing) -> pb.Quota:
    """Write one of the gateway's budgets."""
    return pb.Quota(
        name=standing.name,
        limit=standing.limit,
        remaining=standing.remaining,
        interval=None if standing.interval_s is None else duration_to_proto(standing.interval_s),
    )


def broker_quota_to_proto(connection: Connection, budget: Budget) -> pb.BrokerQuota:
    """Write a broker's own budget."""
    return pb.BrokerQuota(
        connection_id=connection.connection_id,
        broker=connection.broker,
        limit=budget.limit,
        remaining=budget.remaining,
        reset_time=optional_time(budget.reset_time_ns),
    )
