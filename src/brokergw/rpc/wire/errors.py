"""What each reason means to a client: its gRPC code, what became of the order, which key a retry takes.

One row per reason; a test demands that none is missing, and `docs/errors.md` is written from here. UNAVAILABLE is
given only where nothing was sent, because clients repeat it by themselves.
"""

from typing import Final

from grpc import StatusCode

from brokergw.model.errors import OrderEffect, Reason, Retry
from brokergw.rpc.wire.reason_rows import Row, denied, later, malformed, never, uncertain
from brokergw.rpc.wire.reasons_gates import AUTHORITY, EXPOSURE, INSTRUMENT, SANITY
from brokergw.rpc.wire.reasons_identity import IDENTITY
from brokergw.rpc.wire.reasons_oauth import OAUTH
from brokergw.rpc.wire.reasons_risk import RISK

_REQUEST: Final = {
    Reason.IDEMPOTENCY_KEY_REQUIRED: malformed(
        "A call that changes something came without its key.",
        "Set `idempotency_key`, or the metadata `idempotency-key`, to a fresh UUID per intent.",
    ),
    Reason.IDEMPOTENCY_KEY_INVALID: malformed(
        "The key is no UUID of version 4 or 7, lies in the future, or field and metadata disagree.",
        "Send one canonical UUID, in one place.",
    ),
    Reason.REQUEST_UNDECODABLE: malformed(
        "The bytes are not a message of this method.", "Regenerate the client from the published contract."
    ),
    Reason.REQUEST_TOO_LARGE: malformed(
        "The request is larger than any request needs to be.", "Ask for less at once.", StatusCode.RESOURCE_EXHAUSTED
    ),
    Reason.UNKNOWN_FIELD: malformed(
        "The request holds a field that this server does not know, and so cannot honour.",
        "Send only fields of the server's contract; the number of the field is in `field`.",
    ),
    Reason.FIELD_INVALID: malformed("A field breaks a rule of the contract.", "Mend the fields in BadRequest."),
    Reason.INVALID_ORDER_FIELD: malformed(
        "A field of the order breaks a rule of the contract.", "Mend the fields in BadRequest."
    ),
    Reason.TIF_REQUIRES_EXPIRY: malformed("GTD came without its time.", "Set `order.expire_time`."),
    Reason.PRICE_OFF_TICK: malformed("A price is not on the instrument's grid.", "Round it to GetInstrument's tick."),
    Reason.QUANTITY_OFF_STEP: malformed(
        "The quantity is not on the instrument's grid.", "Round it to GetInstrument's quantity_step."
    ),
    Reason.PAGE_TOKEN_INVALID: never(
        StatusCode.INVALID_ARGUMENT, "The token does not continue this list.", "List again from the first page."
    ),
    Reason.CURSOR_INVALID: never(
        StatusCode.INVALID_ARGUMENT,
        "The cursor is not one that the gateway gave to this caller.",
        "Start the stream from a snapshot.",
    ),
    Reason.CURSOR_FILTER_MISMATCH: never(
        StatusCode.INVALID_ARGUMENT,
        "The cursor comes from a stream of another kind or filter.",
        "Resume with the accounts and symbols that the stream had, or start from a snapshot.",
    ),
    Reason.CURSOR_EXPIRED: never(
        StatusCode.OUT_OF_RANGE,
        "The record no longer reaches back to the cursor.",
        "Resume from `earliestCursor`, or start from a snapshot; fetch what is missing with ListFills or ListOrders.",
    ),
    Reason.CURSOR_EPOCH_CHANGED: never(
        StatusCode.OUT_OF_RANGE,
        "The record has begun a new life since, for example after a restore.",
        "Start the stream from a snapshot.",
    ),
    Reason.DEADLINE_TOO_SHORT: later(
        StatusCode.FAILED_PRECONDITION,
        "The deadline leaves no time to ask a broker.",
        "Call again with a longer deadline.",
    ),
    Reason.METHOD_NOT_FOUND: never(
        StatusCode.UNIMPLEMENTED, "There is no such method.", "List the methods by reflection, or update the client."
    ),
}

_CALLER: Final = {
    Reason.RATE_LIMITED: later(
        StatusCode.RESOURCE_EXHAUSTED,
        "A budget of the caller, or the gateway's room for calls, is spent.",
        "Wait as long as RetryInfo says; GetQuota shows the budgets.",
    ),
    Reason.STREAM_LIMIT: later(
        StatusCode.RESOURCE_EXHAUSTED,
        "The caller holds as many streams as it may.",
        "End one; its slot is free at once, and that of a stream that was ended here once its end has been read.",
    ),
    Reason.CLIENT_CONNECTION_LIMIT: later(
        StatusCode.RESOURCE_EXHAUSTED,
        "The caller, or its address, has as many network connections to the gateway as it may.",
        "Close some, or send more calls over each; a closed one's place is free within a second.",
    ),
    Reason.BROKER_RATE_LIMITED: later(
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
    Reason.IDEMPOTENCY_IN_PROGRESS: uncertain(
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
    Reason.CLIENT_ORDER_ID_TAKEN: denied(
        "The account has used this client_order_id before.", "Choose another; the first order is in `order_id`."
    ),
}

_THINGS: Final = {
    Reason.ORDER_NOT_FOUND: never(StatusCode.NOT_FOUND, "The caller has no such order.", "Check the id."),
    Reason.CONNECTION_NOT_FOUND: never(StatusCode.NOT_FOUND, "The caller has no such connection.", "Check the id."),
    Reason.CONNECTION_CHANGED: denied(
        "Another change of the connection came first; nothing of this one was stored.",
        "Read the connection again, then decide.",
        StatusCode.ABORTED,
    ),
    Reason.BROKER_ACCOUNT_DIFFERS: denied(
        "The new credentials belong to another account than the connection; nothing was stored.",
        "Connect that account with CreateConnection, or log in there with the connection's own.",
    ),
    Reason.SYMBOL_NOT_FOUND: never(
        StatusCode.NOT_FOUND, "The account's broker does not know the symbol.", "Check the symbol."
    ),
    Reason.BROKER_NOT_FOUND: never(StatusCode.NOT_FOUND, "There is no such broker.", "See ListBrokers."),
    Reason.BROKER_CREDENTIALS_REFUSED: never(
        StatusCode.FAILED_PRECONDITION, "The broker refuses the credentials.", "Check key, secret and environment."
    ),
    Reason.SERVICE_NOT_FOUND: never(
        StatusCode.NOT_FOUND, "The health service does not know this name.", "List the names with Health/List."
    ),
    Reason.ORDER_TERMINAL: never(
        StatusCode.FAILED_PRECONDITION, "The order has ended, so nothing can change it.", "Read it with GetOrder."
    ),
    Reason.ORDER_PENDING: denied(
        "Another change of the order is on its way.", "Wait for its event, then decide again."
    ),
    Reason.ORDER_OUTCOME_UNKNOWN: uncertain(
        StatusCode.ABORTED,
        "The broker's answer was lost, and the order's state with it; the gateway finds out.",
        "Repeat the identical request with the same key.",
    ),
    Reason.ORDER_NOT_PLACED: denied(
        "The order was not placed: its absence at the broker is proved. While a late birth is still waited for, "
        "`order_effect` is POSSIBLE and `retry` SAME_KEY.",
        "Once `order_effect` is NONE, place it again if it is still wanted.",
    ),
    Reason.MODIFY_REFUSED: denied("The broker refused the change; the order stands as it was.", "See `brokerMessage`."),
    Reason.CANCEL_REFUSED: denied("The broker refused the cancel; the order stands as it was.", "See `brokerMessage`."),
    Reason.ETAG_MISMATCH: denied(
        "The order has changed since the caller read it.", "Read it again, then decide.", StatusCode.ABORTED
    ),
    Reason.ORDER_NOT_IN_DOUBT: denied(
        "The order's outcome is known, or the gateway still is finding out by itself.",
        "See ListOrdersInDoubt, and its settle_time.",
    ),
    Reason.VERDICT_REFUTED: denied(
        "The broker, or the record, speaks against the verdict; `mismatch` says how.",
        "Look again; where only the terms differ and the order is ours, override_mismatch takes it as it is.",
    ),
}

_BROKER_AND_GATEWAY: Final = {
    Reason.BROKER_REJECTED: denied(
        "The broker definitively refused; nothing was created.", "See `brokerCode` and `brokerMessage`."
    ),
    Reason.BROKER_UNREACHABLE: later(
        StatusCode.UNAVAILABLE, "The broker cannot be reached; nothing was sent.", "Repeat with the same key."
    ),
    Reason.BROKER_ANSWER_UNUSABLE: later(
        StatusCode.UNAVAILABLE, "The broker's answer to a query made no sense; nothing was sent.", "Try again soon."
    ),
    Reason.SLOW_CONSUMER: later(
        StatusCode.ABORTED,
        "The client read its stream too slowly.",
        "Resume from `x-last-cursor`, and read faster or ask for less.",
    ),
    Reason.STREAM_MAX_AGE: later(
        StatusCode.UNAVAILABLE, "The stream has lived as long as streams may.", "Resume from `x-last-cursor`."
    ),
    Reason.SERVER_DRAINING: later(
        StatusCode.UNAVAILABLE, "This server shuts down; nothing was sent.", "Call again: another one takes over."
    ),
    Reason.DEADLINE_EXCEEDED: uncertain(
        StatusCode.DEADLINE_EXCEEDED,
        "The call came without a deadline and the server's own has passed; the work goes on.",
        "Repeat the identical request with the same key.",
    ),
    Reason.JOURNAL_UNAVAILABLE: later(
        StatusCode.UNAVAILABLE,
        "The record cannot be written, or does not tell whether trading is halted; nothing was sent.",
        "Repeat with the same key.",
    ),
    Reason.AUDIT_UNAVAILABLE: later(
        StatusCode.UNAVAILABLE, "The audit log cannot be written; nothing was sent.", "Repeat with the same key."
    ),
    Reason.JOURNAL_OUTCOME_UNKNOWN: uncertain(
        StatusCode.ABORTED,
        "Whether the record was written is not known.",
        "Repeat the identical request with the same key.",
    ),
    Reason.INTERNAL_ERROR: uncertain(
        StatusCode.INTERNAL,
        "A fault of the gateway; `incident_id` finds it in the logs.",
        "Repeat the identical request with the same key, and report the incident.",
    ),
}

ROWS: Final[dict[Reason, Row]] = {
    **_REQUEST,
    **IDENTITY,
    **_CALLER,
    **_KEY,
    **AUTHORITY,
    **INSTRUMENT,
    **SANITY,
    **EXPOSURE,
    **RISK,
    **_THINGS,
    **OAUTH,
    **_BROKER_AND_GATEWAY,
}
"""Every reason's row, in the order in which the published catalogue shows them."""

CHAPTERS: Final[tuple[tuple[str, dict[Reason, Row]], ...]] = (
    ("The request", _REQUEST),
    ("The caller", IDENTITY),
    ("Its budgets", _CALLER),
    ("The idempotency key", _KEY),
    ("Gate 1: authority", AUTHORITY),
    ("Gate 2: instrument and session", INSTRUMENT),
    ("Gate 3: order sanity", SANITY),
    ("Gate 4: exposure and loss", EXPOSURE),
    ("Limits, modes and the kill switch", RISK),
    ("Orders and other things", _THINGS),
    ("Authorizing at a broker", OAUTH),
    ("Broker and gateway", _BROKER_AND_GATEWAY),
)
