"""What Schwab's refusals mean, as one table.

A row is an answer of some status in the trader API's own form, `{"message", "errors"}`, with some words; or the words
(`statusDescription`) of an order that was numbered and then rejected. An answer that has another form comes from
something between us and the API, and proves nothing. Whatever no row names is *unknown*: it is never taken for a
refusal. The names of rules are those that users have reported from live accounts.
"""

import re
from dataclasses import dataclass
from typing import Final

from brokergw.transport.answers import Verdict
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, as_row, optional_text, read_json

_MESSAGE_MAX: Final = 300
REJECTED_ORDER: Final = 0
"""What stands for a status in rows about an order that was numbered and then rejected."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer, read: the verdict, the canonical reason, and Schwab's own words."""

    verdict: Verdict
    reason: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: an answer of this status, to one of these methods (any when empty), whose words these are."""

    status: int
    methods: frozenset[str]
    words: re.Pattern[str]
    reason: str
    verdict: Verdict = Verdict.REFUSED


CREDENTIALS: Final = "CREDENTIALS_REFUSED"
NOT_FOUND: Final = "NOT_FOUND"
NOT_OPEN: Final = "ORDER_NOT_OPEN"
REJECTED: Final = "BROKER_REJECTED"
_PLACES: Final = frozenset({"POST", "PUT"})


def _rule(
    status: int, words: str, reason: str, verdict: Verdict = Verdict.REFUSED, *, methods: frozenset[str] = frozenset()
) -> Rule:
    return Rule(status, methods, re.compile(words, re.IGNORECASE), reason, verdict)


RULES: Final = (
    # Who asks. The API itself refuses before it looks at the order.
    _rule(401, r"", CREDENTIALS, Verdict.NOT_TAKEN),
    _rule(403, r"", "NOT_PERMITTED"),
    # How often; assumed to be decided before the order is looked at.
    _rule(429, r"", "RATE_LIMITED", Verdict.NOT_TAKEN),
    # What is asked for
    _rule(400, r"invalid account number", "ACCOUNT_UNKNOWN"),
    _rule(404, r"", NOT_FOUND),
    _rule(400, r"", NOT_OPEN, methods=frozenset({"DELETE"})),
    # Changing an order
    _rule(400, r"cannot be replaced|not (be )?(replaceable|editable)", "REPLACE_REJECTED", methods=frozenset({"PUT"})),
    # The terms
    _rule(400, r"(instrument|symbol) (was )?not found|invalid (instrument|symbol)", "UNKNOWN_SYMBOL", methods=_PLACES),
    _rule(400, r"\b(price|increment|decimal)", "INVALID_PRICE", methods=_PLACES),
    _rule(400, r"buying power|available cash", "INSUFFICIENT_FUNDS", methods=_PLACES),
    _rule(400, r"oversold|overbought", "INSUFFICIENT_POSITION", methods=_PLACES),
    _rule(400, r"", "INVALID_TERMS", methods=_PLACES),
    # Orders that were numbered, and then rejected
    _rule(REJECTED_ORDER, r"Position_Sys_0001|oversold|overbought", "INSUFFICIENT_POSITION"),
    _rule(REJECTED_ORDER, r"Order_Sys_0002|stop price", "INVALID_PRICE"),
    _rule(REJECTED_ORDER, r"Account_Sys_0005", REJECTED),
    _rule(REJECTED_ORDER, r"buying power|available cash|insufficient funds", "INSUFFICIENT_FUNDS"),
    _rule(REJECTED_ORDER, r"sell short|short sale|hard to borrow", "SHORT_NOT_ALLOWED"),
    _rule(REJECTED_ORDER, r"transactions for this security are not accepted|not eligible for electronic entry",
          "NOT_TRADABLE"),
    _rule(REJECTED_ORDER, r"market is closed|outside .*hours", "MARKET_CLOSED"),
    _rule(REJECTED_ORDER, r"", REJECTED),
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
    return judge(reply.status, message, method)


def judge(status: int, message: str, method: str = "") -> Refusal:
    """Judge a status, or a rejected order, with its words."""
    code = _CODE.search(message)
    named = code.group() if code is not None else str(status) if status else ""
    for rule in RULES:
        if rule.status == status and (not rule.methods or method in rule.methods) and rule.words.search(message):
            return Refusal(rule.verdict, rule.reason, named, message)
    return Refusal(Verdict.UNKNOWN, "", named, message)


def words_of(body: Row) -> str:
    """Give the words of an error in either of the forms that the trader and the data API have; empty for another."""
    parts = [optional_text(body, "message")]
    errors = body.get("errors")
    for each in errors if isinstance(errors, list) else []:
        if isinstance(each, str):
            parts.append(each)
        elif isinstance(each, dict):
            parts += [optional_text(each, "title"), optional_text(each, "detail")]
    return "; ".join(part.strip() for part in parts if part.strip())[:_MESSAGE_MAX]


def _bare(status: int) -> Verdict:
    """Judge a status that comes without the API's own words: only that there were too many requests needs none."""
    return Verdict.NOT_TAKEN if status == 429 else Verdict.UNKNOWN
