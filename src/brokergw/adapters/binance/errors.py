"""What Binance's refusals mean, as one table.

Binance answers an error with a status and `{"code", "msg"}`. Codes below -2000 stand for different things at spot and
futures, and one code may stand for many, so a row is (product, status, code, words); an empty field fits anything. The
rows follow errors.md, filters.md and the futures' error codes. Whatever no row names is *unknown*: it is never taken
for a refusal.
"""

from typing import Final

from brokergw.adapters.binance.config import Product
from brokergw.transport.answers import CREDENTIALS, DUPLICATE, NOT_FOUND, NOT_OPEN, Refusal, Rule, Verdict, judge, rule
from brokergw.transport.failures import Failures
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, optional_text, read_row

FAILURES: Final = Failures("binance", "Binance")
understood, unavailable = FAILURES.understood, FAILURES.unavailable

UNKNOWN_SYMBOL: Final = "UNKNOWN_SYMBOL"
NOTHING_TO_DO: Final = "NOTHING_TO_DO"
CLOCK: Final = "CLOCK_SKEW"
TOO_MANY_ORDERS: Final = "ORDER_RATE_LIMITED"
POSITION_MODE: Final = "POSITION_MODE"
RATE: Final = "RATE_LIMITED"
_S, _F = (Product.SPOT.lower(),), (Product.FUTURES.lower(),)


def _codes(requests: tuple[str, ...], codes: str, reason: str, verdict: Verdict = Verdict.REFUSED) -> tuple[Rule, ...]:
    return tuple(rule(reason, 400, verdict=verdict, code=code, requests=requests) for code in codes.split())


RULES: Final = (
    # How often. A ban holds for everybody at the address, too many orders for the account.
    rule(TOO_MANY_ORDERS, 429, verdict=Verdict.NOT_TAKEN, code="-1015"),
    rule(TOO_MANY_ORDERS, 400, verdict=Verdict.NOT_TAKEN, code="-1015"),
    rule(RATE, 429, verdict=Verdict.NOT_TAKEN),
    rule(RATE, 418, verdict=Verdict.NOT_TAKEN),
    rule(RATE, 400, verdict=Verdict.NOT_TAKEN, code="-1003"),
    rule("BROKER_BUSY", verdict=Verdict.NOT_TAKEN, code="-1008"),
    # When: what comes at the wrong time is thrown away.
    rule(CLOCK, 400, verdict=Verdict.NOT_TAKEN, code="-1021"),
    # Whether it was done is not known: trouble inside, and answers that took too long.
    rule("", verdict=Verdict.UNKNOWN, code="-1000"),
    rule("", verdict=Verdict.UNKNOWN, code="-1001"),
    rule("", verdict=Verdict.UNKNOWN, code="-1006"),
    rule("", verdict=Verdict.UNKNOWN, code="-1007"),
    rule("BROKER_BUSY", 503, verdict=Verdict.NOT_TAKEN, requests=_F,
         words=r"^service unavailable\.?$|^internal error; unable to process your request"),
    # Who asks
    rule(CREDENTIALS, 401, verdict=Verdict.NOT_TAKEN),
    *_codes((), "-1002 -2014 -2015 -1022", CREDENTIALS, Verdict.NOT_TAKEN),
    # The request itself
    *_codes((), "-1100 -1101 -1102 -1103 -1104 -1105 -1106 -1108 -1114 -1115 -1116 -1117 -1127 -1128 -1130 -1131",
            "INVALID_TERMS"),
    *_codes((), "-1121", UNKNOWN_SYMBOL),
    *_codes((), "-1111", "INVALID_PRICE"),
    # Filters
    rule("PRICE_OUTSIDE_BAND", 400, code="-1013", words=r"PERCENT_PRICE"),
    rule("INVALID_PRICE", 400, code="-1013", words=r"PRICE_FILTER|invalid price"),
    rule("INVALID_QUANTITY", 400, code="-1013", words=r"LOT_SIZE|invalid quantity|ICEBERG_PARTS"),
    rule("MINIMUM_SIZE", 400, code="-1013", words=r"NOTIONAL"),
    rule("TOO_MANY_ORDERS", 400, code="-1013", words=r"MAX_NUM_|MAX_POSITION|MAX_ASSET"),
    rule("INVALID_TERMS", 400, code="-1013", words=r"TRAILING_DELTA|invalid"),
    # Spot's matching engine
    rule("INSUFFICIENT_FUNDS", 400, code="-2010", requests=_S, words=r"insufficient balance"),
    rule(DUPLICATE, 400, code="-2010", requests=_S, words=r"duplicate order"),
    rule("MARKET_CLOSED", 400, code="-2010", requests=_S, words=r"market is closed"),
    rule("STOP_WOULD_TRIGGER", 400, code="-2010", requests=_S, words=r"would trigger immediately"),
    rule("WOULD_TAKE_LIQUIDITY", 400, code="-2010", requests=_S, words=r"would immediately match"),
    rule("NOT_PERMITTED", 400, code="-2010", requests=_S,
         words=r"not permitted|not (supported|enabled|allowed)|is disabled|may not place"),
    rule("INVALID_TERMS", 400, code="-2010", requests=_S,
         words=r"price \* qty is zero or less|too (high|low|many)|relationship of the prices|invalid"),
    *_codes(_S, "-1158 -1160 -1165 -1166 -1168 -1196 -1197 -1198 -1199", "INVALID_TERMS"),
    *_codes(_S, "-2018", NOT_FOUND),
    # What is asked for. An unknown order on a cancel has mostly ended; the look-up behind it tells.
    rule(NOT_OPEN, 400, code="-2011", words=r"cancel restrictions"),
    rule(NOT_FOUND, 400, code="-2011"),
    rule(NOT_FOUND, 400, code="-2013"),
    rule(NOT_FOUND, 400, code="-2026", requests=_S),
    rule(NOT_FOUND, 400, code="-2039", requests=_S),
    # Changing an order
    *_codes(_S, "-2038", "REPLACE_REJECTED"),
    rule("", 409, verdict=Verdict.UNKNOWN, code="-2021", requests=_S),
    rule("REPLACE_REJECTED", 400, code="-2022", requests=_S),
    # Futures
    *_codes(_F, "-2018 -2019", "INSUFFICIENT_FUNDS"),
    *_codes(_F, "-2021", "STOP_WOULD_TRIGGER"),
    *_codes(_F, "-2022", "REDUCE_ONLY_REJECTED"),
    *_codes(_F, "-2025 -4045", "TOO_MANY_ORDERS"),
    *_codes(_F, "-2027 -2028 -4028 -4161", "LEVERAGE_LIMIT"),
    *_codes(_F, "-4003 -4004 -4005 -4023", "INVALID_QUANTITY"),
    *_codes(_F, "-4013 -4014 -4029 -4030", "INVALID_PRICE"),
    *_codes(_F, "-4016 -4024 -4131", "PRICE_OUTSIDE_BAND"),
    *_codes(_F, "-4164", "MINIMUM_SIZE"),
    *_codes(_F, "-4015 -4120 -5040", "INVALID_TERMS"),
    *_codes(_F, "-4046 -4059", NOTHING_TO_DO),
    *_codes(_F, "-4047 -4048 -4067 -4068", "NOT_WHILE_OPEN"),
    *_codes(_F, "-4061", POSITION_MODE),
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
    return judged(product, reply.status, body)


def judged(product: Product, status: int, body: Row) -> Refusal:
    """Judge a status and an error object by the table."""
    raw_code = body.get("code")
    code = "" if raw_code is None else str(raw_code)
    return judge(RULES, optional_text(body, "msg"), status=status, code=code, request=product.lower())
