"""Looking into the book of halts, ten times a second and whenever it changes: a thread and a connection of its own.

The thread depends on nothing else of the process: not on the event loop, not on the journal's queues. What it hears it
hands on at once, in its own thread, with the moment at which the look began.
"""

import asyncio
import logging
import os
import selectors
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL

from brokergw.model.trading import Halt
from brokergw.ports.clock import Clock
from brokergw.ports.halts import News
from brokergw.store.halting import halt_from_row
from brokergw.store.halts import look_sql

if TYPE_CHECKING:
    import psycopg

_log = logging.getLogger(__name__)

CHANNEL: Final = "brokergw_halts"

_EVERY_S: Final = 0.1
_CONNECT_S: Final = 2
_ENTER: Final = b"INSERT INTO halt_watchers (instance_id, epoch) VALUES (%s, -1) ON CONFLICT DO NOTHING"
_READ: Final = b"""
SELECT CAST(m.value AS BIGINT), h.scope, h.cause, h.state, h.reason, h.set_by, h.set_time_ns, h.epoch
FROM store_meta m LEFT JOIN trading_halts h ON true WHERE m.name = 'halts'
"""


class HaltWatch:
    """Watches the book for one process."""

    def __init__(self, url: URL, instance_id: str, clock: Clock) -> None:
        self._url = url
        self._instance_id = instance_id
        self._clock = clock
        self._listener: Callable[[News], None] = lambda _: None
        self._epoch = -1
        self._halts: tuple[Halt, ...] = ()
        self._thread: threading.Thread | None = None
        self._awake, self._waker = os.pipe()
        self._closing = False

    def start(self, listener: Callable[[News], None]) -> None:
        """Begin to look."""
        self._listener = listener
        self._thread = threading.Thread(target=self._work, name="halt-watch", daemon=True)
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

        while not self._closing:
            try:
                with psycopg.connect(**self._arguments(), autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}".encode())
                    self._watch(connection)
            except psycopg.Error as error:
                _log.warning("the book of halts cannot be watched: %s", type(error).__name__)
                self._sleep(_EVERY_S)
            except Exception:  # noqa: BLE001 - logged, and tried again
                # Whatever it is, the thread goes on trying; meanwhile the clearance runs out, and nothing is sent.
                _log.exception("watching the book of halts failed")
                self._sleep(_EVERY_S)

    def _arguments(self) -> dict[str, Any]:
        plain = self._url.set(drivername="postgresql").translate_connect_args(username="user", database="dbname")
        own = {
            "connect_timeout": _CONNECT_S,
            "application_name": "brokergw halts",
            "options": "-c statement_timeout=2s",
        }
        return plain | dict(self._url.query) | own

    def _watch(self, connection: "psycopg.Connection[Any]") -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(self._awake, selectors.EVENT_READ)
            while not self._closing:
                asked_at = self._clock.monotonic()
                self._look(connection, asked_at)
                # What was rung during the look may be newer than it.
                while not self._closing and not list(connection.notifies(timeout=0)):
                    left_s = asked_at + _EVERY_S - self._clock.monotonic()
                    if left_s <= 0 or not selector.select(left_s):
                        break

    def _look(self, connection: "psycopg.Connection[Any]", asked_at: float) -> None:
        row = connection.execute(look_sql(), (self._instance_id,), prepare=True).fetchone()
        assert row is not None
        epoch, counted = row
        if epoch != self._epoch:
            self._epoch, self._halts = _read(connection)
        self._listener(News(asked_at=asked_at, epoch=self._epoch, halts=self._halts, fenced=not counted))
        if not counted:
            connection.execute(_ENTER, (self._instance_id,))

    def _sleep(self, seconds: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._awake, selectors.EVENT_READ)
            selector.select(seconds)


def _read(connection: "psycopg.Connection[Any]") -> tuple[int, tuple[Halt, ...]]:
    rows = connection.execute(_READ).fetchall()
    epoch = rows[0][0] if rows else 0
    return epoch, tuple(halt_from_row(*row[1:]) for row in rows if row[1] is not None)
