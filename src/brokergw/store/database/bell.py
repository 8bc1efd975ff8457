"""Hearing that another process has written: PostgreSQL's NOTIFY, rung once in each batch that wrote events.

The listeners are called in their event loop. What was rung while nobody listened is never delivered, so the bell rings
by itself whenever the connection was opened (again). Whoever needs certainty looks at the record from time to time all
the same.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL

from brokergw.store.database.listening import Line, Listening

if TYPE_CHECKING:
    import psycopg

_log = logging.getLogger(__name__)

CHANNEL: Final = "brokergw_events"

_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 5.0
_SAY_HELLO_S: Final = 5
_QUIET_S: Final = 10.0
"""After this long without a ring the connection is asked whether it still stands."""


class Bell:
    """Rings the listeners; `instance_id` is whose own notices are ignored. Starts with the first listener."""

    def __init__(self, url: URL, instance_id: str) -> None:
        line = Line(
            url=url,
            channel=CHANNEL,
            name="bell",
            again_after_s=_FIRST_WAIT_S,
            again_max_s=_LONGEST_WAIT_S,
            settings={"connect_timeout": _SAY_HELLO_S},
        )
        self._listening = Listening(line, self._hear)
        self._instance_id = instance_id
        self._listeners: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call a function in the running event loop whenever another process may have written."""
        self._listeners.append((asyncio.get_running_loop(), listener))
        self._listening.start()

    async def close(self) -> None:
        """End the thread."""
        await self._listening.close()

    def _hear(self, connection: "psycopg.Connection[Any]") -> None:
        self._ring()
        while not self._listening.closing:
            if not self._listening.wait(connection, _QUIET_S):
                connection.execute(b"SELECT 1")
            if any(notice.payload != self._instance_id for notice in connection.notifies(timeout=0)):
                self._ring()

    def _ring(self) -> None:
        for loop, listener in self._listeners:
            try:
                loop.call_soon_threadsafe(listener)
            except RuntimeError:
                _log.warning("the event loop ended before the bell of the journal did")
