import pytest

from brokergw.model.outcome import Budget
from brokergw.ports.broker import Pace
from brokergw.transport.throttle import Spent, Throttle, read_budget, retry_after_s, tells_when, told_s

NOTHING = Budget(None, None, None)


class Hand:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def spend(throttle: Throttle, *, cancel: bool = False) -> int:
    """Take tokens until there is none, and tell how many there were."""
    taken = 0
    try:
        while taken < 1000:
            throttle.take(cancel=cancel)
            taken += 1
    except Spent:
        return taken
    return taken


def test_a_share_of_the_budget_is_kept_for_cancels() -> None:
    """Ordinary requests stop at the share that only cancels may use."""
    throttle = Throttle(100, monotonic=Hand(), cancel_share=0.2)
    assert spend(throttle) == 80
    assert spend(throttle, cancel=True) == 20


def test_the_budget_refills_evenly() -> None:
    """Half a minute brings back half a minute's worth, and a long pause no more than the whole."""
    clock = Hand()
    throttle = Throttle(60, monotonic=clock, cancel_share=0)
    assert spend(throttle) == 60
    clock.now += 30
    assert spend(throttle) == 30
    clock.now += 3600
    assert spend(throttle) == 60


def test_a_spent_budget_tells_when_to_come_back() -> None:
    """After the wait it names, a request finds a token."""
    clock = Hand()
    throttle = Throttle(60, monotonic=clock, cancel_share=0)
    spend(throttle)
    with pytest.raises(Spent) as caught:
        throttle.take()
    clock.now += caught.value.retry_after_s
    throttle.take()


def test_a_ban_holds_for_cancels_too_and_ends() -> None:
    """Nothing passes during a ban, whatever is left, and everything after it."""
    clock = Hand()
    throttle = Throttle(None, monotonic=clock)
    throttle.ban(5)
    throttle.ban(1)
    for cancel in (False, True):
        with pytest.raises(Spent) as caught:
            throttle.take(cancel=cancel)
        assert caught.value.retry_after_s == 5
    clock.now += 5
    throttle.take()


def test_no_limit_counts_nothing() -> None:
    """Without a figure nothing is refused."""
    assert spend(Throttle(None, monotonic=Hand())) == 1000


def test_the_brokers_headers_set_capacity_and_remainder() -> None:
    """A larger limit told by the broker raises the capacity, a small remainder lowers what is left."""
    throttle = Throttle(10, monotonic=Hand(), cancel_share=0)
    throttle.learn(Budget(100, None, None))
    assert spend(throttle) == 100
    fresh = Throttle(100, monotonic=Hand(), cancel_share=0)
    fresh.learn(Budget(100, 7, None))
    assert spend(fresh) == 7


def test_budget_headers_are_read() -> None:
    """Limit, remainder and reset come from the X-RateLimit headers, the reset as Unix nanoseconds."""
    headers = {"x-ratelimit-limit": "200", "x-ratelimit-remaining": "3", "x-ratelimit-reset": "1700000000"}
    assert read_budget(headers, NOTHING) == Budget(200, 3, 1_700_000_000_000_000_000)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "many", "٣", "9" * 40])
def test_a_header_that_is_no_count_is_ignored(text: str) -> None:
    """A malformed header leaves the budget as it was known."""
    before = Budget(200, 5, None)
    assert read_budget({"x-ratelimit-remaining": text}, before) is before


def test_absent_headers_keep_the_budget_known_before() -> None:
    """A reply without the headers says nothing."""
    before = Budget(200, 5, None)
    assert read_budget({}, before) is before


def test_the_wait_after_a_refusal_prefers_the_brokers_own_word() -> None:
    """Retry-After wins over the reset time, which wins over the default; an absurd reset is capped."""
    now_ns = 1_700_000_000_000_000_000
    assert retry_after_s({"retry-after": "7", "x-ratelimit-reset": "1700000030"}, now_ns, default=1) == 7
    assert retry_after_s({"x-ratelimit-reset": "1700000030"}, now_ns, default=1) == 30
    assert retry_after_s({"x-ratelimit-reset": "1600000000"}, now_ns, default=1) == 1
    assert retry_after_s({"x-ratelimit-reset": "1900000000"}, now_ns, default=1) == 60
    assert retry_after_s({}, now_ns, default=1) == 1


def test_the_platforms_pace_is_followed_as_it_changes() -> None:
    """A pace below the broker's budget is the capacity, at once; above it, or gone, the broker's budget holds."""
    pace = Pace(requests_per_minute=40)
    throttle = Throttle(100, monotonic=Hand(), cancel_share=0, pace=lambda: pace)
    assert spend(throttle) == 40
    pace = Pace(requests_per_minute=70)
    assert spend(throttle) == 30
    pace = Pace(requests_per_minute=500)
    assert spend(throttle) == 30
    pace = Pace()
    assert spend(throttle) == 0


def test_a_pace_counts_where_nothing_was_counted() -> None:
    """The platform may bound a broker that has no budget of its own."""
    assert spend(Throttle(None, monotonic=Hand(), cancel_share=0, pace=lambda: Pace(requests_per_minute=30))) == 30


@pytest.mark.parametrize(("processes", "share"), [(1, 100), (2, 50), (4, 25), (50, 5)])
def test_processes_share_a_budget_that_the_broker_never_tells(processes: int, share: int) -> None:
    """Each takes its part, and at least a few requests."""
    throttle = Throttle(100, monotonic=Hand(), cancel_share=0, pace=lambda: Pace(processes=processes))
    assert spend(throttle) == share


def test_a_process_takes_what_the_others_leave_once_the_broker_tells() -> None:
    """With the remainder told nothing needs to be divided; each answer says what all have left."""
    throttle = Throttle(100, monotonic=Hand(), pace=lambda: Pace(processes=4))
    throttle.take()
    throttle.learn(Budget(100, 99, None))
    assert spend(throttle) == 79
    throttle.learn(Budget(100, 12, None))
    assert spend(throttle) == 0
    assert spend(throttle, cancel=True) == 12


def test_a_ban_that_the_broker_put_no_end_to_spares_cancels() -> None:
    """T2: a refusal without a time holds ordinary requests back for a moment, and cancels not at all."""
    throttle = Throttle(100, monotonic=Hand())
    throttle.ban(1, cancels=False)
    assert spend(throttle) == 0
    assert spend(throttle, cancel=True) == 100


def test_an_answer_tells_when_to_come_back_or_does_not() -> None:
    """Either header is an end; neither, or nonsense, is none."""
    assert tells_when({"retry-after": "3"})
    assert tells_when({"x-ratelimit-reset": "1700000000"})
    assert not tells_when({"retry-after": "soon"})
    assert not tells_when({})


@pytest.mark.parametrize(("early_s", "passed"), [(0.01, 0), (0.0, 3), (-0.01, 3)])
def test_who_is_turned_away_may_ask_everything_when_told_to_come_again(early_s: float, passed: int) -> None:
    """T2. Just before the time that was told none of an order's three requests passes, from then on all of them do."""
    clock = Hand()
    throttle = Throttle(60, monotonic=clock, cancel_share=0.25, together=3)
    for _ in range(45):
        throttle.take()
    with pytest.raises(Spent) as spent:
        throttle.take()
    clock.now += spent.value.retry_after_s - early_s
    for _ in range(passed):
        throttle.take()
    with pytest.raises(Spent):
        throttle.take()
    throttle.take(cancel=True)


def test_who_does_not_wait_gets_everything_together_all_the_same() -> None:
    """T2. Callers who come again at once do not take the tokens one by one, so that none ever has what it needs."""
    clock = Hand()
    throttle = Throttle(60, monotonic=clock, cancel_share=0, together=2)
    spend(throttle)
    whole = 0
    for _ in range(100):
        clock.now += 0.1
        whole += spend(throttle) >= 2
    assert whole == 5


def test_a_cancel_that_is_turned_away_waits_for_itself_alone() -> None:
    """T2. And no wait is longer than it takes to fill the whole budget."""
    throttle = Throttle(60, monotonic=Hand(), cancel_share=0, together=3)
    for _ in range(60):
        throttle.take(cancel=True)
    with pytest.raises(Spent) as one:
        throttle.take(cancel=True)
    assert one.value.retry_after_s == pytest.approx(1.0)
    small = Throttle(2, monotonic=Hand(), cancel_share=0, together=3)
    small.take()
    small.take()
    with pytest.raises(Spent) as all_of_it:
        small.take()
    assert all_of_it.value.retry_after_s == pytest.approx(60.0)


@pytest.mark.parametrize(("said", "seconds"), [("600", 600.0), ("0", 0.0), ("-1", None), ("soon", None), (None, None)])
def test_only_a_number_of_seconds_is_a_time_to_come_again(said: str | None, seconds: float | None) -> None:
    """A date, or nothing at all, is no word on how long a broker is away."""
    assert told_s({} if said is None else {"retry-after": said}) == seconds
