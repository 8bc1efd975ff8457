"""Listening on PostgreSQL: a thread with a connection of its own, which is opened again whenever it breaks.

It depends on nothing else of the process: not on the event loop, not on the journal's queues. What was notified while
the connection was away is never delivered.
"""

import asyncio
import logging
import os
import selectors
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL

if TYPE_CHECKING:
    import psycopg

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Where to listen: `name` is what thread and connection are called, `settings` are those of the connection.

    After a failure the next try waits for `again_after_s`, twice as long after each further one up to `again_max_s`.
    """

    url: URL
    channel: str
    name: str
    again_after_s: float
    again_max_s: float
    settings: Mapping[str, Any] = field(default_factory=dict)


class Listening:
    """The thread. `hear` is called in it with every connection that was opened, and returns once `closing`."""

    def __init__(self, line: Line, hear: Callable[["psycopg.Connection[Any]"], None]) -> None:
        self._line = line
        self._hear = hear
        self._thread: threading.Thread | None = None
        self._awake, self._waker = os.pipe()
        self.closing = False

    def start(self) -> None:
        """Begin, once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._line.name, daemon=True)
            self._thread.start()

    async def close(self) -> None:
        """End the thread."""
        if self.closing:
            return
        self.closing = True
        os.write(self._waker, b"\0")
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        os.close(self._awake)
        os.close(self._waker)

    def wait(self, connection: "psycopg.Connection[Any]", seconds: float) -> bool:
        """Wait in the thread until something comes in or it is to end; tells whether it did in that time."""
        return self._select(seconds, connection.fileno())

    def _work(self) -> None:
        import psycopg  # noqa: PLC0415 - a SQLite store does not need the driver

        line = self._line
        wait = line.again_after_s
        while not self.closing:
            try:
                with psycopg.connect(**self._arguments(), autocommit=True) as connection:
                    connection.execute(f"LISTEN {line.channel}".encode())
                    wait = line.again_after_s
                    self._hear(connection)
            except psycopg.Error as error:
                _log.warning("%s hears nothing for %.1f s: %s", line.name, wait, type(error).__name__)
            except Exception:  # noqa: BLE001 - logged, and tried again
                # Whatever it is, the thread goes on trying: who waits for it goes without, and does nothing unsafe.
                _log.exception("%s failed and hears nothing for %.1f s", line.name, wait)
            else:
                continue
            self._select(wait)
            wait = min(2 * wait, line.again_max_s)

    def _arguments(self) -> dict[str, Any]:
        url = self._line.url
        plain = url.set(drivername="postgresql").translate_connect_args(username="user", database="dbname")
        return plain | dict(url.query) | dict(self._line.settings) | {"application_name": f"brokergw {self._line.name}"}

    def _select(self, seconds: float, *sources: int) -> bool:
        with selectors.DefaultSelector() as selector:
            for source in (self._awake, *sources):
                selector.register(source, selectors.EVENT_READ)
            return bool(selector.select(seconds))
