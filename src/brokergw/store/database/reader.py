"""Reading without blocking the event loop.

Look-ups by id that wait together become one query, run by one thread; longer reads run on a few others. Every read
has connections of its own, so reading never waits for writing. A database that does not answer at all keeps nobody.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.whose import Whose, these
from brokergw.store.database.engine import READERS, each_moment, one_moment
from brokergw.store.database.polls import Answers, Poll
from brokergw.store.database.pulse import Pulse
from brokergw.store.encoding.rows import Row, is_storable
from brokergw.store.separation import setting
from brokergw.store.sql.failure import log_failure
from brokergw.store.sql.many import ManyRows

_log = logging.getLogger(__name__)

_LOOKUPS_MAX: Final = 512
_PAGE_READERS: Final = 2

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """A kind of look-up: `statement` answers many keys, `key_of` tells which key a row answers, `read` the value.

    Every key is led by the user whose row it is.
    """

    statement: ManyRows
    key_of: Callable[[Row], Row]
    read: Callable[[Row], Any]


@dataclass(slots=True)
class _Wanted:
    lookup: Lookup
    key: Row
    future: asyncio.Future[Any]


class Reader:
    """Owns the reading threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: SimpleQueue[_Wanted | None] = SimpleQueue()
        # Streams that replay ask for more than anybody else, and nobody else must stand in their queue.
        self._pages = ThreadPoolExecutor(_PAGE_READERS, thread_name_prefix="journal-pages")
        self._queries = ThreadPoolExecutor(READERS - 1 - _PAGE_READERS, thread_name_prefix="journal-query")
        self._answers = Answers(engine)
        self._closed = False
        self.pulse: Final = Pulse(self._ask)
        self._pulsing: Connection | None = None
        self._thread = threading.Thread(target=self._work, name="journal-lookup", daemon=True)
        self._thread.start()

    async def find(self, lookup: Lookup, key: Row) -> Any:
        """Look one thing up, together with whatever else is being looked up; None when it is not there."""
        self._require_open()
        if not all(map(is_storable, key)):
            # The database would refuse the question, and with it everybody else's.
            return None
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put(_Wanted(lookup, key, future))
        return await self.pulse.hold(future)

    async def query(
        self,
        whose: Whose,
        read: Callable[[Connection], Found],
        *,
        at_one_moment: bool = False,
        for_streams: bool = False,
    ) -> Found:
        """Run a read for some users on a connection of its own; `at_one_moment` all its statements see the same state.

        What streams read on their way through the log is read `for_streams`, in a queue of their own. Statements of
        `ManyRows` are told whose they are at one moment only; otherwise they find nobody's rows.
        """
        self._require_open()
        threads = self._pages if for_streams else self._queries
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()
        running = loop.run_in_executor(threads, self._query, whose, read, at_one_moment)
        running.add_done_callback(partial(_hand_over, answer))
        return await self.pulse.hold(answer)

    async def poll(self, poll: Poll[Found]) -> Found:
        """Ask what is asked again and again; nobody is troubled with it where nothing has been written since."""
        self._require_open()
        moves = self._answers.moves()
        known = self._answers.known(poll, moves)
        if known is not None:
            return known[0]
        answer = await self.query(poll.whose, poll.read)
        self._answers.keep(poll, moves, answer)
        return answer

    async def close(self) -> None:
        """Finish what was asked for, then end the threads."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._queries.shutdown)
        await asyncio.to_thread(self._pages.shutdown)
        await self.pulse.close()
        self._answers.close()
        if self._pulsing is not None and not self.pulse.away:
            self._pulsing.close()

    def _require_open(self) -> None:
        if self._closed:
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "the journal is closed")
        self.pulse.require()

    def _ask(self) -> object:
        """Put the pulse's question on a connection of its own; run by its thread alone."""
        try:
            if self._pulsing is None:
                self._pulsing = self._engine.connect()
            return self._pulsing.exec_driver_sql("SELECT 1").scalar_one()
        except BaseException:
            broken, self._pulsing = self._pulsing, None
            if broken is not None:
                broken.invalidate()
                broken.close()
            raise

    def _query(self, whose: Whose, read: Callable[[Connection], Found], at_one_moment: bool) -> Found:  # noqa: FBT001 - an executor passes positions only
        opened = one_moment if at_one_moment else each_moment

        def attempt() -> Found:
            with opened(self._engine, whose) as connection:
                return read(connection)

        try:
            return self._with_second_try(attempt)
        except DataError:
            raise GatewayError(Reason.FIELD_INVALID, "a text holds characters that no record has") from None
        except SQLAlchemyError as error:
            log_failure(_log, "a read of the journal failed", error)
            raise _unreadable(error) from None

    def _with_second_try(self, attempt: Callable[[], Found]) -> Found:
        try:
            return attempt()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            # The server was restarted, say: then no other connection that waits here is good either.
            self._engine.dispose()
            return attempt()

    def _work(self) -> None:
        while True:
            wanted, stopped = self._take()
            if wanted:
                self._answer(wanted)
            if stopped:
                return

    def _take(self) -> tuple[list[_Wanted], bool]:
        taken = [self._queue.get()]
        while taken[-1] is not None and len(taken) < _LOOKUPS_MAX:
            try:
                taken.append(self._queue.get_nowait())
            except Empty:
                break
        return [each for each in taken if each is not None], taken[-1] is None

    def _answer(self, wanted: list[_Wanted]) -> None:
        try:
            results = self._with_second_try(lambda: self._find(wanted))
        except Exception as error:  # noqa: BLE001 - the thread must live; every waiter is told
            log_failure(_log, "a look-up in the journal failed", error)
            results = [_unreadable(error) for _ in wanted]
        loop = wanted[0].future.get_loop()
        try:
            loop.call_soon_threadsafe(_wake, wanted, results)
        except RuntimeError:
            _log.warning("the event loop ended before %d look-ups could be answered", len(wanted))

    def _find(self, wanted: list[_Wanted]) -> list[Any]:
        keys: dict[Lookup, set[Row]] = {}
        for each in wanted:
            keys.setdefault(each.lookup, set()).add(each.key)
        with self._engine.connect() as connection:
            with setting.together(connection, these(each.key[0] for each in wanted)):
                sent = {lookup: lookup.statement.send(connection, sorted(some)) for lookup, some in keys.items()}
            found = {
                lookup: {lookup.key_of(row): lookup.read(row) for cursor in cursors for row in cursor.fetchall()}
                for lookup, cursors in sent.items()
            }
        return [found[each.lookup].get(each.key) for each in wanted]


def _hand_over(answer: asyncio.Future[Found], running: asyncio.Future[Found]) -> None:
    """Give an answer to whoever still waits for it."""
    if running.cancelled() or answer.done():
        return
    error = running.exception()
    if error is None:
        answer.set_result(running.result())
    else:
        answer.set_exception(error)


def _wake(wanted: list[_Wanted], results: list[Any]) -> None:
    for each, result in zip(wanted, results, strict=True):
        if each.future.done():
            continue
        if isinstance(result, Exception):
            each.future.set_exception(result)
        else:
            each.future.set_result(result)


def _unreadable(error: Exception) -> GatewayError:
    return GatewayError(
        Reason.JOURNAL_UNAVAILABLE, "the journal cannot be read now", metadata={"cause": type(error).__name__}
    )
