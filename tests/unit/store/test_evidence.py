import os
from pathlib import Path

import pytest

from brokergw.ports.evidence import Evidence
from brokergw.store.evidence import JsonLinesEvidence

FIRST = Evidence("ord_1", 1, '{"kind":"accepted"}')
SECOND = Evidence("ord_1", 2, "{}")
OTHER = Evidence("ord_2", 1, '{"text":"über\\n"}')


def files(folder: Path) -> list[Path]:
    """List what is in the folder."""
    return sorted(folder.iterdir())


def crash(evidence: JsonLinesEvidence) -> None:
    """Let a process end without a word: its lock ends, its file stays."""
    assert evidence._file is not None
    os.close(evidence._file)
    evidence._file = None


async def test_kept_evidence_outlives_its_process(tmp_path: Path) -> None:
    """What was kept and not settled comes to the next process, in order; the dead one's file is gone then."""
    before = JsonLinesEvidence(tmp_path / "new")
    for each in (FIRST, OTHER, SECOND):
        await before.keep(each)
    assert before.all() == (FIRST, OTHER, SECOND)
    await before.settled("ord_2")
    await before.settled("ord_unknown")
    crash(before)
    after = JsonLinesEvidence(tmp_path / "new")
    assert after.all() == (FIRST, SECOND)
    assert files(tmp_path / "new") == [after._path]
    await after.settled("ord_1")
    crash(after)
    assert JsonLinesEvidence(tmp_path / "new").all() == ()


async def test_folder_stays_empty_while_nothing_is_kept(tmp_path: Path) -> None:
    """A process that keeps nothing, or has settled all it kept, leaves no file."""
    evidence = JsonLinesEvidence(tmp_path)
    assert files(tmp_path) == []
    await evidence.keep(FIRST)
    assert len(files(tmp_path)) == 1
    await evidence.settled("ord_1")
    evidence.close()
    assert files(tmp_path) == []


async def test_unsettled_evidence_outlives_a_close(tmp_path: Path) -> None:
    """A process that ends in order leaves what is not settled."""
    evidence = JsonLinesEvidence(tmp_path)
    await evidence.keep(FIRST)
    evidence.close()
    assert JsonLinesEvidence(tmp_path).all() == (FIRST,)


async def test_living_processes_keep_their_own(tmp_path: Path) -> None:
    """Processes that share a folder never take what a living one keeps."""
    one = JsonLinesEvidence(tmp_path)
    await one.keep(FIRST)
    other = JsonLinesEvidence(tmp_path)
    assert other.all() == ()
    await other.keep(OTHER)
    assert one.all() == (FIRST,)
    assert len(files(tmp_path)) == 2


async def test_cut_line_harms_nothing(tmp_path: Path) -> None:
    """A line that was cut by a crash is left out, and every other line stands."""
    evidence = JsonLinesEvidence(tmp_path)
    await evidence.keep(FIRST)
    assert evidence._file is not None
    os.write(evidence._file, b'{"order_id": "ord_3", "att')
    crash(evidence)
    assert JsonLinesEvidence(tmp_path).all() == (FIRST,)


async def test_failed_write_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses, the caller hears it, nothing counts as kept, and the next answer is whole."""
    evidence = JsonLinesEvidence(tmp_path)
    await evidence.keep(FIRST)
    with monkeypatch.context() as broken:
        fsync = os.fsync

        def refuse(file: int) -> None:
            fsync(file)
            raise OSError("full")

        broken.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="full"):
            await evidence.keep(SECOND)
    await evidence.keep(OTHER)
    assert evidence.all() == (FIRST, OTHER)
    crash(evidence)
    assert JsonLinesEvidence(tmp_path).all() == (FIRST, OTHER)
