"""One connection of a client: who it has proved to be, what it listens to, and what waits to be sent to it."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from brokergw.sim.dialects.ctrader.codec import Wire
from brokergw.sim.dialects.ctrader.refusals import too_often
from brokergw.sim.faults import FaultName, Faults
from brokergw.sim.telling import Teller

_SECOND_NS: Final = 1_000_000_000


class Window:
    """A budget of so many requests in any second; None counts nothing."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._times: deque[int] = deque()

    def spend(self, now_ns: int) -> None:
        """Count a request; raises OpenApiError when there were too many."""
        if self._most is None:
            return
        while self._times and now_ns - self._times[0] >= _SECOND_NS:
            self._times.popleft()
        if len(self._times) >= self._most:
            raise too_often(1)
        self._times.append(now_ns)


class Link:
    """One connection. `cut` ends it at once, with nothing more said."""

    def __init__(
        self, wire: Wire, faults: Faults, cut: Callable[[], None], *, budget: int | None, history: int | None
    ) -> None:
        self.wire = wire
        self.cut = cut
        self.client_id = ""
        self.tokens: dict[int, str] = {}
        self.spots: dict[tuple[int, int], tuple[int, int]] = {}
        self.requests = Window(budget)
        self.history = Window(history)
        self.held_back: list[bytes] | None = None
        self._faults = faults
        self._teller = Teller(faults, self.send, cut)
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def say(self, payload_type: int, payload: Mapping[str, Any], message_id: str = "") -> None:
        """Queue a message; while an answer is being made it is kept with it."""
        self.send(self.wire.encode(payload_type, payload, message_id))

    def send(self, frame: bytes) -> None:
        """Queue a frame."""
        if self.held_back is not None:
            self.held_back.append(frame)
        else:
            self._queue.put_nowait(frame)

    def tell(self, payload_type: int, payload: Mapping[str, Any], event: str, message_id: str) -> None:
        """Tell an event of an account, as the faults let it through."""
        frame = self.wire.encode(payload_type, payload, message_id)
        faults = self._faults
        if message_id:
            # What a request has brought about is its answer; faults for answers strike there.
            self.send(frame)
            if faults and faults.strike_event(FaultName.DUPLICATE_EVENTS, event):
                self.send(frame)
        else:
            self._teller.tell(event, frame)

    def release(self) -> None:
        """Send what was held back to come late."""
        self._teller.release()

    def end(self) -> None:
        """End the connection after what is queued."""
        self._queue.put_nowait(None)

    async def next_frame(self) -> bytes | None:
        """Give the next frame to be sent; None when there is to be an end."""
        return await self._queue.get()
