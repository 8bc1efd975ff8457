"""Asking a gateway to compare an account, and what it says of the user's trading, for stories about the books."""

import uuid

import grpc
from brokerapi.v1 import orders_pb2, reconciliation_pb2, reconciliation_pb2_grpc, trading_pb2

from tests.fixtures.bare_client import CALL_S, BareClient, error_info
from tests.fixtures.patience import until
from tests.fixtures.story import Story

MISMATCH = reconciliation_pb2.RECONCILIATION_FINDING_MISMATCH
AGREED = reconciliation_pb2.RECONCILIATION_FINDING_AGREED
WARNED = reconciliation_pb2.RECONCILIATION_FINDING_WARNED
FAILED = reconciliation_pb2.RECONCILIATION_FINDING_FAILED


def stub_of(client: BareClient) -> reconciliation_pb2_grpc.ReconciliationServiceStub:
    """Give the service behind a client."""
    return reconciliation_pb2_grpc.ReconciliationServiceStub(client.channel)


async def compared(story: Story) -> reconciliation_pb2.Reconciliation:
    """Have the story's account compared now."""
    request = reconciliation_pb2.ReconcileAccountRequest(account_id=story.account)
    answer = await stub_of(story.client).ReconcileAccount(request, metadata=story.client.identity, timeout=40.0)
    return answer.reconciliation


async def findings(story: Story) -> list[reconciliation_pb2.Reconciliation]:
    """List what comparisons of the story's account came to, newest first."""
    request = reconciliation_pb2.ListReconciliationsRequest(account_ids=[story.account])
    answer = await stub_of(story.client).ListReconciliations(request, metadata=story.client.identity, timeout=CALL_S)
    return list(answer.reconciliations)


async def begun(story: Story) -> reconciliation_pb2.Reconciliation:
    """Wait until the account was compared for the first time."""
    return (await until(lambda: findings(story), bool))[-1]


async def refusal(client: BareClient, account: str, limit: str = "50") -> str:
    """Try to buy one share far below the market; gives the reason of the refusal, empty when it was taken."""
    request = orders_pb2.SubmitOrderRequest(
        account_id=account,
        idempotency_key=str(uuid.uuid4()),
        order=orders_pb2.OrderSpec(
            symbol="AAPL",
            side=trading_pb2.SIDE_BUY,
            quantity="1",
            type=trading_pb2.ORDER_TYPE_LIMIT,
            limit_price=limit,
            time_in_force=trading_pb2.TIME_IN_FORCE_GTC,
        ),
    )
    try:
        await client.submit(request, 40.0)
    except grpc.aio.AioRpcError as error:
        return str(error_info(error).reason)
    return ""
