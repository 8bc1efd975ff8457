"""The short right to send."""

import pytest

from brokergw.desk.halts.clearance import HELD_OFF_S, Clearance
from brokergw.ports.halts import CLEARANCE_S
from tests.fixtures.clock import FakeClock

STEP_S = 0.001


def cleared(clock: FakeClock) -> Clearance:
    """Make a right that was given just now."""
    clearance = Clearance(clock.monotonic, expires=True)
    clearance.renew(clock.monotonic())
    return clearance


@pytest.mark.parametrize(
    ("age_s", "valid"), [(CLEARANCE_S - STEP_S, True), (CLEARANCE_S, True), (CLEARANCE_S + STEP_S, False)]
)
def test_the_right_ends_half_a_second_after_the_look_began(still_clock: FakeClock, age_s: float, valid: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Just before and at half a second after the look began a process may send, just after it may not."""
    clearance = cleared(still_clock)
    still_clock.advance(age_s)
    assert clearance.valid is valid


def test_nobody_may_send_before_the_first_look(still_clock: FakeClock) -> None:
    """A process that has not looked into the book yet sends nothing."""
    assert not Clearance(still_clock.monotonic, expires=True).valid


def test_a_process_with_the_book_to_itself_needs_no_look(still_clock: FakeClock) -> None:
    """Where no other process can change the book, the right never ends."""
    clearance = Clearance(still_clock.monotonic, expires=False)
    still_clock.advance(1_000_000)
    assert clearance.valid


def test_a_look_counts_from_when_it_began(still_clock: FakeClock) -> None:
    """An answer that comes late gives no more than is left of the half second."""
    clearance = cleared(still_clock)
    began = still_clock.monotonic()
    still_clock.advance(CLEARANCE_S - STEP_S)
    clearance.renew(began)
    assert clearance.valid
    still_clock.advance(2 * STEP_S)
    assert not clearance.valid


@pytest.mark.parametrize(("late_s", "back"), [(HELD_OFF_S - STEP_S, False), (HELD_OFF_S, True)])
def test_after_an_expiry_a_second_passes(still_clock: FakeClock, late_s: float, back: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The look after an expiry gives nothing back; one that begins a second later does, none before."""
    clearance = cleared(still_clock)
    still_clock.advance(CLEARANCE_S + STEP_S)
    first = still_clock.monotonic()
    clearance.renew(first)
    assert not clearance.valid
    while still_clock.monotonic() + 0.1 < first + late_s:
        still_clock.advance(0.1)
        clearance.renew(still_clock.monotonic())
        assert not clearance.valid
        assert clearance.wait_s > 0
    still_clock.advance(first + late_s - still_clock.monotonic() + 1e-9)
    clearance.renew(still_clock.monotonic())
    assert clearance.valid is back


def test_the_second_begins_again_where_looks_fail_in_it(still_clock: FakeClock) -> None:
    """Two outages in a row are not one: a switch thrown in the second has its second too."""
    clearance = cleared(still_clock)
    still_clock.advance(10)
    clearance.renew(still_clock.monotonic())
    still_clock.advance(10)
    clearance.renew(still_clock.monotonic())
    assert not clearance.valid


def test_who_is_struck_off_the_book_waits_too(still_clock: FakeClock) -> None:
    """A process that nobody waited for any more sends nothing until it has entered again and a second has passed."""
    clearance = cleared(still_clock)
    clearance.revoke(still_clock.monotonic())
    assert not clearance.valid
    still_clock.advance(0.1)
    clearance.renew(still_clock.monotonic())
    assert not clearance.valid
