"""How an answer is judged by a table."""

import pytest

from brokergw.model.errors import Reason
from brokergw.model.outcome import NotSent, Rejected, Unknown
from brokergw.transport.answers import Refusal, Verdict, judge, rule

RULES = (
    rule("BUSY", 429, 503, verdict=Verdict.NOT_TAKEN),
    rule("GONE", 400, code="-1", words=r"^no such"),
    rule("LATE", 400, code="-1", requests=("PUT",)),
    rule("TERMS", 400, requests=("POST", "PUT")),
)


@pytest.mark.parametrize(
    ("message", "status", "code", "request_", "reason"),
    [
        ("", 428, "", "GET", ""),
        ("", 429, "", "GET", "BUSY"),
        ("", 430, "", "GET", ""),
        ("", 503, "-1", "PUT", "BUSY"),
        ("  No such order", 400, "-1", "GET", "GONE"),
        ("No such order", 400, "", "GET", ""),
        ("There is no such order", 400, "-1", "GET", ""),
        ("No such order", 400, "-1", "PUT", "GONE"),
        ("late", 400, "-1", "PUT", "LATE"),
        ("late", 400, "-1", "POST", "TERMS"),
        ("late", 400, "-2", "PUT", "TERMS"),
        ("late", 400, "-2", "DELETE", ""),
    ],
)
def test_the_first_row_that_fits_judges(message: str, status: int, code: str, request_: str, reason: str) -> None:
    """Status, code, request and words must all fit; what a row leaves empty fits anything."""
    assert judge(RULES, message, status=status, code=code, request=request_).reason == reason


def test_what_no_row_names_is_unknown() -> None:
    """An answer that is not listed proves nothing, and keeps its code and words."""
    assert judge(RULES, " why ", status=500, code="7") == Refusal(Verdict.UNKNOWN, "", "7", "why")


@pytest.mark.parametrize(("length", "kept"), [(299, 299), (300, 300), (301, 300)])
def test_the_brokers_words_are_capped(length: int, kept: int) -> None:
    """No more of a message is kept than a log line bears."""
    assert len(judge((), "x" * length).message) == kept


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Verdict.REFUSED, Rejected("WHY", "7", "words")),
        (Verdict.NOT_TAKEN, NotSent("Acme threw it away: WHY", 2.0)),
        (Verdict.UNKNOWN, Unknown("HTTP 500")),
    ],
)
def test_a_verdict_has_its_outcome(verdict: Verdict, outcome: object) -> None:
    """Refused is Rejected with the broker's words, not taken is NotSent with its wait, and the rest is Unknown."""
    refusal = Refusal(verdict, "WHY", "7", "words")
    assert refusal.outcome("Acme", retry_after_s=2.0, unclear="HTTP 500 ") == outcome


@pytest.mark.parametrize(
    ("word", "reason", "wait_s"),
    [
        ("RATE_LIMITED", Reason.BROKER_RATE_LIMITED, 2.0),
        ("ORDER_RATE_LIMITED", Reason.BROKER_RATE_LIMITED, 2.0),
        ("BROKER_BUSY", Reason.BROKER_UNREACHABLE, 2.0),
        ("CREDENTIALS_REFUSED", Reason.BROKER_CREDENTIALS_REFUSED, None),
        ("APPLICATION_REFUSED", Reason.BROKER_CREDENTIALS_REFUSED, None),
        ("NO_LOGIN", Reason.BROKER_CREDENTIALS_REFUSED, None),
        ("NO_SESSION", Reason.BROKER_SESSION_DOWN, None),
        ("SESSION_LOST", Reason.BROKER_SESSION_DOWN, None),
    ],
)
def test_what_was_not_taken_says_why_and_when_to_come_again(word: str, reason: Reason, wait_s: float | None) -> None:
    """The reason is the same whoever words it, and only what came too soon has a time to wait."""
    outcome = Refusal(Verdict.NOT_TAKEN, word, "7", "words").outcome("Acme", retry_after_s=2.0, unclear="")
    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retry_after_s) == (reason, wait_s)
    assert outcome.why.startswith("Acme ")
