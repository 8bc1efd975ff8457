"""Bytes become a command once, with every broken rule told at once; the answer becomes bytes in the service."""

import asyncio
from typing import Final

from google.protobuf.message import DecodeError, Message

from brokergw.model.errors import FieldViolation, GatewayError, InvalidRequest, Reason
from brokergw.model.ids import is_idempotency_key
from brokergw.rpc.call import Call, Handler
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.settings import RpcSettings
from brokergw.rpc.wire.counts import counter_of, too_large
from brokergw.rpc.wire.found import Found
from brokergw.rpc.wire.unknown import unknown_fields

_KEY_HEADER: Final = "idempotency-key"


class Decode:
    """Reads requests, and sees to it that a call has time enough."""

    def __init__(self, settings: RpcSettings) -> None:
        self._size_max = settings.request_bytes_max
        self._deadline_min_s = settings.deadline_min_s
        self._deadline_default_s = settings.deadline_default_s

    def wrap(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around every method that has a request message of its own."""
        count = counter_of(policy.request)
        bounded = proceed if policy.streams else self._bounded(policy, proceed)

        async def handle(call: Call) -> bytes | None:
            if call.requests is None:
                call.message = message = self._message(policy, call.body)
                if count is not None and (items := count(message)) > policy.items_max:
                    raise too_large("items", items, policy.items_max)
                found = Found()
                if policy.keyed:
                    _take_key(call, message, found)
                call.command = policy.decode(message, found)
                found.check()
            return await bounded(call)

        return handle

    def _message(self, policy: MethodPolicy, body: bytes) -> Message:
        if len(body) > self._size_max:
            raise too_large("bytes", len(body), self._size_max)
        try:
            message = policy.request.FromString(body)
        except DecodeError:
            raise GatewayError(
                Reason.REQUEST_UNDECODABLE, f"the bytes are no {policy.request.DESCRIPTOR.name}"
            ) from None
        size = message.ByteSize()
        message.DiscardUnknownFields()
        if message.ByteSize() != size:
            raise InvalidRequest(unknown_fields(policy.request.FromString(body)))
        return message

    def _bounded(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        minimum = self._deadline_min_s if policy.keyed else 0.0

        async def handle(call: Call) -> bytes | None:
            remaining = call.context.time_remaining()
            if remaining is None:
                return await self._own_deadline(call, proceed)
            if remaining < minimum:
                raise GatewayError(
                    Reason.DEADLINE_TOO_SHORT,
                    f"the deadline leaves less than {minimum:g} s",
                    metadata={"limit": f"{minimum:g}", "observed": f"{remaining:.3f}"},
                )
            return await proceed(call)

        return handle

    async def _own_deadline(self, call: Call, proceed: Handler) -> bytes | None:
        try:
            async with asyncio.timeout(self._deadline_default_s):
                return await proceed(call)
        except TimeoutError:
            raise GatewayError(
                Reason.DEADLINE_EXCEEDED,
                f"the call had no deadline and did not end within {self._deadline_default_s:g} s",
            ) from None


def _take_key(call: Call, message: Message, found: Found) -> None:
    """Check the idempotency key, which comes in the field or in the metadata."""
    key: str = message.idempotency_key  # type: ignore[attr-defined]
    if _KEY_HEADER in call.metadata:
        key = _merged_key(call, key, found)
        message.idempotency_key = key  # type: ignore[attr-defined]
    if not key:
        found.violations.insert(0, FieldViolation("idempotency_key", "is required", Reason.IDEMPOTENCY_KEY_REQUIRED))
    elif not is_idempotency_key(key):
        found.violations.insert(
            0,
            FieldViolation(
                "idempotency_key", "must be a UUID of version 4 or 7, 36 characters", Reason.IDEMPOTENCY_KEY_INVALID
            ),
        )


def _merged_key(call: Call, key: str, found: Found) -> str:
    given = {value for name, value in call.context.invocation_metadata() or () if name == _KEY_HEADER}
    if key:
        given.add(key)
    if len(given) > 1:
        found.add("idempotency_key", f"differs from the metadata {_KEY_HEADER}", Reason.IDEMPOTENCY_KEY_INVALID)
    return key or call.text(_KEY_HEADER)
