import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from brokergw.client import Client, FieldViolation, GatewayCallError, PreflightViolation
from brokergw.client.errors import call_error
from tests.fixtures.fake_gateway import Failure, FakeGateway


async def failure_of(gateway: FakeGateway, client: Client, failure: Failure) -> GatewayCallError:
    """Cancel an order and give what it fails with."""
    gateway.fail("CancelOrder", failure)
    with pytest.raises(GatewayCallError) as failed:
        await client.cancel("ord_1")
    return failed.value


async def test_every_detail_of_a_refusal_is_read(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """Reason, effect, retry, ids, violations and the variable parts of the message come out of the status details."""
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="order.limit_price", description="off the tick", reason="PRICE_OFF_TICK")
    denied = error_details_pb2.PreconditionFailure()
    denied.violations.add(type="INSUFFICIENT_BUYING_POWER", subject="acc_1", description="needs 10, has 5")
    failure = Failure(
        grpc.StatusCode.FAILED_PRECONDITION,
        "INSUFFICIENT_BUYING_POWER",
        "NONE",
        "NEW_KEY",
        retry_after_s=1.25,
        message="not enough buying power",
        metadata={"gate": "broker_state", "order_id": "ord_1"},
        details=(bad, denied, error_details_pb2.RequestInfo(request_id="req_1")),
    )

    error = await failure_of(fake_gateway, quick_client, failure)

    assert error.code is grpc.StatusCode.FAILED_PRECONDITION
    assert (error.reason, error.order_effect, error.retry) == ("INSUFFICIENT_BUYING_POWER", "NONE", "NEW_KEY")
    assert error.message == "not enough buying power"
    assert error.metadata == {"gate": "broker_state"}
    assert error.order_id == "ord_1"
    assert error.request_id == "req_1"
    assert error.retry_after_s == 1.25
    assert error.field_violations == (FieldViolation("order.limit_price", "off the tick", "PRICE_OFF_TICK"),)
    assert error.preflight_violations == (PreflightViolation("INSUFFICIENT_BUYING_POWER", "acc_1", "needs 10, has 5"),)


async def test_a_reason_of_a_newer_gateway_is_passed_on(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """Unknown words are no error of the client's."""
    failure = Failure(grpc.StatusCode.FAILED_PRECONDITION, "MOON_IN_WRONG_PHASE", "PARTLY", "TOMORROW")

    error = await failure_of(fake_gateway, quick_client, failure)

    assert (error.reason, error.order_effect, error.retry) == ("MOON_IN_WRONG_PHASE", "PARTLY", "TOMORROW")


@pytest.mark.parametrize(("mutation", "effect"), [(True, "POSSIBLE"), (False, "NONE")])
def test_without_details_the_worst_is_assumed(*, mutation: bool, effect: str) -> None:
    """A mutation that failed on the way may have left an order; a read cannot."""
    error = call_error(made_of(grpc.StatusCode.UNAVAILABLE, ()), mutation=mutation)

    assert (error.order_effect, error.retry, error.reason) == (effect, "SAME_KEY", "")
    assert error.message == "connection reset"


def test_details_that_cannot_be_read_count_as_none() -> None:
    """Garbage in the details does not hide the failure."""
    error = call_error(made_of(grpc.StatusCode.INTERNAL, (("grpc-status-details-bin", b"\xff\xff"),)), mutation=True)

    assert error.code is grpc.StatusCode.INTERNAL
    assert error.order_effect == "POSSIBLE"


@pytest.mark.parametrize("trailing", [True, False])
def test_the_request_id_is_found_in_the_metadata_too(*, trailing: bool) -> None:
    """A failure without details still leads to the gateway's log."""
    told = grpc.aio.Metadata(("x-request-id", "req_7"))
    raw = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, None if trailing else told, told if trailing else None)

    assert call_error(raw).request_id == "req_7"


def test_an_error_reads_as_one_line_with_what_to_decide_on() -> None:
    """The text has code, reason, sentence, effect and retry."""
    error = GatewayCallError(
        code=grpc.StatusCode.NOT_FOUND, reason="ORDER_NOT_FOUND", retry="NEVER", message="order was not found"
    )

    assert str(error) == "NOT_FOUND ORDER_NOT_FOUND: order was not found (order_effect=NONE, retry=NEVER)"


def made_of(code: grpc.StatusCode, trailing: tuple[tuple[str, bytes], ...]) -> grpc.aio.AioRpcError:
    """Make a failed call without a server."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), "connection reset")
