"""What Alpaca's refusals mean, as one table.

Alpaca answers an error with a status, mostly with `{"code", "message"}`, and one code stands for many things, so a row
is (status, code, words). The rows follow Alpaca's error guide and bodies recorded from its paper API. Whatever no row
names is *unknown*: it is never taken for a refusal.
"""

import re
from dataclasses import dataclass
from typing import Final

from brokergw.transport.answers import Verdict
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, optional_text, read_row

_MESSAGE_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer, read: the verdict, the canonical reason, and Alpaca's own words."""

    verdict: Verdict
    reason: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: an answer of this status (and code, where given) whose message has these words."""

    status: int
    code: str
    words: re.Pattern[str]
    reason: str
    verdict: Verdict = Verdict.REFUSED


DUPLICATE: Final = "DUPLICATE_CLIENT_ID"
NOT_FOUND: Final = "NOT_FOUND"
NOT_OPEN: Final = "ORDER_NOT_OPEN"
CREDENTIALS: Final = "CREDENTIALS_REFUSED"


def _rule(status: int, code: str, words: str, reason: str, verdict: Verdict = Verdict.REFUSED) -> Rule:
    return Rule(status, code, re.compile(words, re.IGNORECASE), reason, verdict)


RULES: Final = (
    # Who asks. A missing header is answered with an HTML page, so 401 needs no words.
    _rule(401, "", r"", CREDENTIALS),
    _rule(403, "", r"^forbidden\.?$", CREDENTIALS),
    _rule(403, "40110000", r"not authorized", CREDENTIALS),
    # How often
    _rule(429, "", r"", "RATE_LIMITED", Verdict.NOT_TAKEN),
    # Funds and holdings
    _rule(403, "40310000", r"insufficient (options )?buying power", "INSUFFICIENT_FUNDS"),
    _rule(403, "40310000", r"insufficient balance for USD", "INSUFFICIENT_FUNDS"),
    _rule(403, "40310000", r"insufficient balance for", "INSUFFICIENT_POSITION"),
    _rule(403, "40310000", r"insufficient qty available", "INSUFFICIENT_POSITION"),
    _rule(403, "40310000", r"cost basis must be >= minimal", "MINIMUM_SIZE"),
    # Rights
    _rule(403, "40310000", r"wash trade", "WASH_TRADE"),
    _rule(403, "40310100", r"pattern day trad", "PATTERN_DAY_TRADING"),
    _rule(403, "40310000", r"not allowed to short", "SHORT_NOT_ALLOWED"),
    _rule(403, "40310000", r"not eligible|not authorized|restricted to liquidation|account is (not|restricted)",
          "NOT_PERMITTED"),
    _rule(403, "40310000", r"is not fractionable", "NOT_FRACTIONABLE"),
    # Identity
    _rule(422, "40010001", r"client_order_id must be unique", DUPLICATE),
    _rule(422, "42210000", r"client_order_id must be unique", DUPLICATE),
    # The instrument
    _rule(422, "42210000", r"^(asset|contract) \S+ (not found|expired)|^invalid symbol|not found/expired",
          "UNKNOWN_SYMBOL"),
    _rule(422, "42210000", r"is not tradable", "NOT_TRADABLE"),
    _rule(422, "40010001", r"is not (active|tradable)", "NOT_TRADABLE"),
    _rule(422, "42210000", r"cannot be sold short|hard-to-borrow", "SHORT_NOT_ALLOWED"),
    _rule(422, "42210000", r"market orders are only allowed during market hours", "MARKET_CLOSED"),
    # Changing an order
    _rule(422, "42210000", r"order is already in", NOT_OPEN),
    _rule(422, "40010001", r"isn't sent to exchange yet", "REPLACE_TOO_EARLY"),
    _rule(422, "42210000", r"cannot replace order|unable to replace order|order already replaced|"
          r"order parameters are not changed|qty must be > filled_qty|cannot be changed for advanced orders",
          "REPLACE_REJECTED"),
    # The terms
    _rule(422, "42210000", r"sub-penny|stop price must be|stop_price must be|limit_price must be|invalid (limit|stop)",
          "INVALID_PRICE"),
    _rule(422, "42210000", r"extended hours order must be|fractional orders must be|notional must be|"
          r"invalid crypto time_in_force|invalid time_in_force|position intent mismatch|"
          r"bracket orders require|o[ct]o orders require|must be (day|gtc)", "INVALID_TERMS"),
    _rule(422, "40010001", r"must be|require|only one of|invalid (time_in_force|order type|side|qty|notional|type)|"
          r"is not allowed for mleg|position intent is required", "INVALID_TERMS"),
    # What is asked for
    _rule(404, "40410000", r"not found|does not exist", NOT_FOUND),
)  # fmt: skip


def read_refusal(reply: Reply) -> Refusal:
    """Judge an error answer by the table."""
    try:
        body = read_row(reply.body)
    except Unusable:
        # Proxies, and Alpaca itself before a key is seen, answer in HTML.
        body = {}
    return judge(reply.status, body)


def judge(status: int, body: Row) -> Refusal:
    """Judge a status and an error object by the table."""
    raw_code = body.get("code")
    code = "" if raw_code is None else str(raw_code)
    message = optional_text(body, "message").strip()[:_MESSAGE_MAX]
    for rule in RULES:
        if rule.status == status and rule.code in {"", code} and rule.words.search(message):
            return Refusal(rule.verdict, rule.reason, code, message)
    return Refusal(Verdict.UNKNOWN, "", code, message)
