"""What an operator is told of brokers' clocks."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from brokergw.app.clocks import ClockGauge
from brokergw.desk.hours.broker_clocks import BrokerClocks
from brokergw.desk.session import Session
from brokergw.model.account import ConnectionHealth, Environment
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import FeedUp
from brokergw.ports.leases import FeedStatus
from tests.fixtures.clock import START_NS, FakeClock
from tests.fixtures.scripted_broker import Bench


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
                clock_compared=lambda *_: None,
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


@pytest.mark.parametrize(("apart_s", "skewed"), [(None, False), (1.999, False), (2.0, False), (2.001, True)])
async def test_a_connection_says_who_must_set_the_clock(bench: Bench, apart_s: float | None, *, skewed: bool) -> None:
    """Above the gate's own limit it is degraded, until the clocks agree again."""
    (session,) = bench.desk.sessions()
    clocks = BrokerClocks(bench.desk.sessions, bench.clock)
    await bench.tell(FeedUp(START_NS))
    bench.broker.apart_s = apart_s
    clocks.look()
    assert session.health is (ConnectionHealth.DEGRADED if skewed else ConnectionHealth.HEALTHY)
    assert session.detail.endswith("so that no order is sent: have whoever runs the gateway set its clock") is skewed
    bench.broker.apart_s = 2.0
    clocks.look()
    assert (session.health, session.detail) == (ConnectionHealth.HEALTHY, "")


async def test_a_clock_is_told_of_before_what_mends_itself(bench: Bench) -> None:
    """A stream that is lost beside it is tried again by itself; the clock is not, and a refused key comes first."""
    (session,) = bench.desk.sessions()
    session.stream_lost("cut")
    session.clock_compared(3.0, 2.0)
    assert "set its clock" in session.detail
    session.failed(GatewayError(Reason.BROKER_CREDENTIALS_REFUSED, "the broker refused the key"))
    assert session.health is ConnectionHealth.REAUTHORIZATION_REQUIRED
    session.answered()
    assert "set its clock" in session.detail
    session.clock_compared(None, 2.0)
    assert "stream" in session.detail


async def test_whose_background_work_is_elsewhere_is_shown_by_the_clock_there(bench: Bench) -> None:
    """This process's own clock says nothing about a connection that another one tells of."""
    (session,) = bench.desk.sessions()
    session.let_go()
    session.show(FeedStatus(health=ConnectionHealth.HEALTHY, detail="", stream_up=True, last_message_ns=None))
    session.clock_compared(3.0, 2.0)
    assert (session.health, session.detail) == (ConnectionHealth.HEALTHY, "")


async def test_the_metric_shows_what_is_known_and_nothing_else(bench: Bench) -> None:
    """A figure for each broker and environment that tells its time, which goes when it tells it no more."""
    registry = CollectorRegistry()
    gauge = ClockGauge(registry)

    def figure() -> float | None:
        labels = {"broker": "scripted", "environment": "MOCK"}
        return registry.get_sample_value("brokergw_broker_clock_apart_seconds", labels)

    seen = []
    for apart_s in (None, 0.0, 1.5, None, 3.0):
        bench.broker.apart_s = apart_s
        gauge.look(bench.desk.sessions())
        seen.append(figure())
    assert seen == [None, 0.0, 1.5, None, 3.0]
