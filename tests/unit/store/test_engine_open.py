"""Opening a SQLite file."""

import sqlite3
import threading
from pathlib import Path

import pytest

from brokergw.store.database.engine import parse_url, writer_engine


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_new_file_that_another_process_is_busy_with_is_waited_for(tmp_path: Path, begin: str) -> None:
    """Switching it to write-ahead logging waits for the other's transaction instead of failing at once."""
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute(begin)
    other.execute("CREATE TABLE t (a)")
    engine = writer_engine(parse_url(f"sqlite:///{path}"))
    letting_go = threading.Timer(0.3, other.execute, ["COMMIT"])
    letting_go.start()
    try:
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    finally:
        letting_go.join()
        other.close()
        engine.dispose()
