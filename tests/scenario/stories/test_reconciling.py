"""Stories of comparing the record with the broker: a difference is written once, and not being seen proves nothing."""

import asyncio

import pytest
from brokerapi.v1 import orders_pb2

from tests.fixtures.story import SWEEP_S, Story

WORKING = orders_pb2.ORDER_STATE_WORKING
PARTIAL = orders_pb2.ORDER_STATE_PARTIALLY_FILLED
FILLED = orders_pb2.ORDER_STATE_FILLED
CANCELED = orders_pb2.ORDER_STATE_CANCELED
SWEEPS_S = 4 * SWEEP_S


async def versions(story: Story) -> dict[str, int]:
    """Give every order's version: what is written shows here."""
    return {order.order_id: order.version for order in await story.orders()}


async def test_a_restart_with_an_open_position_writes_nothing_of_its_own(story: Story) -> None:
    """R1, R3: over a restart the position stays, no fill is made up, and every working order is still there."""
    bought, at_broker = await story.resting()
    story.execute(at_broker, "10", "50")
    await story.reaches(bought.order_id, FILLED, "10")
    working = [await story.resting(str(quantity)) for quantity in (1, 2, 3)]
    before = await versions(story)
    story.gateway.terminate()
    assert story.gateway.wait() == 0
    story.gateway.start()
    await story.reconnect()
    await asyncio.sleep(SWEEPS_S)
    assert await versions(story) == before
    assert len(await story.fills()) == 1
    for order, _ in working:
        assert (await story.client.order(order.order_id)).state == WORKING


async def test_what_happened_during_a_restart_is_found_after_it(story: Story) -> None:
    """R2: what traded and ended while the gateway was away is put on the record once, however often it looks."""
    traded, at_broker = await story.resting()
    ended, other = await story.resting("7")
    story.gateway.kill()
    story.execute(at_broker, "4", "50")
    await asyncio.to_thread(story.sim.ask, "DELETE", f"/v2/orders/{other}")
    story.gateway.start()
    await story.reconnect()
    await story.reaches(traded.order_id, PARTIAL, "4")
    await story.reaches(ended.order_id, CANCELED, "0")
    before = await versions(story)
    await asyncio.sleep(SWEEPS_S)
    assert await versions(story) == before
    assert len(await story.fills()) == 1


@pytest.mark.parametrize("fault", ["error_before", "connection_reset", "rate_limited", "garbled_reply"])
async def test_a_sweep_that_fails_loses_no_order(story: Story, fault: str) -> None:
    """R4: while no question to the broker is answered, every order stays as it is on the record."""
    orders = [await story.resting(str(quantity)) for quantity in (1, 2)]
    before = await versions(story)
    story.fault(fault, method="GET", path="/v2/*", count=None)
    asked = story.asked("/v2/")
    await asyncio.sleep(SWEEPS_S)
    # Which question meets the fault first is open: after one that came too often the sweep itself rests.
    assert story.asked("/v2/") > asked
    assert await versions(story) == before
    story.mend()
    story.execute(orders[0][1], None, "50")
    await story.reaches(orders[0][0].order_id, FILLED, "1")


@pytest.mark.parametrize("fault", ["truncated_list", "shuffled_list"])
async def test_what_a_listing_leaves_out_is_not_lost(story: Story, fault: str) -> None:
    """R5: a page that is cut short or out of order ends no order; each that is missing is asked for by its id."""
    for quantity in (1, 2, 3):
        await story.resting(str(quantity))
    before = await versions(story)
    story.fault(fault, method="GET", path="/v2/orders", count=None, keep=1)
    await asyncio.sleep(SWEEPS_S)
    assert await versions(story) == before
    assert {order.state for order in await story.orders()} == {WORKING}


async def test_an_order_that_moves_while_it_is_asked_for_is_left_alone(story: Story) -> None:
    """R8: an answer that was overtaken by a live fill writes nothing, and nothing is counted twice."""
    order, at_broker = await story.resting()
    story.fault("fill_before_reply", method="GET", path="/v2/orders*", count=None, seconds=0.3)
    for quantity in ("1", "2", "3"):
        story.execute(at_broker, quantity, "50")
        await asyncio.sleep(0.2)
    await story.reaches(order.order_id, PARTIAL, "6")
    await asyncio.sleep(SWEEPS_S)
    assert sorted(fill.quantity for fill in await story.fills()) == ["1", "2", "3"]


async def test_an_order_that_stays_unexplained_is_asked_for_ever_more_rarely(story: Story) -> None:
    """R14: an order that the broker no longer lists nor knows stays open, and costs a handful of questions."""
    order, at_broker = await story.resting()
    story.fault("truncated_list", method="GET", path="/v2/orders", count=None, keep=0)
    story.fault("unknown_order", method="GET", path=f"/v2/orders/{at_broker}", count=None)
    await asyncio.sleep(16 * SWEEP_S)
    assert 1 <= story.asked(f"/v2/orders/{at_broker}") <= 2
    assert (await story.client.order(order.order_id)).state == WORKING
    story.mend()
    story.execute(at_broker, None, "50")
    await story.reaches(order.order_id, FILLED, "10")


async def test_a_mute_stream_is_noticed_by_what_the_sweep_finds(story: Story) -> None:
    """T8: a socket that is open and answers pings but tells nothing costs one sweep for each event, not the events."""
    order, at_broker = await story.resting()
    story.silence()
    for quantity, total in (("1", "1"), ("2", "3"), ("3", "6")):
        story.execute(at_broker, quantity, "50")
        await story.reaches(order.order_id, PARTIAL, total)
    assert {fill.quantity for fill in await story.fills()} == {"1", "2", "3"}
