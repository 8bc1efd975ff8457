"""Whether the database answers at all, so that nobody waits for one that does not.

A read may take long for good reasons. So only when one has taken a while is the database asked the shortest question
there is, on a connection of its own; where that gets no answer either, everybody who waits is let go, and whoever
comes is refused at once, until the question is answered again.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from brokergw.model.errors import GatewayError, Reason
from brokergw.store.database.patience import LOOK_EVERY_S, SUSPECT_AFTER_S
from brokergw.store.sql.failure import kind_of

_log = logging.getLogger(__name__)

_LOOKS_WITHOUT_ANSWER: Final = 10
"""Looks, not seconds: what keeps the event loop from looking keeps it from hearing the answer too."""

_ASK_AGAIN_S: Final = 0.2
_RETRY_AFTER_S: Final = 1.0

T = TypeVar("T")


class Pulse:
    """Watches over whoever waits for the database; `ask` is the shortest question, which a thread puts.

    Used from one event loop. `ask` raises SQLAlchemyError where the database does not answer it. Nobody is let go
    before `begin`: a process that starts has nobody to answer yet, and waits.
    """

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-pulse")
        self._waiting: dict[asyncio.Future[Any], float] = {}
        self._looking = False
        self._asking: asyncio.Future[object] | None = None
        self._looks = 0
        self._away = False
        self._begun = self._warm = False

    @property
    def away(self) -> bool:
        """Whether the database gave no answer when it was last asked."""
        return self._away

    def begin(self) -> None:
        """Watch from here on; asks once, so that the connection is open when it is needed."""
        if not self._begun:
            self._begun = True
            self._put(asyncio.get_running_loop())

    def require(self) -> None:
        """Raise JOURNAL_UNAVAILABLE while the database is known to be away."""
        if self._away:
            raise _away()

    async def hold(self, future: asyncio.Future[T]) -> T:
        """Wait for an answer of the database; raises JOURNAL_UNAVAILABLE when it turns out to be away.

        Whoever sets the future must mind that it may be done by then.
        """
        if not self._begun:
            return await future
        self._waiting[future] = asyncio.get_running_loop().time()
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)
        try:
            return await future
        finally:
            self._waiting.pop(future, None)

    async def close(self) -> None:
        """End the thread; one that the database keeps waiting is left alone."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        if self._asking is not None:
            # The first question opens the connection, and says nothing of a database that is slow to do so.
            self._looks += self._warm
            if self._looks >= _LOOKS_WITHOUT_ANSWER:
                self._let_go("no answer")
        elif self._waiting and loop.time() - next(iter(self._waiting.values())) >= SUSPECT_AFTER_S:
            self._put(loop)
        self._looking = bool(self._waiting)
        if self._looking:
            loop.call_later(LOOK_EVERY_S, self._look)

    def _put(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looks = 0
        self._asking = loop.run_in_executor(self._thread, self._ask)
        self._asking.add_done_callback(self._answered)

    def _answered(self, asking: asyncio.Future[object]) -> None:
        self._asking, self._warm = None, True
        if asking.cancelled():
            return
        error = asking.exception()
        if error is None:
            if self._away:
                _log.warning("the database answers again")
            self._away = False
            # Whoever waits has been given time anew: the next question comes after as long as the first.
            now = asyncio.get_running_loop().time()
            self._waiting = dict.fromkeys(self._waiting, now)
            return
        if not isinstance(error, SQLAlchemyError):
            _log.error("the database could not be asked", exc_info=error)
        self._let_go(kind_of(error) if isinstance(error, Exception) else type(error).__name__)
        asyncio.get_running_loop().call_later(_ASK_AGAIN_S, self._ask_again)

    def _ask_again(self) -> None:
        if self._away and self._asking is None:
            try:
                self._put(asyncio.get_running_loop())
            except RuntimeError:
                _log.debug("the store is closed")

    def _let_go(self, why: str) -> None:
        if not self._away:
            _log.error("the database does not answer: %s", why)
        self._away = True
        for future in self._waiting:
            if not future.done():
                future.set_exception(_away())


def _away() -> GatewayError:
    return GatewayError(Reason.JOURNAL_UNAVAILABLE, "the database does not answer", retry_after_s=_RETRY_AFTER_S)
