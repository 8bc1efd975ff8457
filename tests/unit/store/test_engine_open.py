"""Opening a SQLite file."""

import threading
from pathlib import Path

from brokergw.store.engine import parse_url, writer_engine


def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    """Switching a new file to write-ahead logging waits for whoever is at it, round after round."""
    failures: list[Exception] = []

    def open_one(url: str, together: threading.Barrier) -> None:
        engine = writer_engine(parse_url(url))
        together.wait()
        try:
            with engine.connect() as connection:
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        except Exception as error:  # noqa: BLE001 - reported by the test
            failures.append(error)
        engine.dispose()

    for number in range(20):
        together = threading.Barrier(6)
        url = f"sqlite:///{tmp_path}/{number}.db"
        threads = [threading.Thread(target=open_one, args=(url, together)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
