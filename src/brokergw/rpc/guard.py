"""Streams end with the right to read them: within a second of a revocation, whatever they are just waiting for."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from brokergw.model.errors import GatewayError
from brokergw.ports.clock import Clock
from brokergw.ports.identity import Identity
from brokergw.rpc.call import Call, Handler
from brokergw.rpc.policy import UNSURE, require_allowed

_LOOK_EVERY_S: Final = 0.25
_NEVER: Final = -1

_log = structlog.get_logger("brokergw.rpc")


@dataclass(slots=True, eq=False)
class _Open:
    call: Call
    task: "asyncio.Task[object]"
    refusal: GatewayError | None = None


class StreamGuard:
    """Looks after the open streams of all methods.

    Credentials are looked at again when somebody's rights have changed, and each when its own time is over.
    """

    def __init__(self, identity: Identity, clock: Clock) -> None:
        self._identity = identity
        self._clock = clock
        self._open: set[_Open] = set()
        self._seen = identity.changes
        self._watching: asyncio.Task[None] | None = None

    def around(self, proceed: Handler) -> Handler:
        """Stand around a streaming method, inside of its authentication."""

        async def handle(call: Call) -> bytes | None:
            task = asyncio.current_task()
            assert task is not None
            stream = _Open(call, task)
            self._enter(stream)
            try:
                return await proceed(call)
            except asyncio.CancelledError:
                if stream.refusal is None:
                    raise
                task.uncancel()
                raise stream.refusal from None
            finally:
                self._leave(stream)

        return handle

    def _enter(self, stream: _Open) -> None:
        self._open.add(stream)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="guard the streams")

    def _leave(self, stream: _Open) -> None:
        self._open.discard(stream)
        if not self._open and self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(_LOOK_EVERY_S)
            try:
                await self._look()
            except Exception:  # noqa: BLE001 - the next look may go well, and without one nobody is ended
                _log.exception("streams could not be looked after")

    async def _look(self) -> None:
        changes = self._identity.changes
        changed, self._seen = changes != self._seen, changes
        now_ns = self._clock.now_ns()
        for stream in [each for each in self._open if changed or _is_over(each, now_ns)]:
            refusal = await self._refusal(stream.call)
            if refusal is None:
                continue
            if refusal.reason in UNSURE:
                self._seen = _NEVER
            elif stream in self._open:
                stream.refusal = refusal
                stream.task.cancel()

    async def _refusal(self, call: Call) -> GatewayError | None:
        try:
            require_allowed(call.policy, await self._identity.authenticate(call.presented))
        except GatewayError as error:
            return error
        return None


def _is_over(stream: _Open, now_ns: int) -> bool:
    end_ns = stream.call.caller.principal.expire_time_ns
    return end_ns is not None and end_ns <= now_ns
