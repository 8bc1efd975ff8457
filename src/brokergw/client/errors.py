"""A call that did not end with OK, as its status details tell it.

The server describes every refusal with `google.rpc.Status` details: a reason of the published catalogue, what became of
the order, and which key a repetition takes. A failure that carries no details was made on the way (a lost connection, a
deadline, a proxy): for a mutation it says nothing about the order, and is treated so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

_DETAILS_KEY: Final = "grpc-status-details-bin"
_CONTROL: Final = frozenset({"order_effect", "retry", "order_id"})

EFFECT_NONE: Final = "NONE"
EFFECT_POSSIBLE: Final = "POSSIBLE"
RETRY_SAME_KEY: Final = "SAME_KEY"
RETRY_NEW_KEY: Final = "NEW_KEY"
RETRY_NEVER: Final = "NEVER"

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that breaks a rule of the contract: its path, the rule in words, the reason."""

    field: str
    description: str
    reason: str


@dataclass(frozen=True, slots=True)
class PreflightViolation:
    """One check that said no: its reason, what it is about, and why in words."""

    reason: str
    subject: str
    description: str


class GatewayCallError(Exception):
    """A call did not end with OK.

    Decide on `reason`, `order_effect` and `retry`, never on the text. Reasons, effects and retries are open lists: a
    newer gateway may send words that are not known here.

    Attributes:
        code: the gRPC status code.
        reason: a word of the published catalogue; empty when the failure was not made by the gateway.
        order_effect: NONE (nothing was left at the broker), POSSIBLE or EXISTS.
        retry: SAME_KEY, NEW_KEY or NEVER.
        message: the sentence for a person.
        metadata: the variable parts of the message, by name.
        field_violations: which fields break which rule.
        preflight_violations: which checks said no.
        retry_after_s: how long the server asks to wait, in seconds; None when it does not.
        request_id: the id under which the gateway logged the call.
        order_id: the order that it is about, when known.
        idempotency_key: the key that the call went under; empty for reads. To find out what became of a call with
            `order_effect` other than NONE, make the same call again with this key.
    """

    def __init__(
        self,
        *,
        code: grpc.StatusCode,
        reason: str = "",
        order_effect: str = EFFECT_NONE,
        retry: str = RETRY_NEVER,
        message: str = "",
        metadata: Mapping[str, str] | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
        preflight_violations: tuple[PreflightViolation, ...] = (),
        retry_after_s: float | None = None,
        request_id: str = "",
        order_id: str = "",
        idempotency_key: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.order_effect = order_effect
        self.retry = retry
        self.message = message
        self.metadata = dict(metadata or {})
        self.field_violations = field_violations
        self.preflight_violations = preflight_violations
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.order_id = order_id
        self.idempotency_key = idempotency_key

    def __str__(self) -> str:
        name = f"{self.code.name} {self.reason}".strip()
        return f"{name}: {self.message} (order_effect={self.order_effect}, retry={self.retry})"


class StreamBroken(Exception):
    """A stream skipped events of an account, and did so again after it was resumed: its record cannot be trusted."""


def call_error(error: grpc.aio.AioRpcError, *, idempotency_key: str = "", mutation: bool = False) -> GatewayCallError:
    """Read a failed call's status details; without any, assume the worst that the kind of call allows."""
    status = _status(error)
    info = _detail(status, error_details_pb2.ErrorInfo)
    told = dict(info.metadata) if info is not None else {}
    return GatewayCallError(
        code=error.code(),
        reason=info.reason if info is not None else "",
        order_effect=told.get("order_effect", EFFECT_POSSIBLE if mutation else EFFECT_NONE),
        retry=told.get("retry", RETRY_SAME_KEY),
        message=status.message or error.details() or "the call failed without a message",
        metadata={name: value for name, value in told.items() if name not in _CONTROL},
        field_violations=_field_violations(status),
        preflight_violations=_preflight_violations(status),
        retry_after_s=_retry_after_s(status),
        request_id=_request_id(error, status),
        order_id=told.get("order_id", ""),
        idempotency_key=idempotency_key,
    )


def _status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                status.ParseFromString(value)
            except DecodeError:
                # Details that cannot be read are no details: the code alone decides, cautiously.
                return status_pb2.Status()
    return status


def _detail(status: status_pb2.Status, kind: type[M]) -> M | None:
    for packed in status.details:
        found = kind()
        if packed.Is(kind.DESCRIPTOR) and packed.Unpack(found):
            return found
    return None


def _field_violations(status: status_pb2.Status) -> tuple[FieldViolation, ...]:
    told = _detail(status, error_details_pb2.BadRequest)
    if told is None:
        return ()
    return tuple(FieldViolation(v.field, v.description, v.reason) for v in told.field_violations)


def _preflight_violations(status: status_pb2.Status) -> tuple[PreflightViolation, ...]:
    told = _detail(status, error_details_pb2.PreconditionFailure)
    if told is None:
        return ()
    return tuple(PreflightViolation(v.type, v.subject, v.description) for v in told.violations)


def _retry_after_s(status: status_pb2.Status) -> float | None:
    told = _detail(status, error_details_pb2.RetryInfo)
    return None if told is None else told.retry_delay.ToNanoseconds() / 1e9


def _request_id(error: grpc.aio.AioRpcError, status: status_pb2.Status) -> str:
    told = _detail(status, error_details_pb2.RequestInfo)
    if told is not None and told.request_id:
        return str(told.request_id)
    everything = (*(error.initial_metadata() or ()), *(error.trailing_metadata() or ()))
    return next((str(value) for key, value in everything if key == "x-request-id"), "")
