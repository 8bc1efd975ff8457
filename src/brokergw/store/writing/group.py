"""One group of waiting work, written in one transaction; and what to do when that does not go through at once.

First hopefully, then carefully, then one by one behind savepoints: so a unit that the database refuses for a reason
of its own takes nobody down with it. A broken connection is replaced and the group tried once more, because before
COMMIT nothing can have become durable.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError

from brokergw.model.errors import GatewayError
from brokergw.model.events import LogEvent
from brokergw.model.whose import NOBODYS, Whose, these
from brokergw.ports.clock import Clock
from brokergw.ports.journal import CommitResult
from brokergw.store.database.patience import timed_out
from brokergw.store.database.transaction import CommitOutcomeUnknown, CommitRefused, WriterConnection
from brokergw.store.database.work import Work
from brokergw.store.encoding.rows import Row, user_of_audit_row
from brokergw.store.sql.failure import forbidden, log_failure, unwritten
from brokergw.store.writing.batch import BatchWriter, Written
from brokergw.store.writing.decide import Race
from brokergw.store.writing.units import PreparedUnit

_log = logging.getLogger(__name__)

_ATTEMPTS: Final = 3
_BROKEN: Final = (OperationalError, InterfaceError)
_WHOLE_GROUP: Final = (*_BROKEN, CommitRefused, CommitOutcomeUnknown)
"""Failures that are no single unit's; after a commit was asked for, nothing may be written again."""


@dataclass(slots=True)
class Group:
    """What waits: units of work, small writes with whose rows they touch, and audit rows that nobody waits for."""

    units: list[PreparedUnit] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    audit: list[Row] = field(default_factory=list)
    works_whose: Whose = NOBODYS

    def whose(self) -> Whose:
        """Give the users of everything in the group."""
        users = {user_id for unit in self.units for user_id in unit.users()}
        users.update(map(user_of_audit_row, self.audit))
        return self.works_whose | these(users)


@dataclass(slots=True)
class Done:
    """What became of a group that is durable, item by item; an exception stands for an item that is not."""

    units: list[CommitResult | Exception]
    works: list[Any]
    events: list[LogEvent]


class GroupCommitter:
    """Makes groups durable."""

    def __init__(self, connection: WriterConnection, writer: BatchWriter, clock: Clock) -> None:
        self._connection = connection
        self._writer = writer
        self._clock = clock

    def commit(self, group: Group, *, patient: bool = False) -> Done:
        """Write a group, by the short limits or the long ones.

        Raises CommitRefused, CommitOutcomeUnknown or the driver's error when none of it, or nobody knows what, is
        durable.
        """
        try:
            return self._commit(group, patient=patient)
        except _BROKEN as error:
            if timed_out(error):
                raise
            _log.warning("the store's connection failed before a commit and is replaced: %s", type(error).__name__)
            self._connection.close()
            return self._commit(group, patient=patient)

    def _commit(self, group: Group, *, patient: bool) -> Done:
        for careful in (False, True, True):
            try:
                return self._together(group, careful=careful, patient=patient)
            except (Race, IntegrityError):
                continue
            except _WHOLE_GROUP:
                raise
            except Exception as error:
                if forbidden(error):
                    raise
                # Whatever one unit does must not reach its neighbours.
                _log.warning("a batch is written unit by unit after %s", type(error).__name__)
                break
        return self._one_by_one(group, patient=patient)

    def _together(self, group: Group, *, careful: bool, patient: bool) -> Done:
        with self._connection.transaction(group.whose, patient=patient) as connection:
            works = [self._work(connection, work) for work in group.works]
            written = self._writer.write(connection, group.units, group.audit, self._clock.now_ns(), careful=careful)
        self._writer.remember(written)
        return Done(written.results, works, written.events)

    def _one_by_one(self, group: Group, *, patient: bool) -> Done:
        done = Done([], [], [])
        with self._connection.transaction(group.whose, patient=patient) as connection:
            done.works.extend(self._work(connection, work) for work in group.works)
            for unit in group.units:
                written = self._single(connection, [unit], [])
                done.units.extend(written.results)
                done.events.extend(written.events)
            for row in group.audit:
                for result in self._single(connection, [], [row]).results:
                    _log.error("an audit row cannot be written: %s", result)
        return done

    def _single(self, connection: Connection, units: Sequence[PreparedUnit], audit: list[Row]) -> Written:
        for _ in range(_ATTEMPTS):
            savepoint = connection.begin_nested()
            try:
                written = self._writer.write(connection, units, audit, self._clock.now_ns(), careful=True)
            except _WHOLE_GROUP:
                raise
            except (Race, IntegrityError) as error:
                savepoint.rollback()
                failure: Exception = error
            except Exception as error:  # noqa: BLE001 - reported as this unit's own failure
                savepoint.rollback()
                failure = error
                break
            else:
                savepoint.commit()
                return written
        return Written([refused_by_database(failure)], [], {})

    def _work(self, connection: Connection, work: Work) -> Any:
        savepoint = connection.begin_nested()
        try:
            result = work(connection)
        except _WHOLE_GROUP:
            raise
        except Exception as error:  # noqa: BLE001 - handed to the one who asked for this write
            savepoint.rollback()
            return error
        savepoint.commit()
        return result


def refused_by_database(cause: Exception) -> GatewayError:
    """Say that a unit is not durable because the database, or its own content, will not have it."""
    log_failure(_log, "a unit of work was refused by the database", cause)
    return GatewayError(
        unwritten(cause),
        "the journal refused this record; nothing of it was written",
        metadata={"cause": type(cause).__name__},
    )
