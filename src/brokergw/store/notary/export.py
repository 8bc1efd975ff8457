"""The log as a file: every row with its hashes, chain by chain, and the checkpoints, so that it can be verified alone.

JSON Lines hold rows and checkpoints, CSV only rows; then the checkpoints stand in a file beside it.
"""

import csv
import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

from sqlalchemy import Engine, Table, insert
from sqlalchemy.exc import IntegrityError

from brokergw.ports.audit import AuditReport
from brokergw.store.audit.signing import TrustedKeys
from brokergw.store.database.engine import parse_url, reader_engine, writer_engine
from brokergw.store.database.reader import Reader
from brokergw.store.migrations import upgrade
from brokergw.store.notary.log import SqlAuditLog
from brokergw.store.notary.pages import PAGE, LogPages
from brokergw.store.tables import AUDIT, AUDIT_CHECKPOINTS

_ROWS: Final = tuple(AUDIT.columns.keys())
_CHECKPOINTS: Final = tuple(AUDIT_CHECKPOINTS.columns.keys())
_NUMBERS: Final = frozenset({"sequence", "time_ns", "duration_ns", "number", "horizon_ns"})


class ExportUnreadable(ValueError):
    """A file is no export of an audit log; the message names the line."""


async def export(pages: LogPages, path: Path) -> int:
    """Write the log to a new file, as CSV where its name ends so; gives the number of rows.

    Raises FileExistsError, OSError, JOURNAL_UNAVAILABLE.
    """
    rows = 0
    with path.open("x", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            written = csv.writer(file)
            written.writerow(_ROWS)
            async for page in pages.rows():
                written.writerows(page)
                rows += len(page)
        else:
            async for page in pages.rows():
                _write_lines(file, "row", _ROWS, page)
                rows += len(page)
            await _export_checkpoints(pages, file)
    if path.suffix == ".csv":
        with _beside(path).open("x", encoding="utf-8") as file:
            await _export_checkpoints(pages, file)
    return rows


async def verify_export(path: Path, keys: TrustedKeys) -> AuditReport:
    """Check an export by itself; raises ExportUnreadable, OSError."""
    with tempfile.TemporaryDirectory(prefix="brokergw-audit-") as folder:
        url = f"sqlite:///{Path(folder) / 'export.db'}"
        engine = writer_engine(parse_url(url))
        try:
            upgrade(engine)
            _load(engine, path)
        except IntegrityError:
            raise ExportUnreadable(f"{path.name} has something twice") from None
        finally:
            engine.dispose()
        async with open_log(url, keys) as (log, _):
            return await log.verify()


@asynccontextmanager
async def open_log(
    url: str, keys: TrustedKeys, folders: Sequence[Path] = ()
) -> AsyncIterator[tuple[SqlAuditLog, LogPages]]:
    """Open the log of a database for reading only; `folders` hold checkpoints outside it."""
    engine = reader_engine(parse_url(url))
    reader = Reader(engine)
    try:
        dialect = engine.dialect.name
        yield SqlAuditLog(reader, keys, folders, dialect), LogPages(reader, dialect)
    finally:
        await reader.close()
        engine.dispose()


async def _export_checkpoints(pages: LogPages, file: TextIO) -> None:
    async for page in pages.checkpoints():
        _write_lines(file, "checkpoint", _CHECKPOINTS, page)


def _write_lines(file: TextIO, kind: str, names: Sequence[str], rows: Sequence[Any]) -> None:
    told = ({"kind": kind, **dict(zip(names, row, strict=True))} for row in rows)
    file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in told)


def _load(engine: Engine, path: Path) -> None:
    if path.suffix == ".csv":
        _insert(engine, _read_csv(path))
        _insert(engine, _read_lines(_beside(path)))
    else:
        _insert(engine, _read_lines(path))


def _insert(engine: Engine, read: Iterator[tuple[Table, dict[str, Any]]]) -> None:
    while some := list(islice(read, PAGE)):
        with engine.begin() as database:
            for table in (AUDIT, AUDIT_CHECKPOINTS):
                values = [each for of, each in some if of is table]
                if values:
                    database.execute(insert(table), values)


def _read_csv(path: Path) -> Iterator[tuple[Table, dict[str, Any]]]:
    with path.open(encoding="utf-8", newline="") as file:
        read = csv.reader(file)
        if tuple(next(read, ())) != _ROWS:
            raise ExportUnreadable(f"the first line of {path.name} does not name the columns of an audit log")
        for row in read:
            yield AUDIT, _values(path, read.line_num, dict(zip(_ROWS, row, strict=False)), _ROWS)


def _read_lines(path: Path) -> Iterator[tuple[Table, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                found = json.loads(line)
                table, names = {"row": (AUDIT, _ROWS), "checkpoint": (AUDIT_CHECKPOINTS, _CHECKPOINTS)}[found["kind"]]
            except (ValueError, KeyError, TypeError):
                raise ExportUnreadable(f"line {number} of {path.name} is no line of an audit log") from None
            yield table, _values(path, number, found, names)


def _values(path: Path, number: int, found: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    try:
        return {name: _number(found[name]) if name in _NUMBERS else str(found[name]) for name in names}
    except (ValueError, KeyError, TypeError):
        raise ExportUnreadable(f"line {number} of {path.name} is no row of an audit log") from None


def _number(value: Any) -> int | None:
    return None if value in {None, ""} else int(value)


def _beside(path: Path) -> Path:
    return path.with_suffix(".checkpoints.jsonl")
