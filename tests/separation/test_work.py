"""What the database does for another user's id is what it does for one that nobody has, counted and not timed.

Every statement that a reading call causes is noted with how many rows it answers; on SQLite with the steps of its
virtual machine too, which grow with every row that is looked at.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from sqlalchemy import Connection, event

from brokergw.model.whose import Whose
from brokergw.rpc.call import Call
from brokergw.rpc.interceptors.context import Context
from brokergw.rpc.methods import POLICIES
from brokergw.rpc.policy import MethodPolicy
from brokergw.store.database.reader import Lookup, Reader
from brokergw.store.sql import many
from tests.separation.callers import ALICE, BOB, NAMED, Pair, Place, places_of
from tests.separation.test_calls import CONTROL, missing, pair, request_for, with_value

__all__ = ["pair"]

Work = Counter[tuple[str, int]]
STEPS = "steps of the virtual machine"
LOOKED_AT = 8
"""Steps that it takes to find one row by an id that is one over all users, and to see that it is somebody else's."""

_NOTED: ContextVar[Work | None] = ContextVar("noted", default=None)

READING = [policy for policy in POLICIES if not policy.keyed and not policy.streams and not policy.public]
"""Calls that read, and those that change settings: whatever they look for first is looked for alike."""


TRIES = 5
"""Between two calls a key that is at hand may run out and be asked for anew, or a busy machine may refuse one."""

MEASURED = set(CONTROL) - {"CancelOrder", "SubscribeFills", "GetQuotes"} | {
    "RevokeKey",
    "ListAuditEvents",
    "GetPositions",
}
"""Calls of which it is known that they go to the database for the ids that they are asked with."""


class Meter:
    """Counts what one call at a time has the database do, whatever the gateway does besides."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._now: Work | None = None
        self._here = threading.local()
        self._patch = patch
        self._count_calls()
        self._count_reads()

    @contextmanager
    def running(self) -> Iterator[Work]:
        """Count what the calls that arrive meanwhile cause."""
        self._now = work = Work()
        try:
            yield work
        finally:
            self._now = None

    def _count_calls(self) -> None:
        read, meter = Context._read, self

        def reading(context: Context, call: Call) -> None:
            _NOTED.set(meter._now)
            read(context, call)

        self._patch.setattr(Context, "_read", reading)

    def _count_reads(self) -> None:
        query, find, execute = Reader.query, Reader.find, many.execute

        async def querying(reader: Reader, whose: Whose, read: Callable[[Connection], Any], **more: Any) -> Any:
            noted = _NOTED.get()
            return await query(reader, whose, read if noted is None else self._counted(read, noted), **more)

        async def finding(reader: Reader, lookup: Lookup, key: Any) -> Any:
            if (noted := _NOTED.get()) is not None:
                noted["look-up of " + str(lookup.statement.pieces([key])[0][0]), 1] += 1
            return await find(reader, lookup, key)

        def executing(connection: Connection, pieces: Sequence[many.Piece]) -> list[Any]:
            cursors = execute(connection, pieces)
            for cursor, (text, _) in zip(cursors, pieces, strict=True):
                self._note(text, cursor.rowcount)
            return cursors

        self._patch.setattr(Reader, "query", querying)
        self._patch.setattr(Reader, "find", finding)
        self._patch.setattr(many, "execute", executing)

    def _counted(self, read: Callable[[Connection], Any], noted: Work) -> Callable[[Connection], Any]:
        def counting(connection: Connection) -> Any:
            self._here.noted = noted
            event.listen(connection, "after_cursor_execute", self._executed)
            try:
                with self._stepping(connection, noted):
                    return read(connection)
            finally:
                event.remove(connection, "after_cursor_execute", self._executed)
                self._here.noted = None

        return counting

    @contextmanager
    def _stepping(self, connection: Connection, noted: Work) -> Iterator[None]:
        if connection.dialect.name != "sqlite":
            yield
            return
        driver: Any = connection.connection.driver_connection
        taken = [0]

        def step() -> int:
            taken[0] += 1
            return 0

        driver.set_progress_handler(step, 1)
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)
            noted[STEPS, taken[0]] += 1

    def _executed(self, _c: Any, cursor: Any, statement: str, _p: Any, _x: Any, _many: Any) -> None:
        self._note(statement, cursor.rowcount)

    def _note(self, text: str, rows: int) -> None:
        noted: Work | None = getattr(self._here, "noted", None)
        if noted is not None:
            noted[text, rows] += 1


async def work_for(meter: Meter, pair: Pair, policy: MethodPolicy, request: Any, place: Place, value: str) -> Work:
    """Count what the database does when Bob asks with a value, once everything about it is at hand that ever is."""
    for _ in range(2):
        with meter.running() as work:
            await pair.call(BOB, policy, with_value(request, place, value))
    return work


async def work_for_both(
    meter: Meter, pair: Pair, policy: MethodPolicy, request: Any, place: Place, foreign: str
) -> tuple[Work, Work]:
    """Count for a foreign and for a missing value; again where they differ, since a real difference stays."""
    for _ in range(TRIES):
        one = await work_for(meter, pair, policy, request, place, foreign)
        other = await work_for(meter, pair, policy, request, place, missing(foreign))
        if not unlike(one, other):
            break
    return one, other


def unlike(one: Work, other: Work) -> bool:
    """Tell whether two calls had the database do different things: one row that is looked at and left makes none."""
    statements = [Work({what: n for what, n in work.items() if what[0] != STEPS}) for work in (one, other)]
    steps = [sorted((one - statements[0]).elements()), sorted((other - statements[1]).elements())]
    if statements[0] != statements[1] or len(steps[0]) != len(steps[1]):
        return True
    return any(abs(mine[1] - others[1]) > LOOKED_AT for mine, others in zip(*steps, strict=True))


@pytest.mark.parametrize(("more", "differs"), [(LOOKED_AT - 1, False), (LOOKED_AT, False), (LOOKED_AT + 1, True)])
def test_one_row_that_is_looked_at_is_no_other_work(more: int, differs: bool) -> None:  # noqa: FBT001 - a case
    """So many steps are one row; more are work, and so is a row that is answered, or another statement."""
    work = Work({("SELECT", 0): 1, (STEPS, 13): 1})
    assert unlike(work, Work({("SELECT", 0): 1, (STEPS, 13 + more): 1})) is differs
    assert unlike(work, Work({("SELECT", 1): 1, (STEPS, 13): 1}))
    assert unlike(work, Work({("SELECT", 0): 2, (STEPS, 13): 1}))
    assert unlike(work, Work({("SELECT", 0): 1, (STEPS, 13): 2}))


async def test_a_foreign_id_costs_the_database_what_a_missing_one_does(
    pair: Pair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """I2: for every reading call and every kind of id, statement by statement and row by row, on both databases."""
    meter, worked, wrong = Meter(monkeypatch), set[str](), list[str]()
    for policy in READING:
        request = request_for(pair, policy)
        for place in (each for each in places_of(policy.request.DESCRIPTOR) if each.name in NAMED):
            foreign = pair.has[ALICE].get(place.name.removesuffix("s"), "") or f"{NAMED[place.name]}{'7' * 26}"
            one, other = await work_for_both(meter, pair, policy, request, place, foreign)
            worked |= {policy.method.rpartition("/")[2]} if one else set()
            if unlike(one, other):
                wrong.append(f"{policy.method} {'.'.join(place.path)}: {one - other} is not {other - one}")
    assert wrong == [], "\n".join(wrong)
    assert worked >= MEASURED, MEASURED - worked


async def test_the_meter_tells_work_apart(
    pair: Pair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An id of one's own costs other work than a missing one, so what is counted above is what differs."""
    meter = Meter(monkeypatch)
    policy = next(each for each in POLICIES if each.method.endswith("/ListFills"))
    (place,) = [each for each in places_of(policy.request.DESCRIPTOR) if each.path == ("account_ids",)]
    own = pair.has[BOB]["account_id"]
    assert await work_for(meter, pair, policy, policy.request(), place, own) != await work_for(
        meter, pair, policy, policy.request(), place, missing(own)
    )
