"""One call, repeated where that is safe: reads when the gateway was not reached, mutations under one and the same key.

The rule for mutations is the contract's: on anything other than OK or `order_effect=NONE`, repeat the identical request
with the same key. A first attempt therefore never takes the whole of the caller's time: an answer that was lost needs
some of it to be asked for again.
"""

import itertools
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import grpc

from brokergw.client.errors import (
    EFFECT_NONE,
    EFFECT_POSSIBLE,
    RETRY_NEW_KEY,
    RETRY_SAME_KEY,
    GatewayCallError,
    call_error,
)
from brokergw.client.timing import Backoff, Timing

Request_contra = TypeVar("Request_contra", contravariant=True)
Response_co = TypeVar("Response_co", covariant=True)
Metadata = tuple[tuple[str, str], ...]

ATTEMPT_SHARE: Final = 0.5
"""The part of the caller's time that one attempt of a mutation may take."""

ATTEMPT_S_MIN: Final = 0.5
"""A repetition that would have less time than this, in seconds, is not begun."""

# Without status details these are the answers of something that refuses every call alike; asking again is noise.
_HOPELESS: Final = frozenset(
    {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED}
)


class UnaryMethod(Protocol[Request_contra, Response_co]):
    """A method of a generated stub."""

    def __call__(
        self, request: Request_contra, /, *, timeout: float | None = None, metadata: Metadata | None = None
    ) -> Awaitable[Response_co]:
        """Begin the call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Makes the calls of one client. `metadata` holds the API key and is never shown; times are seconds."""

    metadata: Metadata = field(repr=False)
    timeout_s: float
    timing: Timing
    backoff: Backoff

    async def once(
        self, method: UnaryMethod[Request_contra, Response_co], request: Request_contra, timeout_s: float | None
    ) -> Response_co:
        """Make a call that may not be repeated."""
        try:
            return await method(request, timeout=timeout_s or self.timeout_s, metadata=self.metadata)
        except grpc.aio.AioRpcError as error:
            raise call_error(error) from error

    async def read(
        self, method: UnaryMethod[Request_contra, Response_co], request: Request_contra, timeout_s: float | None
    ) -> Response_co:
        """Make a call that changes nothing, again while the gateway cannot be reached or asks to wait."""
        return await self._repeat(method, request, timeout_s or self.timeout_s, key="")

    async def mutate(
        self,
        method: UnaryMethod[Request_contra, Response_co],
        request: Request_contra,
        timeout_s: float | None,
        key: str,
    ) -> Response_co:
        """Make a keyed call, again under the same key while its outcome is in doubt."""
        return await self._repeat(method, request, timeout_s or self.timeout_s, key=key)

    async def _repeat(
        self, method: UnaryMethod[Request_contra, Response_co], request: Request_contra, timeout_s: float, key: str
    ) -> Response_co:
        ends = self.timing.monotonic() + timeout_s
        attempt_s = timeout_s * ATTEMPT_SHARE if key else timeout_s
        in_doubt = False
        for failures in itertools.count(1):
            left_s = ends - self.timing.monotonic()
            try:
                return await method(request, timeout=min(attempt_s, left_s), metadata=self.metadata)
            except grpc.aio.AioRpcError as error:
                failure = call_error(error, idempotency_key=key, mutation=bool(key))
                repeatable = may_repeat(failure)
                if in_doubt:
                    _keep_doubt(failure)
                in_doubt = failure.order_effect != EFFECT_NONE
                wait_s = self.backoff.wait_s(failures, self.timing.roll(), failure.retry_after_s or 0.0)
                left_s = ends - self.timing.monotonic()
                if not repeatable or wait_s + ATTEMPT_S_MIN > left_s:
                    raise failure from error
            await self.timing.sleep(wait_s)
        raise AssertionError("unreachable: counting never ends")


def may_repeat(failure: GatewayCallError) -> bool:
    """Tell whether the identical request may be sent again: under the same key, or none for a read."""
    if failure.retry != RETRY_SAME_KEY:
        return False
    if not failure.reason and failure.code in _HOPELESS:
        return False
    if failure.code is grpc.StatusCode.UNAVAILABLE or failure.retry_after_s is not None:
        return True
    return bool(failure.idempotency_key) and failure.order_effect != EFFECT_NONE


def _keep_doubt(failure: GatewayCallError) -> None:
    """Carry an earlier attempt's doubt over to a later refusal.

    A refusal before the key was looked at (throttled, draining, key revoked) says nothing about the attempt before it.
    Only a decision on the key itself does: one that asks for a new key, or a state that the request cannot change.
    """
    refused = failure.code is grpc.StatusCode.FAILED_PRECONDITION and failure.retry != RETRY_SAME_KEY
    decided = refused or failure.retry == RETRY_NEW_KEY
    if failure.order_effect == EFFECT_NONE and not decided:
        failure.order_effect = EFFECT_POSSIBLE
        failure.retry = RETRY_SAME_KEY
