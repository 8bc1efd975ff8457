"""How hosts are connected to: by names looked up aside, and listening to one answer at a time.

HTTP lets a server say any number of interim answers before the one that counts. aiohttp parses all that has arrived in
one go, 256 KiB of them in a fifth of a second, and forgets each; so a server that says nothing else would hold the
event loop up until the attempt's time is over. Nobody here asks for interim answers, and one request has one answer, so
more than a few at once end the connection.

What may leave no more must not leave, and a process may be stopped at any moment and go on much later. So whoever asks
whether something may leave asks at the connection's outlet, with nothing left to do after that but the system call.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from ssl import SSLContext
from typing import Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

from brokergw.transport.names import NAMES

_HEADS_MAX: Final = 8
_SLICE: Final = 4 * 1024
"""So much is parsed at once for as long as an answer's head is waited for."""


OUTLET: Final = "brokergw outlet"
"""The name under which a connection tells its outlet."""


class TooManyHeads(Exception):
    """The server says one head after the other."""


class Connector(aiohttp.TCPConnector):
    """Opens connections, `limit_per_host` at most to each host; 0 is no limit. It belongs to the running event loop."""

    def __init__(self, *, limit_per_host: int = 0, ssl: SSLContext | None = None) -> None:
        super().__init__(limit=0, limit_per_host=limit_per_host, ssl=True if ssl is None else ssl, resolver=NAMES)
        self._factory = partial(_OneAnswer, loop=asyncio.get_running_loop())  # type: ignore[assignment] # a kind of the same


class Outlet:
    """The way out of a connection: an asyncio transport that can be told to ask before the next bytes."""

    __slots__ = ("_asked", "_shut", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._asked: Callable[[], bool] | None = None
        self._shut = False

    def ask(self, question: Callable[[], bool]) -> None:
        """Have a question asked once, right before the next bytes leave.

        False keeps them and all that come after them; what it raises is raised where they are written.
        """
        self._asked = question

    @property
    def stuck(self) -> bool:
        """Whether the other side is behind in its reading: what is written now leaves some time later, unasked."""
        return self._transport.get_write_buffer_size() > 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Give bytes to the socket."""
        if self._may_leave():
            self._transport.write(data)

    def writelines(self, parts: Iterable[bytes | bytearray | memoryview]) -> None:
        """Give bytes to the socket together."""
        whole = b"".join(parts)
        if self._may_leave():
            self._transport.write(whole)

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Tell about the connection; under this class's name it is this outlet."""
        return self if name == OUTLET else self._transport.get_extra_info(name, default)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _may_leave(self) -> bool:
        question, self._asked = self._asked, None
        if question is not None:
            self._shut = self._shut or not question()
        return not self._shut


class _OneAnswer(ResponseHandler):
    """Gives up on a server that says many heads at once; writes through an outlet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        super().connection_made(cast("asyncio.Transport", Outlet(cast("asyncio.Transport", transport))))

    def data_received(self, data: bytes) -> None:
        """Parse what has come, a little at a time until the head is through."""
        if len(data) <= _SLICE or not self._waits_for_head():
            super().data_received(data)
            self._give_up_beyond()
            return
        for start in range(0, len(data), _SLICE):
            super().data_received(data[start : start + _SLICE])
            if self._give_up_beyond():
                return

    def _waits_for_head(self) -> bool:
        return self._payload_parser is None and (self._payload is None or self._payload.is_eof())

    def _give_up_beyond(self) -> bool:
        if len(self) <= _HEADS_MAX:
            return False
        self._buffer.clear()
        if self.transport is not None:
            self.transport.close()
        self.set_exception(TooManyHeads("too many answers to one request"))
        return True
