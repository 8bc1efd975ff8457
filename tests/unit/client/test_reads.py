import grpc
import pytest
from brokerapi.v1 import orders_pb2, positions_pb2

from brokergw.client import NOT_REACHED, Backoff, Client, GatewayCallError, Timing
from tests.fixtures.fake_gateway import API_KEY, Failure, FakeGateway

UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE)
THROTTLED = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "NONE", "SAME_KEY", 0.02)


async def test_a_read_is_repeated_while_the_gateway_is_away(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """UNAVAILABLE is worth another attempt of a read."""
    fake_gateway.fail("GetOrder", UNAVAILABLE, UNAVAILABLE)
    fake_gateway.answers["GetOrder"] = orders_pb2.GetOrderResponse(order=orders_pb2.Order(order_id="ord_1"))

    order = await quick_client.get_order("ord_1")

    assert order.order_id == "ord_1"
    assert len(fake_gateway.seen("GetOrder")) == 3


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT]
)
async def test_a_read_that_was_answered_is_not_repeated(
    fake_gateway: FakeGateway, quick_client: Client, code: grpc.StatusCode
) -> None:
    """Only not reaching the gateway, or its wish to wait, makes a read go again."""
    fake_gateway.fail("ListOrders", Failure(code, "SOME_REASON", "POSSIBLE", "SAME_KEY"))

    with pytest.raises(GatewayCallError):
        await quick_client.list_orders()

    assert len(fake_gateway.seen("ListOrders")) == 1


async def test_the_server_decides_how_long_a_read_waits(fake_gateway: FakeGateway) -> None:
    """RetryInfo is the least wait before the next attempt."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    fake_gateway.fail("GetPositions", THROTTLED)
    timing = Timing(sleep=sleep, roll=lambda: 0.0)
    async with Client(fake_gateway.target, API_KEY, backoff=Backoff(first_s=0.002), timing=timing) as client:
        await client.get_positions()

    assert slept == [0.02]


async def test_a_read_without_an_answer_says_that_no_order_is_at_stake(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """A read's failure never claims that an order may exist."""
    fake_gateway.fail("GetPositions", *[UNAVAILABLE] * 60)

    with pytest.raises(GatewayCallError) as failed:
        await quick_client.get_positions(timeout_s=0.6)

    assert failed.value.order_effect == "NONE"
    assert failed.value.idempotency_key == ""


async def test_a_gateway_that_is_not_there_is_told_before_anything_is_sent() -> None:
    """`connect` fails with a reason of its own and the proof that nothing left."""
    async with Client("127.0.0.1:1", API_KEY) as client:
        with pytest.raises(GatewayCallError) as failed:
            await client.connect(timeout_s=0.2)

    assert failed.value.reason == NOT_REACHED
    assert failed.value.order_effect == "NONE"


async def test_a_call_finds_the_gateway_that_comes_back(fake_gateway: FakeGateway) -> None:
    """A gateway that restarts on its port serves the call that waited for it."""
    port = int(fake_gateway.target.rpartition(":")[2])
    async with Client(fake_gateway.target, API_KEY, timeout_s=8.0) as client:
        await client.connect()
        await fake_gateway.stop()
        with pytest.raises(GatewayCallError):
            await client.get_positions(timeout_s=0.3)
        reborn = FakeGateway()
        reborn.answers["GetPositions"] = positions_pb2.GetPositionsResponse(unreachable=["acc_9"])
        await reborn.start(port)
        answer = await client.get_positions()
        await reborn.stop()

    assert list(answer.unreachable) == ["acc_9"]


async def test_every_read_of_the_contract_has_a_method(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """Each unary read reaches the RPC of its name."""
    await quick_client.get_order(account_id="acc_1", client_order_id="mine")
    await quick_client.list_orders(["acc_1"], status="open", symbol="AAPL", page_size=10)
    await quick_client.list_order_events("ord_1")
    await quick_client.list_fills(order_id="ord_1")
    await quick_client.get_positions(return_partial_success=True)
    await quick_client.list_accounts()
    await quick_client.get_account("acc_1")
    await quick_client.list_transactions("acc_1")
    await quick_client.get_quota()
    await quick_client.list_brokers()
    await quick_client.get_broker("alpaca")
    await quick_client.ping_broker("con_1")
    await quick_client.get_connection("con_1")
    await quick_client.list_connections()
    await quick_client.test_connection("con_1")
    await quick_client.revoke_connection("con_1")
    await quick_client.get_quotes("acc_1", ["AAPL"])
    await quick_client.get_instrument("acc_1", "AAPL")
    await quick_client.reconcile_account("acc_1")
    await quick_client.list_reconciliations(["acc_1"], open_only=True)
    await quick_client.list_mismatches()
    await quick_client.settle_reconciliation("rec_1", evidence="counted by hand")
    await quick_client.get_reconciliation_policy("bob")
    await quick_client.update_reconciliation_policy("bob", positions="adopt", cash="IGNORE", cash_tolerance="0.05")

    assert [call.method for call in fake_gateway.calls] == [
        "GetOrder",
        "ListOrders",
        "ListOrderEvents",
        "ListFills",
        "GetPositions",
        "ListAccounts",
        "GetAccount",
        "ListTransactions",
        "GetQuota",
        "ListBrokers",
        "GetBroker",
        "PingBroker",
        "GetConnection",
        "ListConnections",
        "TestConnection",
        "RevokeConnection",
        "GetQuotes",
        "GetInstrument",
        "ReconcileAccount",
        "ListReconciliations",
        "ListMismatches",
        "SettleReconciliation",
        "GetReconciliationPolicy",
        "UpdateReconciliationPolicy",
    ]
