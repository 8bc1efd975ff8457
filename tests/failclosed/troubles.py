"""Ways in which a record cannot be written, made from outside of the gateway: each is a block that brings it about."""

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg

from tests.chaos.postgresql import PostgresqlServer
from tests.fixtures.two_roles import SERVING

DISK_BYTES: Final = 48 * 1024 * 1024
"""The size of the small disk: room for the store, its log and the emergency journal."""

Trouble = Callable[[], AbstractContextManager[None]]


def on_postgresql(server: PostgresqlServer) -> Mapping[str, Trouble]:
    """Name what can be done to a PostgreSQL."""

    @contextmanager
    def frozen() -> Iterator[None]:
        server.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            server.signal(signal.SIGCONT)

    @contextmanager
    def audit_locked() -> Iterator[None]:
        with psycopg.connect(server.url) as owner:
            owner.execute("LOCK TABLE broker_audit_log IN ACCESS EXCLUSIVE MODE")
            yield
            owner.rollback()

    @contextmanager
    def orders_locked() -> Iterator[None]:
        with psycopg.connect(server.url) as owner:
            owner.execute("LOCK TABLE broker_orders IN EXCLUSIVE MODE")
            yield
            owner.rollback()

    @contextmanager
    def audit_forbidden() -> Iterator[None]:
        with psycopg.connect(server.url, autocommit=True) as owner:
            owner.execute(f"REVOKE INSERT ON broker_audit_log FROM {SERVING}")
            try:
                yield
            finally:
                owner.execute(f"GRANT INSERT ON broker_audit_log TO {SERVING}")

    return {
        "frozen": frozen,
        "audit-locked": audit_locked,
        "orders-locked": orders_locked,
        "audit-forbidden": audit_forbidden,
    }


def on_sqlite(path: Path, *, small_disk: bool) -> Mapping[str, Trouble]:
    """Name what can be done to a SQLite file; its disk can be filled where that is a small one of its own."""

    @contextmanager
    def locked() -> Iterator[None]:
        other = sqlite3.connect(path, isolation_level=None, timeout=10)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        finally:
            other.close()

    @contextmanager
    def full() -> Iterator[None]:
        filler = path.with_name("filler")
        try:
            _fill(filler)
            yield
        finally:
            filler.unlink(missing_ok=True)

    return {"locked": locked, "full": full} if small_disk else {"locked": locked}


def _fill(path: Path) -> None:
    """Take all the room that there is, to the last byte."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4_096, 64, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass


@contextmanager
def small_disk(directory: Path) -> Iterator[bool]:
    """Put a small disk of its own in a directory's place; tells whether this machine lets us."""
    mount = shutil.which("mount")
    made = mount is not None and os.geteuid() == 0 and _ran(mount, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", directory)
    try:
        yield made
    finally:
        if made:
            umount = shutil.which("umount")
            assert umount is not None
            # What still has a file open there must not keep it.
            _ran(umount, "-l", directory)


def _ran(program: str, *arguments: str | Path) -> bool:
    kind, *more = arguments
    command = [program, kind, *more] if kind == "-l" else [program, *arguments[:-1], "tmpfs", arguments[-1]]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
