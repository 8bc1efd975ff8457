"""How hosts are connected to: by names looked up aside, and listening to one answer at a time.

HTTP lets a server say any number of interim answers before the one that counts. aiohttp parses all that has arrived in
one go, 256 KiB of them in a fifth of a second, and forgets each; so a server that says nothing else would hold the
event loop up until the attempt's time is over. Nobody here asks for interim answers, and one request has one answer, so
more than a few at once end the connection.
"""

import asyncio
from functools import partial
from ssl import SSLContext
from typing import Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

from brokergw.transport.names import NAMES

_HEADS_MAX: Final = 8
_SLICE: Final = 4 * 1024
"""So much is parsed at once for as long as an answer's head is waited for."""


class _TooManyHeads(Exception):
    """The server says one head after the other."""


class Connector(aiohttp.TCPConnector):
    """Opens connections, `limit_per_host` at most to each host; 0 is no limit. It belongs to the running event loop."""

    def __init__(self, *, limit_per_host: int = 0, ssl: SSLContext | None = None) -> None:
        super().__init__(limit=0, limit_per_host=limit_per_host, ssl=True if ssl is None else ssl, resolver=NAMES)
        self._factory = partial(_OneAnswer, loop=asyncio.get_running_loop())  # type: ignore[assignment] # a kind of the same


class _OneAnswer(ResponseHandler):
    """Gives up on a server that says many heads at once."""

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
        self.set_exception(_TooManyHeads("too many answers to one request"))
        return True
