"""Comparisons, and the cap on orders a minute, over three processes that share one record."""

import asyncio
import uuid
from typing import Any

import grpc
from brokerapi.v1 import limits_pb2, reconciliation_pb2, risk_pb2_grpc

from tests.fixtures.bare_client import CALL_S, BareClient, ClientOpener, error_info, market_buy
from tests.fixtures.patience import until
from tests.fixtures.replica_processes import ReplicasAtSim
from tests.scenario.broker_record import placed
from tests.scenario.stories.books import AGREED, MISMATCH, WARNED, refusal, stub_of

CAP = 10
CALLS_EACH = 15


async def compared(client: BareClient, account: str) -> reconciliation_pb2.Reconciliation:
    """Have an account compared by whoever does its background work."""
    request = reconciliation_pb2.ReconcileAccountRequest(account_id=account)
    answer = await stub_of(client).ReconcileAccount(request, metadata=client.identity, timeout=40.0)
    return answer.reconciliation


async def test_any_process_has_an_account_compared_and_a_mismatch_stops_them_all(
    replicas_at_sim: ReplicasAtSim, open_client: ClientOpener
) -> None:
    """T9, K5: a process that does not hold the connection gets the holder's answer, and the halt binds them all."""
    at = replicas_at_sim
    holder = at.holder()
    others = [open_client(gateway, at.api_key) for gateway in at.others(holder)]
    assert (await compared(others[0], at.account)).finding in {AGREED, WARNED}
    agreed = await compared(others[1], at.account)
    assert agreed.finding == AGREED
    at.sim.control("POST", "entry", {"symbol": "KO", "quantity": "2"})
    mismatch = await compared(others[0], at.account)
    assert mismatch.finding == MISMATCH
    for gateway in at.gateways:
        assert await refusal(open_client(gateway, at.api_key), at.account) == "TRADING_HALTED"
    operator = open_client(holder, holder.api_key("olga", "--role", "operator", "--scope", "operations.write"))
    request = reconciliation_pb2.SettleReconciliationRequest(
        reconciliation_id=mismatch.reconciliation_id, evidence="the broker's desk confirms two shares"
    )
    settled = await stub_of(operator).SettleReconciliation(request, metadata=operator.identity, timeout=CALL_S)
    assert settled.halt_lifted
    client = open_client(at.others(holder)[1], at.api_key)
    await until(lambda: refusal(client, at.account), lambda reason: reason == "")


async def test_a_looping_strategy_reaches_the_broker_no_more_than_its_cap_a_minute(
    replicas_at_sim: ReplicasAtSim, open_client: ClientOpener
) -> None:
    """T10: however it spreads its calls over the processes, exactly the cap of orders arrive within the minute."""
    at = replicas_at_sim
    clients = [open_client(gateway, at.api_key) for gateway in at.gateways]
    risk: Any = risk_pb2_grpc.RiskServiceStub(clients[0].channel)
    before = await risk.GetLimits(limits_pb2.GetLimitsRequest(), metadata=clients[0].identity, timeout=CALL_S)

    async def limit(limits: limits_pb2.Limits, etag: str) -> limits_pb2.UpdateLimitsResponse:
        request = limits_pb2.UpdateLimitsRequest(limits=limits, etag=etag)
        answer: limits_pb2.UpdateLimitsResponse = await risk.UpdateLimits(
            request, metadata=clients[0].identity, timeout=CALL_S
        )
        return answer

    # Whatever this user sent within the last minute counts too.
    used = next((e for e in before.effective if e.name == "orders_per_minute_max"), None)
    already = int(used.used or 0) if used is not None else 0
    capped = await limit(limits_pb2.Limits(orders_per_minute_max=CAP + already), before.user.etag)
    await asyncio.sleep(1.5)
    at.sim.control("DELETE", "journal")

    async def loop(client: BareClient) -> list[str]:
        reasons = []
        for _ in range(CALLS_EACH):
            try:
                await client.submit(market_buy(at.account, idempotency_key=str(uuid.uuid4())), 40.0)
            except grpc.aio.AioRpcError as error:
                reasons.append(str(error_info(error).reason))
        return reasons

    refused = [reason for each in await asyncio.gather(*map(loop, clients)) for reason in each]
    assert len(placed(at.sim)) == CAP
    assert set(refused) == {"ORDER_COUNT_EXCEEDS_LIMIT"}
    assert len(refused) == len(clients) * CALLS_EACH - CAP
    await limit(before.user.limits, capped.limits.etag)
