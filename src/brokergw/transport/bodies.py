"""Taking in the bodies of answers: bounded each and together, at a bounded pace, large JSON read in turns."""

import asyncio
from collections.abc import AsyncIterable
from typing import Final

from brokergw.transport.intake import Intake
from brokergw.transport.rows import ReadBytes, Unusable
from brokergw.transport.turns import LARGE, read_in_turns

_ORDINARY_BYTES: Final = 64 * 1024
"""A body up to this size is held and read whatever the others do; what one has beyond it is counted."""


class TooLarge(Exception):
    """A body that is not read to its end."""


class Bodies:
    """What comes from one broker, each body of `bytes_max` bytes at most."""

    def __init__(self, intake: Intake, bytes_max: int) -> None:
        self._intake = intake
        self._bytes_max = bytes_max

    def require_fitting(self, size: int) -> None:
        """Refuse a body that is too large, or says that it will be; raises TooLarge."""
        if size > self._bytes_max:
            raise TooLarge(f"the answer exceeds {self._bytes_max} bytes")

    async def take(self, arriving: AsyncIterable[bytes]) -> bytes:
        """Take a body in; raises TooLarge. A large document in it has been read, and who asks for it finds it there.

        Of a large body that is no document nothing is kept but that it is none.
        """
        body = await self._whole(arriving)
        if len(body) < LARGE:
            return body
        read = await read_in_turns(body, self._intake.one_at_a_time)
        assert isinstance(read, ReadBytes), "what came as bytes"
        # Whoever keeps the error that this will be keeps the body, too.
        return ReadBytes(b"", read.document) if isinstance(read.document, Unusable) else read

    async def _whole(self, arriving: AsyncIterable[bytes]) -> bytes:
        parts: list[bytes] = []
        part = b""
        size = held = pieces = 0
        try:
            async for part in arriving:
                parts.append(part)
                size += len(part)
                self.require_fitting(size)
                if size <= _ORDINARY_BYTES:
                    continue
                self._require_room(len(part))
                held += len(part)
                pieces += 1
                if (pause_s := self._intake.pause_s(asyncio.get_running_loop().time(), len(part), pieces=0)) > 0:
                    await asyncio.sleep(pause_s)
            return b"".join(parts) if len(parts) != 1 else parts[0]
        finally:
            # Whoever keeps an error keeps this frame, too.
            parts.clear()
            part = b""
            self._intake.release(held, pieces)

    def _require_room(self, size: int) -> None:
        if not self._intake.hold(size):
            raise TooLarge("the answers under way are too large together")
