"""The witness: a process that passes bytes on, and knows from the kernel when each of them arrived.

The kernel stamps what a TCP socket receives (SO_TIMESTAMPNS) at the moment at which it comes in, and on the loopback
device that is inside the sender's own system call. So neither a busy broker nor a witness that gets no processor makes
a byte look later than it was, or earlier. Orders and the switch's answer pass the same witness and are stamped by the
same clock. Where one read takes several packets the kernel tells the time of the last one.

`python -m tests.killing.witness` is told by lines of JSON and answers each with one; it ends with its standard input.
"""

import asyncio
import json
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from tests.killing.http_bytes import Messages, Requests, Seen

SO_TIMESTAMPNS: Final = 35
"""The number of the option, and of the message that carries a stamp, in <asm-generic/socket.h>."""

_STAMP: Final = struct.Struct("qq")
_PIECE: Final = 65_536
_ORDERS: Final = "/v2/orders"

Note = Callable[[bytes, int], None]


class Unstamped(Exception):
    """The kernel gave no time of arrival, so that nothing can be judged."""


def stamps(listening: socket.socket) -> None:
    """Have the kernel stamp what the connections of a listening socket receive."""
    listening.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def receive(connection: socket.socket) -> tuple[bytes, int]:
    """Take what has arrived, and the Unix nanoseconds at which its last packet did; raises Unstamped."""
    data, notes, _, _ = connection.recvmsg(_PIECE, socket.CMSG_SPACE(_STAMP.size))
    if not data:
        return b"", 0
    for level, kind, content in notes:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = _STAMP.unpack(content)
            return data, seconds * 1_000_000_000 + nanoseconds
    raise Unstamped


class Witness:
    """The relays, and what they have seen since they were last told to forget."""

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._asked: list[int] = []
        self._answered: list[int] = []
        self._unstamped = 0
        self._began = _offset_ns()
        self._tasks: set[asyncio.Task[None]] = set()

    async def obey(self, told: dict[str, Any]) -> dict[str, Any]:
        """Do what a line says."""
        match told:
            case {"do": "relay", "to": [host, port], "broker": broker}:
                return {"port": await self._listen((host, port), broker=broker)}
            case {"do": "count"}:
                return {"count": sum(is_order(each) for each in self._seen)}
            case {"do": "tell"}:
                return {
                    "orders": [each.as_json() for each in self._seen if is_order(each)],
                    "passed": len(self._seen),
                    "asked": self._asked,
                    "answered": self._answered,
                    "unstamped": self._unstamped,
                    "clock_moved_ns": abs(_offset_ns() - self._began),
                }
            case {"do": "forget"}:
                for each in (self._seen, self._asked, self._answered):
                    each.clear()
                self._began = _offset_ns()
                return {}
        raise ValueError(told)

    async def _listen(self, target: tuple[str, int], *, broker: bool) -> int:
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        stamps(listening)
        listening.setblocking(False)
        self._begin(self._accept(listening, target, broker=broker))
        port: int = listening.getsockname()[1]
        return port

    async def _accept(self, listening: socket.socket, target: tuple[str, int], *, broker: bool) -> None:
        loop = asyncio.get_running_loop()
        while True:
            near, _ = await loop.sock_accept(listening)
            self._begin(self._serve(near, target, broker=broker))

    async def _serve(self, near: socket.socket, target: tuple[str, int], *, broker: bool) -> None:
        far = socket.socket()
        for each in (near, far):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stamps(each)
        there: Note
        back: Note
        if broker:
            there, back = Requests(self._seen).feed, _ignore
        else:
            there = Messages(self._asked, of_client=True).feed
            back = Messages(self._answered, of_client=False).feed
        with near, far, suppress(OSError):
            await asyncio.get_running_loop().sock_connect(far, target)
            ways = [asyncio.create_task(self._pass(*way)) for way in ((near, far, there), (far, near, back))]
            await asyncio.wait(ways)

    async def _pass(self, source: socket.socket, target: socket.socket, note: Note) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while True:
                await _readable(loop, source)
                try:
                    data, at_ns = receive(source)
                except Unstamped:
                    self._unstamped += 1
                    break
                if not data:
                    break
                note(data, at_ns)
                await loop.sock_sendall(target, data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def is_order(seen: Seen) -> bool:
    """Tell whether a request places or changes an order; one that cannot be read is taken for one."""
    return not seen.method or (seen.method in {"POST", "PATCH", "PUT"} and seen.path.startswith(_ORDERS))


async def _readable(loop: asyncio.AbstractEventLoop, source: socket.socket) -> None:
    ready = asyncio.Event()
    loop.add_reader(source, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(source)


def _ignore(data: bytes, at_ns: int) -> None:
    """Nothing of this direction is judged."""


def _offset_ns() -> int:
    """How far the wall clock, by which the kernel stamps, is from the one that nobody sets."""
    return time.time_ns() - time.monotonic_ns()


async def main() -> None:
    """Obey until the other side closes."""
    witness = Witness()
    while line := await asyncio.to_thread(sys.stdin.readline):
        sys.stdout.write(json.dumps(await witness.obey(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    # An interruption is the business of the runner, whose end closes the input.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(main())
