"""The reasons of the four gates, in the order in which an order meets them."""

from typing import Final

from grpc import StatusCode

from brokergw.model.errors import Reason
from brokergw.rpc.wire.reason_rows import Row, denied, later

AUTHORITY: Final[dict[Reason, Row]] = {
    Reason.ACCOUNT_NOT_FOUND: denied(
        "The caller has no such account.", "Take an account of ListAccounts.", StatusCode.NOT_FOUND
    ),
    Reason.ACCOUNT_DISABLED: denied("The broker or the gateway does not let the account trade.", "Ask the broker."),
    Reason.CONNECTION_NOT_USABLE: denied(
        "The connection is revoked, or its credentials no longer work.",
        "See the connection's health_detail: it says what to do.",
    ),
    Reason.BROKER_SESSION_DOWN: later(
        StatusCode.UNAVAILABLE, "There is no session with the broker now; nothing was sent.", "Try again soon."
    ),
    Reason.BROKER_DISABLED: denied(
        "The platform does not trade at this broker now.", "Use another broker, or ask the administrator."
    ),
    Reason.REGION_NOT_PERMITTED: denied(
        "The broker is not permitted in the user's region.", "Use another broker, or ask the administrator."
    ),
    Reason.LIMITS_UNREADABLE: denied(
        "A stored limit that concerns the order is none; only orders that reduce a position pass.",
        "Set the limits anew with UpdateLimits, or ask the administrator.",
    ),
    Reason.ACCOUNT_CLOSE_ONLY: denied(
        "The account may only make its positions smaller.", "Send orders that reduce a position."
    ),
    Reason.POSITION_EFFECT_REQUIRED: denied(
        "The account keeps a long and a short position of each symbol beside each other, and the order does not say "
        "which one it is about.",
        "Say OPEN or CLOSE in `position_effect`, or choose ONE_WAY with UpdateTradingSettings.",
    ),
    Reason.ENVIRONMENT_MISMATCH: denied(
        "The account's environment is above the mode that the user or the strategy trades in.",
        "Promote the mode first: paper by SetMode, live by EscalateToLive.",
    ),
    Reason.LIVE_NOT_ENABLED: denied(
        "The account trades real money, and the way to live trading is not complete; `missing` says what is.",
        "Complete it: grant, risk acknowledgement, MFA, EscalateToLive.",
        StatusCode.PERMISSION_DENIED,
    ),
    Reason.MFA_REQUIRED: denied(
        "The call needs a fresh MFA confirmation.",
        "Send the present code of the authenticator.",
        StatusCode.PERMISSION_DENIED,
    ),
    Reason.TRADING_HALTED: denied(
        "A halt stands in the order's way: only cancels are taken. `scope` and `cause` say which.",
        "Wait until whoever set it clears it; then use a new key.",
    ),
    Reason.REDUCE_ONLY_MODE: denied(
        "Only orders that make a position smaller are taken. `scope` and `cause` say why.",
        "Send orders that reduce a position, or wait until it is cleared.",
    ),
    Reason.STRATEGY_DISABLED: denied(
        "The strategy had too many orders refused in a row and was stopped.",
        "Mend the strategy, then ResumeTrading for it.",
    ),
}

INSTRUMENT: Final[dict[Reason, Row]] = {
    Reason.INSTRUMENT_NOT_FOUND: denied(
        "The broker does not know the order's symbol.", "Check the canonical symbol with GetInstrument."
    ),
    Reason.INSTRUMENT_NOT_TRADABLE: denied("The broker does not trade the instrument.", "See GetInstrument."),
    Reason.UNSUPPORTED_ORDER_TYPE: denied("The broker does not have this order type.", "See GetBroker."),
    Reason.UNSUPPORTED_TIME_IN_FORCE: denied("The broker does not have this time in force.", "See GetBroker."),
    Reason.UNSUPPORTED_FEATURE: denied("The broker does not have what the call asks for.", "See GetBroker."),
    Reason.INSTRUMENT_RESTRICTED: denied(
        "The symbol is restricted, or not on an allow-list that holds.", "See GetLimits."
    ),
    Reason.ASSET_CLASS_NOT_ALLOWED: denied("The limits do not allow this class of assets.", "See GetLimits."),
    Reason.OUTSIDE_TRADING_HOURS: denied(
        "The order comes outside the trading hours that somebody set.", "See GetLimits; cancels are taken at any time."
    ),
    Reason.MARKET_CLOSED: denied(
        "The instrument's market is closed, and the order would not wait for it.",
        "Send it in a session, or with a time in force that waits.",
    ),
    Reason.SESSION_NOT_ALLOWED: denied(
        "The order's type or time in force is not taken in the present session.",
        "Send a limit order with extended_hours, or wait for the regular session.",
    ),
    Reason.SESSION_CLOSING: denied(
        "The session, or the auction's cut-off, is too near for the order to arrive in time.",
        "Send it for the next session.",
    ),
    Reason.CALENDAR_UNAVAILABLE: later(
        StatusCode.UNAVAILABLE,
        "Nobody could tell the market's hours; nothing was sent.",
        "Try again soon; an operator must extend the calendar if it stays.",
    ),
    Reason.CLOCK_SKEW: later(
        StatusCode.UNAVAILABLE,
        "The gateway's clock differs from the database's or the broker's by too much; nothing was sent.",
        "Try again soon; an operator must mend the clock if it stays.",
    ),
}

SANITY: Final[dict[Reason, Row]] = {
    Reason.EXPIRE_TIME_INVALID: denied("The expiry is not in the future.", "Choose a later time."),
    Reason.QUANTITY_BELOW_MINIMUM: denied(
        "The order is smaller than the broker takes.",
        "See GetInstrument's quantity_min and notional_min.",
        StatusCode.INVALID_ARGUMENT,
    ),
    Reason.ORDER_NOTIONAL_EXCEEDS_LIMIT: denied(
        "The order is worth more than one order may be.", "Split it, or have the limit raised."
    ),
    Reason.STOP_PRICE_WRONG_SIDE: denied(
        "The stop would fire at once at the present price.", "Put it above the price to buy, below it to sell."
    ),
    Reason.REFERENCE_PRICE_MISSING: denied(
        "There is no price to judge the order by.", "Wait for a quote, or send a limit order."
    ),
    Reason.IN_DOUBT_ORDER_EXISTS: denied(
        "An earlier order of the account for this symbol is in doubt, at a broker that could not tell the two apart.",
        "Wait until the order in `observed` is settled; then place this one, under a new key where `retry` says so.",
    ),
    Reason.ORDER_QUANTITY_EXCEEDS_LIMIT: denied(
        "The order is larger than one order may be.", "Split it, or have the limit raised."
    ),
    Reason.REFERENCE_PRICE_STALE: denied(
        "The latest price is too old to judge the order by.", "Wait for a fresh quote."
    ),
    Reason.PRICE_OUTSIDE_COLLAR: denied(
        "The price is too far from the market, for the worse.", "Check the price; the collar is in GetLimits."
    ),
    Reason.MARKET_ORDER_NOT_ALLOWED: denied(
        "The limits take no market orders, or none while the market's spread is outside the collar.",
        "Send a limit order.",
    ),
    Reason.DUPLICATIVE_ORDER: denied(
        "The same order was placed a moment ago under another key.", "If it is meant twice, set `allow_duplicate`."
    ),
    Reason.SELF_MATCH_RISK: denied(
        "The order could trade with a resting order of the same user.",
        "Cancel the order in `observed` first, or choose another price.",
    ),
    Reason.REDUCE_ONLY_WOULD_INCREASE: denied(
        "The order is reduce-only and would make a position larger, open one or turn one.",
        "Order no more than the position, open reducing orders counted.",
    ),
    Reason.ORDER_TOO_OLD: denied(
        "The client made the order too long ago.", "Decide anew, and send it with a fresh client_time and key."
    ),
}

EXPOSURE: Final[dict[Reason, Row]] = {
    Reason.INSUFFICIENT_BUYING_POWER: denied("The account cannot pay for the order.", "Order less, or free funds."),
    Reason.INSUFFICIENT_POSITION: denied("The account does not hold what is to be sold.", "Sell less."),
    Reason.SHORT_NOT_PERMITTED: denied("The order would sell short, which is not permitted.", "Sell less."),
    Reason.RISK_DATA_UNAVAILABLE: later(
        StatusCode.UNAVAILABLE,
        "The broker did not tell the account's state, so the order could not be judged; nothing was sent.",
        "Try again soon.",
    ),
    Reason.SYMBOL_POSITION_EXCEEDS_LIMIT: denied(
        "With every open order filled, the position in the symbol would be above its limit.",
        "Order less, cancel open orders, or have the limit raised.",
    ),
    Reason.GROSS_EXPOSURE_EXCEEDS_LIMIT: denied(
        "With every open order filled, the sum of all positions would be above its limit.",
        "Order less, cancel open orders, or have the limit raised.",
    ),
    Reason.OPEN_ORDERS_EXCEED_LIMIT: denied("There are as many open orders as there may be.", "Cancel one first."),
    Reason.ORDER_COUNT_EXCEEDS_LIMIT: denied(
        "As many orders were placed in the minute or the day as may be; `limit_name` says which.",
        "Wait for the next minute or day.",
    ),
    Reason.DAY_NOTIONAL_EXCEEDS_LIMIT: denied(
        "The day's volume, open orders included, would be above its limit.",
        "Order less, cancel open orders, or wait for the next trading day.",
    ),
    Reason.DAILY_LOSS_LIMIT_REACHED: denied(
        "The day's loss has reached its limit; what reduces a position is taken still.",
        "Wait for the next trading day.",
    ),
    Reason.RECONCILIATION_DRIFT: denied(
        "The broker's account differs from the record, so what the order adds to is not known.",
        "Wait until it is reconciled; see ListReconciliations.",
    ),
    Reason.RISK_DATA_STALE: later(
        StatusCode.UNAVAILABLE,
        "What is known of the account, or of its limits, is too old to judge the order by; nothing was sent.",
        "Try again soon.",
    ),
    Reason.FX_RATE_STALE: denied(
        "The order's currency cannot be converted into the base currency by a fresh rate.",
        "Wait for a fresh rate, or trade an instrument in the base currency.",
    ),
}
