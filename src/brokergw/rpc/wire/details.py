"""A GatewayError as google.rpc.Status: every detail a client may need, small enough to arrive.

Details above about 8 KB never reach a client: its HTTP/2 layer refuses the headers and shows RESOURCE_EXHAUSTED in
place of the true status. So an error is shown in as much detail as fits, and the count of violations cut is told.
"""

import math
from dataclasses import dataclass
from typing import Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from grpc import StatusCode

from brokergw.model.errors import (
    GatewayError,
    InvalidRequest,
    NotFound,
    OrderEffect,
    PreflightDenied,
    Reason,
    Throttled,
)
from brokergw.rpc.wire.errors import ROWS
from brokergw.rpc.wire.reason_rows import Row
from brokergw.rpc.wire.times import duration_to_proto

DOMAIN: Final = "brokergw"
STATUS_BYTES_MAX: Final = 5_500
"""With the text, which travels once more and percent-encoded, and the other metadata, this stays below 8 KB."""

_MESSAGE_BYTES_MAX: Final = 400
_QUOTA_REASONS: Final = frozenset(
    {Reason.RATE_LIMITED, Reason.STREAM_LIMIT, Reason.CLIENT_CONNECTION_LIMIT, Reason.BROKER_RATE_LIMITED}
)


@dataclass(frozen=True, slots=True)
class _Room:
    """How much of an error is shown: how many violations and metadata keys, and how many bytes of each text."""

    violations: int
    keys: int
    text_bytes: int


_ROOMS: Final = (
    _Room(20, 24, 256),
    _Room(20, 24, 96),
    _Room(10, 16, 64),
    _Room(6, 12, 64),
    _Room(3, 12, 64),
    _Room(0, 8, 32),
)
_OBJECTIONS_MAX: Final = 10
"""How many failed checks of a gate are told at most."""


def status_of(error: GatewayError, request_id: str, *, mutation: bool) -> Status:
    """Write an error; what is no `mutation` leaves no order behind, whatever happened to it."""
    row = ROWS[error.reason]
    for room in _ROOMS:
        status = _status(error, row, request_id, room, mutation=mutation)
        if status.ByteSize() <= STATUS_BYTES_MAX:
            break
    return status


def pushback_ms(error: GatewayError) -> str | None:
    """Tell how long gRPC's own retries shall wait; None leaves it to them."""
    return None if error.retry_after_s is None else str(math.ceil(error.retry_after_s * 1_000))


def _status(error: GatewayError, row: Row, request_id: str, room: _Room, *, mutation: bool) -> Status:
    metadata = _metadata(error, row, room, mutation=mutation)
    parts: list[Message] = [
        details.ErrorInfo(reason=error.reason.value, domain=DOMAIN, metadata=metadata),
        details.RequestInfo(request_id=request_id),
        *_extras(error, room),
    ]
    if error.retry_after_s is not None:
        parts.append(details.RetryInfo(retry_delay=duration_to_proto(error.retry_after_s)))
    status = Status(code=row.code.value[0], message=_cut(error.message, _MESSAGE_BYTES_MAX))
    for part in parts:
        packed = AnyMessage()
        packed.Pack(part)
        status.details.append(packed)
    return status


def _cut(text: str, bytes_max: int) -> str:
    """Shorten a text to so many bytes of UTF-8, without splitting a character."""
    encoded = text.encode(errors="replace")
    return text if len(encoded) <= bytes_max else encoded[:bytes_max].decode(errors="ignore")


def _metadata(error: GatewayError, row: Row, room: _Room, *, mutation: bool) -> dict[str, str]:
    effect = error.effect or row.effect
    known = {
        "order_effect": (effect if mutation else OrderEffect.NONE).value,
        "retry": (error.retry or row.retry).value,
    }
    if error.order_id:
        known["order_id"] = error.order_id
    for name, value in list(error.metadata.items())[: room.keys]:
        known.setdefault(name[:64], _cut(value, room.text_bytes))
    if isinstance(error, PreflightDenied):
        known.update(_compared(error, room))
    cut = _count(error) - _told(error, room)
    if cut > 0:
        known["violations_cut"] = str(cut)
    return known


def _compared(error: PreflightDenied, room: _Room) -> dict[str, str]:
    """Give what each failed check compared: limit, who set it, what is used; numbered from the second on."""
    found: dict[str, str] = {}
    for index, objection in enumerate(error.objections[: _told(error, room)]):
        suffix = f"_{index + 1}" if index else ""
        facts = {
            "limit": objection.limit,
            "observed": objection.observed,
            "limit_name": objection.limit_name or None,
            "source": objection.source or None,
            "used": objection.used,
            "requested": objection.requested,
            "missing": " ".join(objection.missing) or None,
        }
        found |= {f"{name}{suffix}": _cut(value, room.text_bytes) for name, value in facts.items() if value is not None}
    return found


def _told(error: GatewayError, room: _Room) -> int:
    return min(room.violations, _OBJECTIONS_MAX) if isinstance(error, PreflightDenied) else room.violations


def _count(error: GatewayError) -> int:
    match error:
        case InvalidRequest():
            return len(error.violations)
        case PreflightDenied():
            return len(error.objections)
        case _:
            return 0


def _extras(error: GatewayError, room: _Room) -> list[Message]:
    match error:
        case InvalidRequest():
            return [_bad_request([(v.field, v.rule, v.reason) for v in error.violations], room)]
        case PreflightDenied():
            return _objections(error, room)
        case NotFound():
            return [_resource(error.kind, error.name, room)]
        case Throttled():
            return [_quota(error.subject, error.message, room)]
        case _ if error.reason in _QUOTA_REASONS:
            return [_quota(error.metadata.get("subject", "caller"), error.message, room)]
        case _ if error.order_id:
            return [_resource("order", error.order_id, room)]
        case _:
            return []


def _objections(error: PreflightDenied, room: _Room) -> list[Message]:
    violation = details.PreconditionFailure.Violation
    parts: list[Message] = [
        details.PreconditionFailure(
            violations=[
                violation(
                    type=objection.reason.value,
                    subject=_cut(objection.subject, room.text_bytes),
                    description=_cut(objection.description, room.text_bytes),
                )
                for objection in error.objections[: _told(error, room)]
            ]
        )
    ]
    if ROWS[error.reason].code is StatusCode.INVALID_ARGUMENT:
        told = error.objections[:_OBJECTIONS_MAX]
        parts.append(_bad_request([(o.subject, o.description, o.reason) for o in told], room))
    return parts


def _bad_request(broken: list[tuple[str, str, Reason]], room: _Room) -> details.BadRequest:
    violation = details.BadRequest.FieldViolation
    return details.BadRequest(
        field_violations=[
            violation(field=_cut(field, room.text_bytes), description=_cut(rule, room.text_bytes), reason=reason.value)
            for field, rule, reason in broken[: room.violations]
        ]
    )


def _resource(kind: str, name: str, room: _Room) -> details.ResourceInfo:
    return details.ResourceInfo(resource_type=kind, resource_name=_cut(name, room.text_bytes))


def _quota(subject: str, description: str, room: _Room) -> details.QuotaFailure:
    violation = details.QuotaFailure.Violation(
        subject=_cut(subject, room.text_bytes), description=_cut(description, room.text_bytes)
    )
    return details.QuotaFailure(violations=[violation])
