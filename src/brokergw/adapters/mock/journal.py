"""The mock broker's memory: an append-only file that a new process reads to stand where the killed one stood.

The first line names the format. Every other line is what one command or one tick changed, as four lists: accounts
opened, orders seen for the first time, orders changed since, executions. A line is written with one system call before
anybody hears of the change, so a killed process leaves whole lines and at most one torn at the end, of which nobody was
told. Nothing is synced to the disk: the process may die, the machine may not.

Making a journal reads the file; `begin` rewrites it (beside it, then renamed) when it holds superseded rows or a torn
line. A lock on a file beside it keeps a second process away.
"""

import fcntl
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from brokergw.adapters.mock.records import (
    execution_row,
    opening_row,
    order_row,
    progress_row,
    read_execution,
    read_opening,
    read_order,
    read_progress,
)
from brokergw.exchange import AccountOpening, ExchangeEvent, ExchangeOrder, ExchangeState, Execution

_HEADER: Final = {"format": "brokergw mock journal", "version": 1}
_encode: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class JournalUnusable(ValueError):
    """The file cannot be used as it is: damaged, of another format, or in use. The message names it."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"the mock broker's journal {path} {why}")


class MockJournal:
    """Collects what happened and writes it on `flush`; `state` is what stood in the file when it was opened."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(path)
        try:
            reading = _Reading(path)
            self.state = reading.state()
        except BaseException:
            os.close(self._lock)
            raise
        self._path = path
        self._needs_rewrite = reading.needs_rewrite
        self._file = -1
        self._written = {order.order_id for order in self.state.orders}
        self._openings: list[AccountOpening] = []
        self._orders: dict[str, ExchangeOrder] = {}
        self._executions: list[Execution] = []
        self._unwritten = b""

    def begin(self) -> None:
        """Get ready to write, once the state that was read has proved sound; raises OSError."""
        if self._needs_rewrite:
            _rewrite(self._path, self.state)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)

    def opened(self, opening: AccountOpening) -> None:
        """Note a new account."""
        self._openings.append(opening)

    def note(self, event: ExchangeEvent) -> None:
        """Note an event; of an order only its last state before the flush is kept."""
        self._orders[event.order.order_id] = event.order
        if event.execution is not None:
            self._executions.append(event.execution)

    def flush(self) -> None:
        """Write what was noted; raises OSError when that failed, and then the next flush tries again."""
        if self._orders or self._openings:
            self._unwritten += self._line()
        while self._unwritten:
            written = os.write(self._file, self._unwritten)
            self._unwritten = self._unwritten[written:]

    def close(self) -> None:
        """Write what is left and give the file free; raises OSError when it could not be written."""
        try:
            self.flush()
        finally:
            if self._file >= 0:
                os.close(self._file)
            os.close(self._lock)

    def _line(self) -> bytes:
        fresh, changed = [], []
        for order_id, order in self._orders.items():
            if order_id in self._written:
                changed.append([order_id, *progress_row(order)])
            else:
                self._written.add(order_id)
                fresh.append(order_row(order))
        line = [
            [opening_row(opening) for opening in self._openings],
            fresh,
            changed,
            [execution_row(execution) for execution in self._executions],
        ]
        self._openings, self._orders, self._executions = [], {}, []
        return _encode(line).encode() + b"\n"


class _Reading:
    """The state of a file, folded line by line."""

    def __init__(self, path: Path) -> None:
        self.needs_rewrite = True
        self._openings: list[AccountOpening] = []
        self._orders: dict[str, ExchangeOrder] = {}
        self._executions: list[Execution] = []
        self._path = path
        if path.exists():
            self._read(path.read_bytes())

    def state(self) -> ExchangeState:
        orders = sorted(self._orders.values(), key=lambda order: order.backing.sequence)
        return ExchangeState(tuple(self._openings), tuple(orders), tuple(self._executions))

    def _read(self, content: bytes) -> None:
        *lines, tail = content.split(b"\n")
        if not lines:
            return
        if lines[0].decode(errors="replace") != _encode(_HEADER):
            raise JournalUnusable(self._path, "is of another kind, or of another version")
        superseded = 0
        for number, line in enumerate(lines[1:], start=2):
            try:
                superseded += self._take(json.loads(line))
            except (ValueError, KeyError, IndexError, TypeError, ArithmeticError) as error:
                raise JournalUnusable(self._path, f"is damaged in line {number}") from error
        self.needs_rewrite = bool(tail) or superseded > 0

    def _take(self, line: list[list[list[Any]]]) -> int:
        openings, fresh, changed, executions = line
        for row in openings:
            self._openings.append(read_opening(row))
        for row in fresh:
            order = read_order(row)
            self._orders[order.order_id] = order
        for row in changed:
            self._orders[row[0]] = replace(self._orders[row[0]], **read_progress(row[1:]))
        for row in executions:
            self._executions.append(read_execution(row))
        return len(changed)


def _locked(path: Path) -> int:
    file = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise JournalUnusable(path, "is in use by another process") from error
    return file


def _rewrite(path: Path, state: ExchangeState) -> None:
    line = [
        [opening_row(opening) for opening in state.accounts],
        [order_row(order) for order in state.orders],
        [],
        [execution_row(execution) for execution in state.executions],
    ]
    beside = path.with_name(path.name + ".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(_encode(_HEADER) + "\n")
        if any(line):
            file.write(_encode(line) + "\n")
    beside.replace(path)
