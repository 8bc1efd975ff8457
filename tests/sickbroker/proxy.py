"""`python -m tests.sickbroker.proxy`: stands before a broker's simulator, and is sick when it is told to.

It prints one line of JSON with its port, then takes lines of JSON: `{"broker": PORT}` says whom it stands before, with
`"frames": TEXT` what a frame holds that is an order; `{"mood": NAME}` makes it sick, `{"mood": ""}` well. Each line is
answered by one that says how many have visited the stranger, how often a mood was met, and how many streams are well. A
change of mood cuts every connection but the streams that are well; `{"cut": true}` ends these too. No mood takes a
request for tokens: a refresh token is good once.
"""

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tests.sickbroker.frames import ClientFrames
from tests.sickbroker.moods import MOODS, Kind, Mood, Patient

_PIECE: Final = 64 * 1024
_GREETING_S: Final = 0.5
"""How long a websocket is well before its server's sickness shows."""
_GONE: Final = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError)


@dataclass(eq=False)
class _Connection:
    """One connection of the gateway's; `spoil` is set when its stream is to show the mood."""

    task: asyncio.Task[None]
    is_stream: bool = False
    spoil: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Proxy:
    """The sick server."""

    broker: int = 0
    frames: bytes = b""
    mood: Mood | None = None
    stranger: bytes = b""
    strangers: int = 0
    met: int = 0
    _open: set[_Connection] = field(default_factory=set)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play the mood of the moment on a connection."""
        task = asyncio.current_task()
        assert task is not None
        connection = _Connection(task)
        self._open.add(connection)
        try:
            await self._converse(connection, reader, writer)
        except (*_GONE, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(connection)
            writer.transport.abort()

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Count somebody who comes to the stranger."""
        self.strangers += 1
        writer.close()

    @property
    def streams(self) -> int:
        """Count the websockets that are open and well."""
        return sum(each.is_stream and not each.spoil.is_set() for each in self._open)

    def change(self, mood: Mood | None, *, cut: bool) -> None:
        """Be sick in another way from now on, or well; `cut` ends the streams too."""
        self.mood = mood
        for connection in tuple(self._open):
            well = connection.is_stream and not connection.spoil.is_set()
            if not well or cut or (mood is not None and mood.kind is Kind.CLOSED):
                connection.task.cancel()
            elif mood is not None and mood.kind is Kind.STREAM:
                connection.spoil.set()

    async def _converse(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        mood = self.mood
        if mood is not None and mood.kind is Kind.CLOSED:
            await self._show(mood, reader, writer)
            return
        while True:
            request, path = await _read(reader)
            connection.is_stream = b"upgrade: websocket" in request.lower()
            of_stream = connection.is_stream and mood is not None and mood.commands_only
            if mood is None or of_stream or mood.kind in {Kind.STREAM, Kind.FRAMES}:
                await self._pass_on(connection, reader, writer, request)
                return
            if mood.commands_only and request.startswith(b"GET"):
                writer.write(await self._ask(request))
                continue
            if mood.takes and b"token" not in path:
                await self._ask(request)
            await self._show(mood, reader, writer, path)

    async def _show(
        self, mood: Mood, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: bytes = b""
    ) -> None:
        self.met += 1
        await mood.act(Patient(reader, writer, path, self.stranger))

    async def _ask(self, request: bytes) -> bytes:
        """Give a request to the broker, and what it answers back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.broker)
        try:
            writer.write(request)
            answer, _ = await _read(reader)
            return answer
        finally:
            writer.transport.abort()

    async def _pass_on(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes
    ) -> None:
        """Be a wire in both directions, until a stream shows the mood, in a sick one after the greeting."""
        there, back = await asyncio.open_connection("127.0.0.1", self.broker)
        back.write(first)
        framed = connection.is_stream and self.frames
        sends = self._pump_frames(connection, reader, back) if framed else _pump(reader, back)
        pumps = [asyncio.create_task(sends), asyncio.create_task(_pump(there, writer))]
        spoilt = asyncio.create_task(connection.spoil.wait())
        try:
            sick = connection.is_stream and self.mood is not None and self.mood.kind is Kind.STREAM
            await asyncio.wait(
                [*pumps, spoilt], timeout=_GREETING_S if sick else None, return_when=asyncio.FIRST_COMPLETED
            )
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            if self.mood is not None and (sick or connection.spoil.is_set()):
                connection.spoil.set()
                await self._show(self.mood, reader, writer)
        finally:
            for task in (*pumps, spoilt):
                task.cancel()
            await asyncio.gather(*pumps, spoilt, return_exceptions=True)
            back.transport.abort()

    async def _pump_frames(
        self, connection: _Connection, reader: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> None:
        """Hand on what the gateway says, and show the mood when an order is among it that is not to be answered."""
        frames = ClientFrames()
        with suppress(*_GONE):
            while data := await reader.read(_PIECE):
                for raw, text in frames.cut(data):
                    mood = self.mood
                    spoilt = mood is not None and mood.kind is Kind.FRAMES and self.frames in text
                    if not spoilt or (mood is not None and mood.takes):
                        back.write(raw)
                        await back.drain()
                    if spoilt:
                        connection.spoil.set()
                        return


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(*_GONE):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read a request or an answer whole; gives it, and the path that it asks for."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    return head + await reader.readexactly(size), head.split(b" ")[1]


async def _serve() -> None:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    stranger = await asyncio.start_server(proxy.visit, "127.0.0.1", 0)
    port, other = (each.sockets[0].getsockname()[1] for each in (server, stranger))
    proxy.stranger = b"http://127.0.0.1:%d/taken" % other
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _say({"port": port})
    while line := await lines.readline():
        told: dict[str, Any] = json.loads(line)
        proxy.broker = told.get("broker", proxy.broker)
        proxy.frames = told.get("frames", "").encode() or proxy.frames
        if "mood" in told:
            proxy.change(MOODS[told["mood"]] if told["mood"] else None, cut=told.get("cut", False))
        _say({"strangers": proxy.strangers, "met": proxy.met, "streams": proxy.streams})
    proxy.change(None, cut=True)


def _say(document: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve())
