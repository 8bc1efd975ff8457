"""The processes of a run: servers that tell their address, generators that measure when asked, and their CPU time."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

ROOT: Final = Path(__file__).resolve().parents[1]
_START_S: Final = 30
_STOP_S: Final = 45
_POLL_S: Final = 0.05
_LINE_BYTES_MAX: Final = 64 * 1024 * 1024


class BenchFailed(Exception):
    """A process of the run did not do its part; the text says which and what it printed."""


class Process:
    """A child of the run, from its first line of output until it is ended."""

    def __init__(self, name: str, arguments: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._arguments = arguments
        self._env = {**os.environ, **(env or {}), "PYTHONPATH": str(ROOT)}
        self._process: asyncio.subprocess.Process | None = None
        self.greeting = ""

    async def __aenter__(self) -> Self:
        """Start it and wait for its first line."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            env=self._env,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=self._output(),
            stderr=self._errors(),
            limit=_LINE_BYTES_MAX,
        )
        try:
            self.greeting = await asyncio.wait_for(self._greeting(), _START_S)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        await self._end()

    @property
    def running(self) -> asyncio.subprocess.Process:
        """The process itself; raises BenchFailed before it is started."""
        if self._process is None:
            raise BenchFailed(f"{self.name} was not started")
        return self._process

    async def read_line(self) -> str:
        """Read one line of its output; raises BenchFailed when there is none."""
        output = self.running.stdout
        line = await output.readline() if output else b""
        if not line:
            raise BenchFailed(f"{self.name} ended with {await self.running.wait()}; see its errors above")
        return line.decode().strip()

    def cpu_s(self) -> float | None:
        """Tell how much CPU time it has used, in user and system mode; None where /proc does not tell."""
        try:
            stat = Path(f"/proc/{self.running.pid}/stat").read_text()
        except OSError:
            return None
        # The name in parentheses may hold blanks; utime and stime are fields 14 and 15 (proc(5)).
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _output(self) -> int | IO[bytes]:
        return asyncio.subprocess.PIPE

    def _errors(self) -> int | None:
        return None

    async def _greeting(self) -> str:
        return await self.read_line()

    async def _end(self) -> None:
        process = self.running
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


class LoggedProcess(Process):
    """A child that logs to a file without end; its greeting is the first line with a word that says it is ready."""

    def __init__(
        self, name: str, arguments: Sequence[str], env: Mapping[str, str], *, log: Path, ready_word: str
    ) -> None:
        super().__init__(name, arguments, env)
        self._log = log
        self._ready_word = ready_word

    def _output(self) -> IO[bytes]:
        return self._log.open("wb")

    def _errors(self) -> int:
        return asyncio.subprocess.STDOUT

    async def _greeting(self) -> str:
        while self.running.returncode is None:
            for line in self._log.read_text("utf-8", "replace").splitlines():
                if self._ready_word in line:
                    return line
            await asyncio.sleep(_POLL_S)
        raise BenchFailed(f"{self.name} ended with {self.running.returncode}:\n{self._log.read_text()[-2000:]}")


@dataclass(frozen=True, slots=True)
class Reply:
    """What generators measured together."""

    count: int
    total: int
    elapsed_s: float
    latencies_us: list[int]


class Generator(Process):
    """A load process."""

    async def measure(self, **order: Any) -> Reply:
        """Have it measure once."""
        stdin = self.running.stdin
        if stdin is None:
            raise BenchFailed(f"{self.name} takes no orders")
        stdin.write(json.dumps(order).encode() + b"\n")
        await stdin.drain()
        answer = json.loads(await self.read_line())
        return Reply(answer["count"], answer["total"], answer["elapsed_s"], answer["latencies_us"])


async def measure_together(generators: Sequence[Generator], in_flight: int, **order: Any) -> Reply:
    """Share a load out over some generators and add up what they measured."""
    loads = [share for share in shares(in_flight, len(generators)) if share]
    replies = await asyncio.gather(
        *(one.measure(in_flight=share, **order) for one, share in zip(generators, loads, strict=False))
    )
    return Reply(
        count=sum(reply.count for reply in replies),
        total=sum(reply.total for reply in replies),
        elapsed_s=max(reply.elapsed_s for reply in replies),
        latencies_us=[latency for reply in replies for latency in reply.latencies_us],
    )


def shares(whole: int, parts: int) -> list[int]:
    """Split a number into parts that differ by one at most."""
    each, over = divmod(whole, parts)
    return [each + (part < over) for part in range(parts)]
