"""What is asked again and again: the database is troubled only where something was written, and every write is seen."""

import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest
from sqlalchemy import Connection, select

from brokergw.model.whose import NOBODYS
from brokergw.store import Store
from brokergw.store.database.polls import Poll
from brokergw.store.tables import INSTANCE_KEYS
from tests.conformance.store.making import ALL
from tests.fixtures.stores import open_for_test

NAME = "ins_of_this_test"
WAIT_S = 30


class Counted:
    """A poll that counts how often it comes to the database; its reader waits there while `held` is not set."""

    def __init__(self) -> None:
        self.asked = 0
        self.poll = Poll(NOBODYS, self._read)
        self.there, self.held = threading.Event(), threading.Event()
        self.held.set()

    def _read(self, database: Connection) -> str | None:
        self.asked += 1
        value = database.scalar(select(INSTANCE_KEYS.c.key_ids).where(INSTANCE_KEYS.c.instance_id == NAME))
        self.there.set()
        assert self.held.wait(WAIT_S)
        return value


@pytest.fixture
def counted() -> Counted:
    """Give a poll."""
    return Counted()


async def write(store: Store, value: str) -> None:
    """Write with the groups of orders, as a process that serves does."""

    def work(database: Connection) -> None:
        database.execute(INSTANCE_KEYS.delete().where(INSTANCE_KEYS.c.instance_id == NAME))
        database.execute(INSTANCE_KEYS.insert().values(instance_id=NAME, key_ids=value))

    await store.journal._writer.run(ALL, work)


async def answer(store: Store, counted: Counted) -> str | None:
    """Ask."""
    return await store.journal._reader.poll(counted.poll)


async def test_nobody_is_asked_while_nothing_is_written(store: Store, counted: Counted) -> None:
    """Asked ten times, SQLite reads once, with the answer that nobody has an answer too; PostgreSQL reads each time."""
    for _ in range(10):
        assert await answer(store, counted) is None
    assert counted.asked == (10 if store.journal.shared else 1)


async def test_every_write_is_seen_at_once(store_url: str, counted: Counted) -> None:
    """Whoever writes, this process or another, the next question has it."""
    async with open_for_test(store_url) as one, open_for_test(store_url) as other:
        for number in range(10):
            writing = (one, other)[number % 2]
            await write(writing, str(number))
            assert await answer(one, counted) == str(number)


async def test_a_write_by_hand_is_seen_at_once(sqlite_url: str, counted: Counted) -> None:
    """What a person writes at a prompt is seen as everything else is."""
    async with open_for_test(sqlite_url) as store:
        await write(store, "before")
        assert await answer(store, counted) == "before"
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as prompt, prompt:
            prompt.execute("UPDATE instance_keys SET key_ids = 'by hand' WHERE instance_id = ?", (NAME,))
        assert await answer(store, counted) == "by hand"


async def test_a_write_beside_a_question_is_not_missed(store: Store, counted: Counted) -> None:
    """What is written after a question has read and before it is answered is in the next answer."""
    await write(store, "before")
    counted.held.clear()
    asking = asyncio.create_task(answer(store, counted))
    assert await asyncio.to_thread(counted.there.wait, WAIT_S)
    await write(store, "after")
    counted.held.set()
    assert await asking == "before"
    assert await answer(store, counted) == "after"


async def test_a_broken_connection_costs_a_question(sqlite_url: str, counted: Counted) -> None:
    """Where it cannot be told whether anything was written, the database is asked, and the next look tells again."""
    async with open_for_test(sqlite_url) as store:
        assert await answer(store, counted) is None
        answers = store.journal._reader._answers
        assert answers._connection is not None
        driver = answers._connection.connection.driver_connection
        assert driver is not None
        driver.close()
        for _ in range(3):
            assert await answer(store, counted) is None
        # Once without a number, whose answer is not kept; once with the first number of another connection.
        assert counted.asked == 3
