"""Small writes beside the journal's writer, on a connection of their own: they must not wait in its queue."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.whose import Whose
from brokergw.store.audit.chain import found_chain
from brokergw.store.database.work import Work
from brokergw.store.separation import setting
from brokergw.store.sql.failure import log_failure

_log = logging.getLogger(__name__)


class Aside:
    """Runs one write after another, each in a transaction of its own. Only for what may run twice."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-aside")
        self._closed = False

    async def __call__(self, whose: Whose, work: Work) -> Any:
        """Run a write for some users; raises JOURNAL_UNAVAILABLE, also where it may have become durable after all."""
        if self._closed:
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "the journal is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, with_second_try, self._engine, whose, work
            )
        except SQLAlchemyError as error:
            log_failure(_log, "a small write failed", error)
            cause = {"cause": type(error).__name__}
            raise GatewayError(
                Reason.JOURNAL_UNAVAILABLE, "the journal cannot be written now", metadata=cause
            ) from None

    async def close(self) -> None:
        """Finish what was asked for, then end the thread."""
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)


def with_second_try(engine: Engine, whose: Whose, work: Work) -> Any:
    """Run a write for some users in a transaction of its own, once more where its connection turns out to be broken."""
    try:
        return _once(engine, whose, work)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        # The server was restarted, say: the first to notice empties the pool, and a new connection may work.
        return _once(engine, whose, work)


def _once(engine: Engine, whose: Whose, work: Work) -> Any:
    with engine.begin() as database:
        setting.begin(database, whose)
        result = work(database)
    if (chain := found_chain(engine)) is not None:
        chain.confirm()
    return result
