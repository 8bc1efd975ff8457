import pytest
from brokerapi.v1 import orders_pb2

from tests.fixtures.bare_client import ClientOpener, market_buy
from tests.fixtures.gateway_at_sim import GatewayAtSim
from tests.fixtures.patience import until
from tests.scenario.broker_record import placed


@pytest.mark.parametrize("fault", ["lost_reply", "error_after", "garbled_reply"])
async def test_a_lost_reply_is_in_doubt_until_the_broker_is_asked(
    gateway_at_sim: GatewayAtSim, open_client: ClientOpener, fault: str
) -> None:
    """The caller learns the truth, IN_DOUBT; the order is then found by its client id, and was sent once."""
    sim = gateway_at_sim.sim
    client = open_client(gateway_at_sim.gateway, gateway_at_sim.api_key)
    # Nothing but a look-up may end the doubt: the stream is silent, and the first look-ups fail as well.
    sim.control("POST", "faults", {"name": "dropped_events", "count": None})
    look_up = {"name": "error_before", "method": "GET", "path": "/v2/orders:by_client_order_id*", "count": 2}
    sim.control("POST", "faults", look_up)
    sim.control("POST", "faults", {"name": fault, "method": "POST", "path": "/v2/orders"})

    request = market_buy(gateway_at_sim.account)
    answer = await client.submit(request)
    assert answer.order.state == orders_pb2.ORDER_STATE_IN_DOUBT

    resolved = await until(
        lambda: client.order(answer.order.order_id), lambda order: order.state == orders_pb2.ORDER_STATE_FILLED
    )
    assert len(placed(sim)) == 1
    assert placed(sim)[0]["body"]["client_order_id"]
    assert resolved.broker_order_ids
    again = await client.submit(request)
    assert again.replayed
    assert again.order.order_id == answer.order.order_id
    assert again.order.state == orders_pb2.ORDER_STATE_FILLED
    assert len(placed(sim)) == 1
