"""The reasons of those who set limits, modes and the kill switch."""

from typing import Final

from grpc import StatusCode

from brokergw.model.errors import Reason
from brokergw.rpc.wire.reason_rows import Row, denied, later, never

RISK: Final[dict[Reason, Row]] = {
    Reason.LIMIT_ABOVE_PLATFORM: denied(
        "A limit would be looser than a wider scope allows; `field` names it.",
        "Set it no looser than GetLimits shows for the wider scope.",
    ),
    Reason.LEVERAGE_EXCEEDS_LIMIT: denied(
        "The leverage is above what the broker offers or the limits allow; `limit` and `source` say which.",
        "Choose at most that; GetTradingSettings shows the broker's, GetLimits the limits'.",
    ),
    Reason.SETTINGS_OUTCOME_UNKNOWN: later(
        StatusCode.ABORTED,
        "The broker's answer to a change of settings was lost, and it does not show the change (yet). It is no order.",
        "Read the settings, or send the same request again: it says what shall be.",
    ),
    Reason.USER_NOT_FOUND: never(StatusCode.NOT_FOUND, "There is no such user.", "Check the id."),
    Reason.HALT_NOT_FOUND: never(
        StatusCode.NOT_FOUND, "Nothing of that kind is halted.", "See GetTradingState or GetKillSwitch."
    ),
    Reason.HALT_NOT_YOURS: denied(
        "The halt was set by somebody, or by a part of the gateway, whose it is to clear.",
        "Ask whoever set it; GetTradingState names the cause.",
        StatusCode.PERMISSION_DENIED,
    ),
    Reason.KILL_SWITCH_EPOCH_CHANGED: denied(
        "The switch has changed since the caller read it.", "Read it again, then decide.", StatusCode.ABORTED
    ),
    Reason.MFA_NOT_ENROLLED: denied("The caller has no authenticator.", "EnrollMfa, then ConfirmMfa."),
    Reason.MFA_ALREADY_ENROLLED: denied(
        "The caller has an authenticator already.", "Ask the administrator to reset it."
    ),
    Reason.MFA_CODE_INVALID: denied(
        "The code is wrong, too old, or was used before.",
        "Wait for the next code and send it once.",
        StatusCode.PERMISSION_DENIED,
    ),
    Reason.MFA_LOCKED: denied(
        "Too many wrong codes were sent.", "Ask the administrator to unlock it.", StatusCode.PERMISSION_DENIED
    ),
    Reason.RISK_NOT_ACKNOWLEDGED: denied(
        "The present risk text was not acknowledged.", "Read it with GetRiskText, then AcknowledgeRisk."
    ),
    Reason.RISK_TEXT_OUTDATED: denied(
        "The risk text has changed since the version that was acknowledged.",
        "Read the present one, and acknowledge that.",
    ),
    Reason.LIVE_NOT_GRANTED: denied("The administrator has not granted live trading.", "Ask for it."),
    Reason.PAPER_HISTORY_MISSING: denied(
        "There is not enough paper trading on record; the metadata say what is there and what is needed.",
        "Trade on paper first.",
    ),
    Reason.RECONCILIATION_NOT_FOUND: never(
        StatusCode.NOT_FOUND, "There is no such mismatch.", "ListMismatches shows what stands."
    ),
    Reason.RECONCILIATION_SETTLED: never(
        StatusCode.FAILED_PRECONDITION, "A person has settled the mismatch already.", "Nothing is left to do."
    ),
    Reason.RECONCILIATION_MOVED: never(
        StatusCode.ABORTED,
        "The broker no longer shows what the mismatch says, or the symbol is trading; `now` says what it shows.",
        "Compare again, look at what differs now, and settle that.",
    ),
}
