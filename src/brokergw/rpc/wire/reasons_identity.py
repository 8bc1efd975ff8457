"""What the reasons mean that are about keys, tokens, certificates and roles."""

from typing import Final

from grpc import StatusCode

from brokergw.model.errors import Reason
from brokergw.rpc.wire.reason_rows import denied, never

IDENTITY: Final = {
    Reason.CREDENTIALS_MISSING: never(
        StatusCode.UNAUTHENTICATED,
        "The call carries no API key.",
        "Send it as `authorization: Bearer …` or as `x-api-key`.",
    ),
    Reason.CREDENTIALS_AMBIGUOUS: never(
        StatusCode.UNAUTHENTICATED,
        "The call carries more than one credential, and they could be two callers'.",
        "Send one, as `authorization: Bearer …` or as `x-api-key`.",
    ),
    Reason.API_KEY_INVALID: never(StatusCode.UNAUTHENTICATED, "There is no such key.", "Check the key."),
    Reason.API_KEY_EXPIRED: never(
        StatusCode.UNAUTHENTICATED,
        "The key has expired, or its secret was replaced and the overlap is over.",
        "Take a new key, or the secret that replaced this one.",
    ),
    Reason.API_KEY_REVOKED: never(StatusCode.UNAUTHENTICATED, "The key was revoked.", "Take a new key."),
    Reason.ADDRESS_NOT_ALLOWED: never(
        StatusCode.PERMISSION_DENIED,
        "The credential is not for use from the address that the call comes from.",
        "Call from an address that the key was made for, or make a key for this one.",
    ),
    Reason.ROLE_MISSING: never(
        StatusCode.PERMISSION_DENIED,
        "The caller, or the user that a key is asked for, has none of the roles that it takes.",
        "`roles` names those that have it; whoever runs the gateway grants them.",
    ),
    Reason.SCOPE_MISSING: never(
        StatusCode.PERMISSION_DENIED, "The key does not allow this method.", "Use a key with the scope in `scope`."
    ),
    Reason.API_KEY_NOT_FOUND: never(
        StatusCode.NOT_FOUND, "There is no such key, or it is somebody else's.", "List the keys."
    ),
    Reason.API_KEY_NOT_USABLE: denied(
        "The key has expired or was revoked, so that it gets no other secret.", "Issue a new key."
    ),
    Reason.API_KEYS_EXCEED_LIMIT: denied(
        "The user has as many usable keys as one may have.",
        "Revoke one that is not needed.",
        StatusCode.RESOURCE_EXHAUSTED,
    ),
}
