"""Mutations over a real channel: first calls, replays, and what goes out beside the answer."""

import asyncio
from typing import Any

import grpc
import pytest
from brokerapi.v1 import orders_pb2 as pb
from brokerapi.v1 import positions_pb2
from grpc import aio

from brokergw.model.errors import GatewayError, OrderEffect, Reason, Retry
from brokergw.model.lifecycle import State
from tests.fixtures.edge import KEY, UUID, Edge, MakeEdge, a_spec, a_submit, refused
from tests.fixtures.edge_samples import ACCOUNT, an_order


async def test_a_submit_goes_through_every_step_to_the_desk(edge: Edge) -> None:
    """The desk is asked for the key, then for clearance, then to submit, for the caller behind the key."""
    call = edge.orders.SubmitOrder(a_submit(labels={"b": "2", "a": "1"}), metadata=(*KEY, ("x-request-id", "r-7")))
    answer = await call
    assert [verb for verb, _, _ in edge.desk.seen] == ["recall", "clear", "submit"]
    _, caller, cleared = edge.desk.seen[-1]
    assert (caller.user_id, caller.request_id) == ("ann", "r-7")
    assert cleared.command.labels == (("a", "1"), ("b", "2"))
    assert (answer.order.state, answer.replayed) == (pb.ORDER_STATE_WORKING, False)
    assert dict(answer.order.labels) == {"a": "1", "b": "2"}
    assert answer.cursor
    assert not answer.HasField("original_order")
    assert ("x-request-id", "r-7") in tuple(await call.trailing_metadata())


async def test_a_replay_is_marked_and_reaches_no_gate(edge: Edge) -> None:
    """The same key and request give the first order again, marked in body and trailer, without clearance or submit."""
    first = await edge.orders.SubmitOrder(a_submit(), metadata=KEY)
    edge.desk.seen.clear()
    call = edge.orders.SubmitOrder(a_submit(a_spec(quantity="10.0")), metadata=KEY)
    second = await call
    assert second.replayed
    assert second.order.order_id == second.original_order.order_id == first.order.order_id
    assert second.HasField("decision_time")
    assert ("x-idempotent-replayed", "true") in tuple(await call.trailing_metadata())
    assert [verb for verb, _, _ in edge.desk.seen] == ["recall"]


async def test_a_key_that_cannot_be_looked_up_may_stand_for_an_order(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I4: while the record is away nobody is told that nothing was left: a first call may have placed an order."""

    async def away(*_: object) -> None:
        raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "the database does not answer")

    await edge.orders.SubmitOrder(a_submit(), metadata=KEY)
    monkeypatch.setattr(edge.desk, "recall", away)
    refusal = await refused(edge.orders.SubmitOrder(a_submit(), metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "JOURNAL_OUTCOME_UNKNOWN")
    assert (refusal.effect, refusal.metadata["retry"]) == ("POSSIBLE", "SAME_KEY")


async def test_another_request_under_the_same_key_is_refused(edge: Edge) -> None:
    """A key stands for one request; another one under it gets FAILED_PRECONDITION and the id of the first order."""
    await edge.orders.SubmitOrder(a_submit(), metadata=KEY)
    refusal = await refused(edge.orders.SubmitOrder(a_submit(a_spec(quantity="11")), metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "IDEMPOTENCY_KEY_REUSED")
    assert (refusal.effect, refusal.metadata["retry"]) == ("EXISTS", "NEVER")
    assert refusal.metadata["order_id"] == refusal.details["ResourceInfo"].resource_name == "ord_1"


async def test_a_replay_costs_nothing_of_the_order_budget(edge: Edge) -> None:
    """What a replay was charged is given back; the first call stays charged."""
    for _ in range(5):
        await edge.orders.SubmitOrder(a_submit(), metadata=KEY)
    assert edge.server.budgets.standings("ann")[0].remaining == 2_999


async def test_validate_only_runs_the_gates_and_asks_for_no_key(edge: Edge) -> None:
    """With validate_only the key is not looked up, and the desk sees the wish in the command."""
    answer = await edge.orders.SubmitOrder(a_submit(validate_only=True), metadata=KEY)
    assert [verb for verb, _, _ in edge.desk.seen] == ["clear", "submit"]
    assert edge.desk.seen[-1][2].command.validate_only
    assert (answer.order.spec.symbol, answer.cursor) == ("AAPL", "")


async def test_every_other_mutation_answers(edge: Edge) -> None:
    """Modify, cancel, cancel-all, flatten and close-all reach their verbs, and answer with a cursor."""
    modify = pb.ModifyOrderRequest(idempotency_key=UUID, order_id="ord_1", limit_price="188", etag='"2"')
    modified = await edge.orders.ModifyOrder(modify, metadata=KEY)
    canceled = await edge.orders.CancelOrder(
        pb.CancelOrderRequest(idempotency_key=UUID, order_id="ord_1"), metadata=KEY
    )
    swept = await edge.orders.CancelAllOrders(
        pb.CancelAllOrdersRequest(idempotency_key=UUID, account_id=ACCOUNT), metadata=KEY
    )
    flat = await edge.positions.Flatten(
        positions_pb2.FlattenRequest(idempotency_key=UUID, account_id=ACCOUNT, symbol="AAPL"), metadata=KEY
    )
    closed = await edge.positions.CloseAll(positions_pb2.CloseAllRequest(idempotency_key=UUID), metadata=KEY)
    verbs = [verb for verb, _, _ in edge.desk.seen if verb not in {"recall", "get_order"}]
    assert verbs == ["clear", "modify", "cancel", "cancel_all", "flatten", "close_all"]
    assert canceled.order.state == pb.ORDER_STATE_PENDING_CANCEL
    assert swept.results[0].accepted
    assert flat.orders[0].order_id == "ord_1"
    assert closed.residuals[0].reason == "BROKER_REJECTED"
    assert all(answer.cursor for answer in (modified, canceled, swept, flat, closed))


async def test_a_sweep_is_replayed_too(edge: Edge) -> None:
    """The answer to a sweep is given again, marked."""
    request = pb.CancelAllOrdersRequest(idempotency_key=UUID, account_id=ACCOUNT)
    assert not (await edge.orders.CancelAllOrders(request, metadata=KEY)).replayed
    assert (await edge.orders.CancelAllOrders(request, metadata=KEY)).replayed


async def test_an_error_may_know_better_than_its_row(edge: Edge) -> None:
    """An effect, a retry, a delay and an order id that the desk gives go out in place of the table's."""
    edge.desk.raises["submit"] = GatewayError(
        Reason.BROKER_UNREACHABLE,
        "tried often enough",
        effect=OrderEffect.NONE,
        retry=Retry.NEW_KEY,
        retry_after_s=1.25,
        order_id="ord_5",
        metadata={"brokerCode": "42"},
    )
    refusal = await refused(edge.orders.SubmitOrder(a_submit(), metadata=KEY))
    assert refusal.code is grpc.StatusCode.UNAVAILABLE
    assert refusal.metadata["retry"] == "NEW_KEY"
    assert (refusal.metadata["order_id"], refusal.metadata["brokerCode"]) == ("ord_5", "42")
    assert refusal.details["RetryInfo"].retry_delay.ToMilliseconds() == 1_250
    assert refusal.trailing["grpc-retry-pushback-ms"] == "1250"


async def test_an_order_in_doubt_is_an_answer_not_an_error(edge: Edge) -> None:
    """When the broker's answer was lost the call is OK and the order says IN_DOUBT."""
    edge.desk.orders["ord_1"] = an_order(state=State.IN_DOUBT)
    answer = await edge.orders.GetOrder(pb.GetOrderRequest(order_id="ord_1"), metadata=KEY)
    assert answer.order.state == pb.ORDER_STATE_IN_DOUBT


async def test_a_client_that_leaves_cancels_the_handler_and_is_on_record(edge: Edge) -> None:
    """A deadline or a cancel reaches the desk's verb as a cancel, and the audit row says so."""
    edge.desk.hold = asyncio.Event()
    with pytest.raises(aio.AioRpcError) as caught:
        await edge.orders.SubmitOrder(a_submit(), metadata=KEY, timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    while not edge.book.rows:
        await asyncio.sleep(0.01)
    (row,) = edge.book.rows
    assert (row.outcome, row.user_id, row.account_id) == ("CANCELLED", "ann", ACCOUNT)
    assert edge.metric("brokergw_rpc_in_flight", method="/brokerapi.v1.OrderService/SubmitOrder") == 0


async def test_a_call_without_a_deadline_gets_one(make_edge: MakeEdge) -> None:
    """The server's own deadline ends a call that has none, and says that the order may exist."""
    edge = await make_edge(deadline_default_s=0.1)
    edge.desk.hold = asyncio.Event()
    refusal = await refused(edge.orders.SubmitOrder(a_submit(), metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert (refusal.effect, refusal.metadata["retry"]) == ("POSSIBLE", "SAME_KEY")


async def test_a_mad_request_id_is_replaced(edge: Edge) -> None:
    """A request id that is no plain token is not echoed; the call gets one of ours."""
    call = edge.orders.GetOrder(pb.GetOrderRequest(order_id="ord_1"), metadata=(*KEY, ("x-request-id", "a b;c")))
    await call
    trailing: dict[str, Any] = dict(await call.trailing_metadata())
    assert trailing["x-request-id"].startswith("req-")
    assert edge.desk.seen[-1][1].request_id == trailing["x-request-id"]
