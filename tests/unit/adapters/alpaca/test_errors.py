import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.adapters.alpaca.errors import RULES, read_refusal
from brokergw.model.outcome import Accepted, NotSent, Rejected
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.transport.answers import DUPLICATE, Verdict
from brokergw.transport.http import Reply
from tests.fixtures.alpaca_wire import ScriptedAlpaca, sample
from tests.fixtures.permits import permit


def reply(status: int, body: Any) -> Reply:
    """Make an answer of a status and a body."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Reply(status, httpx.Headers(), raw)


@pytest.mark.parametrize("case", sample("errors"), ids=lambda case: f"{case['status']}-{str(case['body'])[:60]}")
def test_an_error_answer_means_what_the_table_says(case: dict[str, Any]) -> None:
    """Each documented or recorded error body has one verdict and reason, and whatever is unlisted is unknown."""
    refusal = read_refusal(reply(case["status"], case["body"]))
    assert refusal.verdict is Verdict[case["verdict"]]
    assert refusal.reason == case["reason"]


def test_every_row_of_the_table_is_met_by_a_sample() -> None:
    """No row is there on somebody's memory alone: each one is the first match of a sampled body."""
    met = set()
    for case in sample("errors"):
        body = case["body"] if isinstance(case["body"], dict) else {}
        for index, rule in enumerate(RULES):
            code = str(body.get("code", ""))
            if rule.fits(body.get("message", ""), case["status"], code, ""):
                met.add(index)
                break
    assert [rule for index, rule in enumerate(RULES) if index not in met] == []


SUBMITTED = OrderTerms(
    symbol="AAPL", side=Side.BUY, type=OrderType.MARKET, time_in_force=TimeInForce.DAY, quantity=Decimal(1)
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda code, message: json.dumps({"code": code, "message": message}).encode(),
        st.sampled_from([rule.code for rule in RULES if rule.code] + ["50010000"]).map(int),
        st.sampled_from(["no words of the table", "", "\x00"]) | st.text(max_size=40),
    ),
)


@given(status=st.integers(100, 599), body=BODIES)
async def test_only_the_table_refuses(status: int, body: bytes) -> None:
    """Whatever a status comes with, a submit is Rejected, or NotSent, only where the table says so."""
    alpaca = ScriptedAlpaca()
    alpaca.on("POST", "/v2/orders", httpx.Response(status, content=body))
    alpaca.on("GET", "/v2/orders:by_client_order_id", httpx.Response(500))
    outcome = await alpaca.open().submit_order(permit("c-1"), SUBMITTED)
    listed = Verdict.UNKNOWN if status == 200 else read_refusal(Reply(status, httpx.Headers(), body)).verdict
    assert isinstance(outcome, Rejected) is (listed is Verdict.REFUSED and not _is_duplicate(status, body))
    assert isinstance(outcome, NotSent) is (listed is Verdict.NOT_TAKEN)
    assert not isinstance(outcome, Accepted)


def _is_duplicate(status: int, body: bytes) -> bool:
    return read_refusal(Reply(status, httpx.Headers(), body)).reason == DUPLICATE


def test_no_server_error_is_a_refusal() -> None:
    """A status of 500 or above never proves anything about a command."""
    assert all(rule.statuses and max(rule.statuses) < 500 for rule in RULES)


def test_the_brokers_words_are_kept_and_capped() -> None:
    """Code and message travel on, the message no longer than a log line bears."""
    refusal = read_refusal(reply(422, {"code": 40010001, "message": "qty must be > 0" + "x" * 5000}))
    assert refusal.code == "40010001"
    assert len(refusal.message) == 300
