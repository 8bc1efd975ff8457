import json
from typing import Any

import httpx
import pytest

from brokergw.adapters.schwab.errors import REJECTED_ORDER, RULES, judged, read_refusal, words_of
from brokergw.transport.answers import Verdict
from brokergw.transport.http import Reply
from tests.fixtures.schwab_wire import sample


def reply(status: int, body: Any) -> Reply:
    """Make an answer of a status and a body."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Reply(status, httpx.Headers(), raw)


@pytest.mark.parametrize("case", sample("errors"), ids=lambda case: f"{case['method']}-{case['status']}-{case['body']}")
def test_an_error_answer_means_what_the_table_says(case: dict[str, Any]) -> None:
    """Each error body has one verdict and reason; an answer in another form than the API's own proves nothing."""
    refusal = read_refusal(reply(case["status"], case["body"]), case["method"])
    assert (refusal.verdict, refusal.reason) == (Verdict[case["verdict"]], case["reason"])


@pytest.mark.parametrize("case", sample("rejections"), ids=lambda case: str(case["words"])[:40])
def test_a_rejected_order_means_what_the_table_says(case: dict[str, Any]) -> None:
    """The words of an order that was numbered and rejected name the canonical reason, and the rule where they can."""
    refusal = judged(case["words"], REJECTED_ORDER)
    assert (refusal.verdict, refusal.reason, refusal.code) == (Verdict.REFUSED, case["reason"], case["code"])


def test_every_row_of_the_table_is_met_by_a_sample() -> None:
    """No row is there that no sampled body comes to first."""
    met: set[int] = set()
    cases = [(case["status"], words_of(case["body"]), case["method"]) for case in sample("errors") if _formed(case)]
    cases += [(0, case["words"], REJECTED_ORDER) for case in sample("rejections")]
    for status, words, method in cases:
        met.add(next(index for index, rule in enumerate(RULES) if rule.fits(words, status, "", method)))
    assert [rule for index, rule in enumerate(RULES) if index not in met] == []


def _formed(case: dict[str, Any]) -> bool:
    return isinstance(case["body"], dict) and bool(words_of(case["body"])) and case["status"] < 500
