"""Budgets: what a user may spend, what an address may try, and how many calls there is room for."""

import asyncio
import contextlib

import grpc
import pytest
from brokerapi.v1 import orders_pb2 as pb
from grpc import aio

from brokergw.model.errors import GatewayError, Reason
from brokergw.rpc.buckets import Buckets
from brokergw.rpc.budgets import StreamSlots
from brokergw.rpc.settings import RateSettings
from tests.fixtures.clock import FakeClock
from tests.fixtures.edge import KEY, Edge, MakeEdge, a_submit, refused

GET = pb.GetOrderRequest(order_id="ord_1")


def test_a_bucket_holds_a_minute_and_fills_steadily(still_clock: FakeClock) -> None:
    """What is spent comes back evenly within a minute, and never more than the limit."""
    buckets = Buckets(still_clock, 60)
    assert [buckets.take("ann") for _ in range(60)] == [0.0] * 60
    assert buckets.take("ann") == pytest.approx(1.0)
    assert buckets.take("bob") == 0.0
    still_clock.advance(5)
    assert buckets.left("ann") == 5
    assert buckets.take("ann", 6) == pytest.approx(1.0)
    buckets.give_back("ann", 100)
    assert buckets.left("ann") == 60


def test_forgotten_owners_start_afresh(still_clock: FakeClock) -> None:
    """However many owners come by, the memory stays bounded, and only those silent longest are forgotten."""
    buckets = Buckets(still_clock, 10)
    buckets.take("first", 10)
    for n in range(10_000):
        buckets.take(str(n))
    assert len(buckets._owners) == 10_000
    assert buckets.left("first") == 10
    assert buckets.left("9999") == 9


def test_slots_are_counted_per_user() -> None:
    """A slot that is given back is free at once, and users do not share."""
    slots = StreamSlots(1)
    stream_id = slots.take("ann")
    slots.take("bob")
    with pytest.raises(GatewayError) as caught:
        slots.take("ann")
    assert caught.value.reason is Reason.STREAM_LIMIT
    slots.free("ann", stream_id)
    assert slots.left("ann") == 1
    slots.take("ann")


async def test_a_spent_budget_is_refused_with_the_wait(make_edge: MakeEdge) -> None:
    """Past the limit a call is RESOURCE_EXHAUSTED with QuotaFailure, RetryInfo and pushback, and nothing is sent."""
    edge = await make_edge(rates=RateSettings(orders_per_minute=2))
    keys = [f"7f1f3f0e-6d0a-4c7e-9f3b-2f9a3c1d5e{n:02}" for n in range(3)]
    for key in keys[:2]:
        call = edge.orders.SubmitOrder(a_submit(idempotency_key=key), metadata=KEY)
        await call
    assert dict(await call.trailing_metadata())["x-ratelimit-remaining"] == "0"
    edge.desk.seen.clear()
    refusal = await refused(edge.orders.SubmitOrder(a_submit(idempotency_key=keys[2]), metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert (refusal.effect, refusal.metadata["retry"]) == ("NONE", "SAME_KEY")
    assert refusal.details["QuotaFailure"].violations[0].subject == "orders"
    assert refusal.details["RetryInfo"].retry_delay.seconds == 30
    assert refusal.trailing["grpc-retry-pushback-ms"] == "30000"
    assert refusal.trailing["x-ratelimit-policy"] == "orders;q=2;w=60"
    assert refusal.trailing["x-ratelimit-reset"] == "60"
    assert edge.desk.seen == []
    await edge.orders.GetOrder(GET, metadata=KEY)
    edge.clock.advance(30)
    await edge.orders.SubmitOrder(a_submit(idempotency_key=keys[2]), metadata=KEY)


async def test_another_user_has_a_budget_of_its_own(make_edge: MakeEdge) -> None:
    """One user's flood leaves the budget of the others alone."""
    edge = await make_edge(rates=RateSettings(reads_per_minute=1))
    await edge.orders.GetOrder(GET, metadata=KEY)
    assert (await refused(edge.orders.GetOrder(GET, metadata=KEY))).reason == "RATE_LIMITED"
    assert (
        await refused(edge.orders.GetOrder(GET, metadata=(("x-api-key", "brk_other"),)))
    ).reason == "ORDER_NOT_FOUND"


async def test_an_address_that_keeps_failing_is_slowed_down_before_any_look_up(make_edge: MakeEdge) -> None:
    """After its failures for a minute an address is refused without a look-up, and let in again as time passes."""
    edge = await make_edge(rates=RateSettings(failed_credentials_per_minute=3))
    wrong = (("x-api-key", "wrong"),)
    for _ in range(3):
        assert (await refused(edge.orders.GetOrder(GET, metadata=wrong))).reason == "API_KEY_INVALID"
    asked = edge.authenticator.asked
    refusal = await refused(edge.orders.GetOrder(GET, metadata=wrong))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert edge.authenticator.asked == asked
    edge.clock.advance(20)
    await edge.orders.GetOrder(GET, metadata=KEY)


async def test_an_address_that_calls_too_often_is_slowed_down_before_any_look_up(make_edge: MakeEdge) -> None:
    """D1: its calls of a minute, whoever they are by and however they end; other limits are not asked."""
    edge = await make_edge(rates=RateSettings(address_calls_per_minute=3))
    for key in ("brk_good", "brk_other", "brk_good"):
        with contextlib.suppress(aio.AioRpcError):
            await edge.orders.GetOrder(GET, metadata=(("x-api-key", key),))
    asked = edge.authenticator.asked
    refusal = await refused(edge.orders.GetOrder(GET, metadata=KEY))
    assert (refusal.reason, refusal.metadata["subject"]) == ("RATE_LIMITED", "calls from this address")
    assert edge.authenticator.asked == asked == 3
    edge.clock.advance(20)
    await edge.orders.GetOrder(GET, metadata=KEY)


async def test_one_users_calls_in_flight_leave_room_for_others(make_edge: MakeEdge) -> None:
    """D2: the call that is one too many is refused and pays nothing; a user's end makes room for it again."""
    edge = await make_edge(rates=RateSettings(calls_in_flight_max=2))
    edge.desk.hold = asyncio.Event()
    held = [asyncio.ensure_future(_await(edge, f"7f1f3f0e-6d0a-4c7e-9f3b-2f9a3c1d5e{n:02}")) for n in range(2)]
    while sum(verb == "submit" for verb, _, _ in edge.desk.seen) < 2:
        await asyncio.sleep(0.01)
    before = edge.server.budgets.standings("ann")
    refusal = await refused(edge.orders.GetOrder(GET, metadata=KEY))
    assert (refusal.reason, refusal.metadata["subject"]) == ("RATE_LIMITED", "the user's calls in flight")
    assert edge.server.budgets.standings("ann") == before
    other = await refused(edge.orders.GetOrder(GET, metadata=(("x-api-key", "brk_other"),)))
    assert other.reason == "ORDER_NOT_FOUND"
    edge.desk.hold.set()
    await asyncio.gather(*held)
    await edge.orders.GetOrder(GET, metadata=KEY)


async def test_good_calls_never_slow_an_address_down(make_edge: MakeEdge) -> None:
    """Only failures count against an address."""
    edge = await make_edge(rates=RateSettings(failed_credentials_per_minute=1))
    for _ in range(5):
        await edge.orders.GetOrder(GET, metadata=KEY)


async def test_a_record_that_is_away_slows_no_address_down(
    make_edge: MakeEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that could not be looked up were not wrong: who waited for the database is let in once it is back."""

    async def away(_: str, *, lately: bool) -> None:
        raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "the database does not answer")

    edge = await make_edge(rates=RateSettings(failed_credentials_per_minute=1))
    with monkeypatch.context() as patched:
        patched.setattr(edge.authenticator, "authenticate", away)
        for _ in range(3):
            assert (await refused(edge.orders.GetOrder(GET, metadata=KEY))).reason == "JOURNAL_UNAVAILABLE"
    await edge.orders.GetOrder(GET, metadata=KEY)


async def test_unary_calls_have_room_of_their_own(make_edge: MakeEdge) -> None:
    """Open streams take no room from unary calls; beyond the room a call is refused at once, not queued."""
    from brokerapi.v1 import fills_pb2

    edge = await make_edge(unary_in_flight_max=2)
    streams = [edge.fills.SubscribeFills(fills_pb2.SubscribeFillsRequest(), metadata=KEY) for _ in range(4)]
    for stream in streams:
        await stream.read()
    edge.desk.hold = asyncio.Event()
    held = [asyncio.ensure_future(_await(edge, f"7f1f3f0e-6d0a-4c7e-9f3b-2f9a3c1d5e{n:02}")) for n in range(2)]
    while sum(verb == "submit" for verb, _, _ in edge.desk.seen) < 2:
        await asyncio.sleep(0.01)
    refusal = await refused(edge.orders.GetOrder(GET, metadata=KEY))
    assert (refusal.reason, refusal.metadata["subject"]) == ("RATE_LIMITED", "calls in flight")
    edge.desk.hold.set()
    await asyncio.gather(*held)
    await edge.orders.GetOrder(GET, metadata=KEY)
    for stream in streams:
        stream.cancel()


async def _await(edge: Edge, key: str) -> pb.SubmitOrderResponse:
    return await edge.orders.SubmitOrder(a_submit(idempotency_key=key), metadata=KEY)
