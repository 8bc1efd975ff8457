"""Outermost: what came with the call goes into the Call, and what goes out beside the answer is sent."""

import random
import re
from collections import Counter
from typing import Final

import structlog

from brokergw.ports.clock import Clock
from brokergw.rpc.call import Call, Handler
from brokergw.rpc.flight import Flight
from brokergw.rpc.policy import MethodPolicy

REQUEST_ID: Final = "x-request-id"
_RANDOM_BITS: Final = 96
_PAIR_BYTES: Final = 32
_SANE: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


class Context:
    """Reads the metadata, names the call, and counts it while it is in flight.

    A unary answer carries its metadata with the status: a header frame of its own would cost a quarter of a bare
    call. A stream sends its headers at once, so that a client knows that it stands.
    """

    def __init__(self, clock: Clock, flight: Flight) -> None:
        self._clock = clock
        self._flight = flight

    def wrap(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around every method."""
        board = self._flight.board(policy)
        streams = policy.streams

        async def handle(call: Call) -> bytes | None:
            self._read(call)
            if streams:
                await call.context.send_initial_metadata(((REQUEST_ID, call.request_id),))
            board.enter()
            try:
                answer = await proceed(call)
            finally:
                board.leave()
            call.context.set_trailing_metadata(call.trailing)
            return answer

        return handle

    def _read(self, call: Call) -> None:
        context = call.context
        pairs = context.invocation_metadata() or ()
        call.metadata = metadata = dict(pairs)
        call.metadata_bytes = sum([len(name) + len(value) for name, value in pairs]) + _PAIR_BYTES * len(pairs)
        if len(metadata) != len(pairs):
            counted = Counter(name for name, _ in pairs)
            call.repeated = frozenset(name for name, count in counted.items() if count > 1)
        given = metadata.get(REQUEST_ID)
        sane = isinstance(given, str) and _SANE.fullmatch(given) is not None
        # A name, not a secret: the operating system's generator would cost a system call for each.
        call.request_id = str(given) if sane else f"req-{random.getrandbits(_RANDOM_BITS):024x}"
        call.started = self._clock.monotonic()
        call.trailing.append((REQUEST_ID, call.request_id))
        structlog.contextvars.bind_contextvars(request_id=call.request_id)
