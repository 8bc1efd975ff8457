"""A proxy before PostgreSQL that cuts a connection at a COMMIT: before the server gets it, or after it has done it."""

import asyncio
from contextlib import suppress
from enum import Enum, auto
from typing import Final, Self

_PIECE: Final = 65_536
_DONE: Final = b"COMMIT\x00"
"""How the server's answer to a COMMIT ends (protocol message CommandComplete)."""


class Cut(Enum):
    """Where a COMMIT is lost."""

    REQUEST = auto()
    REPLY = auto()


class CommitCutter:
    """Passes bytes on until it is told to cut."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._cut: Cut | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.happened = asyncio.Event()

    async def open(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def close(self) -> None:
        """Cut everything and listen no more."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self, where: Cut | None) -> None:
        """Lose the next COMMIT; None loses none."""
        self._cut = where
        self.happened.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        both = (writer, back)
        self._writers.update(both)
        try:
            await asyncio.gather(
                self._pass(reader, back, both, Cut.REQUEST, b"COMMIT"),
                self._pass(there, writer, both, Cut.REPLY, _DONE),
            )
        finally:
            self._writers.difference_update(both)

    async def _pass(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        where: Cut,
        word: bytes,
    ) -> None:
        with suppress(OSError):
            while data := await source.read(_PIECE):
                if self._cut is where and word in data:
                    self._cut = None
                    self.happened.set()
                    break
                target.write(data)
                await target.drain()
        for writer in both:
            writer.transport.abort()
