"""What the witness makes of the bytes that pass it: requests to the broker, and the answers of gateways.

Each part of a stream comes with the moment at which the kernel received the last byte of it.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)[ \t]*(?=\r\n)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_UPGRADE: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_CLIENT_ORDER_ID: Final = re.compile(rb'"client_order_id": ?"([^"]+)"')

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_HEAD: Final = 9
_DATA: Final = 0


@dataclass(slots=True)
class Seen:
    """A request on its way to the broker: Unix nanoseconds at which its first and its last byte arrived.

    `method` is empty while the head is not complete, and of what is no request that can be read.
    """

    first_ns: int
    last_ns: int
    method: str = ""
    path: str = ""
    client_order_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give it in JSON types."""
        return asdict(self)


class Requests:
    """The requests of one HTTP/1.1 connection, from its first byte on; a websocket's bytes belong to its handshake."""

    def __init__(self, found: list[Seen]) -> None:
        self._found = found
        self._current: Seen | None = None
        self._head = b""
        self._left: int | None = None
        self._opaque = False

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take note of a part."""
        while data:
            if self._opaque:
                return
            if self._current is None:
                self._current = Seen(at_ns, at_ns)
                self._found.append(self._current)
            self._current.last_ns = at_ns
            data = self._of_head(data) if self._left is None else self._of_body(data)

    def _of_head(self, data: bytes) -> bytes:
        head, end, rest = (self._head + data).partition(_HEAD_END)
        self._head = head if not end else b""
        if not end:
            return b""
        assert self._current is not None
        words = head.partition(b"\r\n")[0].split(b" ")
        lines = head + b"\r\n"
        length = _LENGTH.search(lines)
        if len(words) != 3 or (length is None and _CHUNKED.search(lines)):
            # What cannot be read stays without a method, and is judged as if it were an order.
            self._left = 1 << 62
            return rest
        self._current.method, self._current.path = words[0].decode("latin-1"), words[1].decode("latin-1")
        self._opaque = _UPGRADE.search(lines) is not None
        self._left = int(length[1]) if length is not None else 0
        if not self._left:
            self._current, self._left = None, None
        return rest

    def _of_body(self, data: bytes) -> bytes:
        assert self._current is not None
        assert self._left is not None
        part, rest = data[: self._left], data[self._left :]
        if named := _CLIENT_ORDER_ID.search(part):
            self._current.client_order_id = named[1].decode("latin-1")
        self._left -= len(part)
        if not self._left:
            self._current, self._left = None, None
        return rest


class Messages:
    """When the messages of one HTTP/2 connection began to arrive, in one direction."""

    def __init__(self, found: list[int], *, of_client: bool) -> None:
        self._found = found
        self._skip = len(_PREFACE) if of_client else 0
        self._head = b""

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take note of a part."""
        while data:
            if self._skip:
                gone = min(self._skip, len(data))
                self._skip -= gone
                data = data[gone:]
                continue
            wanted = _FRAME_HEAD - len(self._head)
            self._head, data = self._head + data[:wanted], data[wanted:]
            if len(self._head) < _FRAME_HEAD:
                return
            self._skip = int.from_bytes(self._head[:3])
            if self._head[3] == _DATA and self._skip:
                self._found.append(at_ns)
            self._head = b""
