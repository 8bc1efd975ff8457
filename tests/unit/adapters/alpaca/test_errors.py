import json
from typing import Any

import httpx
import pytest

from brokergw.adapters.alpaca.errors import RULES, Verdict, read_refusal
from brokergw.transport.http import Reply
from tests.fixtures.alpaca_wire import sample


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
            if rule.status == case["status"] and rule.code in {"", code} and rule.words.search(body.get("message", "")):
                met.add(index)
                break
    assert [rule for index, rule in enumerate(RULES) if index not in met] == []


def test_no_server_error_is_a_refusal() -> None:
    """A status of 500 or above never proves anything about a command."""
    assert all(rule.status < 500 for rule in RULES)


def test_the_brokers_words_are_kept_and_capped() -> None:
    """Code and message travel on, the message no longer than a log line bears."""
    refusal = read_refusal(reply(422, {"code": 40010001, "message": "qty must be > 0" + "x" * 5000}))
    assert refusal.code == "40010001"
    assert len(refusal.message) == 300
