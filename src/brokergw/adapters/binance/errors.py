"""What Binance's refusals mean, as one table.

Binance answers an error with a status and `{"code", "msg"}`. Codes below -2000 stand for different things at spot and
futures, and one code may stand for many, so a row is (product, status, code, words); an empty field fits anything. The
rows follow errors.md, filters.md and the futures' error codes. Whatever no row names is *unknown*: it is never taken
for a refusal.
"""

import re
from dataclasses import dataclass
from typing import Final

from brokergw.adapters.binance.config import Product
from brokergw.transport.answers import Verdict
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, optional_text, read_row

_MESSAGE_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer, read: the verdict, the canonical reason, and Binance's own words."""

    verdict: Verdict
    reason: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: an answer of this status and code whose message has these words."""

    product: Product | None
    status: int
    code: str
    words: re.Pattern[str]
    reason: str
    verdict: Verdict


CREDENTIALS: Final = "CREDENTIALS_REFUSED"
DUPLICATE: Final = "DUPLICATE_CLIENT_ID"
NOT_FOUND: Final = "NOT_FOUND"
UNKNOWN_SYMBOL: Final = "UNKNOWN_SYMBOL"
NOT_OPEN: Final = "ORDER_NOT_OPEN"
NOTHING_TO_DO: Final = "NOTHING_TO_DO"
CLOCK: Final = "CLOCK_SKEW"
TOO_MANY_ORDERS: Final = "ORDER_RATE_LIMITED"
RATE: Final = "RATE_LIMITED"
_S, _F = Product.SPOT, Product.FUTURES


def _rule(
    product: Product | None, status: int, code: str, words: str, reason: str, verdict: Verdict = Verdict.REFUSED
) -> Rule:
    return Rule(product, status, code, re.compile(words, re.IGNORECASE), reason, verdict)


def _codes(product: Product | None, codes: str, reason: str, verdict: Verdict = Verdict.REFUSED) -> tuple[Rule, ...]:
    return tuple(_rule(product, 400, code, "", reason, verdict) for code in codes.split())


RULES: Final = (
    # How often. A ban holds for everybody at the address, too many orders for the account.
    _rule(None, 429, "-1015", "", TOO_MANY_ORDERS, Verdict.NOT_TAKEN),
    _rule(None, 400, "-1015", "", TOO_MANY_ORDERS, Verdict.NOT_TAKEN),
    _rule(None, 429, "", "", RATE, Verdict.NOT_TAKEN),
    _rule(None, 418, "", "", RATE, Verdict.NOT_TAKEN),
    _rule(None, 400, "-1003", "", RATE, Verdict.NOT_TAKEN),
    _rule(None, 0, "-1008", "", "BROKER_BUSY", Verdict.NOT_TAKEN),
    # When: what comes at the wrong time is thrown away.
    _rule(None, 400, "-1021", "", CLOCK, Verdict.NOT_TAKEN),
    # Whether it was done is not known: trouble inside, and answers that took too long.
    _rule(None, 0, "-1000", "", "", Verdict.UNKNOWN),
    _rule(None, 0, "-1001", "", "", Verdict.UNKNOWN),
    _rule(None, 0, "-1006", "", "", Verdict.UNKNOWN),
    _rule(None, 0, "-1007", "", "", Verdict.UNKNOWN),
    _rule(_F, 503, "", r"^service unavailable\.?$|^internal error; unable to process your request",
          "BROKER_BUSY", Verdict.NOT_TAKEN),
    # Who asks
    _rule(None, 401, "", "", CREDENTIALS),
    *_codes(None, "-1002 -2014 -2015 -1022", CREDENTIALS),
    # The request itself
    *_codes(None, "-1100 -1101 -1102 -1103 -1104 -1105 -1106 -1108 -1114 -1115 -1116 -1117 -1127 -1128 -1130 -1131",
            "INVALID_TERMS"),
    *_codes(None, "-1121", UNKNOWN_SYMBOL),
    *_codes(None, "-1111", "INVALID_PRICE"),
    # Filters
    _rule(None, 400, "-1013", r"PERCENT_PRICE", "PRICE_OUTSIDE_BAND"),
    _rule(None, 400, "-1013", r"PRICE_FILTER|invalid price", "INVALID_PRICE"),
    _rule(None, 400, "-1013", r"LOT_SIZE|invalid quantity|ICEBERG_PARTS", "INVALID_QUANTITY"),
    _rule(None, 400, "-1013", r"NOTIONAL", "MINIMUM_SIZE"),
    _rule(None, 400, "-1013", r"MAX_NUM_|MAX_POSITION|MAX_ASSET", "TOO_MANY_ORDERS"),
    _rule(None, 400, "-1013", r"TRAILING_DELTA|invalid", "INVALID_TERMS"),
    # Spot's matching engine
    _rule(_S, 400, "-2010", r"insufficient balance", "INSUFFICIENT_FUNDS"),
    _rule(_S, 400, "-2010", r"duplicate order", DUPLICATE),
    _rule(_S, 400, "-2010", r"market is closed", "MARKET_CLOSED"),
    _rule(_S, 400, "-2010", r"would trigger immediately", "STOP_WOULD_TRIGGER"),
    _rule(_S, 400, "-2010", r"would immediately match", "WOULD_TAKE_LIQUIDITY"),
    _rule(_S, 400, "-2010", r"not permitted|not (supported|enabled|allowed)|is disabled|may not place",
          "NOT_PERMITTED"),
    _rule(_S, 400, "-2010", r"price \* qty is zero or less|too (high|low|many)|invalid", "INVALID_TERMS"),
    # What is asked for. An unknown order on a cancel has mostly ended; the look-up behind it tells.
    _rule(None, 400, "-2011", r"cancel restrictions", NOT_OPEN),
    _rule(None, 400, "-2011", r"", NOT_FOUND),
    _rule(None, 400, "-2013", r"", NOT_FOUND),
    _rule(_S, 400, "-2026", r"", NOT_FOUND),
    _rule(_S, 400, "-2039", r"", NOT_FOUND),
    # Changing an order
    *_codes(_S, "-2038", "REPLACE_REJECTED"),
    _rule(_S, 409, "-2021", r"", "", Verdict.UNKNOWN),
    _rule(_S, 400, "-2022", r"", "REPLACE_REJECTED"),
    # Futures
    *_codes(_F, "-2018 -2019", "INSUFFICIENT_FUNDS"),
    *_codes(_F, "-2021", "STOP_WOULD_TRIGGER"),
    *_codes(_F, "-2022", "REDUCE_ONLY_REJECTED"),
    *_codes(_F, "-2025 -4045", "TOO_MANY_ORDERS"),
    *_codes(_F, "-2027 -2028 -4028", "LEVERAGE_LIMIT"),
    *_codes(_F, "-4003 -4004 -4005 -4023", "INVALID_QUANTITY"),
    *_codes(_F, "-4013 -4014 -4029 -4030", "INVALID_PRICE"),
    *_codes(_F, "-4016 -4024 -4131", "PRICE_OUTSIDE_BAND"),
    *_codes(_F, "-4164", "MINIMUM_SIZE"),
    *_codes(_F, "-4015 -4120 -5040", "INVALID_TERMS"),
    *_codes(_F, "-4046 -4059", NOTHING_TO_DO),
    *_codes(_F, "-4047 -4048 -4061 -4067 -4068", "POSITION_MODE"),
    *_codes(_F, "-4116", DUPLICATE),
    *_codes(_F, "-4140 -4141", "NOT_TRADABLE"),
    *_codes(_F, "-5021 -5022", "WOULD_TAKE_LIQUIDITY"),
    *_codes(_F, "-5024 -5025 -5026 -5027 -5028 -5029", "REPLACE_REJECTED"),
    *_codes(_F, "-1125", "LISTEN_KEY_GONE"),
)  # fmt: skip


def read_refusal(product: Product, reply: Reply) -> Refusal:
    """Judge an error answer by the table."""
    try:
        body = read_row(reply.body)
    except Unusable:
        # A proxy or a firewall answers in HTML.
        body = {}
    return judge(product, reply.status, body)


def judge(product: Product, status: int, body: Row) -> Refusal:
    """Judge a status and an error object by the table."""
    raw_code = body.get("code")
    code = "" if raw_code is None else str(raw_code)
    message = optional_text(body, "msg").strip()[:_MESSAGE_MAX]
    for rule in RULES:
        if rule.product not in {None, product} or rule.status not in {0, status} or rule.code not in {"", code}:
            continue
        if rule.words.search(message):
            return Refusal(rule.verdict, rule.reason, code, message)
    return Refusal(Verdict.UNKNOWN, "", code, message)
