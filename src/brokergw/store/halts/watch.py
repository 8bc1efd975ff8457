"""Looking into the book of halts, ten times a second and whenever it changes: a thread and a connection of its own.

What is seen is handed on at once, in that thread, with the moment at which the look began.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL

from brokergw.model.trading import Halt
from brokergw.ports.clock import Clock
from brokergw.ports.halts import News
from brokergw.store.database.listening import Line, Listening
from brokergw.store.halts.changes import look_sql
from brokergw.store.ledger.halting import halt_from_row

if TYPE_CHECKING:
    import psycopg

CHANNEL: Final = "brokergw_halts"

_EVERY_S: Final = 0.1
_CONNECT_S: Final = 2
_ENTER: Final = b"INSERT INTO halt_watchers (instance_id, epoch) VALUES (%s, -1) ON CONFLICT DO NOTHING"


class HaltWatch:
    """Watches the book for one process."""

    def __init__(self, url: URL, instance_id: str, clock: Clock) -> None:
        line = Line(
            url=url,
            channel=CHANNEL,
            name="halts",
            again_after_s=_EVERY_S,
            again_max_s=_EVERY_S,
            settings={"connect_timeout": _CONNECT_S, "options": "-c statement_timeout=2s"},
        )
        self._listening = Listening(line, self._watch)
        self._instance_id = instance_id
        self._clock = clock
        self._listener: Callable[[News], None] = lambda _: None
        self._epoch = -1
        self._halts: tuple[Halt, ...] = ()

    def start(self, listener: Callable[[News], None]) -> None:
        """Begin to look; while that fails no news comes, the clearance runs out, and nothing is sent."""
        self._listener = listener
        self._listening.start()

    async def close(self) -> None:
        """End the thread."""
        await self._listening.close()

    def _watch(self, connection: "psycopg.Connection[Any]") -> None:
        listening = self._listening
        while not listening.closing:
            asked_at = self._clock.monotonic()
            self._look(connection, asked_at)
            # What was rung during the look may be newer than it.
            while not listening.closing and not list(connection.notifies(timeout=0)):
                left_s = asked_at + _EVERY_S - self._clock.monotonic()
                if left_s <= 0 or not listening.wait(connection, left_s):
                    break

    def _look(self, connection: "psycopg.Connection[Any]", asked_at: float) -> None:
        rows = connection.execute(look_sql(), (self._instance_id, self._epoch), prepare=True).fetchall()
        epoch, counted = rows[0][:2]
        if epoch != self._epoch:
            self._halts = tuple(halt_from_row(*row[2:]) for row in rows if row[2] is not None)
            self._epoch = epoch
        self._listener(News(asked_at=asked_at, epoch=self._epoch, halts=self._halts, fenced=not counted))
        if not counted:
            connection.execute(_ENTER, (self._instance_id,))
