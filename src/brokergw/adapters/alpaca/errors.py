"""What Alpaca's refusals mean, as one table.

Alpaca answers an error with a status, mostly with `{"code", "message"}`, and one code stands for many things, so a row
is (status, code, words). The rows follow Alpaca's error guide and bodies recorded from its paper API. Whatever no row
names is *unknown*: it is never taken for a refusal.
"""

from typing import Final

from brokergw.transport.answers import CREDENTIALS, DUPLICATE, NOT_FOUND, NOT_OPEN, Refusal, Verdict, judge, rule
from brokergw.transport.failures import Failures
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, optional_text, read_row

FAILURES: Final = Failures("alpaca", "Alpaca")
understood, unavailable = FAILURES.understood, FAILURES.unavailable

RATE: Final = "RATE_LIMITED"


RULES: Final = (
    # Who asks. A missing header is answered with an HTML page, so 401 needs no words.
    rule(CREDENTIALS, 401, verdict=Verdict.NOT_TAKEN),
    rule(CREDENTIALS, 403, verdict=Verdict.NOT_TAKEN, words=r"^forbidden\.?$"),
    rule(CREDENTIALS, 403, verdict=Verdict.NOT_TAKEN, code="40110000", words=r"not authorized"),
    # How often
    rule(RATE, 429, verdict=Verdict.NOT_TAKEN),
    # Funds and holdings
    rule("INSUFFICIENT_FUNDS", 403, code="40310000", words=r"insufficient (options )?buying power"),
    rule("INSUFFICIENT_FUNDS", 403, code="40310000", words=r"insufficient balance for USD"),
    rule("INSUFFICIENT_POSITION", 403, code="40310000", words=r"insufficient balance for"),
    rule("INSUFFICIENT_POSITION", 403, code="40310000", words=r"insufficient qty available"),
    rule("MINIMUM_SIZE", 403, code="40310000", words=r"cost basis must be >= minimal"),
    # Rights
    rule("WASH_TRADE", 403, code="40310000", words=r"wash trade"),
    rule("PATTERN_DAY_TRADING", 403, code="40310100", words=r"pattern day trad"),
    rule("SHORT_NOT_ALLOWED", 403, code="40310000", words=r"not allowed to short"),
    rule("NOT_PERMITTED", 403, code="40310000",
         words=r"not eligible|not authorized|restricted to liquidation|account is (not|restricted)"),
    rule("NOT_FRACTIONABLE", 403, code="40310000", words=r"is not fractionable"),
    # Identity
    rule(DUPLICATE, 422, code="40010001", words=r"client_order_id must be unique"),
    rule(DUPLICATE, 422, code="42210000", words=r"client_order_id must be unique"),
    # The instrument
    rule("UNKNOWN_SYMBOL", 422, code="42210000",
         words=r"^(asset|contract) \S+ (not found|expired)|^invalid symbol|not found/expired"),
    rule("NOT_TRADABLE", 422, code="42210000", words=r"is not tradable"),
    rule("NOT_TRADABLE", 422, code="40010001", words=r"is not (active|tradable)"),
    rule("SHORT_NOT_ALLOWED", 422, code="42210000", words=r"cannot be sold short|hard-to-borrow"),
    rule("MARKET_CLOSED", 422, code="42210000", words=r"market orders are only allowed during market hours"),
    # Changing an order
    rule(NOT_OPEN, 422, code="42210000", words=r"order is already in"),
    rule("REPLACE_TOO_EARLY", 422, code="40010001", words=r"isn't sent to exchange yet"),
    rule("REPLACE_REJECTED", 422, code="42210000",
         words=r"cannot replace order|unable to replace order|order already replaced|"
               r"order parameters are not changed|qty must be > filled_qty|cannot be changed for advanced orders"),
    # The terms
    rule("INVALID_PRICE", 422, code="42210000",
         words=r"sub-penny|stop price must be|stop_price must be|limit_price must be|invalid (limit|stop)"),
    rule("INVALID_TERMS", 422, code="42210000",
         words=r"extended hours order must be|fractional orders must be|notional must be|"
               r"invalid crypto time_in_force|invalid time_in_force|position intent mismatch|"
               r"bracket orders require|o[ct]o orders require|must be (day|gtc)"),
    rule("INVALID_TERMS", 422, code="40010001",
         words=r"must be|require|only one of|invalid (time_in_force|order type|side|qty|notional|type)|"
               r"is not allowed for mleg|position intent is required"),
    # What is asked for
    rule(NOT_FOUND, 404, code="40410000", words=r"not found|does not exist"),
)  # fmt: skip


def read_refusal(reply: Reply) -> Refusal:
    """Judge an error answer by the table."""
    try:
        body = read_row(reply.body)
    except Unusable:
        # Proxies, and Alpaca itself before a key is seen, answer in HTML.
        body = {}
    return judged(reply.status, body)


def judged(status: int, body: Row) -> Refusal:
    """Judge a status and an error object by the table."""
    raw_code = body.get("code")
    code = "" if raw_code is None else str(raw_code)
    return judge(RULES, optional_text(body, "message"), status=status, code=code)
