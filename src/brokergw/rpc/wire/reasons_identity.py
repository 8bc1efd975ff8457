"""What the reasons mean that are about keys, tokens, certificates and roles."""

from typing import Final

from grpc import StatusCode

from brokergw.model.errors import Reason
from brokergw.rpc.wire.reason_rows import denied, later, never

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
    Reason.TOKEN_INVALID: never(
        StatusCode.UNAUTHENTICATED,
        "The token was not made by the issuer for this gateway, or says more or less than it must.",
        "Get a token from the issuer that the gateway is set to, for its audience.",
    ),
    Reason.TOKEN_EXPIRED: never(StatusCode.UNAUTHENTICATED, "The token has expired.", "Get another from the issuer."),
    Reason.TOKEN_REVOKED: never(StatusCode.UNAUTHENTICATED, "The token was revoked.", "Sign in again."),
    Reason.ISSUER_UNAVAILABLE: later(
        StatusCode.UNAVAILABLE,
        "The issuer's keys cannot be fetched, so that nobody can tell whether the token is good.",
        "Repeat the call, or use an API key.",
    ),
    Reason.CERTIFICATE_UNKNOWN: never(
        StatusCode.UNAUTHENTICATED,
        "The client's certificate speaks for nobody, or for more than one.",
        "Have it mapped to a user (MapCertificate), or send an API key too.",
    ),
    Reason.CERTIFICATE_EXPIRED: never(
        StatusCode.UNAUTHENTICATED,
        "The client's certificate, or its mapping to a user, is over.",
        "Connect again with a certificate that holds.",
    ),
    Reason.CERTIFICATE_MISMATCH: never(
        StatusCode.PERMISSION_DENIED,
        "The credential is one user's, and the client's certificate speaks for another.",
        "Use the key or token of the user that the certificate is mapped to.",
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
    Reason.LAST_ADMIN: denied(
        "It would leave nobody who is an administrator.", "Grant the role to somebody else first."
    ),
    Reason.CERTIFICATE_NOT_FOUND: never(StatusCode.NOT_FOUND, "There is no such mapping.", "See ListCertificates."),
    Reason.CERTIFICATE_MAPPED: denied(
        "The fingerprint or name speaks for somebody already.",
        "Take that mapping away first.",
        StatusCode.ALREADY_EXISTS,
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
