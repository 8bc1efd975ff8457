"""The storm, seen from outside."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]


class StormProcess:
    """Storms from its start to its stop."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, *, account: str, api_key: str, targets: Sequence[str], prices: Mapping[str, float], rate: int, seed: int
    ) -> "StormProcess":
        """Begin."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.killing.storm",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
        )
        told = {
            "account": account,
            "api_key": api_key,
            "targets": list(targets),
            "rate": rate,
            "prices": dict(prices),
            "seed": seed,
        }
        assert process.stdin is not None
        process.stdin.write(json.dumps(told).encode() + b"\n")
        await process.stdin.drain()
        return cls(process)

    async def stop(self) -> dict[str, int]:
        """End it; gives what its orders came to."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        out, _ = await self._process.communicate()
        endings: dict[str, int] = json.loads(out)
        return endings
