"""What the reasons mean that are about authorising a connection at its broker."""

from typing import Final

from grpc import StatusCode

from brokergw.model.errors import Reason
from brokergw.rpc.wire.reason_rows import denied

OAUTH: Final = {
    Reason.OAUTH_NOT_CONFIGURED: denied(
        "The gateway has no address that brokers could send people back to.",
        "Whoever runs the gateway sets OAUTH_REDIRECT_BASE_URL.",
    ),
    Reason.OAUTH_STATE_INVALID: denied(
        "No authorization is under way with this state: it was used, is too old, or is another user's or broker's.",
        "Begin again with BeginOAuth.",
    ),
    Reason.OAUTH_REFUSED: denied(
        "The broker, or the person there, has declined; nothing was stored.",
        "See `oauth_error`, the broker's own word; then begin again with BeginOAuth.",
    ),
    Reason.OAUTH_ATTEMPTS_EXCEED_LIMIT: denied(
        "So many authorizations of the caller's are under way as there may be.",
        "Complete one, or wait ten minutes.",
        StatusCode.RESOURCE_EXHAUSTED,
    ),
}
