"""The environment of Schwab's SDKs, made once from pinned requirements, and how their programs are run in it."""

import asyncio
import fcntl
import hashlib
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.reasons import SkipReason, skip

_HERE: Final = Path(__file__).parent / "schwab"
_ROOT: Final = Path(__file__).parents[2]
_UNREACHABLE: Final = ("error sending request", "failed to fetch", "dns error", "connection refused", "timed out")
_RUN_S: Final = 90.0


@cache
def python() -> Path:
    """Give the interpreter of the environment; skips where it is not there and the registry cannot be reached."""
    wanted = (_HERE / "requirements.txt").read_text("utf-8")
    place = _ROOT / ".venvs" / "schwab"
    mark = place / "made-from"
    digest = hashlib.sha256(f"{sys.version}\n{wanted}".encode()).hexdigest()
    place.mkdir(parents=True, exist_ok=True)
    with (_ROOT / ".venvs" / "schwab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text("utf-8") != digest:
            _uv("venv", "--clear", "--quiet", "--python", sys.executable, str(place))
            target = ("--python", str(place / "bin" / "python"))
            _uv("pip", "install", "--quiet", *target, "-r", str(_HERE / "requirements.txt"))
            mark.write_text(digest, "utf-8")
    return place / "bin" / "python"


async def drive(program: str, url: str, tokens: dict[str, Any]) -> dict[str, Any]:
    """Run one of the programs against a simulator and give what it printed."""
    process = await asyncio.create_subprocess_exec(
        python(), _HERE / program, url, json.dumps(tokens), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        said, complained = await asyncio.wait_for(process.communicate(), _RUN_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, complained.decode()[-4000:]
    seen: dict[str, Any] = json.loads(said.splitlines()[-1])
    return seen


def _uv(*arguments: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run([uv, *arguments], capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        if any(words in done.stderr.lower() for words in _UNREACHABLE):
            skip(SkipReason.REGISTRY_UNREACHABLE, done.stderr.strip().splitlines()[-1])
        raise AssertionError(done.stderr)
