"""Alerts of limits that are reached."""

import pytest

from brokergw.desk.alerts.limits import LimitAlerts
from brokergw.desk.limits.day import TradingDays
from brokergw.model.alerts import AlertKind, Severity
from brokergw.model.errors import Objection, PreflightDenied, Reason
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_alerts import HeardAlerts


def denial(
    used: str | None, limit: str = "10", source: str = "USER", name: str = "orders_per_day_max"
) -> PreflightDenied:
    """Make a denial by one limit."""
    reason = Reason.ORDER_COUNT_EXCEEDS_LIMIT
    objection = Objection(reason, "user", "too many", limit, used, name, source, used, "1")
    return PreflightDenied("exposure", (objection,))


@pytest.fixture
def heard() -> HeardAlerts:
    """Give who is told."""
    return HeardAlerts()


@pytest.fixture
def limits(still_clock: FakeClock, heard: HeardAlerts) -> LimitAlerts:
    """Give what hears of denials."""
    return LimitAlerts(heard, TradingDays().of, still_clock)


@pytest.mark.parametrize(("used", "told"), [("9", 0), ("10", 1), ("11", 1), (None, 0), ("many", 0)])
def test_only_what_is_used_up_is_told(limits: LimitAlerts, heard: HeardAlerts, used: str | None, told: int) -> None:
    """An order that would pass a cap of which something is left is its own matter; at the cap people hear of it."""
    limits.denied("alice", "", denial(used))
    assert len(heard.alerts) == told


def test_a_limit_is_told_once_a_day_for_each_user(
    limits: LimitAlerts, heard: HeardAlerts, still_clock: FakeClock
) -> None:
    """A thousand denials are one alert; another user, limit, strategy or day is another."""
    for _ in range(1_000):
        limits.denied("alice", "", denial("10"))
    assert len(heard.alerts) == 1
    limits.denied("bob", "", denial("10"))
    limits.denied("alice", "", denial("10", name="open_orders_max"))
    limits.denied("alice", "momentum", denial("10", source="STRATEGY"))
    limits.denied("alice", "momentum", denial("10"))
    assert len(heard.alerts) == 4
    still_clock.advance(86_400)
    limits.denied("alice", "", denial("10"))
    assert len(heard.alerts) == 5
    first = heard.alerts[0]
    assert (first.kind, first.severity, first.user_id) == (AlertKind.LIMIT_REACHED, Severity.WARNING, "alice")
    assert dict(first.facts)["used"] == "10"
