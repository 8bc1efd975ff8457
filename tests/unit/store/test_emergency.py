"""The emergency journal's file: there before it is needed, bounded, chained, taken over by the next process."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from brokergw.ports.emergency import EmergencyCancel, EmergencyFull
from brokergw.store.emergency import JsonLinesEmergency


def a_cancel(number: int = 1, **changes: Any) -> EmergencyCancel:
    """Make an entry."""
    entry = EmergencyCancel(
        entry_id=f"emg_{number}",
        time_ns=number,
        user_id="usr_1",
        key_id="key_1",
        request_id="req_1",
        account_id="acc_1",
        order_id=f"ord_{number}",
        broker_order_id=f"b-{number}",
        idempotency_key=f"key-{number}",
        fingerprint="print",
    )
    return replace(entry, **changes)


def names(folder: Path) -> list[str]:
    """Name the files of a folder."""
    return sorted(path.name for path in folder.iterdir())


def stat_of(folder: Path) -> os.stat_result:
    """Give what the one file of a folder is like."""
    return only_file(folder).stat()


def only_file(folder: Path, suffix: str = "jsonl") -> Path:
    """Give the one file of a folder."""
    (path,) = folder.glob(f"*.{suffix}")
    return path


async def test_entries_stay_in_order_until_they_are_recorded(tmp_path: Path) -> None:
    """What was asked and answered is pending in its order; what is recorded is gone, and an empty file begins anew."""
    file = JsonLinesEmergency(tmp_path)
    path, before = only_file(tmp_path), stat_of(tmp_path)
    assert before.st_mode & 0o777 == 0o600
    for number in (1, 2, 3):
        await file.asked(a_cancel(number))
    await file.answered("emg_2", "ACCEPTED", "{}", 9)
    await file.recorded(["emg_1"])
    assert file.pending() == (a_cancel(2, ending="ACCEPTED", decision="{}", answer_time_ns=9), a_cancel(3))
    await file.recorded(["emg_2", "emg_3"])
    assert file.pending() == ()
    assert stat_of(tmp_path).st_size == before.st_size
    assert only_file(tmp_path) == path
    assert path.read_bytes().strip(b"\0") == b""
    file.close()
    assert names(tmp_path) == []


async def test_next_process_takes_over_what_a_dead_one_left(tmp_path: Path) -> None:
    """A living process's entries are its own; once it is gone the next one has them, answers included, exactly once."""
    dead = JsonLinesEmergency(tmp_path)
    await dead.asked(a_cancel(1))
    await dead.asked(a_cancel(2))
    await dead.answered("emg_1", "REJECTED", "", 5)
    beside = JsonLinesEmergency(tmp_path)
    assert beside.pending() == ()
    beside.close()
    dead.close()
    heir = JsonLinesEmergency(tmp_path)
    assert heir.pending() == (a_cancel(1, ending="REJECTED", answer_time_ns=5), a_cancel(2))
    heir.close()
    assert len(names(tmp_path)) == 1


@pytest.mark.parametrize("more", [-1, 0, 1])
async def test_room_is_bounded(tmp_path: Path, more: int) -> None:
    """As many cancels as there is room for are taken, and not one more; each taken one gets its other lines in."""
    file = JsonLinesEmergency(tmp_path, entries_max=3)
    for number in range(3 + more):
        if number == 3:
            with pytest.raises(EmergencyFull):
                await file.asked(a_cancel(number))
        else:
            await file.asked(a_cancel(number))
    size = stat_of(tmp_path).st_size
    for entry in file.pending():
        await file.answered(entry.entry_id, "REJECTED", "x" * 5_000, 1)
    assert stat_of(tmp_path).st_size == size
    assert len(file.pending()) == 3 + min(more, 0)
    file.close()


@pytest.mark.parametrize("bend", ["change", "cut", "swap"])
async def test_bent_file_is_believed_up_to_the_bend_and_kept(tmp_path: Path, bend: str) -> None:
    """A line that was changed, cut or moved ends what is believed; the file stays for a person to look at."""
    file = JsonLinesEmergency(tmp_path)
    for number in (1, 2, 3):
        await file.asked(a_cancel(number))
    file.close()
    path = only_file(tmp_path)
    lines = path.read_text().split("\0", 1)[0].splitlines()
    match bend:
        case "change":
            told = json.loads(lines[1])
            told["asked"]["order_id"] = "ord_other"
            lines[1] = json.dumps(told)
        case "cut":
            lines[1:] = [lines[1][:40]]
        case _:
            lines[1], lines[2] = lines[2], lines[1]
    path.write_text("\n".join(lines) + "\n")
    heir = JsonLinesEmergency(tmp_path)
    assert heir.pending() == (a_cancel(1),)
    assert only_file(tmp_path, "bent").name == path.with_suffix(".bent").name
    heir.close()
