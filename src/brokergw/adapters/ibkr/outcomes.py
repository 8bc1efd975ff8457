"""What an answer to a command comes to: taken, asked back, refused, not sent or unknown.

All of these come with status 200, and only the fields tell them apart (Client Portal API, Place Order).
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from brokergw.adapters.ibkr.errors import judged, read_refusal
from brokergw.adapters.ibkr.mapping import STATES
from brokergw.adapters.ibkr.payloads import text
from brokergw.model.lifecycle import State
from brokergw.model.order import ZERO
from brokergw.model.outcome import Accepted, BrokerOrder, NotSent, Outcome, Rejected, Unknown
from brokergw.model.terms import OrderTerms
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, optional_text, read_json

_FRESH: Final = frozenset({State.ACKED, State.WORKING})


@dataclass(frozen=True, slots=True)
class Taken:
    """The broker has the order, under this number and in this status."""

    order_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Question:
    """The broker wants an answer first; `message_ids` say what it asks."""

    reply_id: str
    message_ids: frozenset[str]
    words: str


Answer: TypeAlias = Taken | Question | Rejected | NotSent | Unknown


def of_refusal(reply: Reply, retry_after_s: float) -> Rejected | NotSent | Unknown:
    """Judge an answer that is no success; only what the table names is definitive."""
    refusal = read_refusal(reply)
    unclear = f"HTTP {reply.status} {refusal.message}"
    return refusal.outcome("the gateway", retry_after_s=retry_after_s, unclear=unclear)


def of_order(reply: Reply, retry_after_s: float, *, reference: str = "", order_id: str = "") -> Answer:
    """Read the answer to an order or a change; one about another order proves nothing about ours."""
    if reply.status != 200:
        return of_refusal(reply, retry_after_s)
    try:
        rows = read_json(reply.body)
        if isinstance(rows, dict) and "error" in rows:
            return of_refusal(reply, retry_after_s)
        if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
            return Unknown("the answer is unusable: it is not about one order")
        return _of_row(rows[0], reference, order_id)
    except Unusable as error:
        return Unknown(f"the answer is unusable: {error}")


def of_cancel(reply: Reply, retry_after_s: float, *, order_id: str) -> Outcome | None:
    """Read the answer to a cancel; None when it was taken."""
    if reply.status != 200:
        return of_refusal(reply, retry_after_s)
    try:
        row = read_json(reply.body)
        if not isinstance(row, dict):
            return Unknown("the answer is no object")
        if "error" in row:
            return of_refusal(reply, retry_after_s)
        # Taken for all orders, or for this one.
        taken = optional_text(row, "msg") == "Request was submitted" and text(row, "order_id") == order_id
        return None if taken else Unknown("the answer is about another order")
    except Unusable as error:
        return Unknown(f"the answer is unusable: {error}")


def accepted(ending: Taken | Rejected | NotSent | Unknown, terms: OrderTerms, reference: str, now_ns: int) -> Outcome:
    """Give a taken order as it was before it traded; what it has traded is told with its executions."""
    if not isinstance(ending, Taken):
        return ending
    state = STATES.get(ending.status, State.ACKED)
    return Accepted(
        BrokerOrder(
            broker_order_id=ending.order_id,
            client_order_id=reference,
            terms=terms,
            state=state if state in _FRESH else State.ACKED,
            cum_quantity=ZERO,
            average_price=None,
            submit_time_ns=now_ns,
            update_time_ns=now_ns,
        )
    )


def _of_row(row: Row, reference: str, order_id: str) -> Answer:
    if "messageIds" in row or ("id" in row and "message" in row):
        return _question(row)
    number, status = text(row, "order_id"), text(row, "order_status")
    if number == "-1" or status == "Failed":
        said = optional_text(row, "text") or optional_text(row, "warning_message")
        verdict = judged(200, said or "Failed")
        return Rejected(verdict.reason or "REJECTED", status, said)
    named = optional_text(row, "local_order_id")
    if (reference and named and named != reference) or (order_id and number != order_id):
        return Unknown("the answer is about another order")
    return Taken(number, status)


def _question(row: Row) -> Question:
    ids, words = row.get("messageIds"), row.get("message")
    if not isinstance(ids, list) or not ids:
        raise Unusable("field messageIds is missing")
    said = " ".join(map(str, words)) if isinstance(words, list) else str(words)
    return Question(text(row, "id"), frozenset(map(str, ids)), said[:300])
