"""How far a broker's clock is from ours, by nothing but its answers."""

from dataclasses import dataclass, field
from email.utils import formatdate

import pytest

from brokergw.transport.heard_clock import HeardClock
from tests.fixtures.clock import START_NS, FakeClock

SECOND_NS = 1_000_000_000


@dataclass
class Broker:
    """A broker that answers at once and is so many seconds ahead of us, or behind where they are negative."""

    clock: FakeClock
    ahead_s: float = 0.0
    heard: HeardClock = field(init=False)

    def __post_init__(self) -> None:
        self.heard = HeardClock(self.clock)

    @property
    def date(self) -> str:
        return formatdate((self.clock.now_ns() + round(self.ahead_s * SECOND_NS)) // SECOND_NS, usegmt=True)

    def answer(self, *, there_s: float = 0.0, back_s: float = 0.0, age: str | None = None) -> None:
        """Answer once, after the way there, and let the answer take its way back."""
        question = self.heard.ask()
        self.clock.advance(there_s)
        date = self.date
        self.clock.advance(back_s)
        question.answered(date, age)

    def answers(self, count: int) -> None:
        """Answer once in each of the next seconds."""
        for _ in range(count):
            self.answer()
            self.clock.advance(1)


@pytest.fixture
def broker(still_clock: FakeClock) -> Broker:
    """Give a broker whose clock is ours."""
    return Broker(still_clock)


@pytest.mark.parametrize(
    ("ahead_s", "apart_s"),
    [(0.0, 0.0), (2.0, 2.0), (2.001, 2.0), (3.0, 3.0), (-1.0, 0.0), (-1.5, 1.0), (-3.0, 2.0), (-3.001, 3.0)],
)
def test_a_whole_second_is_what_a_date_leaves_open(broker: Broker, ahead_s: float, apart_s: float) -> None:
    """Ours stands at a whole second, so what is cut off shows one way and hides the other way."""
    broker.ahead_s = ahead_s
    broker.answers(2)
    assert broker.heard.apart_s() == apart_s


@pytest.mark.parametrize("ahead_s", [1.9, -1.9, 2.0, -2.0])
def test_what_is_allowed_is_never_taken_for_more(broker: Broker, ahead_s: float) -> None:
    """Wherever in its second the broker reads its clock."""
    broker.ahead_s = ahead_s
    for _ in range(50):
        broker.answers(1)
        broker.clock.advance(0.037)
        assert (broker.heard.apart_s() or 0) <= 2.0


@pytest.mark.parametrize("ahead_s", [3.0, -3.0])
def test_three_seconds_are_found_out_by_answers_at_any_time_of_their_second(broker: Broker, ahead_s: float) -> None:
    """What one answer leaves open the others close."""
    broker.ahead_s = ahead_s
    for _ in range(4):
        broker.answers(1)
        broker.clock.advance(0.23)
    assert (broker.heard.apart_s() or 0) > 2.0


def test_answers_in_one_second_hold_together(broker: Broker) -> None:
    """A broker three seconds behind is known to the tenth by what it says from the first tenth to the last."""
    broker.ahead_s = -3.0
    for _ in range(2):
        for _ in range(10):
            broker.answer()
            broker.clock.advance(0.1)
    assert broker.heard.apart_s() == 2.9


def test_a_slow_way_is_no_difference(broker: Broker) -> None:
    """What the question and the answer took cannot be told from one."""
    for _ in range(3):
        broker.answer(there_s=3, back_s=3)
    assert broker.heard.apart_s() == 0.0
    broker.ahead_s = 5.0
    for _ in range(3):
        broker.answer(back_s=3)
    assert broker.heard.apart_s() == 2.0


def test_the_wait_for_a_connection_is_not_the_way(broker: Broker) -> None:
    """Once the request leaves, the broker cannot have read its clock before."""
    broker.ahead_s = -5.0
    for _ in range(2):
        question = broker.heard.ask()
        broker.clock.advance(3)
        question.leaves()
        question.answered(broker.date, None)
    assert broker.heard.apart_s() == 4.0


def test_one_answer_alone_says_nothing(broker: Broker) -> None:
    """It may come from the one broken clock of many; the second one in another second speaks with it."""
    broker.ahead_s = 3600.0
    assert broker.heard.apart_s() is None
    broker.answer()
    broker.answer()
    assert broker.heard.apart_s() is None
    broker.clock.advance(1)
    broker.answer()
    assert broker.heard.apart_s() == 3600.0


@pytest.mark.parametrize("others", [1, 2, 3, 4])
@pytest.mark.parametrize("place", [0, 1, 4])
@pytest.mark.parametrize("ahead_s", [-3600.0, 3600.0])
def test_one_wrong_answer_is_outvoted_by_any_number_of_others(
    broker: Broker, others: int, place: int, ahead_s: float
) -> None:
    """First, in between or last, ahead or behind."""
    for turn in range(others + 1):
        broker.ahead_s = ahead_s if turn == min(place, others) else 0.0
        broker.answers(1)
    assert broker.heard.apart_s() == 0.0


def test_a_clock_that_changes_is_believed_once_most_answers_say_so(broker: Broker) -> None:
    """Two of five do not, three do."""
    broker.answers(5)
    broker.ahead_s = 10.0
    broker.answers(2)
    assert broker.heard.apart_s() == 0.0
    broker.answers(1)
    assert broker.heard.apart_s() == 10.0


def test_two_clocks_that_contradict_each_other_are_no_difference(broker: Broker) -> None:
    """One ahead and one behind: neither is ours, but nobody can tell where the broker's is."""
    for ahead_s in (5.0, -5.0):
        broker.ahead_s = ahead_s
        broker.answers(1)
    assert broker.heard.apart_s() == 0.0


def test_what_was_heard_counts_for_a_minute(broker: Broker) -> None:
    """At a minute it does, beyond not, and then one answer alone is not enough again."""
    broker.ahead_s = 3.0
    broker.answer()
    broker.clock.advance(1)
    broker.answer()
    broker.clock.advance(59)
    assert broker.heard.apart_s() == 3.0
    broker.clock.advance(0.001)
    assert broker.heard.apart_s() is None


@pytest.mark.parametrize("age", ["0", "31", "x"])
def test_an_answer_that_a_cache_has_kept_tells_no_time(broker: Broker, age: str) -> None:
    """Its Date is when it was made, and Age says that it was."""
    broker.ahead_s = -3600.0
    for _ in range(3):
        broker.answer(age=age)
        broker.clock.advance(1)
    assert broker.heard.apart_s() is None


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_an_answer_without_a_readable_date_tells_no_time(broker: Broker, date: str | None) -> None:
    """There is nothing to compare."""
    for _ in range(3):
        broker.heard.ask().answered(date, None)
        broker.clock.advance(1)
    assert broker.heard.apart_s() is None


@pytest.mark.parametrize(("stands_s", "useless"), [(1.099, False), (1.1, False), (1.101, True)])
def test_a_date_that_stands_still_tells_no_time(broker: Broker, stands_s: float, *, useless: bool) -> None:
    """A second and a tenth, and it is still a clock that is set by a timer; longer, and it is a kept answer."""
    for start_s in (100, 200):
        date = formatdate(START_NS // SECOND_NS + start_s, usegmt=True)
        broker.heard.ask().answered(date, None)
        broker.clock.advance(stands_s)
        broker.heard.ask().answered(date, None)
    assert (broker.heard.apart_s() is None) is useless


def test_setting_our_own_clock_shows_at_once(broker: Broker) -> None:
    """Wrong, and right again: without another answer, since nobody sets the clock that the answers are kept by."""
    set_by_s = 0.0
    wall_ns = broker.clock.now_ns
    broker.answers(3)
    broker.clock.now_ns = lambda: wall_ns() + round(set_by_s * SECOND_NS)  # type: ignore[method-assign]
    assert broker.heard.apart_s() == 0.0
    set_by_s = 5.0
    assert broker.heard.apart_s() == 4.0
    set_by_s = 0.0
    assert broker.heard.apart_s() == 0.0


@pytest.mark.parametrize(
    ("told_ms", "apart_s"),
    [(0, 0.0), (2_000, 2.0), (2_001, 2.001), (-2_000, 1.999), (-2_001, 2.0), (-2_002, 2.001)],
)
def test_a_time_that_was_asked_for_counts_for_itself(broker: Broker, told_ms: int, apart_s: float) -> None:
    """To the millisecond, alone, and against all Dates of before."""
    broker.ahead_s = 3600.0
    broker.answers(5)
    broker.heard.hear_exactly(broker.clock.now_ns() + told_ms * 1_000_000, broker.clock.monotonic())
    assert broker.heard.apart_s() == apart_s


def test_a_time_that_was_asked_for_outdoes_dates_for_a_minute(broker: Broker) -> None:
    """Then what has been heard since counts."""
    broker.heard.hear_exactly(broker.clock.now_ns(), broker.clock.monotonic())
    broker.ahead_s = 3.0
    broker.clock.advance(55)
    broker.answers(5)
    assert broker.heard.apart_s() == 0.0
    broker.clock.advance(0.001)
    assert broker.heard.apart_s() == 3.0


def test_a_time_that_is_past_shows_a_clock_that_is_ahead_and_no_other(broker: Broker) -> None:
    """A price's time may be old, but not of tomorrow."""
    for ago_s in (3_600.0, 0.0, -3.0):
        heard = HeardClock(broker.clock)
        for _ in range(2):
            heard.hear_at_least(broker.clock.now_ns() - round(ago_s * SECOND_NS))
            broker.clock.advance(1)
        assert heard.apart_s() == max(0.0, -ago_s)


def test_times_past_in_one_second_are_one_reading(broker: Broker) -> None:
    """However many prices come, one second of them does not speak for itself."""
    for _ in range(5):
        broker.heard.hear_at_least(broker.clock.now_ns() + 5 * SECOND_NS)
        broker.clock.advance(0.1)
    assert broker.heard.apart_s() is None
