"""Stories of orders that their broker does not show, or shows as something else: what is proved, and who decides."""

import asyncio
import uuid
from typing import Any

import grpc
from brokerapi.v1 import operations_pb2, operations_pb2_grpc, orders_pb2

from tests.fixtures.bare_client import CALL_S, BareClient, ClientOpener, error_info
from tests.fixtures.gateway_process import GatewayStarter
from tests.fixtures.patience import until
from tests.fixtures.sim import SimHandle
from tests.scenario.stories.honesty import ORDERS, Witness, at_broker, limit_buy, posts

BY_CLIENT_ID = "/v2/orders:by_client_order_id*"
IN_DOUBT = orders_pb2.ORDER_STATE_IN_DOUBT
MANUAL_REVIEW = orders_pb2.ORDER_STATE_MANUAL_REVIEW
NOT_PLACED = orders_pb2.ORDER_STATE_NOT_PLACED
RESTING = {orders_pb2.ORDER_STATE_WORKING, orders_pb2.ORDER_STATE_ACCEPTED}


def fault(sim: SimHandle, name: str, **more: Any) -> None:
    """Let the next order meet a fault."""
    sim.control("POST", "faults", {"name": name, "method": "POST", "path": ORDERS, **more})


async def said_under(client: BareClient, request: orders_pb2.SubmitOrderRequest) -> tuple[str, str]:
    """Repeat a call: the state of the order that it is answered with, or the reason and effect of its refusal."""
    try:
        answer = await client.submit(request)
    except grpc.aio.AioRpcError as error:
        info = error_info(error)
        return info.reason, info.metadata["order_effect"]
    return orders_pb2.OrderState.Name(answer.order.state), ""


async def born_late(
    client: BareClient, sim: SimHandle, request: orders_pb2.SubmitOrderRequest, after_s: float
) -> list[tuple[str, str]]:
    """Place an order whose answer is lost and which nothing shows for a while; gives all that its key said."""
    fault(sim, "late_birth", seconds=after_s)
    fault(sim, "lost_reply")
    assert (await client.submit(request)).order.state == IN_DOUBT
    said: list[tuple[str, str]] = []
    async with asyncio.timeout(after_s + 20):
        while not said or said[-1][0] not in {"ORDER_STATE_WORKING", "ORDER_STATE_ACCEPTED"}:
            now = await said_under(client, request)
            if now not in said[-1:]:
                said.append(now)
            await asyncio.sleep(0.2)
    return said


async def test_a_late_birth_is_taken_over_whenever_it_comes(
    start_gateway_at_sim: GatewayStarter, open_client: ClientOpener, broker_sim: SimHandle
) -> None:
    """An order that shows only after its absence was proved, or after the wait for it too, is on record as it is.

    Its key says that it is in doubt, then not placed so far, then not placed, and the order from its birth on.
    """
    gateway = start_gateway_at_sim(BROKERGW_ABSENCE_QUARANTINE_S="10")
    client = open_client(gateway, gateway.api_key())
    account = await client.connect_alpaca(broker_sim)
    witness = Witness.of(gateway, broker_sim)
    fault(broker_sim, "dropped_events", method="", path="", count=None)

    in_quarantine = asyncio.create_task(born_late(client, broker_sim, limit_buy(account), 37))
    await until(lambda: _posted(broker_sim), lambda count: count == 1)
    in_absence = await born_late(client, broker_sim, limit_buy(account, quantity="2"), 53)

    doubt, waiting, over = (
        ("ORDER_STATE_IN_DOUBT", ""),
        ("ORDER_NOT_PLACED", "POSSIBLE"),
        ("ORDER_NOT_PLACED", "NONE"),
    )
    assert (await in_quarantine)[:-1] == [doubt, waiting]
    assert in_absence[:-1] == [doubt, waiting, over]
    assert gateway.log().count("ORDER_BORN_LATE") == 2
    witness.agrees(wire=2, orders=2)


async def _posted(sim: SimHandle) -> int:
    return len(posts(sim))


async def test_an_outage_of_the_look_ups_proves_nothing_and_another_order_under_our_id_is_for_an_operator(
    start_gateway_at_sim: GatewayStarter, open_client: ClientOpener, broker_sim: SimHandle
) -> None:
    """R4, D12: while look-ups fail the order stays in doubt; what is found then has other terms, and a person decides.

    The operator sees it with its evidence; a verdict that the broker refutes is not taken; the one that stands is what
    the order's own key answers with.
    """
    gateway = start_gateway_at_sim()
    client = open_client(gateway, gateway.api_key())
    account = await client.connect_alpaca(broker_sim)
    fault(broker_sim, "error_before", status=500)
    outage = broker_sim.control(
        "POST", "faults", {"name": "error_before", "method": "GET", "path": BY_CLIENT_ID, "count": None}
    )
    request = limit_buy(account, quantity="5")
    order_id = (await client.submit(request)).order.order_id
    (sent,) = posts(broker_sim)
    at_broker(broker_sim, "POST", "", {**sent["body"], "qty": "7"})
    await asyncio.sleep(3.0)
    assert (await client.order(order_id)).state == IN_DOUBT

    broker_sim.control("DELETE", f"faults/{outage['fault_id']}")
    manual = await until(lambda: client.order(order_id), lambda order: order.state == MANUAL_REVIEW)
    assert "quantity 7 instead of 5" in manual.broker_message

    scopes = ("--role", "operator", "--scope", "operations.read", "--scope", "operations.write")
    operator = open_client(gateway, gateway.api_key("olga", *scopes))
    operations = operations_pb2_grpc.OperationsServiceStub(operator.channel)
    listed = await operations.ListOrdersInDoubt(
        operations_pb2.ListOrdersInDoubtRequest(), metadata=operator.identity, timeout=CALL_S
    )
    (item,) = listed.orders
    assert (item.order.order_id, item.user_id, item.evidence) == (order_id, "alice", manual.broker_message)

    async def settle(**verdict: Any) -> orders_pb2.Order:
        request = operations_pb2.SettleOrderRequest(
            idempotency_key=str(uuid.uuid4()),
            order_id=order_id,
            etag=item.order.etag,
            evidence="the seven are somebody else's, says the broker's desk",
            **verdict,
        )
        answer = await operations.SettleOrder(request, metadata=operator.identity, timeout=CALL_S)
        return answer.order

    (stranger,) = at_broker(broker_sim)
    try:
        await settle(placed_as=stranger["id"])
    except grpc.aio.AioRpcError as error:
        refuted = error_info(error)
    assert (refuted.reason, refuted.metadata["mismatch"]) == ("VERDICT_REFUTED", "quantity 7 instead of 5")
    assert (await settle(not_placed=True)).state == NOT_PLACED
    assert await said_under(client, request) == ("ORDER_NOT_PLACED", "NONE")
    assert len(posts(broker_sim)) == 2
