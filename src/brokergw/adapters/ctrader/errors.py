"""What cTrader's refusals mean, as one table: a code, where it matters words of the description, and what they prove.

The codes are those of ProtoOAErrorCode and ProtoErrorCode; they come in ProtoOAErrorRes, in ProtoOAOrderErrorEvent, in
the common ProtoErrorRes, and as `errorCode` of an execution event. Whatever no row names is *unknown*: it is never
taken for a refusal.
"""

import re
from dataclasses import dataclass
from typing import Final

from brokergw.transport.answers import Verdict
from brokergw.transport.rows import Row

_MESSAGE_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer, read; `retry_after_s` is what the server said of the next try, if it did."""

    verdict: Verdict
    reason: str
    code: str
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: an answer of this code whose description has these words."""

    code: str
    words: re.Pattern[str]
    reason: str
    verdict: Verdict = Verdict.REFUSED


NOT_FOUND: Final = "NOT_FOUND"
NOT_OPEN: Final = "ORDER_NOT_OPEN"
CREDENTIALS: Final = "CREDENTIALS_REFUSED"
APPLICATION: Final = "APPLICATION_REFUSED"
SESSION: Final = "SESSION_LOST"
RATE: Final = "RATE_LIMITED"
AWAY: Final = "BROKER_AWAY"
ALREADY: Final = "ALREADY_DONE"


def _rule(code: str, reason: str, verdict: Verdict = Verdict.REFUSED, *, words: str = "") -> Rule:
    return Rule(code, re.compile(words, re.IGNORECASE), reason, verdict)


RULES: Final = (
    # The token
    _rule("OA_AUTH_TOKEN_EXPIRED", CREDENTIALS),
    _rule("CH_ACCESS_TOKEN_INVALID", CREDENTIALS),
    # The session on this connection: what it asked for was thrown away, and is welcome after another sign-in.
    _rule("ACCOUNT_NOT_AUTHORIZED", SESSION, Verdict.NOT_TAKEN),
    _rule("CH_CLIENT_NOT_AUTHENTICATED", SESSION, Verdict.NOT_TAKEN),
    _rule("INVALID_REQUEST", SESSION, Verdict.NOT_TAKEN, words="not authorized"),
    _rule("ALREADY_LOGGED_IN", ALREADY),
    _rule("CH_CLIENT_ALREADY_AUTHENTICATED", ALREADY),
    # The application
    _rule("CH_CLIENT_AUTH_FAILURE", APPLICATION),
    _rule("CH_OA_CLIENT_NOT_FOUND", APPLICATION),
    # The account
    _rule("RET_NO_SUCH_LOGIN", "ACCOUNT_UNKNOWN"),
    _rule("RET_ACCOUNT_DISABLED", "NOT_PERMITTED"),
    _rule("CH_CTID_TRADER_ACCOUNT_NOT_FOUND", "ACCOUNT_UNKNOWN"),
    _rule("CHANNEL_IS_BLOCKED", "NOT_PERMITTED"),
    _rule("TRADING_NOT_ALLOWED", "NOT_PERMITTED"),
    # The server behind the proxy: an order may have reached it.
    _rule("CH_SERVER_NOT_REACHABLE", AWAY, Verdict.UNKNOWN),
    _rule("SERVER_IS_UNDER_MAINTENANCE", AWAY, Verdict.UNKNOWN),
    _rule("CANT_ROUTE_REQUEST", AWAY, Verdict.UNKNOWN),
    _rule("TIMEOUT_ERROR", AWAY, Verdict.UNKNOWN),
    _rule("UNKNOWN_ERROR", "", Verdict.UNKNOWN),
    _rule("CONCURRENT_MODIFICATION", "", Verdict.UNKNOWN),
    # How often
    _rule("REQUEST_FREQUENCY_EXCEEDED", RATE, Verdict.NOT_TAKEN),
    _rule("BLOCKED_PAYLOAD_TYPE", RATE, Verdict.NOT_TAKEN),
    _rule("CONNECTIONS_LIMIT_EXCEEDED", RATE, Verdict.NOT_TAKEN),
    # The terms
    _rule("INVALID_REQUEST", "INVALID_PRICE", words="more digits than symbol allows|invalid precision"),
    _rule("INVALID_REQUEST", "REPLACE_REJECTED", words="nothing to amend"),
    _rule("INVALID_REQUEST", "INVALID_TERMS"),
    _rule("UNSUPPORTED_MESSAGE", "INVALID_TERMS"),
    _rule("FRAME_TOO_LONG", "INVALID_TERMS"),
    _rule("INCORRECT_BOUNDARIES", "INVALID_TERMS"),
    _rule("TRADING_BAD_VOLUME", "INVALID_QUANTITY"),
    _rule("TRADING_BAD_STAKE", "INVALID_QUANTITY"),
    _rule("TRADING_BAD_STOPS", "INVALID_PRICE"),
    _rule("TRADING_BAD_PRICES", "INVALID_PRICE"),
    _rule("PROTECTION_IS_TOO_CLOSE_TO_MARKET", "INVALID_PRICE"),
    _rule("TRADING_BAD_EXPIRATION_DATE", "INVALID_TERMS"),
    # The instrument
    _rule("SYMBOL_NOT_FOUND", "UNKNOWN_SYMBOL"),
    _rule("UNKNOWN_SYMBOL", "UNKNOWN_SYMBOL"),
    _rule("MARKET_CLOSED", "MARKET_CLOSED"),
    _rule("SYMBOL_HAS_HOLIDAY", "MARKET_CLOSED"),
    _rule("NO_QUOTES", "MARKET_CLOSED"),
    _rule("TRADING_DISABLED", "NOT_TRADABLE"),
    # Funds and risk
    _rule("NOT_ENOUGH_MONEY", "INSUFFICIENT_FUNDS"),
    _rule("NO_ENOUGH_MONEY_TO_OPEN_POSITION", "INSUFFICIENT_FUNDS"),
    _rule("MAX_EXPOSURE_REACHED", "RISK_LIMIT"),
    _rule("TOO_MANY_POSITIONS", "RISK_LIMIT"),
    _rule("WORSE_GSL_NOT_ALLOWED", "RISK_LIMIT"),
    _rule("SHORT_SELLING_NOT_ALLOWED", "SHORT_NOT_ALLOWED"),
    # Orders and positions
    _rule("ORDER_NOT_FOUND", NOT_FOUND),
    _rule("POSITION_NOT_FOUND", NOT_FOUND),
    _rule("POSITION_NOT_OPEN", NOT_FOUND),
    _rule("POSITION_NOT_FOUND_OR_NOT_OPENED", NOT_FOUND),
    _rule("ALREADY_CLOSED", NOT_FOUND),
    _rule("ENTITY_NOT_FOUND", NOT_FOUND),
    _rule("POSITION_LOCKED", "CONFLICT"),
    _rule("PENDING_EXECUTION", "CONFLICT"),
    _rule("UNABLE_TO_CANCEL_ORDER", "CONFLICT"),
    _rule("UNABLE_TO_AMEND_ORDER", "REPLACE_REJECTED"),
    # Subscriptions
    _rule("NOT_SUBSCRIBED_TO_SPOTS", "NOT_SUBSCRIBED"),
    _rule("ALREADY_SUBSCRIBED", ALREADY),
    _rule("NOT_SUBSCRIBED_TO_PNL", "NOT_SUBSCRIBED"),
)


def judge(payload: Row) -> Refusal:
    """Judge an error by the table."""
    code, message = payload.get("errorCode"), payload.get("description")
    code = code if isinstance(code, str) else ""
    message = message.strip()[:_MESSAGE_MAX] if isinstance(message, str) else ""
    wait = payload.get("retryAfter")
    retry_after_s = float(wait) if isinstance(wait, int) and not isinstance(wait, bool) and wait > 0 else None
    for rule in RULES:
        if rule.code == code and rule.words.search(message):
            return Refusal(rule.verdict, rule.reason, code, message, retry_after_s)
    return Refusal(Verdict.UNKNOWN, "", code, message, retry_after_s)
