"""What an answer to a command comes to: Accepted, Rejected, NotSent or Unknown."""

from collections.abc import Sequence

from brokergw.adapters.alpaca import mapping
from brokergw.adapters.alpaca.errors import judged, read_refusal
from brokergw.model.outcome import Accepted, Outcome, Rejected, Unknown
from brokergw.transport.answers import GONE, Refusal, Verdict
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, as_row, read_row, read_rows


def of_refusal(reply: Reply, retry_after_s: float) -> Outcome:
    """Judge an answer that is no success; only what the table names is definitive."""
    refusal = read_refusal(reply)
    return refusal.outcome("Alpaca", retry_after_s=retry_after_s, unclear=f"HTTP {reply.status} {refusal.code}")


def of_order(reply: Reply, *, client_order_id: str = "", replaces: str = "") -> Accepted | Unknown:
    """Read the order that a command made; an answer about another order proves nothing about ours."""
    try:
        order = mapping.order(read_row(reply.body))
    except Unusable as error:
        return Unknown(f"the answer is unusable: {error}")
    if client_order_id and order.client_order_id != client_order_id:
        return Unknown("the answer is about another client order id")
    if replaces and order.replaces != replaces:
        return Unknown("the answer is about another order")
    return Accepted(order)


def of_many(reply: Reply) -> Outcome:
    """Judge a 207 with a row per order or position; a row that says it is gone already is as good as done.

    All rows refused is a refusal; some done and some not is unknown, because only a look tells what is left.
    """
    try:
        rows = [_row_refusal(row) for row in read_rows(reply.body)]
    except Unusable as error:
        return Unknown(f"the answer is unusable: {error}")
    left = [refusal for refusal in rows if refusal is not None and refusal.reason not in GONE]
    if not left:
        return Accepted()
    if len(left) == len(rows) and all(refusal.verdict is Verdict.REFUSED for refusal in left):
        return Rejected(left[0].reason, left[0].code, left[0].message)
    return Unknown(f"{len(left)} of {len(rows)} were not done: {_reasons(left)}")


def _row_refusal(row: Row) -> Refusal | None:
    status = row.get("status")
    if not isinstance(status, int):
        raise Unusable("field status is missing")
    if 200 <= status < 300:
        return None
    body = row.get("body")
    return judged(status, as_row(body) if body is not None else {})


def _reasons(refusals: Sequence[Refusal]) -> str:
    return ", ".join(sorted({refusal.reason or f"code {refusal.code}" for refusal in refusals}))
