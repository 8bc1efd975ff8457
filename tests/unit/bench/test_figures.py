"""The arithmetic behind the bench's tables."""

import pytest

from bench.figures import Measurement, Spread, measurement, quantile, ratio, spread
from bench.plan import CALLS, IN_FLIGHT, STREAMS, SUBSCRIBERS, steps
from bench.processes import shares


def rate(value: float) -> Measurement:
    """Make a measurement of which only the rate matters."""
    return Measurement(rate=value, p50_ms=None, p99_ms=None, cpu_us=None)


def test_quantiles_are_values_that_occurred() -> None:
    """The 99th percentile of a hundred values is the last but one's successor, never an interpolation."""
    ordered = [float(value) for value in range(1, 101)]
    assert quantile(ordered, 0.5) == 51
    assert quantile(ordered, 0.99) == 100
    assert quantile([7.0], 0.99) == 7
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_a_measurement_counts_calls_per_second_of_the_window() -> None:
    """Rate is calls over the window, latencies come out in milliseconds."""
    found = measurement(count=300, elapsed_s=2.0, latencies_us=[3000.0, 1000.0, 2000.0], cpu_us=250.0)
    assert found == Measurement(rate=150.0, p50_ms=2.0, p99_ms=3.0, cpu_us=250.0)


def test_a_spread_keeps_the_middle_and_both_ends() -> None:
    """One odd round moves an end, not the middle; a figure missing in a round is not reported at all."""
    assert spread([5.0, 1.0, 4.0]) == Spread(median=4.0, low=1.0, high=5.0)
    assert spread([5.0, None]) is None
    assert spread([]) is None


def test_ratios_are_taken_round_by_round() -> None:
    """A round in which the whole machine was slow does not move the ratio."""
    above = [rate(50), rate(5), rate(60)]
    below = [rate(100), rate(10), rate(100)]
    assert ratio(above, below) == Spread(median=0.5, low=0.5, high=0.6)


def test_every_round_measures_everything_in_another_order() -> None:
    """Each case is measured at each load in each round, and no case always goes first."""
    first, second = (list(steps(number, frozenset("abcdefg"))) for number in (0, 1))
    assert len(first) == len(CALLS) * len(IN_FLIGHT) + len(STREAMS) * len(SUBSCRIBERS)
    assert set(first) == set(second)
    assert first[0] != second[0]


def test_only_the_wanted_cases_are_measured() -> None:
    """A letter selects its case; f selects all stream cases."""
    assert {step.case.letter for step in steps(0, frozenset("af"))} == {"a", "f0", "f1", "f2", "f3", "f4"}


@pytest.mark.parametrize(("whole", "expected"), [(32, [16, 16]), (1, [1, 0]), (5, [3, 2])])
def test_a_load_is_shared_out_whole(whole: int, expected: list[int]) -> None:
    """Two generators together carry exactly the load that was asked for."""
    assert shares(whole, 2) == expected
