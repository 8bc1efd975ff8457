"""OperationsService over a real channel: who may, what is asked, what is answered."""

from dataclasses import replace
from typing import Any

import grpc
import pytest
from brokerapi.v1 import operations_pb2 as pb
from brokerapi.v1 import orders_pb2

from brokergw.desk.verbs.verdict import InDoubt
from brokergw.model.lifecycle import State
from brokergw.model.principal import OPERATORS
from tests.fixtures.edge import KEY, UUID, Edge, refused
from tests.fixtures.edge_samples import an_order

EVIDENCE = "seen on the broker's own site"


def a_verdict(**changes: object) -> pb.SettleOrderRequest:
    """Make a request that nothing is wrong with, but for the changes; None takes a field away."""
    fields: dict[str, Any] = {
        "idempotency_key": UUID,
        "order_id": "ord_1",
        "etag": '"2"',
        "placed_as": "b-7",
        "evidence": EVIDENCE,
        **changes,
    }
    return pb.SettleOrderRequest(**{name: value for name, value in fields.items() if value is not None})


async def test_orders_in_doubt_are_listed_with_what_is_known(edge: Edge) -> None:
    """Owner, age, evidence, proof of absence and the time of a verdict go out; pages follow each other."""
    manual = replace(an_order(order_id="ord_2", state=State.MANUAL), broker_message="2 orders may be this one")
    edge.desk.in_doubt = [
        InDoubt(an_order(order_id="ord_1", state=State.RESOLVED_ABSENT), 90_500_000_000, 1_800_000_000_000_000_000),
        InDoubt(manual, 1_000_000_000, 0),
    ]
    first = await edge.operations.ListOrdersInDoubt(pb.ListOrdersInDoubtRequest(page_size=1), metadata=KEY)
    rest = pb.ListOrdersInDoubtRequest(page_size=1, page_token=first.next_page_token)
    second = await edge.operations.ListOrdersInDoubt(rest, metadata=KEY)
    (absent,), (by_hand,) = first.orders, second.orders
    assert (absent.absence_proved, absent.evidence, absent.age.ToMilliseconds()) == (True, "", 90_500)
    assert (absent.order.state, absent.user_id) == (orders_pb2.ORDER_STATE_IN_DOUBT, "ann")
    assert absent.settle_time.seconds == 1_800_000_000
    assert (by_hand.order.state, by_hand.evidence) == (
        orders_pb2.ORDER_STATE_MANUAL_REVIEW,
        "2 orders may be this one",
    )
    assert second.next_page_token == ""


async def test_a_verdict_reaches_the_desk_and_is_replayed(edge: Edge) -> None:
    """Both verdicts arrive as they were given; the same key answers again."""
    answer = await edge.operations.SettleOrder(a_verdict(), metadata=KEY)
    _, _, command = edge.desk.seen[-1]
    assert (command.placed_as, command.etag, command.evidence) == ("b-7", '"2"', EVIDENCE)
    assert (answer.order.state, answer.replayed) == (orders_pb2.ORDER_STATE_WORKING, False)
    assert (await edge.operations.SettleOrder(a_verdict(), metadata=KEY)).replayed
    other = a_verdict(idempotency_key=UUID.replace("0", "1"), placed_as=None, not_placed=True)
    absent = await edge.operations.SettleOrder(other, metadata=KEY)
    assert absent.order.state == orders_pb2.ORDER_STATE_NOT_PLACED


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("placed_as", {"placed_as": None}),
        ("placed_as", {"placed_as": ""}),
        ("not_placed", {"placed_as": None, "not_placed": False}),
        ("evidence", {"evidence": "too short"}),
        ("evidence", {"evidence": " " * 20}),
        ("evidence", {"evidence": "x" * 1001}),
        ("evidence", {"evidence": "seen at the broker\nagain"}),
        ("etag", {"etag": None}),
        ("order_id", {"order_id": None}),
        ("override_mismatch", {"placed_as": None, "not_placed": True, "override_mismatch": True}),
    ],
)
async def test_a_verdict_that_is_not_whole_is_refused(edge: Edge, field: str, changes: dict[str, object]) -> None:
    """One verdict, an etag, and evidence in words are required; the broken field is named, the desk not asked."""
    refusal = await refused(edge.operations.SettleOrder(a_verdict(**changes), metadata=KEY))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in {violation.field for violation in refusal.details["BadRequest"].field_violations}
    assert edge.desk.seen == []


async def test_operations_take_scopes_of_their_own(edge: Edge) -> None:
    """A trader's key, whatever else it may, neither sees nor settles anything here."""
    trader = edge.authenticator.keys["brk_good"]
    edge.authenticator.keys["brk_good"] = replace(trader, scopes=trader.scopes - OPERATORS)
    for call in (
        edge.operations.ListOrdersInDoubt(pb.ListOrdersInDoubtRequest(), metadata=KEY),
        edge.operations.SettleOrder(a_verdict(), metadata=KEY),
    ):
        refusal = await refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")
    assert edge.desk.seen == []
