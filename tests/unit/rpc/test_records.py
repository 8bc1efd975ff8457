"""What a call leaves behind: an audit row, its metrics, its span, and a log line where it failed."""

from typing import Any

import grpc
import pytest
import structlog
from brokerapi.v1 import orders_pb2 as pb
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.fixtures.edge import KEY, UUID, Edge, MakeEdge, a_spec, a_submit, refused
from tests.fixtures.edge_samples import ACCOUNT, NOW_NS

SUBMIT = "/brokerapi.v1.OrderService/SubmitOrder"


async def test_an_audited_call_leaves_one_row_with_its_ending(edge: Edge) -> None:
    """Who, what, on which account and order, how it ended and how long it took; nothing of a credential."""
    answer = await edge.orders.SubmitOrder(a_submit(), metadata=(*KEY, ("x-request-id", "r-1")))
    (row,) = edge.book.rows
    assert (row.request_id, row.user_id, row.key_id) == ("r-1", "ann", "key_1")
    assert (row.action, row.outcome, row.reason) == ("brokerapi.v1.OrderService/SubmitOrder", "OK", "")
    assert (row.account_id, row.order_id) == (ACCOUNT, answer.order.order_id)
    assert row.time_ns == NOW_NS
    assert row.duration_ns == 0
    assert row.address.startswith("ipv4:127.0.0.1:")
    assert "brk_good" not in str(row)


async def test_refused_calls_leave_their_row_too(edge: Edge) -> None:
    """A stranger, a caller without scope, a bad request and a closed gate are all on record with their reason."""
    await refused(edge.orders.SubmitOrder(a_submit(), metadata=()))
    await refused(edge.orders.SubmitOrder(a_submit(), metadata=(("x-api-key", "brk_reader"),)))
    await refused(edge.orders.SubmitOrder(a_submit(a_spec(quantity="0")), metadata=KEY))
    await refused(edge.orders.SubmitOrder(a_submit(a_spec(symbol="NOPE")), metadata=KEY))
    await refused(edge.orders.CancelOrder(pb.CancelOrderRequest(idempotency_key=UUID, order_id="o-9"), metadata=KEY))
    assert [(row.user_id, row.outcome, row.reason, row.order_id) for row in edge.book.rows] == [
        ("", "UNAUTHENTICATED", "CREDENTIALS_MISSING", ""),
        ("ann", "PERMISSION_DENIED", "SCOPE_MISSING", ""),
        ("ann", "INVALID_ARGUMENT", "INVALID_ORDER_FIELD", ""),
        ("ann", "FAILED_PRECONDITION", "INSTRUMENT_NOT_FOUND", ""),
        ("ann", "NOT_FOUND", "ORDER_NOT_FOUND", "o-9"),
    ]


async def test_reads_leave_no_row(edge: Edge) -> None:
    """Only what changes something, or touches credentials, is audited."""
    await edge.orders.GetOrder(pb.GetOrderRequest(order_id="ord_1"), metadata=KEY)
    assert edge.book.rows == []


async def test_calls_are_counted_by_method_code_and_reason(edge: Edge) -> None:
    """Good and refused calls are counted apart, unary ones timed, and none stays in flight."""
    await edge.orders.SubmitOrder(a_submit(), metadata=KEY)
    await refused(edge.orders.SubmitOrder(a_submit(a_spec(quantity="0")), metadata=KEY))
    channel: Any = edge.channel
    await refused(channel.unary_unary("/who.Knows/What")(b""))
    assert edge.metric("brokergw_rpc_calls_total", method=SUBMIT, code="OK", reason="") == 1
    bad = {"method": SUBMIT, "code": "INVALID_ARGUMENT", "reason": "INVALID_ORDER_FIELD"}
    assert edge.metric("brokergw_rpc_calls_total", **bad) == 1
    unknown = {"method": "/unknown/Unknown", "code": "UNIMPLEMENTED", "reason": "METHOD_NOT_FOUND"}
    assert edge.metric("brokergw_rpc_calls_total", **unknown) == 1
    assert edge.metric("brokergw_rpc_seconds_count", method=SUBMIT) == 2
    assert edge.metric("brokergw_rpc_in_flight", method=SUBMIT) == 0


async def test_a_span_continues_the_callers_trace(make_edge: MakeEdge) -> None:
    """With a tracer each call is a server span under the caller's traceparent, marked with what went wrong."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    edge = await make_edge(tracer=provider.get_tracer("test"))
    parent = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    await edge.orders.SubmitOrder(a_submit(), metadata=(*KEY, parent))
    await refused(edge.orders.SubmitOrder(a_submit(a_spec(symbol="NOPE")), metadata=KEY))
    good, bad = exporter.get_finished_spans()
    assert good.name == "brokerapi.v1.OrderService/SubmitOrder"
    assert good.kind is SpanKind.SERVER
    assert good.context is not None
    assert f"{good.context.trace_id:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert (bad.status.status_code, bad.status.description, bad.events) == (
        StatusCode.ERROR,
        "IDEMPOTENCY_KEY_REUSED",
        (),
    )
    provider.shutdown()


async def test_an_incident_is_in_the_log_with_its_traceback_and_no_key(
    edge: Edge, capsys: pytest.CaptureFixture[str]
) -> None:
    """The id that the client got finds the traceback in the log, and the log shows no credential."""
    edge.desk.raises["submit"] = RuntimeError("boom")
    with structlog.testing.capture_logs() as logged:
        refusal = await refused(edge.orders.SubmitOrder(a_submit(), metadata=KEY))
    assert refusal.code is grpc.StatusCode.INTERNAL
    (line,) = logged
    assert line["incident_id"] == refusal.metadata["incident_id"]
    assert "RuntimeError: boom" in line["traceback"]
    assert "brk_good" not in str(logged) + capsys.readouterr().out
