"""How long is waited before a link is tried again."""

import pytest

from brokergw.transport.backoff import Backoff


def shortest(first_s: float) -> float:
    return 0.75 * first_s


@pytest.mark.parametrize(
    ("lasted_s", "renewal", "waits"),
    [
        (4.99, True, True),
        (5.0, True, False),
        (5.01, True, False),
        (4.99, False, True),
        (5.0, False, True),
        (59.9, False, True),
    ],
)
def test_only_a_link_that_was_given_up_for_a_fresh_one_and_was_not_young_has_no_pause(
    lasted_s: float,
    renewal: bool,  # noqa: FBT001 - a case
    waits: bool,  # noqa: FBT001 - a case
) -> None:
    """A renewal waits for nothing after five seconds; before them, or for any other loss, there is a pause."""
    pause_s = Backoff(1.0, 60.0, 60.0).pause_s(lasted_s, renewal=renewal)
    assert (pause_s >= shortest(1.0)) if waits else pause_s == 0


@pytest.mark.parametrize(("lasted_s", "first_again"), [(59.9, False), (60.0, True), (60.1, True)])
def test_pauses_double_until_a_link_was_stable(lasted_s: float, first_again: bool) -> None:  # noqa: FBT001 - a case
    """Each pause is twice the one before, up to the most, and the first again after a link that was stable."""
    backoff = Backoff(1.0, 60.0, 60.0)
    pauses = [backoff.pause_s(0.0) for _ in range(8)]
    for number, pause_s in enumerate(pauses):
        due_s = min(60.0, 2.0**number)
        assert shortest(due_s) <= pause_s <= 1.25 * due_s
    again_s = backoff.pause_s(lasted_s)
    assert again_s <= 1.25 if first_again else again_s >= shortest(60.0)


def test_a_renewal_leaves_the_next_pause_as_it_was() -> None:
    """What was lost before a renewal still counts after it, unless the link was stable."""
    backoff = Backoff(1.0, 60.0, 60.0)
    for _ in range(3):
        backoff.pause_s(0.0)
    assert backoff.pause_s(10.0, renewal=True) == 0
    assert backoff.pause_s(0.0) >= shortest(8.0)
