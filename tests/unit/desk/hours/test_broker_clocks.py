"""What an operator is told of brokers' clocks."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from brokergw.desk.hours.broker_clocks import BrokerClocks
from brokergw.desk.session import Session
from brokergw.model.account import Environment
from tests.fixtures.clock import FakeClock


class Brokers:
    """Connections at brokers, whose clocks are apart by what a test says."""

    def __init__(self, clock: FakeClock, **apart_s: float | None) -> None:
        self.apart_s = apart_s
        self.clocks = BrokerClocks(self._sessions, clock)

    def _sessions(self) -> list[Session]:
        found = [
            SimpleNamespace(
                connection=SimpleNamespace(broker=name, environment=Environment.PAPER),
                adapter=SimpleNamespace(clock_apart_s=lambda name=name: self.apart_s[name]),
            )
            for name in self.apart_s
            for _ in range(2)
        ]
        return [cast("Session", each) for each in found]

    def look(self) -> list[tuple[Any, ...]]:
        """Look once, and give the level, the broker and the seconds of each line of the log."""
        with capture_logs() as lines:
            self.clocks.look()
        return [(line["log_level"], line["broker"], line.get("seconds")) for line in lines]


@pytest.mark.parametrize(("apart_s", "told"), [(None, False), (1.999, False), (2.0, False), (2.001, True)])
def test_an_operator_hears_of_a_clock_that_orders_are_refused_for(
    still_clock: FakeClock, apart_s: float | None, *, told: bool
) -> None:
    """At the gate's own limit, one line for a broker however many connections it has."""
    brokers = Brokers(still_clock, one=apart_s, other=0.0)
    assert brokers.look() == ([("error", "one", 2.001)] if told else [])


def test_an_operator_hears_of_each_change_once(still_clock: FakeClock) -> None:
    """When it begins, and when it is over or nothing is known any more."""
    brokers = Brokers(still_clock, one=5.0)
    assert brokers.look() == [("error", "one", 5.0)]
    brokers.apart_s["one"] = 6.0
    assert brokers.look() == []
    brokers.apart_s["one"] = None
    assert brokers.look() == [("info", "one", None)]
    brokers.apart_s["one"] = 5.0
    assert brokers.look() == [("error", "one", 5.0)]
