"""Bad input, over a real channel: the documented code and reason, the field named, nothing sent, nothing leaked."""

import re
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from brokerapi.v1 import orders_pb2 as pb
from brokerapi.v1 import trading_pb2 as t
from google.protobuf.timestamp_pb2 import Timestamp

from tests.fixtures.edge import KEY, UUID, Edge, MakeEdge, Refusal, a_spec, a_submit, numbered, refused
from tests.fixtures.edge_samples import ACCOUNT

INVALID = grpc.StatusCode.INVALID_ARGUMENT
LEAK = re.compile(r"Error\b|Exception|Traceback|SELECT|INSERT|sqlite|psycopg|/src/|\.py\b|site-packages|0x[0-9a-f]{6}")


def _clean(refusal: Refusal) -> None:
    """Nothing of the inside shows in any part of the refusal."""
    shown = [refusal.text, *refusal.metadata.values(), str(refusal.details)]
    assert not [text for text in shown if LEAK.search(text)]


def _nothing_sent(edge: Edge) -> None:
    assert not [verb for verb, _, _ in edge.desk.seen if verb not in {"recall", "clear"}]


FIELDS = [
    ("order.quantity", "INVALID_ORDER_FIELD", a_spec(quantity="0")),
    ("order.quantity", "INVALID_ORDER_FIELD", a_spec(quantity="-1")),
    ("order.quantity", "INVALID_ORDER_FIELD", a_spec(quantity="NaN")),
    ("order.quantity", "INVALID_ORDER_FIELD", a_spec(quantity="Infinity")),
    ("order.quantity", "INVALID_ORDER_FIELD", a_spec(quantity="1e3")),
    ("order.quantity", "INVALID_ORDER_FIELD", a_spec(quantity="+1")),
    ("order.quantity", "INVALID_ORDER_FIELD", a_spec(quantity="\uff11")),
    ("order.quantity", "INVALID_ORDER_FIELD", a_spec(quantity="0.1234567890123456789")),
    ("order.quantity", "INVALID_ORDER_FIELD", a_spec(quantity="123456789012345678901")),
    ("order.quantity", "INVALID_ORDER_FIELD", a_spec(quantity="")),
    ("order.quantity", "INVALID_ORDER_FIELD", a_spec(quantity=None)),
    ("order.notional", "INVALID_ORDER_FIELD", a_spec(quantity=None, notional="100")),
    ("order.notional", "INVALID_ORDER_FIELD", a_spec(quantity=None, notional="0", type=1, limit_price=None)),
    ("order.symbol", "INVALID_ORDER_FIELD", a_spec(symbol="")),
    ("order.symbol", "INVALID_ORDER_FIELD", a_spec(symbol="AA PL")),
    ("order.symbol", "INVALID_ORDER_FIELD", a_spec(symbol="A" * 65)),
    ("order.side", "INVALID_ORDER_FIELD", a_spec(side=0)),
    ("order.side", "INVALID_ORDER_FIELD", a_spec(side=77)),
    ("order.type", "INVALID_ORDER_FIELD", a_spec(type=0)),
    ("order.type", "INVALID_ORDER_FIELD", a_spec(type=99)),
    ("order.time_in_force", "INVALID_ORDER_FIELD", a_spec(time_in_force=0)),
    ("order.limit_price", "INVALID_ORDER_FIELD", a_spec(limit_price=None)),
    ("order.limit_price", "INVALID_ORDER_FIELD", a_spec(limit_price="0")),
    ("order.limit_price", "INVALID_ORDER_FIELD", a_spec(type=t.ORDER_TYPE_MARKET)),
    ("order.stop_price", "INVALID_ORDER_FIELD", a_spec(type=t.ORDER_TYPE_STOP, limit_price=None)),
    ("order.stop_price", "INVALID_ORDER_FIELD", a_spec(stop_price="180")),
    ("order.trail_amount", "INVALID_ORDER_FIELD", a_spec(type=t.ORDER_TYPE_TRAILING_STOP, limit_price=None)),
    ("order.trail_amount", "INVALID_ORDER_FIELD", a_spec(trail_amount="1")),
    (
        "order.trail_percent",
        "INVALID_ORDER_FIELD",
        a_spec(type=t.ORDER_TYPE_TRAILING_STOP, limit_price=None, trail_percent="100"),
    ),
    ("order.expire_time", "TIF_REQUIRES_EXPIRY", a_spec(time_in_force=t.TIME_IN_FORCE_GTD)),
    ("order.expire_time", "INVALID_ORDER_FIELD", a_spec(expire_time=Timestamp(seconds=1_900_000_000))),
    (
        "order.expire_time",
        "FIELD_INVALID",
        a_spec(time_in_force=t.TIME_IN_FORCE_GTD, expire_time=Timestamp(seconds=2**60)),
    ),
    ("order.position_effect", "INVALID_ORDER_FIELD", a_spec(position_effect=9)),
    ("order.order_class", "INVALID_ORDER_FIELD", a_spec(order_class=9)),
    ("order.take_profit", "INVALID_ORDER_FIELD", a_spec(take_profit=pb.TakeProfit(limit_price="190"))),
    ("order.stop_loss", "INVALID_ORDER_FIELD", a_spec(stop_loss=pb.StopLoss(stop_price="180"))),
    (
        "order.stop_loss",
        "INVALID_ORDER_FIELD",
        a_spec(order_class=t.ORDER_CLASS_BRACKET, take_profit=pb.TakeProfit(limit_price="190")),
    ),
    (
        "order.take_profit.limit_price",
        "INVALID_ORDER_FIELD",
        a_spec(
            order_class=t.ORDER_CLASS_BRACKET,
            take_profit=pb.TakeProfit(limit_price="170"),
            stop_loss=pb.StopLoss(stop_price="180"),
        ),
    ),
    ("order.take_profit", "INVALID_ORDER_FIELD", a_spec(order_class=t.ORDER_CLASS_OTO)),
    (
        "order.type",
        "INVALID_ORDER_FIELD",
        a_spec(
            order_class=t.ORDER_CLASS_OCO,
            type=t.ORDER_TYPE_MARKET,
            limit_price=None,
            side=t.SIDE_SELL,
            take_profit=pb.TakeProfit(limit_price="190"),
            stop_loss=pb.StopLoss(stop_price="180"),
        ),
    ),
    ("order.legs", "INVALID_ORDER_FIELD", a_spec(legs=[pb.OrderLeg(symbol="X", side=t.SIDE_BUY, ratio=1)])),
    (
        "order.legs",
        "INVALID_ORDER_FIELD",
        a_spec(
            symbol=None,
            side=None,
            order_class=t.ORDER_CLASS_MULTI_LEG,
            legs=[pb.OrderLeg(symbol="X", side=t.SIDE_BUY, ratio=1)],
        ),
    ),
    (
        "order.legs[1].ratio",
        "INVALID_ORDER_FIELD",
        a_spec(
            symbol=None,
            side=None,
            order_class=t.ORDER_CLASS_MULTI_LEG,
            legs=[pb.OrderLeg(symbol="X", side=t.SIDE_BUY, ratio=1), pb.OrderLeg(symbol="Y", side=t.SIDE_SELL)],
        ),
    ),
]


@pytest.mark.parametrize(("field", "reason", "spec"), FIELDS, ids=numbered(FIELDS, 0))
async def test_a_bad_field_of_an_order_is_named(edge: Edge, field: str, reason: str, spec: pb.OrderSpec) -> None:
    """Each broken rule of an order is INVALID_ARGUMENT, names its field, and nothing reaches the desk."""
    refusal = await refused(edge.orders.SubmitOrder(a_submit(spec), metadata=KEY))
    assert (refusal.code, refusal.reason, refusal.effect) == (INVALID, reason, "NONE")
    assert refusal.fields == [field]
    assert refusal.metadata["field"] == field
    _clean(refusal)
    assert edge.desk.seen == []


REQUESTS: list[tuple[str, str, pb.SubmitOrderRequest]] = [
    ("idempotency_key", "IDEMPOTENCY_KEY_REQUIRED", a_submit(idempotency_key=None)),
    ("idempotency_key", "IDEMPOTENCY_KEY_INVALID", a_submit(idempotency_key="order-1")),
    ("idempotency_key", "IDEMPOTENCY_KEY_INVALID", a_submit(idempotency_key="00000000-0000-0000-0000-000000000000")),
    ("idempotency_key", "IDEMPOTENCY_KEY_INVALID", a_submit(idempotency_key=UUID.replace("-", ""))),
    ("account_id", "FIELD_INVALID", a_submit(account_id=None)),
    ("client_order_id", "FIELD_INVALID", a_submit(client_order_id="a/b")),
    ("client_order_id", "FIELD_INVALID", a_submit(client_order_id="x" * 37)),
    ("strategy_id", "FIELD_INVALID", a_submit(strategy_id="s" * 65)),
    ("run_id", "FIELD_INVALID", a_submit(run_id="a\nb")),
    ("labels", "FIELD_INVALID", a_submit(labels={f"k{n}": "v" for n in range(17)})),
    ("labels[k]", "FIELD_INVALID", a_submit(labels={"k": "v" * 65})),
    ("order", "FIELD_INVALID", pb.SubmitOrderRequest(idempotency_key=UUID, account_id=ACCOUNT)),
]


@pytest.mark.parametrize(("field", "reason", "request_"), REQUESTS, ids=numbered(REQUESTS, 0))
async def test_a_bad_field_of_a_request_is_named(
    edge: Edge, field: str, reason: str, request_: pb.SubmitOrderRequest
) -> None:
    """What surrounds the order is held to its rules as well."""
    refusal = await refused(edge.orders.SubmitOrder(request_, metadata=KEY))
    assert (refusal.code, refusal.reason, refusal.effect) == (INVALID, reason, "NONE")
    assert refusal.fields == [field]
    _clean(refusal)
    assert edge.desk.seen == []


async def test_every_broken_rule_is_told_at_once(edge: Edge) -> None:
    """A request with several faults names all of them, the key first."""
    spec = a_spec(symbol="", quantity="x", time_in_force=t.TIME_IN_FORCE_GTD)
    refusal = await refused(edge.orders.SubmitOrder(a_submit(spec, idempotency_key="x", run_id="\x00"), metadata=KEY))
    assert refusal.reason == "IDEMPOTENCY_KEY_INVALID"
    assert sorted(refusal.fields) == sorted(
        ["idempotency_key", "order.symbol", "order.quantity", "order.expire_time", "run_id"]
    )


async def test_the_key_may_come_in_the_metadata_but_not_twice_and_unequal(edge: Edge) -> None:
    """`idempotency-key` is an alias of the field; when both are there they must agree."""
    header = ("idempotency-key", UUID)
    await edge.orders.SubmitOrder(a_submit(idempotency_key=None), metadata=(*KEY, header))
    await edge.orders.SubmitOrder(a_submit(), metadata=(*KEY, header))
    commands = [what for verb, _, what in edge.desk.seen if verb == "recall"]
    assert [command.idempotency_key for command in commands] == [UUID, UUID]
    other = ("idempotency-key", "7f1f3f0e-6d0a-4c7e-9f3b-2f9a3c1d5e7b")
    for metadata in ((*KEY, other), (*KEY, header, other)):
        refusal = await refused(edge.orders.SubmitOrder(a_submit(), metadata=metadata))
        assert (refusal.reason, refusal.fields) == ("IDEMPOTENCY_KEY_INVALID", ["idempotency_key"])


async def test_an_unknown_symbol_is_refused_by_a_gate(edge: Edge) -> None:
    """The gate's objection comes as a PreconditionFailure with its subject, and nothing is sent."""
    refusal = await refused(edge.orders.SubmitOrder(a_submit(a_spec(symbol="NOPE")), metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INSTRUMENT_NOT_FOUND")
    assert (refusal.effect, refusal.metadata["retry"]) == ("NONE", "NEW_KEY")
    (violation,) = refusal.details["PreconditionFailure"].violations
    assert (violation.type, violation.subject) == ("INSTRUMENT_NOT_FOUND", "order.symbol")
    _clean(refusal)
    _nothing_sent(edge)


def _raw(edge: Edge, method: str, body: bytes, metadata: Any = KEY) -> Any:
    channel: Any = edge.channel
    return channel.unary_unary(method)(body, metadata=metadata)


SUBMIT = "/brokerapi.v1.OrderService/SubmitOrder"


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe", b"\x1a" * 400])
async def test_garbage_is_no_message(edge: Edge, body: bytes) -> None:
    """Bytes that are no message of the method are REQUEST_UNDECODABLE, not a decoder's exception."""
    refusal = await refused(_raw(edge, SUBMIT, body))
    assert (refusal.code, refusal.reason, refusal.effect) == (INVALID, "REQUEST_UNDECODABLE", "NONE")
    _clean(refusal)


UNKNOWN = b"\xba\x3e\x01x"  # Field 999, a string.


def _within(spec_extra: bytes) -> bytes:
    """Put unknown bytes into the order of a good request."""
    spec = a_spec().SerializeToString() + spec_extra
    bare = a_submit()
    bare.ClearField("order")
    return bare.SerializeToString() + b"\x1a" + bytes([len(spec)]) + spec


UNKNOWN_CASES: list[tuple[str, str, Callable[[], bytes]]] = [
    (SUBMIT, "999", lambda: a_submit().SerializeToString() + UNKNOWN),
    (SUBMIT, "order.999", lambda: _within(UNKNOWN)),
    (SUBMIT, "order.legs[0].999", lambda: _within(b"\x8a\x01" + bytes([len(UNKNOWN)]) + UNKNOWN)),
    ("/brokerapi.v1.QuotaService/GetQuota", "999", lambda: UNKNOWN),
    ("/brokerapi.v1.OrderService/GetOrder", "999", lambda: b"\x0a\x05ord_1" + UNKNOWN),
]


@pytest.mark.parametrize(("method", "field", "body"), UNKNOWN_CASES, ids=numbered(UNKNOWN_CASES, 1))
async def test_an_unknown_field_is_refused_at_any_depth(
    edge: Edge, method: str, field: str, body: Callable[[], bytes]
) -> None:
    """A field that the server does not know is refused and named by its number: it may have been reduce_only."""
    refusal = await refused(_raw(edge, method, body()))
    assert (refusal.code, refusal.reason, refusal.effect) == (INVALID, "UNKNOWN_FIELD", "NONE")
    assert refusal.fields == [field]
    assert edge.desk.seen == []


async def test_a_large_message_is_refused(edge: Edge) -> None:
    """A megabyte is refused, by the gateway with its details and above 1 MiB by gRPC without them."""
    refusal = await refused(edge.orders.SubmitOrder(a_submit(run_id="x" * 1_000_000), metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")
    assert refusal.effect == "NONE"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await edge.orders.SubmitOrder(a_submit(run_id="x" * 1_100_000), metadata=KEY)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert edge.desk.seen == []


CREDENTIALS: list[tuple[tuple[tuple[str, str], ...], grpc.StatusCode, str]] = [
    ((), grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING"),
    ((("authorization", "Basic YTpi"),), grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING"),
    ((("authorization", "Bearer wrong"),), grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID"),
    ((("x-api-key", "wrong"),), grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID"),
    ((("x-api-key", "brk_reader"),), grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING"),
]


@pytest.mark.parametrize(("metadata", "code", "reason"), CREDENTIALS, ids=numbered(CREDENTIALS, 2))
async def test_a_stranger_and_a_wrong_scope_are_refused(
    edge: Edge, metadata: tuple[tuple[str, str], ...], code: grpc.StatusCode, reason: str
) -> None:
    """Without a good key, or with one that lacks the scope, nothing of the request is even read."""
    refusal = await refused(_raw(edge, SUBMIT, b"\xff", metadata))
    assert (refusal.code, refusal.reason, refusal.effect) == (code, reason, "NONE")
    assert "wrong" not in str(refusal.details) + refusal.text
    assert edge.desk.seen == []


async def test_a_revoked_key_is_refused(edge: Edge) -> None:
    """A key that was good is refused from its revocation on."""
    await edge.orders.GetOrder(pb.GetOrderRequest(order_id="ord_1"), metadata=KEY)
    edge.authenticator.revoked.add("brk_good")
    refusal = await refused(edge.orders.GetOrder(pb.GetOrderRequest(order_id="ord_1"), metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "API_KEY_REVOKED")


async def test_too_short_a_deadline_is_refused_before_anything_is_sent(make_edge: MakeEdge) -> None:
    """A mutation whose deadline leaves no time for a broker is refused with the limit."""
    edge = await make_edge(deadline_min_s=30.0)
    refusal = await refused(edge.orders.SubmitOrder(a_submit(), metadata=KEY, timeout=10))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "DEADLINE_TOO_SHORT")
    assert (refusal.effect, refusal.metadata["retry"], refusal.metadata["limit"]) == ("NONE", "SAME_KEY", "30")
    assert edge.desk.seen == []
    await edge.orders.GetOrder(pb.GetOrderRequest(order_id="ord_1"), metadata=KEY, timeout=10)


async def test_an_unknown_method_says_so_with_details(edge: Edge) -> None:
    """A method that does not exist is UNIMPLEMENTED, whether its service exists or not, unary or streaming."""
    for method in ("/brokerapi.v1.OrderService/Nope", "/nobody.Knows/It"):
        refusal = await refused(_raw(edge, method, b"", ()))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_FOUND")
    channel: Any = edge.channel
    refusal = await refused(channel.unary_stream("/nobody.Knows/It")(b"").read())
    assert refusal.reason == "METHOD_NOT_FOUND"


async def test_a_fault_shows_an_incident_and_nothing_else(edge: Edge) -> None:
    """An unforeseen exception becomes INTERNAL_ERROR with an incident id; its class, text and place stay inside."""
    edge.desk.raises["submit"] = RuntimeError("SELECT * FROM orders -- /srv/secret.py")
    refusal = await refused(edge.orders.SubmitOrder(a_submit(), metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL_ERROR")
    assert (refusal.effect, refusal.metadata["retry"]) == ("POSSIBLE", "SAME_KEY")
    assert refusal.metadata["incident_id"].startswith("inc_")
    _clean(refusal)
    assert "secret" not in str(refusal)


async def test_a_fault_of_a_mere_read_leaves_no_order(edge: Edge) -> None:
    """A call that changes nothing has order_effect NONE whatever happens to it."""
    edge.desk.raises["get_order"] = RuntimeError("boom")
    refusal = await refused(edge.orders.GetOrder(pb.GetOrderRequest(order_id="ord_1"), metadata=KEY))
    assert (refusal.reason, refusal.effect) == ("INTERNAL_ERROR", "NONE")
