"""Stories of events that are lost, late, repeated, or about something else: the record comes to the truth each time."""

import asyncio
from decimal import Decimal

import grpc
import pytest
from brokerapi.v1 import fills_pb2, orders_pb2

from tests.fixtures.bare_client import error_info
from tests.fixtures.patience import until
from tests.fixtures.story import SWEEP_S, Story

WORKING = orders_pb2.ORDER_STATE_WORKING
PARTIAL = orders_pb2.ORDER_STATE_PARTIALLY_FILLED
FILLED = orders_pb2.ORDER_STATE_FILLED
CANCELED = orders_pb2.ORDER_STATE_CANCELED


async def test_a_fill_during_an_outage_of_the_stream_is_told_after_it(story: Story) -> None:
    """L1: what traded while the stream was down is back-filled when it returns, and counted once."""
    order, at_broker = await story.resting()
    story.fault("connection_reset", path="/stream", count=2)
    story.sim.control("POST", "stream/drop")
    story.execute(at_broker, "4", "50")
    story.execute(at_broker, "6", "49.5")
    filled = await story.reaches(order.order_id, FILLED, "10")
    assert Decimal(filled.average_price) == Decimal("49.7")
    await asyncio.sleep(3 * SWEEP_S)
    assert len(await story.fills()) == 2


async def test_the_one_message_that_the_stream_drops_is_found_by_the_sweep(story: Story) -> None:
    """L2: a stream that loses exactly one message and never breaks costs one sweep, not the fill."""
    order, at_broker = await story.resting()
    story.fault("dropped_events", event="partial_fill", count=1)
    story.execute(at_broker, "4", "50")
    await story.reaches(order.order_id, PARTIAL, "4")
    (fill,) = await story.fills()
    assert (fill.quantity, fill.order_id) == ("4", order.order_id)
    assert story.asked("/stream") == 0


async def test_a_later_fill_does_not_hide_the_one_that_was_lost(story: Story) -> None:
    """L2: the next event's total shows that an execution is missing; the order is filled when both are on record."""
    order, at_broker = await story.resting()
    story.fault("dropped_events", event="partial_fill", count=1)
    story.execute(at_broker, "4", "50")
    story.execute(at_broker, "6", "49")
    filled = await story.reaches(order.order_id, FILLED, "10")
    assert Decimal(filled.average_price) == Decimal("49.4")
    assert sorted(fill.quantity for fill in await story.fills()) == ["4", "6"]


async def test_a_fill_before_the_answer_belongs_to_its_order(story: Story) -> None:
    """L3: an order that fills before its own submit is answered is one order with one fill."""
    story.fault("fill_before_reply", method="POST", path="/v2/orders", seconds=0.5)
    story.sim.control("POST", "price", {"symbol": "AAPL", "price": "200"})
    order = await story.submit("3", "205")
    await story.reaches(order.order_id, FILLED, "3")
    assert len(await story.orders()) == 1


@pytest.mark.parametrize("ending", ["canceled", "expired", "rejected"])
async def test_a_fill_after_the_end_corrects_the_order(story: Story, ending: str) -> None:
    """L4: an order that was told as ended and trades all the same says so in a new version, marked as late."""
    story.fault("shown_as", method="POST", path="/v2/orders", status_word=ending)
    order = await story.submit()
    ended = await story.reaches(order.order_id, getattr(orders_pb2, f"ORDER_STATE_{ending.upper()}"))
    at_broker = ended.broker_order_ids[-1]
    story.execute(at_broker, "4", "50")
    late = await story.until(order.order_id, lambda seen: seen.cum_quantity == "4")
    assert (late.state, late.late_fill, late.canceled_quantity) == (ended.state, True, "6")
    assert late.version > ended.version
    story.execute(at_broker, "6", "50")
    filled = await story.reaches(order.order_id, FILLED, "10")
    assert (filled.late_fill, filled.canceled_quantity) == (True, "0")


async def test_events_that_never_come_are_made_good_by_the_sweep(story: Story) -> None:
    """L5: with a stream that stays open and tells nothing, orders still fill and end on the record."""
    story.silence()
    traded, ends = await story.submit(), await story.submit("7", "40")
    for order in (traded, ends):
        await story.until(order.order_id, lambda seen: bool(seen.broker_order_ids))
    story.execute((await story.client.order(traded.order_id)).broker_order_ids[-1], None, "50")
    await story.reaches(traded.order_id, FILLED, "10")
    await story.cancel(ends.order_id)
    await story.reaches(ends.order_id, CANCELED, "0")


async def test_an_event_told_again_after_a_reconnect_counts_once(story: Story) -> None:
    """L6: the same execution from the stream, twice, and from the back-fill is one fill."""
    order, at_broker = await story.resting()
    story.fault("duplicate_events", count=None)
    story.execute(at_broker, "4", "50")
    await story.reaches(order.order_id, PARTIAL, "4")
    story.sim.control("POST", "stream/drop")
    story.execute(at_broker, "6", "50")
    await story.reaches(order.order_id, FILLED, "10")
    await asyncio.sleep(3 * SWEEP_S)
    assert len(await story.fills()) == 2


async def test_orders_are_taken_while_the_stream_is_down(story: Story) -> None:
    """L7: a stream that is away refuses no order: its events are found by the sweep, every few seconds."""
    story.fault("connection_reset", path="/stream", count=None)
    story.sim.control("POST", "stream/drop")
    order = await story.submit()
    seen = await story.until(order.order_id, lambda seen: bool(seen.broker_order_ids))
    story.execute(seen.broker_order_ids[-1], None, "50")
    await story.reaches(order.order_id, FILLED, "10")


async def test_an_order_made_elsewhere_is_adopted(story: Story) -> None:
    """L8: an event about an order that nobody here placed is put on the record as external, with its fills."""
    await elsewhere(story, "stranger-1")
    external = await adopted(story)
    assert external.external
    story.execute(external.broker_order_ids[-1], "4", "50")
    await story.reaches(external.order_id, PARTIAL, "4")


async def test_an_order_made_elsewhere_is_adopted_in_silence_too(story: Story) -> None:
    """L8: the sweep adopts what the stream never told of, with what it had traded before."""
    story.silence()
    stranger = await elsewhere(story, "stranger-2")
    story.execute(stranger, "4", "50")
    external = await adopted(story)
    await story.reaches(external.order_id, PARTIAL, "4")


@pytest.mark.parametrize("fault", ["lost_reply", "hanging_reply"])
async def test_a_cancel_without_an_answer_is_settled_by_the_broker(story: Story, fault: str) -> None:
    """L9, L12: a cancel whose reply never came is pending until the broker shows what became of it."""
    order, _ = await story.resting()
    story.silence()
    story.fault(fault, method="DELETE", path="/v2/orders/*", seconds=1.0)
    await story.cancel(order.order_id)
    await story.reaches(order.order_id, CANCELED, "0")
    assert story.asked("/v2/orders/", "DELETE") == 1


async def test_an_answer_for_another_order_is_no_answer(story: Story) -> None:
    """L9: a submit that is answered with somebody else's order is in doubt, until the broker is asked for ours."""
    story.silence()
    story.fault("other_order", method="POST", path="/v2/orders")
    order = await story.submit("3")
    assert order.state == orders_pb2.ORDER_STATE_IN_DOUBT
    found = await story.reaches(order.order_id, WORKING)
    assert [found.broker_order_ids[-1]] == [shown["id"] for shown in story.at_broker()["orders"]]


async def test_an_answer_that_comes_late_meets_its_own_order(story: Story) -> None:
    """L9: while one submit is slow another goes ahead, and each answer goes to its own order."""
    story.fault("latency", method="POST", path="/v2/orders", seconds=1.0)
    first, second = await asyncio.gather(story.submit("3"), story.submit("4"))
    for order, quantity in ((first, "3"), (second, "4")):
        working = await story.reaches(order.order_id, WORKING)
        shown = {each["id"]: each["qty"] for each in story.at_broker()["orders"]}
        assert shown[working.broker_order_ids[-1]] == quantity


async def test_a_partial_fill_and_then_a_cancel_add_up(story: Story) -> None:
    """L10: a partly filled order that is cancelled keeps its fill, and the rest is cancelled quantity."""
    order, at_broker = await story.resting()
    story.execute(at_broker, "4", "50")
    await story.reaches(order.order_id, PARTIAL, "4")
    await story.cancel(order.order_id)
    ended = await story.reaches(order.order_id, CANCELED, "4")
    assert (ended.canceled_quantity, ended.leaves_quantity, ended.late_fill) == ("6", "0", False)


async def test_a_partial_fill_and_then_a_replace_add_up(story: Story) -> None:
    """L10: the fills of all generations are one order's, and the total is the new one."""
    order, at_broker = await story.resting()
    story.execute(at_broker, "4", "50")
    await story.reaches(order.order_id, PARTIAL, "4")
    await story.modify(order.order_id, quantity="12", limit_price="51")
    changed = await story.until(order.order_id, lambda seen: len(seen.broker_order_ids) == 2)
    story.execute(changed.broker_order_ids[-1], None, "51")
    filled = await story.reaches(order.order_id, FILLED, "12")
    assert filled.spec.quantity == "12"
    assert sorted(fill.quantity for fill in await story.fills()) == ["4", "8"]


@pytest.mark.parametrize(
    ("word", "state"), [("suspended", "SUSPENDED"), ("held", "ACCEPTED"), ("done_for_day", "WORKING")]
)
async def test_an_order_that_the_broker_holds_back_stays_open(story: Story, word: str, state: str) -> None:
    """L11: an order that is suspended, held or done for the day has not ended, and says where it stands."""
    story.fault("shown_as", method="POST", path="/v2/orders", status_word=word)
    order = await story.submit()
    held = await story.reaches(order.order_id, getattr(orders_pb2, f"ORDER_STATE_{state}"))
    await asyncio.sleep(3 * SWEEP_S)
    assert (await story.client.order(order.order_id)).version == held.version
    await story.cancel(order.order_id)
    await story.reaches(order.order_id, CANCELED)


async def test_a_cancel_that_lost_against_the_fill_leaves_the_fill(story: Story) -> None:
    """L12: a cancel that is refused because the order has filled is refused, and the fill stands."""
    order, at_broker = await story.resting()
    story.silence()
    story.execute(at_broker, None, "50")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await story.cancel(order.order_id)
    assert error_info(refused.value).reason == "CANCEL_REFUSED"
    await story.reaches(order.order_id, FILLED, "10")


async def test_a_cancel_on_its_way_meets_a_fill(story: Story) -> None:
    """L12: while a cancel is under way the rest fills: the order ends filled, not cancelled."""
    order, at_broker = await story.resting()
    story.fault("slow_cancel", method="DELETE", path="/v2/orders/*", seconds=1.0)
    await story.cancel(order.order_id)
    await story.reaches(order.order_id, orders_pb2.ORDER_STATE_PENDING_CANCEL)
    story.execute(at_broker, None, "50")
    await story.reaches(order.order_id, FILLED, "10")
    await asyncio.sleep(1.5)
    assert (await story.client.order(order.order_id)).state == FILLED


async def test_a_busted_fill_is_taken_back_by_an_event_of_its_own(story: Story) -> None:
    """A bust never edits its fill: it is a fill of its own that refers to it, and the order ends short."""
    order, at_broker = await story.resting()
    story.execute(at_broker, "4", "50")
    story.execute(at_broker, "6", "49")
    await story.reaches(order.order_id, FILLED, "10")
    story.sim.control("POST", "bust", {"order_id": at_broker})
    short = await story.reaches(order.order_id, CANCELED, "4")
    assert (short.canceled_quantity, Decimal(short.average_price)) == ("6", Decimal(50))
    bust, busted, _ = await story.fills()
    assert (bust.kind, bust.refers_to_fill_id) == (fills_pb2.FILL_KIND_BUST, busted.fill_id)
    assert (busted.kind, busted.quantity) == (fills_pb2.FILL_KIND_NEW, "6")


async def test_a_corrected_fill_stands_in_the_place_of_the_first(story: Story) -> None:
    """A correction carries the new quantity and price, and the order's totals follow it."""
    order, at_broker = await story.resting()
    story.execute(at_broker, "4", "50")
    await story.reaches(order.order_id, PARTIAL, "4")
    story.sim.control("POST", "correction", {"order_id": at_broker, "quantity": "3", "price": "49"})
    corrected = await story.reaches(order.order_id, PARTIAL, "3")
    assert (corrected.leaves_quantity, Decimal(corrected.average_price)) == ("7", Decimal(49))
    story.execute(at_broker, None, "50")
    await story.reaches(order.order_id, FILLED, "10")


async def elsewhere(story: Story, client_order_id: str) -> str:
    """Place an order at the broker itself, as its own web page would, and give the broker's id."""
    body = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "limit", "limit_price": "50", "time_in_force": "gtc"}
    made = await asyncio.to_thread(story.sim.ask, "POST", "/v2/orders", body | {"client_order_id": client_order_id})
    story.sim.control("DELETE", "journal")
    return str(made["id"])


async def adopted(story: Story) -> orders_pb2.Order:
    """Wait for the order that is adopted."""
    orders = await until(story.orders, bool)
    (order,) = orders
    return order
