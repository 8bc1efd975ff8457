from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.adapters.ctrader.errors import RULES, SESSION, judged, maintained_s
from brokergw.adapters.ctrader.messages import Kind
from brokergw.adapters.ctrader.outcomes import of_refusal, refusal_of
from brokergw.adapters.ctrader.payloads import Message
from brokergw.model.errors import Reason
from brokergw.model.outcome import NotSent, Rejected, Unknown
from brokergw.transport.answers import Verdict
from tests.fixtures.ctrader_wire import sample

OUTCOMES = {"REFUSED": Rejected, "NOT_TAKEN": NotSent, "UNKNOWN": Unknown}


@pytest.mark.parametrize("case", sample("errors"), ids=lambda case: f"{case['code']} {case['description'][:30]}")
@pytest.mark.parametrize("kind", [Kind.COMMON_ERROR, Kind.ERROR_RES, Kind.ORDER_ERROR_EVENT])
def test_an_error_means_what_the_table_says(case: dict[str, Any], kind: Kind) -> None:
    """Each documented code has one verdict and reason, whichever message brings it, and what is unlisted is unknown."""
    refusal = refusal_of(Message(kind, {"errorCode": case["code"], "description": case["description"]}))
    assert refusal is not None
    assert (refusal.verdict, refusal.reason) == (Verdict[case["verdict"]], case["reason"])
    assert isinstance(of_refusal(refusal), OUTCOMES[case["verdict"]])


def test_every_row_of_the_table_is_met_by_a_sample() -> None:
    """No row is there on somebody's memory alone: each one is the first match of a sampled error."""
    met = set()
    for case in sample("errors"):
        for index, rule in enumerate(RULES):
            if rule.fits(case["description"], 0, case["code"], ""):
                met.add(index)
                break
    assert [rule for index, rule in enumerate(RULES) if index not in met] == []


@given(st.text(max_size=30), st.text(max_size=60))
def test_only_the_table_refuses(code: str, description: str) -> None:
    """Whatever code is not in the table leaves the outcome open."""
    if code not in {rule.code for rule in RULES}:
        assert isinstance(of_refusal(judged({"errorCode": code, "description": description})), Unknown)


@pytest.mark.parametrize("payload", [{}, {"errorCode": 7}, {"errorCode": None, "description": []}])
def test_an_error_without_a_code_leaves_the_outcome_open(payload: dict[str, Any]) -> None:
    """An error that names nothing proves nothing."""
    assert isinstance(of_refusal(judged(payload)), Unknown)


@pytest.mark.parametrize(("told", "wait_s"), [(None, 1.0), (0, 1.0), (1, 1.0), (30, 30.0), (True, 1.0), ("9", 1.0)])
def test_what_came_too_often_waits_as_long_as_the_broker_says(told: Any, wait_s: float) -> None:
    """`retryAfter` is how long to wait; where it is not told, or makes no sense, a second is."""
    outcome = of_refusal(judged({"errorCode": "REQUEST_FREQUENCY_EXCEEDED", "retryAfter": told}))
    assert outcome == NotSent("cTrader takes no more requests for now", wait_s, Reason.BROKER_RATE_LIMITED)


def test_a_lost_session_is_not_a_spent_budget() -> None:
    """What was thrown away for want of a session is not sent, and may come again at once."""
    outcome = of_refusal(judged({"errorCode": "CH_CLIENT_NOT_AUTHENTICATED"}))
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after_s is None
    assert judged({"errorCode": "CH_CLIENT_NOT_AUTHENTICATED"}).reason == SESSION


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"executionType": 7}, Rejected),
        ({"executionType": 7, "errorCode": "NOT_ENOUGH_MONEY"}, Rejected),
        ({"executionType": 7, "errorCode": "A_CODE_OF_TOMORROW"}, Rejected),
        ({"executionType": 8, "errorCode": "UNABLE_TO_CANCEL_ORDER"}, Rejected),
        ({"executionType": 2, "errorCode": "A_CODE_OF_TOMORROW"}, Unknown),
    ],
)
def test_an_execution_event_may_be_a_refusal(payload: dict[str, Any], kind: type) -> None:
    """What the event calls rejected is rejected whatever the code; a code beside another event must be known."""
    refusal = refusal_of(Message(Kind.EXECUTION_EVENT, payload))
    assert refusal is not None
    assert isinstance(of_refusal(refusal), kind)


WEEK_S = 7 * 86_400


@pytest.mark.parametrize(
    ("end", "left_s"),
    [
        (1_800_000_600, 600.0),
        (1_800_000_600_000, 600.0),
        (1_800_000_001, 1.0),
        (1_800_000_000, None),
        (1_799_999_999, None),
        (1_800_000_000 + WEEK_S, float(WEEK_S)),
        (1_800_000_001 + WEEK_S, None),
        (None, None),
        (True, None),
        ("1800000600", None),
    ],
)
def test_a_maintenance_ends_when_the_broker_says_so(end: Any, left_s: float | None) -> None:
    """The end comes in seconds or in milliseconds; one that is past, or more than a week away, tells nothing."""
    payload = {"errorCode": "SERVER_IS_UNDER_MAINTENANCE", "maintenanceEndTimestamp": end}
    assert maintained_s(payload, 1_800_000_000 * 10**9) == left_s
