"""Gateway processes of a chain, started through the zygote and ended in every way."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.chaos.haste import Haste

REAL: Final = Haste()
ROOT: Final = Path(__file__).resolve().parents[2]
_READY_S: Final = 30.0
_POLL_S: Final = 0.004


class GatewayFailed(Exception):
    """A gateway did not start, or ended in a way that nobody asked for; the text has the end of its log."""


@dataclass
class Gateway:
    """One gateway process."""

    pid: int
    log: Path
    offset: int
    target: str = ""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    status: int | None = None

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return not self.ended.is_set()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; one that has just ended does not mind."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def kill(self) -> None:
        """End it at once and wait for that."""
        self.signal(signal.SIGKILL)
        await self.ended.wait()

    async def drain(self) -> None:
        """Ask it to end as an orchestrator does; raises GatewayFailed unless it ends well."""
        self.signal(signal.SIGTERM)
        async with asyncio.timeout(_READY_S):
            await self.ended.wait()
        if self.status != 0:
            raise GatewayFailed(f"a drained gateway ended with {self.status}:\n{self.said()[-4000:]}")

    async def serving(self) -> None:
        """Wait until it serves, or has ended."""
        async with asyncio.timeout(_READY_S):
            while self.alive and not self.target:
                for line in self.said().split("\n")[:-1]:
                    if '"event": "serving"' in line:
                        self.target = json.loads(line)["listen"]
                        return
                await asyncio.sleep(_POLL_S)

    def said(self) -> str:
        """Give what this run has logged."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self.offset)
            return log.read().decode(errors="replace")


class Zygote:
    """The process that forks gateways; see `zygote.py`."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._gateways: dict[int, Gateway] = {}
        self._forked: asyncio.Queue[int] = asyncio.Queue()
        self._listening: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BROKERGW_")}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.chaos.zygote",
            cwd=ROOT,
            env=inherited,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._listening = asyncio.create_task(self._listen(), name="listen to the zygote")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._listening is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening

    async def start(self, environment: Mapping[str, str], log: Path, haste: Haste = REAL) -> Gateway:
        """Fork a gateway, whose time may run faster; it may not serve yet."""
        assert self._process is not None
        assert self._process.stdin is not None
        offset = _size(log)
        order = {"fork": dict(environment), "log": str(log), "haste": haste.as_json()}
        async with self._starting:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            pid = await self._forked.get()
            gateway = self._gateways[pid]
        gateway.log, gateway.offset = log, offset
        return gateway

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self._heard(json.loads(line))

    def _heard(self, said: dict[str, Any]) -> None:
        if "forked" in said:
            pid = said["forked"]
            self._gateways[pid] = Gateway(pid, Path(os.devnull), 0)
            self._forked.put_nowait(pid)
        elif "stopped" in said:
            self._gateways[said["stopped"]].stopped.set()
        elif "ended" in said:
            gateway = self._gateways.pop(said["ended"])
            gateway.status = said["status"]
            gateway.ended.set()


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0
