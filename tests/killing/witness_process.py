"""The witness, seen from outside."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_LINE_BYTES_MAX: Final = 64 * 1024 * 1024


class WitnessProcess:
    """Asks the witness one thing after another."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    @classmethod
    async def start(cls) -> "WitnessProcess":
        """Begin."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.killing.witness",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
            limit=_LINE_BYTES_MAX,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """The process, for somebody who wants to hold it up."""
        return self._process.pid

    async def relay(self, host: str, port: int, *, broker: bool) -> int:
        """Have it pass on what comes to a port of its own, which is given."""
        answer = await self._ask(do="relay", to=[host, port], broker=broker)
        return int(answer["port"])

    async def forget(self) -> None:
        """Begin a new round."""
        await self._ask(do="forget")

    async def orders(self) -> int:
        """Count the orders of the round."""
        return int((await self._ask(do="count"))["count"])

    async def tell(self) -> dict[str, Any]:
        """Give all that it has seen in the round."""
        return await self._ask(do="tell")

    async def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def _ask(self, **told: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(json.dumps(told).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return answer
