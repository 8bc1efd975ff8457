"""The stories of orders sent twice elsewhere, told to the whole gateway at the Alpaca simulator."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection
from itertools import pairwise
from typing import Any, Final

import grpc
import pytest
from brokerapi.v1 import orders_pb2, positions_pb2, positions_pb2_grpc

from tests.fixtures.bare_client import BareClient, ClientOpener, error_info, market_buy
from tests.fixtures.gateway_at_sim import GatewayAtSim
from tests.fixtures.gateway_process import GatewayStarter
from tests.fixtures.patience import until
from tests.fixtures.sim import SimHandle
from tests.scenario.stories.honesty import ORDERS, Witness, at_broker, limit_buy, posts

IN_DOUBT = orders_pb2.ORDER_STATE_IN_DOUBT
WORKING = orders_pb2.ORDER_STATE_WORKING
ACCEPTED = orders_pb2.ORDER_STATE_ACCEPTED
FILLED = orders_pb2.ORDER_STATE_FILLED
RESTING = {WORKING, ACCEPTED}
ANOTHER = '{"id":"9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d","client_order_id":"somebody-else","status":"new"}'


class Stage:
    """A gateway, its broker with a silent stream, and a witness."""

    def __init__(self, place: GatewayAtSim, client: BareClient, opener: ClientOpener) -> None:
        self.sim, self.account, self.client = place.sim, place.account, client
        self.witness = Witness.of(place.gateway, place.sim)
        self._place, self._opener = place, opener

    def another_client(self) -> BareClient:
        """Open one more connection of the same user."""
        return self._opener(self._place.gateway, self._place.api_key)

    def fault(self, name: str, **more: Any) -> None:
        """Let the next order meet a fault."""
        chosen = {"name": name, "method": "POST", "path": ORDERS, **more}
        self.sim.control("POST", "faults", chosen)

    async def settled(self, order_id: str, states: Collection[int]) -> orders_pb2.Order:
        """Wait until an order is in one of some states."""
        return await until(lambda: self.client.order(order_id), lambda order: order.state in states)

    async def thrown_away(self, request: orders_pb2.SubmitOrderRequest) -> str:
        """Place an order of which nothing may come now, since the broker takes no more requests; gives its id."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.client.submit(request)
        info = error_info(caught.value)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (info.reason, info.metadata["order_effect"]) == ("BROKER_RATE_LIMITED", "NONE")
        assert info.metadata["retry"] == "SAME_KEY"
        order_id: str = info.metadata["order_id"]
        return order_id


@pytest.fixture
async def stage(gateway_at_sim: GatewayAtSim, open_client: ClientOpener) -> AsyncIterator[Stage]:
    """Set the stage: a quiet market, and a stream that tells nothing, so that only look-ups do."""
    gateway_at_sim.sim.control("POST", "price", {"symbol": "AAPL", "price": "180.00"})
    client = open_client(gateway_at_sim.gateway, gateway_at_sim.api_key)
    yield Stage(gateway_at_sim, client, open_client)
    gateway_at_sim.sim.control("DELETE", "faults")
    # What rests would stand in the way of the next story's orders on the other side.
    at_broker(gateway_at_sim.sim, "DELETE", "")


async def in_doubt_then(
    stage: Stage, request: orders_pb2.SubmitOrderRequest, states: Collection[int]
) -> orders_pb2.Order:
    """Place an order whose answer is lost; it is in doubt, then found, and its key gives it ever after."""
    answer = await stage.client.submit(request)
    assert answer.order.state == IN_DOUBT
    assert not answer.replayed
    found = await stage.settled(answer.order.order_id, states)
    again = await stage.client.submit(request)
    assert again.replayed
    assert again.order.order_id == found.order_id
    assert again.order.state in states
    return found


@pytest.mark.parametrize("fault", [{"name": "lost_reply"}, {"name": "error_after", "status": 504}])
async def test_a_lost_reply_makes_no_second_order(stage: Stage, fault: dict[str, Any]) -> None:
    """D1: the broker accepted and its reply was lost: in doubt, found by its client order id, one POST, one order."""
    stage.fault("dropped_events", method="", path="", count=None)
    stage.fault(**fault)
    found = await in_doubt_then(stage, limit_buy(stage.account), RESTING)
    stage.witness.agrees(wire=1, orders=1)
    assert list(found.broker_order_ids) == [order["id"] for order in stage.witness.born()]


async def test_a_lost_reply_of_an_order_that_has_filled_is_found_with_its_fill(stage: Stage) -> None:
    """D2: by the time it is looked up it is no open order any more; the look-up finds it filled all the same."""
    stage.fault("dropped_events", method="", path="", count=None)
    # The first look-ups fail, so that the fill has long happened when one succeeds.
    stage.fault("error_before", method="GET", path=f"{ORDERS}:by_client_order_id*", count=2)
    stage.fault("lost_reply")
    found = await in_doubt_then(stage, market_buy(stage.account, quantity="3"), {FILLED})
    assert found.cum_quantity == "3"
    stage.witness.agrees(wire=1, orders=1)


@pytest.mark.parametrize(
    "fault",
    [
        {"name": "error_before", "status": 500},
        {"name": "error_before", "status": 502},
        {"name": "error_before", "status": 503},
        {"name": "error_before", "status": 504},
        {"name": "connection_reset"},
    ],
    ids=["500", "502", "503", "504", "reset"],
)
async def test_no_layer_repeats_a_post(stage: Stage, fault: dict[str, Any]) -> None:
    """D3: whatever the broker's front fails with, one POST is on the wire, and the order is in doubt, not failed."""
    stage.fault(**fault)
    request = limit_buy(stage.account)
    answer = await stage.client.submit(request)
    assert answer.order.state == IN_DOUBT
    again = await stage.client.submit(request)
    assert (again.replayed, again.order.state) == (True, IN_DOUBT)
    await asyncio.sleep(0.5)
    stage.witness.agrees(wire=1, orders=0)


async def test_what_was_thrown_away_is_sent_again_by_the_client_alone_and_under_the_same_id(stage: Stage) -> None:
    """D3, D4: after 429 nothing was placed and nothing repeats it; the client's own repetition carries the same id."""
    stage.fault("rate_limited", seconds=1)
    request = limit_buy(stage.account)
    order_id = await stage.thrown_away(request)
    await asyncio.sleep(1.2)
    assert len(posts(stage.sim)) == 1
    answer = await stage.client.submit(request)
    assert answer.order.order_id == order_id
    assert answer.order.state in RESTING
    assert len({entry["body"]["client_order_id"] for entry in posts(stage.sim)}) == 1
    stage.witness.agrees(wire=2, orders=1)


async def test_a_sweep_that_timed_out_half_way_goes_on_where_it_was(stage: Stage) -> None:
    """D5: the second call under the key sends only what is missing: one closing order for each position, no more."""
    for symbol in ("AAPL", "MSFT"):
        placed = await stage.client.submit(market_buy(stage.account, symbol))
        await stage.settled(placed.order.order_id, {FILLED})
    stage.sim.control("DELETE", "journal")
    stage.fault("latency", seconds=2, contains="MSFT")
    stub = positions_pb2_grpc.PositionServiceStub(stage.client.channel)
    key = str(uuid.uuid4())
    request = positions_pb2.FlattenRequest(idempotency_key=key, account_id=stage.account)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Flatten(request, metadata=stage.client.identity, timeout=1.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    answers = [await stub.Flatten(request, metadata=stage.client.identity, timeout=20) for _ in range(2)]
    symbols = sorted(entry["body"]["symbol"] for entry in posts(stage.sim))
    assert symbols == ["AAPL", "MSFT"]
    assert {order.order_id for order in answers[0].orders} == {order.order_id for order in answers[1].orders}
    assert len(answers[0].orders) == len(symbols)


async def test_a_call_repeated_while_the_first_is_slow_joins_it(stage: Stage) -> None:
    """D6: impatient clients get the one order that is on its way."""
    stage.fault("latency", seconds=1)
    request = limit_buy(stage.account)
    answers = await asyncio.gather(*(stage.client.submit(request) for _ in range(5)))
    assert len({answer.order.order_id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    stage.witness.agrees(wire=1, orders=1)


async def test_an_order_in_doubt_is_not_matched_to_one_that_looks_like_it(stage: Stage) -> None:
    """D7: the twin under another key is placed; the lost one stays in doubt and takes nothing of it."""
    stage.fault("connection_reset")
    lost = await stage.client.submit(limit_buy(stage.account, quantity="7"))
    assert lost.order.state == IN_DOUBT
    twin = await stage.client.submit(limit_buy(stage.account, quantity="7"))
    assert twin.order.state in RESTING
    await asyncio.sleep(1.5)
    still = await stage.client.order(lost.order.order_id)
    assert (still.state, list(still.broker_order_ids)) == (IN_DOUBT, [])
    stage.witness.agrees(wire=2, orders=1)


async def test_workers_that_race_for_one_order_place_it_once(stage: Stage) -> None:
    """D8: eight connections with the same key at the same moment make one POST."""
    request = limit_buy(stage.account)
    workers = [stage.another_client() for _ in range(8)]
    answers = await asyncio.gather(*(worker.submit(request) for worker in workers))
    assert len({answer.order.order_id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    stage.witness.agrees(wire=1, orders=1)


async def test_a_broker_that_says_unknown_is_believed(stage: Stage) -> None:
    """D9: 503 after the order was taken is in doubt, not failed, and ends as what it was."""
    stage.fault("dropped_events", method="", path="", count=None)
    stage.fault("error_after", status=503)
    await in_doubt_then(stage, limit_buy(stage.account), RESTING)
    stage.witness.agrees(wire=1, orders=1)


@pytest.mark.parametrize("answer", ["", "null", "[]", "{", "<html>busy</html>"])
async def test_an_answer_that_makes_no_sense_is_no_refusal(stage: Stage, answer: str) -> None:
    """D10: an empty or malformed answer leaves the order in doubt, and it is found."""
    stage.fault("dropped_events", method="", path="", count=None)
    stage.fault("garbled_reply", answer=answer)
    await in_doubt_then(stage, limit_buy(stage.account), RESTING)
    stage.witness.agrees(wire=1, orders=1)


@pytest.mark.parametrize("answer", ['{"status":"accepted"}', ANOTHER], ids=["no id", "another order"])
async def test_a_success_that_names_no_order_of_ours_is_no_success(stage: Stage, answer: str) -> None:
    """D11: 200 without our order in it leaves the order in doubt, and it is found."""
    stage.fault("dropped_events", method="", path="", count=None)
    stage.fault("garbled_reply", answer=answer)
    found = await in_doubt_then(stage, limit_buy(stage.account), RESTING)
    assert list(found.broker_order_ids) == [order["id"] for order in stage.witness.born()]
    stage.witness.agrees(wire=1, orders=1)


async def thrown_away_but_there(stage: Stage, quantity: str) -> orders_pb2.SubmitOrderRequest:
    """Let a broker say that it threw an order away, and have one under its id all the same, of some quantity."""
    stage.fault("rate_limited", seconds=1)
    request = limit_buy(stage.account, quantity="5")
    await stage.thrown_away(request)
    (first,) = posts(stage.sim)
    at_broker(stage.sim, "POST", "", {**first["body"], "qty": quantity})
    await asyncio.sleep(1.2)
    return request


async def test_a_duplicate_refused_by_the_broker_is_our_own_order_if_it_equals_ours(stage: Stage) -> None:
    """D12: "must be unique" is evidence of an earlier arrival: the order is fetched, equals ours, and is it."""
    request = await thrown_away_but_there(stage, "5")
    answer = await stage.client.submit(request)
    assert answer.order.state in RESTING
    assert list(answer.order.broker_order_ids) == [order["id"] for order in stage.witness.born()]
    assert len(posts(stage.sim)) == 3
    assert stage.witness.permits_spent() == 2


async def test_a_duplicate_that_differs_is_not_taken_for_ours(stage: Stage) -> None:
    """D12: an order of another size under the same id is somebody else's; ours was refused."""
    stage.fault("dropped_events", method="", path="", count=None)
    request = await thrown_away_but_there(stage, "6")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stage.client.submit(request)
    info = error_info(caught.value)
    assert (info.reason, info.metadata["order_effect"]) == ("BROKER_REJECTED", "NONE")
    assert len(stage.witness.born()) == 1
    assert stage.witness.permits_spent() == 2


async def test_the_same_intent_under_two_keys_is_two_orders(stage: Stage) -> None:
    """D13, as it holds now: a key is the client's word that this is another order; no gate doubts it yet."""
    one, two = [await stage.client.submit(limit_buy(stage.account, quantity="9")) for _ in range(2)]
    assert one.order.order_id != two.order.order_id
    stage.witness.agrees(wire=2, orders=2)


KILLS: Final = {
    # Killed between the durable intent and the first byte: nothing arrived, which only time can prove.
    "C5": (0, {IN_DOUBT}),
    # Between the broker's answer and the record, and right after the record.
    "C10": (1, RESTING),
    "C11": (1, RESTING),
}


async def test_a_gateway_that_is_killed_at_every_step_neither_loses_nor_repeats_an_order(
    start_gateway_at_sim: GatewayStarter, broker_sim: SimHandle, open_client: ClientOpener
) -> None:
    """D14: after each SIGKILL the next process finds what became of the order, and sends nothing."""
    broker_sim.control("POST", "price", {"symbol": "AAPL", "price": "180.00"})
    points = [*KILLS, ""]
    gateway = start_gateway_at_sim(BROKERGW_CHAOS=f"{points[0]}.submit:1:kill")
    api_key = gateway.api_key()
    account = await open_client(gateway, api_key).connect_alpaca(broker_sim)
    for point, following in pairwise(points):
        arrived, there = len(posts(broker_sim)), len(at_broker(broker_sim))
        request = limit_buy(account)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await open_client(gateway, api_key).submit(request)
        assert not error_info(caught.value).reason
        gateway.wait()
        gateway.settings["BROKERGW_CHAOS"] = f"{following}.submit:1:kill" if following else ""
        gateway.start()
        wire, states = KILLS[point]
        order = await recalled(open_client(gateway, api_key), request, states)
        assert len(posts(broker_sim)) - arrived == wire
        assert len(at_broker(broker_sim)) - there == wire
        assert bool(order.broker_order_ids) is bool(wire)


async def recalled(
    client: BareClient, request: orders_pb2.SubmitOrderRequest, states: Collection[int]
) -> orders_pb2.Order:
    """Repeat a call until its order is in one of some states; never may it be sent."""

    async def repeat() -> orders_pb2.Order:
        try:
            answer = await client.submit(request)
        except grpc.aio.AioRpcError as error:
            if error_info(error).reason != "IDEMPOTENCY_IN_PROGRESS":
                raise
            return orders_pb2.Order()
        assert answer.replayed
        return answer.order

    return await until(repeat, lambda order: order.state in states)
