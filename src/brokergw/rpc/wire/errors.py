"""What each reason means to a client: its gRPC code, what became of the order, which key a retry takes.

One row per reason; a test demands that none is missing, and `docs/errors.md` is written from here. UNAVAILABLE is
given only where nothing was sent, because clients repeat it by themselves.
"""

from dataclasses import dataclass
from typing import Final

from grpc import StatusCode

from brokergw.model.errors import OrderEffect, Reason, Retry


@dataclass(frozen=True, slots=True)
class Row:
    """One reason: what it means, and what the caller does about it."""

    code: StatusCode
    effect: OrderEffect
    retry: Retry
    meaning: str
    advice: str


def _malformed(meaning: str, advice: str, code: StatusCode = StatusCode.INVALID_ARGUMENT) -> Row:
    return Row(code, OrderEffect.NONE, Retry.NEW_KEY, meaning, advice)


def _denied(meaning: str, advice: str, code: StatusCode = StatusCode.FAILED_PRECONDITION) -> Row:
    return Row(code, OrderEffect.NONE, Retry.NEW_KEY, meaning, advice)


def _never(code: StatusCode, meaning: str, advice: str) -> Row:
    return Row(code, OrderEffect.NONE, Retry.NEVER, meaning, advice)


def _later(code: StatusCode, meaning: str, advice: str) -> Row:
    return Row(code, OrderEffect.NONE, Retry.SAME_KEY, meaning, advice)


def _uncertain(code: StatusCode, meaning: str, advice: str) -> Row:
    return Row(code, OrderEffect.POSSIBLE, Retry.SAME_KEY, meaning, advice)


_REQUEST: Final = {
    Reason.IDEMPOTENCY_KEY_REQUIRED: _malformed(
        "A call that changes something came without its key.",
        "Set `idempotency_key`, or the metadata `idempotency-key`, to a fresh UUID per intent.",
    ),
    Reason.IDEMPOTENCY_KEY_INVALID: _malformed(
        "The key is no UUID of version 4 or 7, lies in the future, or field and metadata disagree.",
        "Send one canonical UUID, in one place.",
    ),
    Reason.REQUEST_UNDECODABLE: _malformed(
        "The bytes are not a message of this method.", "Regenerate the client from the published contract."
    ),
    Reason.REQUEST_TOO_LARGE: _malformed(
        "The request is larger than any request needs to be.", "Ask for less at once.", StatusCode.RESOURCE_EXHAUSTED
    ),
    Reason.UNKNOWN_FIELD: _malformed(
        "The request holds a field that this server does not know, and so cannot honour.",
        "Send only fields of the server's contract; the number of the field is in `field`.",
    ),
    Reason.FIELD_INVALID: _malformed("A field breaks a rule of the contract.", "Mend the fields in BadRequest."),
    Reason.INVALID_ORDER_FIELD: _malformed(
        "A field of the order breaks a rule of the contract.", "Mend the fields in BadRequest."
    ),
    Reason.TIF_REQUIRES_EXPIRY: _malformed("GTD came without its time.", "Set `order.expire_time`."),
    Reason.PRICE_OFF_TICK: _malformed("A price is not on the instrument's grid.", "Round it to GetInstrument's tick."),
    Reason.QUANTITY_OFF_STEP: _malformed(
        "The quantity is not on the instrument's grid.", "Round it to GetInstrument's quantity_step."
    ),
    Reason.PAGE_TOKEN_INVALID: _never(
        StatusCode.INVALID_ARGUMENT, "The token does not continue this list.", "List again from the first page."
    ),
    Reason.CURSOR_INVALID: _never(
        StatusCode.INVALID_ARGUMENT,
        "The cursor is not one that the gateway gave to this caller.",
        "Start the stream from a snapshot.",
    ),
    Reason.CURSOR_FILTER_MISMATCH: _never(
        StatusCode.INVALID_ARGUMENT,
        "The cursor comes from a stream of another kind or filter.",
        "Resume with the accounts and symbols that the stream had, or start from a snapshot.",
    ),
    Reason.CURSOR_EXPIRED: _never(
        StatusCode.OUT_OF_RANGE,
        "The record no longer reaches back to the cursor.",
        "Resume from `earliestCursor`, or start from a snapshot; fetch what is missing with ListFills or ListOrders.",
    ),
    Reason.CURSOR_EPOCH_CHANGED: _never(
        StatusCode.OUT_OF_RANGE,
        "The record has begun a new life since, for example after a restore.",
        "Start the stream from a snapshot.",
    ),
    Reason.DEADLINE_TOO_SHORT: _later(
        StatusCode.FAILED_PRECONDITION,
        "The deadline leaves no time to ask a broker.",
        "Call again with a longer deadline.",
    ),
    Reason.METHOD_NOT_FOUND: _never(
        StatusCode.UNIMPLEMENTED, "There is no such method.", "List the methods by reflection, or update the client."
    ),
}

_CALLER: Final = {
    Reason.CREDENTIALS_MISSING: _never(
        StatusCode.UNAUTHENTICATED,
        "The call carries no API key.",
        "Send `authorization: Bearer <key>` or `x-api-key: <key>`.",
    ),
    Reason.API_KEY_INVALID: _never(StatusCode.UNAUTHENTICATED, "There is no such key.", "Check the key."),
    Reason.API_KEY_EXPIRED: _never(StatusCode.UNAUTHENTICATED, "The key has expired.", "Take a new key."),
    Reason.API_KEY_REVOKED: _never(StatusCode.UNAUTHENTICATED, "The key was revoked.", "Take a new key."),
    Reason.SCOPE_MISSING: _never(
        StatusCode.PERMISSION_DENIED, "The key does not allow this method.", "Use a key with the scope in `scope`."
    ),
    Reason.RATE_LIMITED: _later(
        StatusCode.RESOURCE_EXHAUSTED,
        "A budget of the caller, or the gateway's room for calls, is spent.",
        "Wait as long as RetryInfo says; GetQuota shows the budgets.",
    ),
    Reason.STREAM_LIMIT: _later(
        StatusCode.RESOURCE_EXHAUSTED,
        "The caller holds as many streams as it may.",
        "End one; its slot is free at once.",
    ),
    Reason.BROKER_RATE_LIMITED: _later(
        StatusCode.RESOURCE_EXHAUSTED,
        "The broker's own request budget is spent; nothing was sent.",
        "Wait as long as RetryInfo says.",
    ),
}

_KEY: Final = {
    Reason.IDEMPOTENCY_KEY_REUSED: Row(
        StatusCode.FAILED_PRECONDITION,
        OrderEffect.EXISTS,
        Retry.NEVER,
        "The key belongs to another request, whose order is in `order_id`.",
        "Take a fresh key for each new intent; look the first order up by its id.",
    ),
    Reason.IDEMPOTENCY_IN_PROGRESS: _uncertain(
        StatusCode.ABORTED,
        "The first call under this key is still running.",
        "Repeat the identical request with the same key.",
    ),
    Reason.IDEMPOTENCY_KEY_EXPIRED: Row(
        StatusCode.FAILED_PRECONDITION,
        OrderEffect.POSSIBLE,
        Retry.NEVER,
        "The key is older than answers are kept; whether and what it placed must be looked up.",
        "Look the order up, by `order_id` where there is one or by its client_order_id, before you place it anew.",
    ),
    Reason.CLIENT_ORDER_ID_TAKEN: _denied(
        "The account has used this client_order_id before.", "Choose another; the first order is in `order_id`."
    ),
}

_GATES: Final = {
    Reason.ACCOUNT_NOT_FOUND: _denied(
        "The caller has no such account.", "Take an account of ListAccounts.", StatusCode.NOT_FOUND
    ),
    Reason.ACCOUNT_DISABLED: _denied("The broker or the gateway does not let the account trade.", "Ask the broker."),
    Reason.CONNECTION_NOT_USABLE: _denied(
        "The connection is revoked, or its credentials no longer work.", "Make a new connection."
    ),
    Reason.BROKER_SESSION_DOWN: _later(
        StatusCode.UNAVAILABLE, "There is no session with the broker now; nothing was sent.", "Try again soon."
    ),
    Reason.INSTRUMENT_NOT_FOUND: _denied(
        "The broker does not know the order's symbol.", "Check the canonical symbol with GetInstrument."
    ),
    Reason.INSTRUMENT_NOT_TRADABLE: _denied("The broker does not trade the instrument.", "See GetInstrument."),
    Reason.UNSUPPORTED_ORDER_TYPE: _denied("The broker does not have this order type.", "See GetBroker."),
    Reason.UNSUPPORTED_TIME_IN_FORCE: _denied("The broker does not have this time in force.", "See GetBroker."),
    Reason.UNSUPPORTED_FEATURE: _denied("The broker does not have what the call asks for.", "See GetBroker."),
    Reason.EXPIRE_TIME_INVALID: _denied("The expiry is not in the future.", "Choose a later time."),
    Reason.QUANTITY_BELOW_MINIMUM: _denied(
        "The order is smaller than the broker takes.",
        "See GetInstrument's quantity_min and notional_min.",
        StatusCode.INVALID_ARGUMENT,
    ),
    Reason.ORDER_NOTIONAL_EXCEEDS_LIMIT: _denied(
        "The order is worth more than one order may be.", "Split it, or have the limit raised."
    ),
    Reason.STOP_PRICE_WRONG_SIDE: _denied(
        "The stop would fire at once at the present price.", "Put it above the price to buy, below it to sell."
    ),
    Reason.REFERENCE_PRICE_MISSING: _denied(
        "There is no price to judge the order by.", "Wait for a quote, or send a limit order."
    ),
    Reason.IN_DOUBT_ORDER_EXISTS: _denied(
        "An earlier order of the account for this symbol is in doubt, at a broker that could not tell the two apart.",
        "Wait until the order in `observed` is settled; then place this one, under a new key where `retry` says so.",
    ),
    Reason.INSUFFICIENT_BUYING_POWER: _denied("The account cannot pay for the order.", "Order less, or free funds."),
    Reason.INSUFFICIENT_POSITION: _denied("The account does not hold what is to be sold.", "Sell less."),
    Reason.SHORT_NOT_PERMITTED: _denied("The order would sell short, which is not permitted.", "Sell less."),
    Reason.RISK_DATA_UNAVAILABLE: _later(
        StatusCode.UNAVAILABLE,
        "The broker did not tell the account's state, so the order could not be judged; nothing was sent.",
        "Try again soon.",
    ),
}

_THINGS: Final = {
    Reason.ORDER_NOT_FOUND: _never(StatusCode.NOT_FOUND, "The caller has no such order.", "Check the id."),
    Reason.CONNECTION_NOT_FOUND: _never(StatusCode.NOT_FOUND, "The caller has no such connection.", "Check the id."),
    Reason.SYMBOL_NOT_FOUND: _never(
        StatusCode.NOT_FOUND, "The account's broker does not know the symbol.", "Check the symbol."
    ),
    Reason.BROKER_NOT_FOUND: _never(StatusCode.NOT_FOUND, "There is no such broker.", "See ListBrokers."),
    Reason.BROKER_CREDENTIALS_REFUSED: _never(
        StatusCode.FAILED_PRECONDITION, "The broker refuses the credentials.", "Check key, secret and environment."
    ),
    Reason.SERVICE_NOT_FOUND: _never(
        StatusCode.NOT_FOUND, "The health service does not know this name.", "List the names with Health/List."
    ),
    Reason.ORDER_TERMINAL: _never(
        StatusCode.FAILED_PRECONDITION, "The order has ended, so nothing can change it.", "Read it with GetOrder."
    ),
    Reason.ORDER_PENDING: _denied(
        "Another change of the order is on its way.", "Wait for its event, then decide again."
    ),
    Reason.ORDER_OUTCOME_UNKNOWN: _uncertain(
        StatusCode.ABORTED,
        "The broker's answer was lost, and the order's state with it; the gateway finds out.",
        "Repeat the identical request with the same key.",
    ),
    Reason.ORDER_NOT_PLACED: _denied(
        "The order was not placed: its absence at the broker is proved. While a late birth is still waited for, "
        "`order_effect` is POSSIBLE and `retry` SAME_KEY.",
        "Once `order_effect` is NONE, place it again if it is still wanted.",
    ),
    Reason.MODIFY_REFUSED: _denied(
        "The broker refused the change; the order stands as it was.", "See `brokerMessage`."
    ),
    Reason.CANCEL_REFUSED: _denied(
        "The broker refused the cancel; the order stands as it was.", "See `brokerMessage`."
    ),
    Reason.ETAG_MISMATCH: _denied(
        "The order has changed since the caller read it.", "Read it again, then decide.", StatusCode.ABORTED
    ),
    Reason.ORDER_NOT_IN_DOUBT: _denied(
        "The order's outcome is known, or the gateway still is finding out by itself.",
        "See ListOrdersInDoubt, and its settle_time.",
    ),
    Reason.VERDICT_REFUTED: _denied(
        "The broker, or the record, speaks against the verdict; `mismatch` says how.",
        "Look again; where only the terms differ and the order is ours, override_mismatch takes it as it is.",
    ),
}

_BROKER_AND_GATEWAY: Final = {
    Reason.BROKER_REJECTED: _denied(
        "The broker definitively refused; nothing was created.", "See `brokerCode` and `brokerMessage`."
    ),
    Reason.BROKER_UNREACHABLE: _later(
        StatusCode.UNAVAILABLE, "The broker cannot be reached; nothing was sent.", "Repeat with the same key."
    ),
    Reason.BROKER_ANSWER_UNUSABLE: _later(
        StatusCode.UNAVAILABLE, "The broker's answer to a query made no sense; nothing was sent.", "Try again soon."
    ),
    Reason.SLOW_CONSUMER: _later(
        StatusCode.ABORTED,
        "The client read its stream too slowly.",
        "Resume from `x-last-cursor`, and read faster or ask for less.",
    ),
    Reason.STREAM_MAX_AGE: _later(
        StatusCode.UNAVAILABLE, "The stream has lived as long as streams may.", "Resume from `x-last-cursor`."
    ),
    Reason.SERVER_DRAINING: _later(
        StatusCode.UNAVAILABLE, "This server shuts down; nothing was sent.", "Call again: another one takes over."
    ),
    Reason.DEADLINE_EXCEEDED: _uncertain(
        StatusCode.DEADLINE_EXCEEDED,
        "The call came without a deadline and the server's own has passed; the work goes on.",
        "Repeat the identical request with the same key.",
    ),
    Reason.JOURNAL_UNAVAILABLE: _later(
        StatusCode.UNAVAILABLE, "The record cannot be written; nothing was sent.", "Repeat with the same key."
    ),
    Reason.JOURNAL_OUTCOME_UNKNOWN: _uncertain(
        StatusCode.ABORTED,
        "Whether the record was written is not known.",
        "Repeat the identical request with the same key.",
    ),
    Reason.INTERNAL_ERROR: _uncertain(
        StatusCode.INTERNAL,
        "A fault of the gateway; `incident_id` finds it in the logs.",
        "Repeat the identical request with the same key, and report the incident.",
    ),
}

ROWS: Final[dict[Reason, Row]] = {**_REQUEST, **_CALLER, **_KEY, **_GATES, **_THINGS, **_BROKER_AND_GATEWAY}
"""Every reason's row, in the order in which the published catalogue shows them."""

CHAPTERS: Final[tuple[tuple[str, dict[Reason, Row]], ...]] = (
    ("The request", _REQUEST),
    ("The caller and its budgets", _CALLER),
    ("The idempotency key", _KEY),
    ("The gates", _GATES),
    ("Orders and other things", _THINGS),
    ("Broker and gateway", _BROKER_AND_GATEWAY),
)
