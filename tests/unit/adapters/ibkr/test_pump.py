"""What moves from the link to the feed's one queue."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from brokergw.adapters.ibkr.stream import _pump
from brokergw.transport.websocket import Frame, LinkEvent


class Link:
    """A link that says a few things and ends, well or not."""

    def __init__(self, frames: int, error: Exception | None = None) -> None:
        self._frames = frames
        self._error = error

    async def listen(self) -> AsyncGenerator[LinkEvent, None]:
        """Say them."""
        for number in range(self._frames):
            yield Frame(str(number))
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize("frames", [3, 4, 5])
@pytest.mark.parametrize("error", [None, RuntimeError("broken")], ids=["well", "broken"])
async def test_the_end_is_told_however_full_the_queue_is(frames: int, error: Exception | None) -> None:
    """A listener hears everything and then the end, also where the queue was full when the link ended."""
    waiting: asyncio.Queue[object] = asyncio.Queue(4)
    pumping = asyncio.create_task(_pump(Link(frames, error), waiting))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    heard = []
    async with asyncio.timeout(10):
        while (item := await waiting.get()) is not None:
            heard.append(item)
        (ended,) = await asyncio.gather(pumping, return_exceptions=True)
    assert heard == [Frame(str(number)) for number in range(frames)]
    assert ended is error
