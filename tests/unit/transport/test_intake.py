"""How much may be read from one broker, and kept of it."""

import pytest

from brokergw.transport.intake import Intake

OVERHEAD = 256


@pytest.mark.parametrize(("size", "pause_s"), [(199, 0.0), (200, 0.0), (210, 0.1)])
def test_bytes_beyond_the_burst_are_waited_for(size: int, pause_s: float) -> None:
    """Two seconds' worth of bytes may come at once, and each byte beyond costs its time."""
    intake = Intake(pieces_per_s=1e9, bytes_per_s=100, burst_s=2)
    assert intake.pause_s(1000.0, size) == pytest.approx(pause_s)


@pytest.mark.parametrize(("pieces", "pause_s"), [(19, 0.0), (20, 0.0), (21, 0.1)])
def test_pieces_beyond_the_burst_are_waited_for(pieces: int, pause_s: float) -> None:
    """Two seconds' worth of pieces may come at once, however small they are."""
    intake = Intake(pieces_per_s=10, bytes_per_s=1e9, burst_s=2)
    assert [intake.pause_s(1000.0, 0) for _ in range(pieces)][-1] == pytest.approx(pause_s)


def test_time_pays_the_debt_and_no_more() -> None:
    """What was read is forgotten at the rate, and a long silence saves nothing up beyond the burst."""
    intake = Intake(pieces_per_s=1e9, bytes_per_s=100, burst_s=2)
    assert intake.pause_s(1000.0, 300) == pytest.approx(1.0)
    assert intake.pause_s(1001.0, 100) == pytest.approx(1.0)
    assert intake.pause_s(5000.0, 300) == pytest.approx(1.0)


@pytest.mark.parametrize(("size", "room"), [(99, True), (100, True), (101, False)])
def test_what_is_kept_is_bounded(size: int, *, room: bool) -> None:
    """A piece is kept while it fits in with its overhead, and its room is given back."""
    intake = Intake(held_bytes_max=1100 + 2 * OVERHEAD)
    assert intake.hold(1000)
    assert intake.hold(size) is room
    intake.release(1000)
    assert intake.hold(1000)


def test_empty_pieces_are_not_free() -> None:
    """A flood of nothing fills the room too."""
    intake = Intake(held_bytes_max=10 * OVERHEAD)
    assert [intake.hold(0) for _ in range(11)] == [True] * 10 + [False]
    intake.release(0, 10)
    assert intake.held_bytes == 0
