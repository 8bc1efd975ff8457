"""Hearing that another process has written: PostgreSQL's NOTIFY, rung once in each batch that wrote events.

A thread of its own listens on a connection of its own and calls the listeners in their event loop. What was rung while
nobody listened is never delivered, so the bell rings by itself whenever the connection was opened (again). Whoever
needs certainty looks at the record from time to time all the same.
"""

import asyncio
import logging
import os
import selectors
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL

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
        self._url = url
        self._instance_id = instance_id
        self._listeners: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []
        self._thread: threading.Thread | None = None
        self._awake, self._waker = os.pipe()
        self._closing = False

    def listen(self, listener: Callable[[], None]) -> None:
        """Call a function in the running event loop whenever another process may have written."""
        self._listeners.append((asyncio.get_running_loop(), listener))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="journal-bell", daemon=True)
            self._thread.start()

    async def close(self) -> None:
        """End the thread."""
        if self._closing:
            return
        self._closing = True
        os.write(self._waker, b"\0")
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        os.close(self._awake)
        os.close(self._waker)

    def _work(self) -> None:
        import psycopg  # noqa: PLC0415 - a SQLite store does not need the driver

        wait = _FIRST_WAIT_S
        while not self._closing:
            try:
                with psycopg.connect(**self._arguments(), autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}".encode())
                    wait = _FIRST_WAIT_S
                    self._ring()
                    self._hear(connection)
            except psycopg.Error as error:
                _log.warning("the bell of the journal is silent for %.1f s: %s", wait, type(error).__name__)
                self._sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT_S)

    def _arguments(self) -> dict[str, Any]:
        plain = self._url.set(drivername="postgresql").translate_connect_args(username="user", database="dbname")
        return plain | dict(self._url.query) | {"connect_timeout": _SAY_HELLO_S, "application_name": "brokergw bell"}

    def _hear(self, connection: "psycopg.Connection") -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(self._awake, selectors.EVENT_READ)
            while not self._closing:
                if not selector.select(_QUIET_S):
                    connection.execute(b"SELECT 1")
                if any(notice.payload != self._instance_id for notice in connection.notifies(timeout=0)):
                    self._ring()

    def _sleep(self, seconds: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._awake, selectors.EVENT_READ)
            selector.select(seconds)

    def _ring(self) -> None:
        for loop, listener in self._listeners:
            try:
                loop.call_soon_threadsafe(listener)
            except RuntimeError:
                _log.warning("the event loop ended before the bell of the journal did")
