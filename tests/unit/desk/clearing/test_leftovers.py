"""What a person is told of a sweep that does not come to its end."""

import pytest

from brokergw.desk.clearing.leftovers import AFTER_S, Leftovers
from brokergw.model.alerts import AlertKind, Severity
from brokergw.model.trading import PLATFORM, HaltCause
from brokergw.ports.halts import Finding, FindingState, Residual, Sweep, SweepOrder
from tests.fixtures.clock import START_NS
from tests.fixtures.memory_alerts import HeardAlerts

S = 1_000_000_000
ORDER = SweepOrder(sweep_id="swp_1", flatten=True, user_id="root", key_id="", request_id="")
SWEEP = Sweep(scope=PLATFORM, cause=HaltCause.KILL_SWITCH, order=ORDER, begin_time_ns=START_NS)
LEFT = Residual(symbol="ACME", order_id="ord_1", why="the broker has not confirmed the cancel")


def finding(after_ns: int, state: FindingState = FindingState.WORKING, *left: Residual, why: str = "") -> Finding:
    return Finding(
        sweep_id="swp_1",
        account_id="acc_1",
        user_id="alice",
        state=state,
        residuals=left,
        why=why,
        time_ns=START_NS + after_ns,
    )


@pytest.mark.parametrize(("after_ns", "alerts"), [(AFTER_S * S - 1, 0), (AFTER_S * S, 1), (AFTER_S * S + 1, 1)])
def test_what_is_left_after_ten_seconds_is_told_once(after_ns: int, alerts: int) -> None:
    """K3: a cancel that takes its time is no news, one that is not confirmed after ten seconds is, and just once."""
    heard = HeardAlerts()
    leftovers = Leftovers(heard)
    leftovers.take(SWEEP, finding(after_ns, FindingState.WORKING, LEFT))
    assert len(heard.alerts) == alerts
    for later in range(3):
        leftovers.take(SWEEP, finding(AFTER_S * S + later, FindingState.WORKING, LEFT))
    (alert,) = heard.alerts
    assert (alert.kind, alert.severity, alert.user_id) == (AlertKind.NOT_CLEARED, Severity.CRITICAL, "alice")
    assert alert.subject == "PLATFORM acc_1"
    assert alert.facts == (("ACME", "order ord_1: the broker has not confirmed the cancel"),)


def test_broker_that_does_not_say_is_told_with_its_reason() -> None:
    """K6: while a broker is down nobody knows what rests there, which is news too; a position tells its size."""
    heard = HeardAlerts()
    held = Residual(symbol="ACME", quantity="7", why="orders rest in the scope still")
    Leftovers(heard).take(SWEEP, finding(AFTER_S * S, FindingState.BLOCKED, held, why="BROKER_UNREACHABLE: down"))
    (alert,) = heard.alerts
    assert alert.message == (
        "10 s after PLATFORM was halted, account acc_1 is not clear: 1 left;"
        " its broker does not say what rests there: BROKER_UNREACHABLE: down"
    )
    assert alert.facts == (("ACME", "7: orders rest in the scope still"),)


def test_what_comes_back_after_it_was_done_is_told_again() -> None:
    """K4: an order that is born late in a scope that was clear is news of its own; an account that is done is none."""
    heard = HeardAlerts()
    leftovers = Leftovers(heard)
    for state in (FindingState.DONE, FindingState.WORKING, FindingState.DONE, FindingState.WORKING):
        leftovers.take(SWEEP, finding(60 * S, state, *([LEFT] if state is FindingState.WORKING else [])))
    assert len(heard.alerts) == 2
