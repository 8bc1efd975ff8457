import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from brokergw.store.database.reader import Lookup
from brokergw.store.reading.lookups import Lookups
from brokergw.store.sql.many import ManyRows
from brokergw.store.sql.statements import Statements
from brokergw.store.tables import METADATA


@pytest.fixture
def database() -> Iterator[Connection]:
    """Give a SQLite database in memory with all tables."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        METADATA.create_all(connection)
        yield connection
    engine.dispose()


def hot_statements() -> list[tuple[str, ManyRows]]:
    """Give every statement that the writer and the look-ups run."""
    statements = {**vars(Statements("sqlite"))}
    lookups = {name: each.statement for name, each in vars(Lookups("sqlite")).items() if isinstance(each, Lookup)}
    every = {**statements, **lookups}
    return [(name, each) for name, each in every.items() if isinstance(each, ManyRows)]


@pytest.mark.parametrize(("name", "statement"), hot_statements())
def test_hot_statement_reads_no_whole_table(database: Connection, name: str, statement: ManyRows) -> None:
    """SQLite's plan for each statement finds rows by an index; it scans the list of wanted rows and nothing else."""
    source = statement._source
    width = source._row.count("?")  # type: ignore[attr-defined]
    for text, parameters in source.pieces([("x",) * width] * 3):
        plan = [row[3] for row in database.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)]
        scans = [step for step in plan if step.startswith("SCAN")]
        assert all("CONSTANT ROW" in step or step in {"SCAN wanted", "SCAN made"} for step in scans), name
        assert not any("AUTOMATIC" in step for step in plan), name


@pytest.mark.parametrize("count", [0, 1, 2, 14, 15, 16, 17, 127, 128, 129, 300])
def test_any_number_of_rows_is_written_once(count: int) -> None:
    """Rows of any number arrive once each, and the touched rows are counted."""
    engine = create_engine("sqlite://")
    insert = ManyRows("INSERT INTO t (a, b) {rows} ON CONFLICT DO NOTHING", ("bigint", "text"), dialect="sqlite")
    rows = [(n, str(n)) for n in range(count)]
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
        assert insert.run(connection, rows) == count
        assert insert.run(connection, rows) == 0
        stored = connection.exec_driver_sql("SELECT a, b FROM t ORDER BY a").all()
    engine.dispose()
    assert [tuple(row) for row in stored] == rows


@pytest.mark.parametrize(("count", "pieces"), [(14, [14]), (15, [15]), (16, [16]), (17, [16, 1]), (31, [30, 1])])
def test_few_rows_go_in_one_piece(count: int, pieces: list[int]) -> None:
    """Up to fifteen rows are one statement, more are as few as four binary digits allow."""
    source = ManyRows("INSERT INTO t (a) {rows}", ("bigint",), dialect="sqlite")._source
    made = source.pieces([(n,) for n in range(count)])
    assert [len(parameters) for _, parameters in made] == pieces
    assert [n for _, parameters in made for n in parameters] == list(range(count))


def test_texts_of_all_pieces_are_few() -> None:
    """A statement has no more than forty texts, so that the connection's cache of prepared ones holds every one."""
    source = ManyRows("INSERT INTO t (a) {rows}", ("bigint",), dialect="sqlite")._source
    texts = {text for count in range(1, 257) for text, _ in source.pieces([(0,)] * count)}
    assert len(texts) == 40


def test_sqlite_is_new_enough() -> None:
    """The statements need RETURNING, which SQLite has since 3.35."""
    assert sqlite3.sqlite_version_info >= (3, 35)
