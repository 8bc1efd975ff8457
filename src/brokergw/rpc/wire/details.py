"""A GatewayError as google.rpc.Status: every detail a client may need, small enough to arrive.

Details above about 8 KB never reach a client: its HTTP/2 layer refuses the headers and shows RESOURCE_EXHAUSTED in
place of the true status. So violations are cut until the whole fits, and the count of those cut is told.
"""

import math
from typing import Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from brokergw.model.errors import (
    GatewayError,
    InvalidRequest,
    NotFound,
    OrderEffect,
    PreflightDenied,
    Reason,
    Throttled,
)
from brokergw.rpc.wire.errors import ROWS, Row
from brokergw.rpc.wire.times import duration_to_proto

DOMAIN: Final = "brokergw"
STATUS_BYTES_MAX: Final = 6_000
VIOLATIONS_MAX: Final = 20
_MESSAGE_LENGTH_MAX: Final = 300
_VALUE_LENGTH_MAX: Final = 256
_KEYS_MAX: Final = 24
_QUOTA_REASONS: Final = frozenset({Reason.RATE_LIMITED, Reason.STREAM_LIMIT, Reason.BROKER_RATE_LIMITED})


def status_of(error: GatewayError, request_id: str, *, mutation: bool) -> Status:
    """Write an error; what is no `mutation` leaves no order behind, whatever happened to it."""
    row = ROWS[error.reason]
    shown = VIOLATIONS_MAX
    status = _status(error, row, request_id, shown, mutation=mutation)
    while status.ByteSize() > STATUS_BYTES_MAX and shown:
        shown //= 2
        status = _status(error, row, request_id, shown, mutation=mutation)
    return status


def pushback_ms(error: GatewayError) -> str | None:
    """Tell how long gRPC's own retries shall wait; None leaves it to them."""
    return None if error.retry_after_s is None else str(math.ceil(error.retry_after_s * 1_000))


def _status(error: GatewayError, row: Row, request_id: str, shown: int, *, mutation: bool) -> Status:
    parts: list[Message] = [
        details.ErrorInfo(
            reason=error.reason.value, domain=DOMAIN, metadata=_metadata(error, row, shown, mutation=mutation)
        ),
        details.RequestInfo(request_id=request_id),
        *_extras(error, shown),
    ]
    if error.retry_after_s is not None:
        parts.append(details.RetryInfo(retry_delay=duration_to_proto(error.retry_after_s)))
    status = Status(code=row.code.value[0], message=error.message[:_MESSAGE_LENGTH_MAX])
    for part in parts:
        packed = AnyMessage()
        packed.Pack(part)
        status.details.append(packed)
    return status


def _metadata(error: GatewayError, row: Row, shown: int, *, mutation: bool) -> dict[str, str]:
    effect = error.effect or row.effect
    known = {
        "order_effect": (effect if mutation else OrderEffect.NONE).value,
        "retry": (error.retry or row.retry).value,
    }
    if error.order_id:
        known["order_id"] = error.order_id
    for name, value in list(error.metadata.items())[:_KEYS_MAX]:
        known.setdefault(name[:64], value[:_VALUE_LENGTH_MAX])
    if isinstance(error, PreflightDenied):
        known.update(_compared(error, shown))
    cut = _count(error) - shown
    if cut > 0:
        known["violations_cut"] = str(cut)
    return known


def _compared(error: PreflightDenied, shown: int) -> dict[str, str]:
    """Give the limit and the observed value of each failed check, numbered from the second on."""
    found: dict[str, str] = {}
    for index, objection in enumerate(error.objections[:shown]):
        suffix = f"_{index + 1}" if index else ""
        for name, value in (("limit", objection.limit), ("observed", objection.observed)):
            if value is not None:
                found[f"{name}{suffix}"] = value[:_VALUE_LENGTH_MAX]
    return found


def _count(error: GatewayError) -> int:
    match error:
        case InvalidRequest():
            return len(error.violations)
        case PreflightDenied():
            return len(error.objections)
        case _:
            return 0


def _extras(error: GatewayError, shown: int) -> list[Message]:
    match error:
        case InvalidRequest():
            return [_bad_request([(v.field, v.rule, v.reason) for v in error.violations[:shown]])]
        case PreflightDenied():
            return _objections(error, shown)
        case NotFound():
            return [_resource(error.kind, error.name)]
        case Throttled():
            return [_quota(error.subject, error.message)]
        case _ if error.reason in _QUOTA_REASONS:
            return [_quota(error.metadata.get("subject", "caller"), error.message)]
        case _ if error.order_id:
            return [_resource("order", error.order_id)]
        case _:
            return []


def _objections(error: PreflightDenied, shown: int) -> list[Message]:
    told = error.objections[:shown]
    violation = details.PreconditionFailure.Violation
    parts: list[Message] = [
        details.PreconditionFailure(
            violations=[
                violation(type=o.reason.value, subject=o.subject, description=o.description[:_VALUE_LENGTH_MAX])
                for o in told
            ]
        )
    ]
    if ROWS[error.reason].code.name == "INVALID_ARGUMENT":
        parts.append(_bad_request([(o.subject, o.description, o.reason) for o in told]))
    return parts


def _bad_request(broken: list[tuple[str, str, Reason]]) -> details.BadRequest:
    violation = details.BadRequest.FieldViolation
    return details.BadRequest(
        field_violations=[
            violation(field=field[:_VALUE_LENGTH_MAX], description=rule[:_VALUE_LENGTH_MAX], reason=reason.value)
            for field, rule, reason in broken
        ]
    )


def _resource(kind: str, name: str) -> details.ResourceInfo:
    return details.ResourceInfo(resource_type=kind, resource_name=name[:_VALUE_LENGTH_MAX])


def _quota(subject: str, description: str) -> details.QuotaFailure:
    violation = details.QuotaFailure.Violation
    return details.QuotaFailure(
        violations=[violation(subject=subject[:_VALUE_LENGTH_MAX], description=description[:_VALUE_LENGTH_MAX])]
    )
