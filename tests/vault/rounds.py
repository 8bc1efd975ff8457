"""One rotation as a person does it, killed on the way and begun again, while the vault is in use."""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from brokergw.ports.vault import Purpose
from brokergw.store import Store
from brokergw.store.vault.ring import key_id_of
from tests.vault.world import FIELDS, NEW, OLD, World, secrets_of, user_of

_BROKERGW: Final = Path(sys.executable).with_name("brokergw")
_POLL_S: Final = 0.005
_GIVE_UP_S: Final = 300.0


@dataclass
class Report:
    """What a round came to; `found` must be empty."""

    records: int
    killed_at: list[int] = field(default_factory=list)
    opened: int = 0
    changed: int = 0
    late: int = 0
    slowest_s: float = 0.0
    took_s: float = 0.0
    found: list[str] = field(default_factory=list)


async def play(world: World, kills: int) -> Report:
    """Bring the new key in, rotate with so many deaths on the way, take the old key out, and look at everything."""
    report = Report(records=len(world.load.changes) * FIELDS)
    world.write_keys(NEW, OLD)
    began_at = time.monotonic()
    with world.load.running():
        for number in range(kills):
            wanted = report.records * (number + 1) // (kills + 1)
            process = await _rotate(world)
            report.killed_at.append(await _kill_at(world, process, wanted))
        process = await _rotate(world)
        out, err = await asyncio.wait_for(process.communicate(), _GIVE_UP_S)
        if process.returncode:
            report.found.append(f"the rotation ended with {process.returncode}: {err.decode()[-500:]}")
        report.found += _words_of(out, report)
    report.took_s = time.monotonic() - began_at
    await world.load.settled()
    await _look_at_everything(world, report)
    load = world.load
    report.opened, report.changed, report.slowest_s = load.opened, load.changed, load.slowest_s
    report.late = load.late
    report.found += load.found
    return report


def _words_of(out: bytes, report: Report) -> list[str]:
    """Look at the last words of the rotation that came to its end: it had the rest to do, and no more."""
    last = json.loads(out.splitlines()[-1])
    done_before = report.killed_at[-1] if report.killed_at else 0
    found = [] if last["not_opened"] == 0 else [f"{last['not_opened']} values were not opened"]
    # Those that were changed meanwhile are under the new key without it.
    if last["of"] > report.records - done_before:
        found.append(f"the last rotation had {last['of']} values to do, after {done_before} of {report.records}")
    return found


async def _rotate(world: World) -> asyncio.subprocess.Process:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BROKERGW_")}
    return await asyncio.create_subprocess_exec(
        _BROKERGW,
        "vault",
        "rotate",
        "--json",
        env=inherited | world.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _kill_at(world: World, process: asyncio.subprocess.Process, wanted: int) -> int:
    """Kill a rotation once so many values are under the new key; gives how many were then."""
    give_up = time.monotonic() + _GIVE_UP_S
    while (done := await _under_new(world.load.store)) < wanted:
        assert time.monotonic() < give_up, f"after {_GIVE_UP_S} s {done} of {wanted}"
        assert process.returncode is None, await _last_words(process)
        await asyncio.sleep(_POLL_S)
    process.kill()
    await process.wait()
    return await _under_new(world.load.store)


async def _last_words(process: asyncio.subprocess.Process) -> Any:
    out, err = await process.communicate()
    return (out + err).decode()[-2000:]


async def _under_new(store: Store) -> int:
    return sum(key.values for key in (await store.vault.status()).keys if key.key_id == key_id_of(NEW))


async def _look_at_everything(world: World, report: Report) -> None:
    """With the new key alone, everything opens as it was stored last; the old one is free to go."""
    async with world.open_with(NEW, OLD) as store:
        old = (await store.vault.status()).keys[1]
        if old.values or old.former:
            report.found.append(f"{old.values} values are left under the old key")
        if not old.removable and not old.sealing:
            report.found.append("nobody says that the old key may be removed")
    async with world.open_with(NEW) as store:
        for number, change in world.load.changes.items():
            opened = await store.connections.credentials(user_of(number), f"con_{number:06}", Purpose.SESSION)
            if opened != secrets_of(number, change):
                report.found.append(f"connection {number} is not as it was stored last")
