"""Orders in doubt and verdicts on them."""

from typing import Final

from brokerapi.v1 import operations_pb2 as pb
from google.protobuf.duration_pb2 import Duration

from brokergw.desk.results import OrderResult
from brokergw.desk.verbs.verdict import InDoubt
from brokergw.model.commands import SettleOrder
from brokergw.model.lifecycle import State
from brokergw.rpc.wire.found import Found, token_from
from brokergw.rpc.wire.orders import order_to_proto
from brokergw.rpc.wire.paging import page_size_from
from brokergw.rpc.wire.times import time_to_proto

_EVIDENCE_LENGTH_MIN: Final = 10
_EVIDENCE_LENGTH_MAX: Final = 1_000


def list_from_proto(request: pb.ListOrdersInDoubtRequest, found: Found) -> pb.ListOrdersInDoubtRequest:
    """Check ListOrdersInDoubtRequest."""
    page_size_from(request.page_size, found)
    return request


def settle_from_proto(request: pb.SettleOrderRequest, found: Found) -> SettleOrder:
    """Read SettleOrderRequest."""
    verdict = request.WhichOneof("verdict")
    placed_as = ""
    if verdict == "placed_as":
        placed_as = token_from(request.placed_as, "placed_as", found)
    elif verdict is None:
        found.add("placed_as", "exactly one of placed_as and not_placed is required")
    elif not request.not_placed:
        found.add("not_placed", "must be true")
    if request.override_mismatch and verdict != "placed_as":
        found.add("override_mismatch", "must not be set without placed_as")
    evidence = request.evidence.strip()
    if not _EVIDENCE_LENGTH_MIN <= len(evidence) <= _EVIDENCE_LENGTH_MAX:
        found.add("evidence", f"must be {_EVIDENCE_LENGTH_MIN} to {_EVIDENCE_LENGTH_MAX} characters")
    elif not evidence.isprintable():
        found.add("evidence", "must be printable, on one line")
    return SettleOrder(
        idempotency_key=request.idempotency_key,
        order_id=token_from(request.order_id, "order_id", found),
        etag=token_from(request.etag, "etag", found),
        placed_as=placed_as,
        evidence=evidence,
        override_mismatch=request.override_mismatch,
    )


def settled(result: OrderResult, cursor: str) -> pb.SettleOrderResponse:  # noqa: ARG001 - no cursor of another's
    """Answer SettleOrder, first call and replay alike."""
    return pb.SettleOrderResponse(order=order_to_proto(result.order), replayed=result.replayed)


def in_doubt_to_proto(item: InDoubt) -> pb.OrderInDoubt:
    """Write an order in doubt."""
    age = Duration()
    age.FromNanoseconds(item.age_ns)
    order = item.order
    return pb.OrderInDoubt(
        order=order_to_proto(order),
        user_id=order.user_id,
        age=age,
        absence_proved=order.state is State.RESOLVED_ABSENT,
        evidence=order.broker_message if order.state is State.MANUAL else "",
        settle_time=time_to_proto(item.settle_time_ns),
    )
