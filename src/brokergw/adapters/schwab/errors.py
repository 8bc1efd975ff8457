"""What Schwab's refusals mean, as one table.

A row is an answer of some status in the trader API's own form, `{"message", "errors"}`, with some words; or the words
(`statusDescription`) of an order that was numbered and then rejected. An answer that has another form comes from
something between us and the API, and proves nothing. Whatever no row names is *unknown*: it is never taken for a
refusal. The names of rules are those that users have reported from live accounts.
"""

import re
from typing import Final

from brokergw.transport.answers import CREDENTIALS, NOT_FOUND, NOT_OPEN, Refusal, Verdict, judge, rule
from brokergw.transport.failures import Failures
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, as_row, optional_text, read_json

FAILURES: Final = Failures("schwab", "Schwab")
understood, unavailable = FAILURES.understood, FAILURES.unavailable

REJECTED_ORDER: Final = "an order"
"""What rows are about that judge an order that was numbered and then rejected."""


REJECTED: Final = "BROKER_REJECTED"
_PLACES: Final = ("POST", "PUT")


RULES: Final = (
    # Who asks. The API itself refuses before it looks at the order.
    rule(CREDENTIALS, 401, verdict=Verdict.NOT_TAKEN),
    rule("NOT_PERMITTED", 403),
    # How often; assumed to be decided before the order is looked at.
    rule("RATE_LIMITED", 429, verdict=Verdict.NOT_TAKEN),
    # What is asked for
    rule("ACCOUNT_UNKNOWN", 400, words=r"invalid account number"),
    rule(NOT_FOUND, 404),
    rule(NOT_OPEN, 400, requests=("DELETE",)),
    # Changing an order
    rule("REPLACE_REJECTED", 400, requests=("PUT",), words=r"cannot be replaced|not (be )?(replaceable|editable)"),
    # The terms
    rule("UNKNOWN_SYMBOL", 400, requests=_PLACES,
         words=r"(instrument|symbol) (was )?not found|invalid (instrument|symbol)"),
    rule("INVALID_PRICE", 400, requests=_PLACES, words=r"\b(price|increment|decimal)"),
    rule("INSUFFICIENT_FUNDS", 400, requests=_PLACES, words=r"buying power|available cash"),
    rule("INSUFFICIENT_POSITION", 400, requests=_PLACES, words=r"oversold|overbought"),
    rule("INVALID_TERMS", 400, requests=_PLACES),
    # Orders that were numbered, and then rejected
    rule("INSUFFICIENT_POSITION", requests=(REJECTED_ORDER,), words=r"Position_Sys_0001|oversold|overbought"),
    rule("INVALID_PRICE", requests=(REJECTED_ORDER,), words=r"Order_Sys_0002|stop price"),
    rule(REJECTED, requests=(REJECTED_ORDER,), words=r"Account_Sys_0005"),
    rule("INSUFFICIENT_FUNDS", requests=(REJECTED_ORDER,), words=r"buying power|available cash|insufficient funds"),
    rule("SHORT_NOT_ALLOWED", requests=(REJECTED_ORDER,), words=r"sell short|short sale|hard to borrow"),
    rule("NOT_TRADABLE", requests=(REJECTED_ORDER,),
         words=r"transactions for this security are not accepted|not eligible for electronic entry"),
    rule("MARKET_CLOSED", requests=(REJECTED_ORDER,), words=r"market is closed|outside .*hours"),
    rule(REJECTED, requests=(REJECTED_ORDER,)),
)  # fmt: skip

_CODE: Final = re.compile(r"\b[A-Z][A-Za-z]+_Sys_\d{4}\b")


def read_refusal(reply: Reply, method: str) -> Refusal:
    """Judge an error answer by the table."""
    try:
        body = as_row(read_json(reply.body))
    except Unusable:
        return Refusal(_bare(reply.status), "RATE_LIMITED" if reply.status == 429 else "", str(reply.status), "")
    message = words_of(body)
    if not message:
        return Refusal(_bare(reply.status), "RATE_LIMITED" if reply.status == 429 else "", str(reply.status), "")
    return judged(message, method, reply.status)


def judged(message: str, request: str, status: int = 0) -> Refusal:
    """Judge the words of an error answer to a method, or of a rejected order."""
    code = _CODE.search(message)
    named = code.group() if code is not None else str(status) if status else ""
    return judge(RULES, message, status=status, code=named, request=request)


def words_of(body: Row) -> str:
    """Give the words of an error in either of the forms that the trader and the data API have; empty for another."""
    parts = [optional_text(body, "message")]
    errors = body.get("errors")
    for each in errors if isinstance(errors, list) else []:
        if isinstance(each, str):
            parts.append(each)
        elif isinstance(each, dict):
            parts += [optional_text(each, "title"), optional_text(each, "detail")]
    return "; ".join(part.strip() for part in parts if part.strip())


def _bare(status: int) -> Verdict:
    """Judge a status that comes without the API's own words: only that there were too many requests needs none."""
    return Verdict.NOT_TAKEN if status == 429 else Verdict.UNKNOWN
