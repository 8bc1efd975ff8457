"""What the gateway's refusals prove."""

import json
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from brokergw.adapters.ibkr import outcomes
from brokergw.adapters.ibkr.errors import RULES, read_refusal
from brokergw.model.outcome import NotSent, Rejected, Unknown
from brokergw.transport.answers import Verdict
from brokergw.transport.http import Reply

DATA: Final = Path(__file__).parents[3] / "data" / "ibkr"
SAMPLES: Final = json.loads((DATA / "errors.json").read_text("utf-8"))


def reply(status: int, body: Any) -> Reply:
    """Make an answer of a status and a body."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Reply(status, httpx.Headers(), raw)


@pytest.mark.parametrize("case", SAMPLES, ids=lambda case: f"{case['status']}-{str(case['body'])[:50]}")
def test_an_error_means_what_the_table_says(case: dict[str, Any]) -> None:
    """Each documented error has one verdict and reason, and whatever is unlisted is unknown."""
    refusal = read_refusal(reply(case["status"], case["body"]))
    assert (refusal.verdict, refusal.reason) == (Verdict[case["verdict"]], case["reason"])


def test_every_row_is_met_by_a_sample() -> None:
    """No row stands in the table that no sample comes to first."""
    met = set()
    for case in SAMPLES:
        words = case["body"].get("error", "") if isinstance(case["body"], dict) else ""
        firsts = (n for n, rule in enumerate(RULES) if rule.fits(words, case["status"], "", ""))
        met.add(next(firsts, None))
    assert {*range(len(RULES))} - met == set()


TAKEN: Final = {"order_id": "7", "order_status": "Submitted", "encrypt_message": "1", "local_order_id": "c1"}
ASKED: Final = {"id": "u", "message": ["Sure?"], "isSuppressed": False, "messageIds": ["o163"]}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ([TAKEN], outcomes.Taken),
        ([{**TAKEN, "order_id": 7}], outcomes.Taken),
        ([{key: value for key, value in TAKEN.items() if key != "local_order_id"}], outcomes.Taken),
        ([{**TAKEN, "local_order_id": "another"}], Unknown),
        ([{**TAKEN, "order_id": "-1", "order_status": "Failed", "text": "no"}], Rejected),
        ([ASKED], outcomes.Question),
        ([{**ASKED, "messageIds": []}], Unknown),
        ([TAKEN, TAKEN], Unknown),
        ([], Unknown),
        ({}, Unknown),
        (TAKEN, Unknown),
        ({"orderId": 1, "reqId": "2", "text": "?", "options": ["a"], "type": "M", "prompt": True}, Unknown),
        ("[{", Unknown),
        ([1], Unknown),
    ],
)
def test_the_shape_of_a_success_decides(body: Any, kind: type) -> None:
    """Every answer to an order is 200; only a row about our order proves that it was taken."""
    assert isinstance(outcomes.of_order(reply(200, body), 1.0, reference="c1"), kind)


def test_an_answer_about_another_order_proves_no_change() -> None:
    """A change is taken when the answer names the order that was changed."""
    assert isinstance(outcomes.of_order(reply(200, [TAKEN]), 1.0, order_id="7"), outcomes.Taken)
    assert isinstance(outcomes.of_order(reply(200, [TAKEN]), 1.0, order_id="8"), Unknown)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"msg": "Request was submitted", "order_id": 7, "conid": -1, "account": None}, type(None)),
        (200, {"msg": "Request was submitted", "order_id": "7", "conid": 1, "account": "DU1"}, type(None)),
        (200, {"msg": "Request was submitted", "order_id": 8}, Unknown),
        (200, {"msg": "Something else", "order_id": 7}, Unknown),
        (200, {"error": "OrderID 7 doesn't exist"}, Rejected),
        (400, {"error": "Order is inactive"}, Rejected),
        (429, {"error": "Too many requests"}, NotSent),
        (503, {"error": "Service Unavailable"}, Unknown),
        (200, "nothing", Unknown),
        (200, [], Unknown),
    ],
)
def test_a_cancel_is_taken_by_its_own_acknowledgement(status: int, body: Any, kind: type) -> None:
    """Only the acknowledgement that names the order proves that the cancel was taken."""
    assert isinstance(outcomes.of_cancel(reply(status, body), 1.0, order_id="7"), kind)
