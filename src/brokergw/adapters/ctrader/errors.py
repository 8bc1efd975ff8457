"""What cTrader's refusals mean, as one table: a code, where it matters words of the description, and what they prove.

The codes are those of ProtoOAErrorCode and ProtoErrorCode; they come in ProtoOAErrorRes, in ProtoOAOrderErrorEvent, in
the common ProtoErrorRes, and as `errorCode` of an execution event. Whatever no row names is *unknown*: it is never
taken for a refusal.
"""

from dataclasses import replace
from typing import Final

from brokergw.transport.answers import CREDENTIALS, NOT_FOUND, Refusal, Verdict, judge, rule
from brokergw.transport.failures import Failures
from brokergw.transport.rows import Row

FAILURES: Final = Failures("ctrader", "cTrader")
understood, unavailable = FAILURES.understood, FAILURES.unavailable

_MILLISECONDS_FROM: Final = 100_000_000_000
_MAINTAINED_MAX_S: Final = 7 * 86_400.0
APPLICATION: Final = "APPLICATION_REFUSED"
SESSION: Final = "SESSION_LOST"
RATE: Final = "RATE_LIMITED"
AWAY: Final = "BROKER_AWAY"
ALREADY: Final = "ALREADY_DONE"


RULES: Final = (
    # The token
    rule(CREDENTIALS, verdict=Verdict.NOT_TAKEN, code="OA_AUTH_TOKEN_EXPIRED"),
    rule(CREDENTIALS, verdict=Verdict.NOT_TAKEN, code="CH_ACCESS_TOKEN_INVALID"),
    # The session on this connection: what it asked for was thrown away, and is welcome after another sign-in.
    rule(SESSION, verdict=Verdict.NOT_TAKEN, code="ACCOUNT_NOT_AUTHORIZED"),
    rule(SESSION, verdict=Verdict.NOT_TAKEN, code="CH_CLIENT_NOT_AUTHENTICATED"),
    rule(SESSION, verdict=Verdict.NOT_TAKEN, code="INVALID_REQUEST", words="not authorized"),
    rule(ALREADY, code="ALREADY_LOGGED_IN"),
    rule(ALREADY, code="CH_CLIENT_ALREADY_AUTHENTICATED"),
    # The application
    rule(APPLICATION, verdict=Verdict.NOT_TAKEN, code="CH_CLIENT_AUTH_FAILURE"),
    rule(APPLICATION, verdict=Verdict.NOT_TAKEN, code="CH_OA_CLIENT_NOT_FOUND"),
    # The account
    rule("ACCOUNT_UNKNOWN", code="RET_NO_SUCH_LOGIN"),
    rule("NOT_PERMITTED", code="RET_ACCOUNT_DISABLED"),
    rule("ACCOUNT_UNKNOWN", code="CH_CTID_TRADER_ACCOUNT_NOT_FOUND"),
    rule("NOT_PERMITTED", code="CHANNEL_IS_BLOCKED"),
    rule("NOT_PERMITTED", code="TRADING_NOT_ALLOWED"),
    # The server behind the proxy: an order may have reached it.
    rule(AWAY, verdict=Verdict.UNKNOWN, code="CH_SERVER_NOT_REACHABLE"),
    rule(AWAY, verdict=Verdict.UNKNOWN, code="SERVER_IS_UNDER_MAINTENANCE"),
    rule(AWAY, verdict=Verdict.UNKNOWN, code="CANT_ROUTE_REQUEST"),
    rule(AWAY, verdict=Verdict.UNKNOWN, code="TIMEOUT_ERROR"),
    rule("", verdict=Verdict.UNKNOWN, code="UNKNOWN_ERROR"),
    rule("", verdict=Verdict.UNKNOWN, code="CONCURRENT_MODIFICATION"),
    # How often
    rule(RATE, verdict=Verdict.NOT_TAKEN, code="REQUEST_FREQUENCY_EXCEEDED"),
    rule(RATE, verdict=Verdict.NOT_TAKEN, code="BLOCKED_PAYLOAD_TYPE"),
    rule(RATE, verdict=Verdict.NOT_TAKEN, code="CONNECTIONS_LIMIT_EXCEEDED"),
    # The terms
    rule("INVALID_PRICE", code="INVALID_REQUEST", words="more digits than symbol allows|invalid precision"),
    rule("REPLACE_REJECTED", code="INVALID_REQUEST", words="nothing to amend"),
    rule("INVALID_TERMS", code="INVALID_REQUEST"),
    rule("INVALID_TERMS", code="UNSUPPORTED_MESSAGE"),
    rule("INVALID_TERMS", code="FRAME_TOO_LONG"),
    rule("INVALID_TERMS", code="INCORRECT_BOUNDARIES"),
    rule("INVALID_QUANTITY", code="TRADING_BAD_VOLUME"),
    rule("INVALID_QUANTITY", code="TRADING_BAD_STAKE"),
    rule("INVALID_PRICE", code="TRADING_BAD_STOPS"),
    rule("INVALID_PRICE", code="TRADING_BAD_PRICES"),
    rule("INVALID_PRICE", code="PROTECTION_IS_TOO_CLOSE_TO_MARKET"),
    rule("INVALID_TERMS", code="TRADING_BAD_EXPIRATION_DATE"),
    # The instrument
    rule("UNKNOWN_SYMBOL", code="SYMBOL_NOT_FOUND"),
    rule("UNKNOWN_SYMBOL", code="UNKNOWN_SYMBOL"),
    rule("MARKET_CLOSED", code="MARKET_CLOSED"),
    rule("MARKET_CLOSED", code="SYMBOL_HAS_HOLIDAY"),
    rule("MARKET_CLOSED", code="NO_QUOTES"),
    rule("NOT_TRADABLE", code="TRADING_DISABLED"),
    # Funds and risk
    rule("INSUFFICIENT_FUNDS", code="NOT_ENOUGH_MONEY"),
    rule("INSUFFICIENT_FUNDS", code="NO_ENOUGH_MONEY_TO_OPEN_POSITION"),
    rule("RISK_LIMIT", code="MAX_EXPOSURE_REACHED"),
    rule("RISK_LIMIT", code="TOO_MANY_POSITIONS"),
    rule("RISK_LIMIT", code="WORSE_GSL_NOT_ALLOWED"),
    rule("SHORT_NOT_ALLOWED", code="SHORT_SELLING_NOT_ALLOWED"),
    # Orders and positions
    rule(NOT_FOUND, code="ORDER_NOT_FOUND"),
    rule(NOT_FOUND, code="POSITION_NOT_FOUND"),
    rule(NOT_FOUND, code="POSITION_NOT_OPEN"),
    rule(NOT_FOUND, code="POSITION_NOT_FOUND_OR_NOT_OPENED"),
    rule(NOT_FOUND, code="ALREADY_CLOSED"),
    rule(NOT_FOUND, code="ENTITY_NOT_FOUND"),
    rule("CONFLICT", code="POSITION_LOCKED"),
    rule("CONFLICT", code="PENDING_EXECUTION"),
    rule("CONFLICT", code="UNABLE_TO_CANCEL_ORDER"),
    rule("REPLACE_REJECTED", code="UNABLE_TO_AMEND_ORDER"),
    # Subscriptions
    rule("NOT_SUBSCRIBED", code="NOT_SUBSCRIBED_TO_SPOTS"),
    rule(ALREADY, code="ALREADY_SUBSCRIBED"),
    rule("NOT_SUBSCRIBED", code="NOT_SUBSCRIBED_TO_PNL"),
)


def judged(payload: Row) -> Refusal:
    """Judge an error by the table."""
    code, message, wait = payload.get("errorCode"), payload.get("description"), payload.get("retryAfter")
    refusal = judge(RULES, message if isinstance(message, str) else "", code=code if isinstance(code, str) else "")
    if isinstance(wait, int) and not isinstance(wait, bool) and wait > 0:
        return replace(refusal, retry_after_s=float(wait))
    return refusal


def maintained_s(payload: Row, now_ns: int) -> float | None:
    """Tell how long a maintenance lasts still, by an error's own word; None where it has none that makes sense.

    The end is in seconds in one message and in milliseconds in another (comments of the published protocol files).
    """
    end = payload.get("maintenanceEndTimestamp")
    if not isinstance(end, int) or isinstance(end, bool):
        return None
    left_s = (end if end < _MILLISECONDS_FROM else end / 1000) - now_ns / 1e9
    return left_s if 0 < left_s <= _MAINTAINED_MAX_S else None
