"""Error details: small enough to arrive, whatever they hold."""

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from brokergw.model.errors import (
    FieldViolation,
    GatewayError,
    InvalidRequest,
    Objection,
    OrderEffect,
    PreflightDenied,
    Reason,
    Throttled,
)
from brokergw.rpc.wire.details import STATUS_BYTES_MAX, pushback_ms, status_of
from tests.fixtures.edge import KEY, Edge, a_submit, refused

LONG = "я" * 5_000


def _info(error: GatewayError, *, mutation: bool = True) -> dict[str, str]:
    info = error_details_pb2.ErrorInfo()
    status_of(error, "r-1", mutation=mutation).details[0].Unpack(info)
    return dict(info.metadata)


def _many(count: int, text: str) -> tuple[FieldViolation, ...]:
    return tuple(FieldViolation(f"field{n}{text}", f"rule {text}", Reason.FIELD_INVALID) for n in range(count))


FLOODS = {
    "violations": InvalidRequest(_many(300, "x" * 90)),
    "long violations": InvalidRequest(_many(3, LONG)),
    "objections": PreflightDenied(
        "sanity", tuple(Objection(Reason.PRICE_OFF_TICK, LONG, LONG, LONG, LONG) for _ in range(40))
    ),
    "metadata": GatewayError(Reason.BROKER_REJECTED, LONG, metadata={f"key{n}": LONG for n in range(100)}),
}


@pytest.mark.parametrize("name", list(FLOODS))
def test_details_stay_small(name: str) -> None:
    """However much there is to say, the status has at most 5,500 bytes and still says which reason it is."""
    status = status_of(FLOODS[name], "r" * 64, mutation=True)
    assert status.ByteSize() <= STATUS_BYTES_MAX
    assert status.details[0].Is(error_details_pb2.ErrorInfo.DESCRIPTOR)


@pytest.mark.parametrize("name", list(FLOODS))
async def test_the_largest_details_arrive(edge: Edge, name: str) -> None:
    """A client gets the true status of the worst floods, not the RESOURCE_EXHAUSTED of headers too large."""
    edge.desk.raises["submit"] = FLOODS[name]
    for _ in range(20):
        refusal = await refused(edge.orders.SubmitOrder(a_submit(), metadata=KEY))
        assert refusal.code is not grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refusal.reason == FLOODS[name].reason.value


def test_what_was_cut_is_told() -> None:
    """The number of violations that are not shown is in the metadata; when all are, it is not."""
    assert _info(InvalidRequest(_many(25, "")))["violations_cut"] == "5"
    assert "violations_cut" not in _info(InvalidRequest(_many(20, "")))


def test_limits_and_observed_values_are_numbered() -> None:
    """Each failed check that compares two values shows both, the first without a number."""
    error = PreflightDenied(
        "sanity",
        (
            Objection(Reason.ORDER_NOTIONAL_EXCEEDS_LIMIT, "order", "too much", "100", "250"),
            Objection(Reason.STOP_PRICE_WRONG_SIDE, "order.stop_price", "wrong side"),
            Objection(Reason.INSUFFICIENT_BUYING_POWER, "account", "too little", "1", "2"),
        ),
    )
    info = _info(error)
    assert (info["limit"], info["observed"], info["gate"]) == ("100", "250", "sanity")
    assert (info["limit_3"], info["observed_3"]) == ("1", "2")
    assert "limit_2" not in info


def test_an_objection_to_a_field_names_it_as_a_bad_field_too() -> None:
    """Where the reason is INVALID_ARGUMENT the failed checks come as BadRequest beside PreconditionFailure."""
    error = PreflightDenied("sanity", (Objection(Reason.PRICE_OFF_TICK, "order.limit_price", "off the grid"),))
    status = status_of(error, "r-1", mutation=True)
    names = [packed.type_url.rpartition(".")[2] for packed in status.details]
    assert names == ["ErrorInfo", "RequestInfo", "PreconditionFailure", "BadRequest"]


def test_no_caller_can_forge_the_two_words_that_decide() -> None:
    """Metadata of an error never overwrites order_effect and retry."""
    error = GatewayError(Reason.BROKER_REJECTED, "no", metadata={"order_effect": "EXISTS", "retry": "SAME_KEY"})
    info = _info(error)
    assert (info["order_effect"], info["retry"]) == ("NONE", "NEW_KEY")
    assert (
        _info(GatewayError(Reason.INTERNAL_ERROR, "x", effect=OrderEffect.EXISTS), mutation=False)["order_effect"]
        == "NONE"
    )


def test_pushback_is_whole_milliseconds() -> None:
    """A delay is told in milliseconds, rounded up; without one gRPC decides by itself."""
    assert pushback_ms(Throttled(Reason.RATE_LIMITED, "orders", 0.0101)) == "11"
    assert pushback_ms(GatewayError(Reason.INTERNAL_ERROR, "x")) is None
