"""What the gateway's refusals mean, as one table.

Most refusals are `{"error": "..."}` with status 200 or 400, some have a status alone. The rows follow the gateway's
documentation, and the words of order rejections as users report them. Whatever no row names is *unknown*.
"""

from typing import Final

from brokergw.transport.answers import DUPLICATE, NOT_FOUND, NOT_OPEN, Refusal, Verdict, judge, rule
from brokergw.transport.http import Reply
from brokergw.transport.rows import Unusable, optional_text, read_json

NO_LOGIN: Final = "NO_LOGIN"
NO_SESSION: Final = "NO_SESSION"
RATE_LIMITED: Final = "RATE_LIMITED"
NOT_CONFIRMED: Final = "CONFIRMATION_REQUIRED"
BAD_ACCOUNT: Final = "BAD_ACCOUNT"

_SAID: Final = (200, 400)


RULES: Final = (
    # The session. The gateway answers these itself, before anything reaches the broker.
    rule(NO_LOGIN, 401, verdict=Verdict.NOT_TAKEN),
    rule(NO_SESSION, 400, verdict=Verdict.NOT_TAKEN, words=r"\bno bridge\b|\bno session\b|not authenticated"),
    rule(NO_SESSION, 400, 500, verdict=Verdict.NOT_TAKEN, words=r"please query /accounts first"),
    rule(RATE_LIMITED, 429, verdict=Verdict.NOT_TAKEN),
    # What says itself that it does not know, whatever its status
    rule("", *_SAID, verdict=Verdict.UNKNOWN, words=r"service unavailable|timed? ?out|try again"),
    # Identity
    rule(DUPLICATE, *_SAID, words=r"is already registered"),
    rule(BAD_ACCOUNT, *_SAID, words=r"accountId is not valid"),
    # Questions
    rule(NOT_CONFIRMED, *_SAID, words=r"order not confirmed"),
    # Funds and rights
    rule("INSUFFICIENT_FUNDS", *_SAID,
         words=r"equity with loan value|initial margin|available (settled )?cash|buying power|"
               r"insufficient (funds|cash|balance|equity)"),
    rule("SHORT_NOT_ALLOWED", *_SAID, words=r"not available for short"),
    rule("NOT_PERMITTED", *_SAID,
         words=r"no trading permission|not permitted|not allowed to trade|account is restricted"),
    rule("INVALID_TERMS", *_SAID, words=r"invalid order attribute"),
    # The instrument
    rule("NOT_TRADABLE", *_SAID, words=r"not available for trading|not tradable|trading (is )?halted|is halted"),
    rule("UNKNOWN_SYMBOL", *_SAID, words=r"no security definition"),
    rule("MARKET_CLOSED", *_SAID, words=r"(market|exchange) is closed|outside (of )?(regular )?trading hours$"),
    # The terms
    rule("INVALID_PRICE", *_SAID,
         words=r"minimum price variation|invalid order price|cannot accept an order at the (limit|stop) price|"
               r"price (cap|band|does not)"),
    rule("INVALID_TERMS", *_SAID, words=r"size value cannot be zero|manualIndicator|extOperator|"
               r"order (size|quantity) "),
    # Changing and cancelling
    rule(NOT_FOUND, *_SAID, words=r"orderid \S+ doesn't exist"),
    rule(NOT_OPEN, *_SAID, words=r"order is inactive|cannot be (cancelled|modified)|already (filled|cancelled)"),
    # Place Order: what cannot be placed because of permissions or funds is answered with 200 and an error.
    rule("REJECTED", 200, words=r"\S"),
)  # fmt: skip


def read_refusal(reply: Reply) -> Refusal:
    """Judge an error answer by the table."""
    try:
        body = read_json(reply.body)
    except Unusable:
        body = None
    message = optional_text(body, "error") if isinstance(body, dict) else ""
    return judged(reply.status, message)


def judged(status: int, message: str) -> Refusal:
    """Judge a status and the words of an error by the table."""
    return judge(RULES, message, status=status, code=str(status))
