"""What the gateway's refusals mean, as one table.

Most refusals are `{"error": "..."}` with status 200 or 400, some have a status alone. The rows follow the gateway's
documentation, and the words of order rejections as users report them. Whatever no row names is *unknown*.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from brokergw.transport.answers import Verdict
from brokergw.transport.http import Reply
from brokergw.transport.rows import Unusable, optional_text, read_json

_MESSAGE_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer, read: the verdict, the canonical reason, and the broker's own words."""

    verdict: Verdict
    reason: str
    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: an answer of one of these statuses whose error has these words."""

    statuses: Collection[int]
    words: re.Pattern[str]
    reason: str
    verdict: Verdict = Verdict.REFUSED


DUPLICATE: Final = "DUPLICATE_CLIENT_ID"
NOT_FOUND: Final = "NOT_FOUND"
NOT_OPEN: Final = "ORDER_NOT_OPEN"
NO_LOGIN: Final = "NO_LOGIN"
NO_SESSION: Final = "NO_SESSION"
RATE_LIMITED: Final = "RATE_LIMITED"
NOT_CONFIRMED: Final = "CONFIRMATION_REQUIRED"
BAD_ACCOUNT: Final = "BAD_ACCOUNT"

_SAID: Final = (200, 400)


def _rule(statuses: Collection[int], words: str, reason: str, verdict: Verdict = Verdict.REFUSED) -> Rule:
    return Rule(statuses, re.compile(words, re.IGNORECASE), reason, verdict)


RULES: Final = (
    # The session. The gateway answers these itself, before anything reaches the broker.
    _rule((401,), r"", NO_LOGIN, Verdict.NOT_TAKEN),
    _rule((400,), r"\bno bridge\b|\bno session\b|not authenticated", NO_SESSION, Verdict.NOT_TAKEN),
    _rule((400, 500), r"please query /accounts first", NO_SESSION, Verdict.NOT_TAKEN),
    _rule((429,), r"", RATE_LIMITED, Verdict.NOT_TAKEN),
    # What says itself that it does not know, whatever its status
    _rule(_SAID, r"service unavailable|timed? ?out|try again", "", Verdict.UNKNOWN),
    # Identity
    _rule(_SAID, r"is already registered", DUPLICATE),
    _rule(_SAID, r"accountId is not valid", BAD_ACCOUNT),
    # Questions
    _rule(_SAID, r"order not confirmed", NOT_CONFIRMED),
    # Funds and rights
    _rule(_SAID, r"equity with loan value|initial margin|available (settled )?cash|buying power|"
          r"insufficient (funds|cash|balance|equity)", "INSUFFICIENT_FUNDS"),
    _rule(_SAID, r"not available for short", "SHORT_NOT_ALLOWED"),
    _rule(_SAID, r"no trading permission|not permitted|not allowed to trade|account is restricted", "NOT_PERMITTED"),
    _rule(_SAID, r"invalid order attribute", "INVALID_TERMS"),
    # The instrument
    _rule(_SAID, r"not available for trading|not tradable|trading (is )?halted|is halted", "NOT_TRADABLE"),
    _rule(_SAID, r"no security definition", "UNKNOWN_SYMBOL"),
    _rule(_SAID, r"(market|exchange) is closed|outside (of )?(regular )?trading hours$", "MARKET_CLOSED"),
    # The terms
    _rule(_SAID, r"minimum price variation|invalid order price|cannot accept an order at the (limit|stop) price|"
          r"price (cap|band|does not)", "INVALID_PRICE"),
    _rule(_SAID, r"size value cannot be zero|manualIndicator|extOperator|"
          r"order (size|quantity) ", "INVALID_TERMS"),
    # Changing and cancelling
    _rule(_SAID, r"orderid \S+ doesn't exist", NOT_FOUND),
    _rule(_SAID, r"order is inactive|cannot be (cancelled|modified)|already (filled|cancelled)", NOT_OPEN),
    # Place Order: what cannot be placed because of permissions or funds is answered with 200 and an error.
    _rule((200,), r"\S", "REJECTED"),
)  # fmt: skip


def read_refusal(reply: Reply) -> Refusal:
    """Judge an error answer by the table."""
    try:
        body = read_json(reply.body)
    except Unusable:
        body = None
    message = optional_text(body, "error") if isinstance(body, dict) else ""
    return judge(reply.status, message)


def judge(status: int, message: str) -> Refusal:
    """Judge a status and the words of an error by the table."""
    said = message.strip()[:_MESSAGE_MAX]
    for rule in RULES:
        if status in rule.statuses and rule.words.search(said):
            return Refusal(rule.verdict, rule.reason, status, said)
    return Refusal(Verdict.UNKNOWN, "", status, said)
