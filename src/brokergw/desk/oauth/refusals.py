"""What goes wrong with grants, in the gateway's words."""

from typing import Final

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.oauth import Grant, OAuthProfile
from brokergw.model.remedy import KEY, WORDS, Remedy

_WORDS: Final = {
    "access_denied": "the authorization was declined at the broker",
    "invalid_client": "the broker does not accept the application's id and secret",
    "unauthorized_client": "the broker does not let this application authorize",
    "invalid_grant": "the broker does not accept the code or token: it is used, expired or revoked",
    "invalid_scope": "the broker does not grant these scopes",
}


def in_words(code: str) -> str:
    """Say what a refusal's code means to the person."""
    return _WORDS.get(code, f"the broker refused: {code}")


def reauthorize(grant: Grant, code: str) -> str:
    """Say why a person must authorise again."""
    if grant.tries > 1 and code == "invalid_grant":
        return (
            "the broker no longer takes the refresh token; its answer to an earlier refresh never arrived, "
            f"and may have replaced it: {WORDS[Remedy.AUTHORIZE_AGAIN]}"
        )
    return f"{in_words(code)}: {WORDS[Remedy.AUTHORIZE_AGAIN]}"


def person_needed(grant: Grant) -> GatewayError:
    """Make the error of a grant that only its owner can renew."""
    return GatewayError(
        Reason.BROKER_CREDENTIALS_REFUSED,
        grant.detail or "the connection's authorization has ended",
        metadata={"connection_id": grant.connection_id, KEY: Remedy.AUTHORIZE_AGAIN},
    )


def nothing_granted(connection_id: str) -> GatewayError:
    """Make the error of a connection without a grant."""
    return GatewayError(
        Reason.BROKER_CREDENTIALS_REFUSED,
        "the connection is not authorized",
        metadata={"connection_id": connection_id, KEY: Remedy.AUTHORIZE_AGAIN},
    )


def no_token_now(broker: str) -> GatewayError:
    """Make the error of a token that cannot be had at the moment."""
    return GatewayError(
        Reason.BROKER_UNREACHABLE,
        "the broker's authorization server gives no token at the moment",
        metadata={"broker": broker},
    )


def declined(profile: OAuthProfile, code: str) -> GatewayError:
    """Make the error of an authorization that the broker, or its user there, has declined."""
    return GatewayError(Reason.OAUTH_REFUSED, in_words(code), metadata={"broker": profile.broker, "oauth_error": code})


def state_unknown() -> GatewayError:
    """Make the one error of every state that is not to be taken: which it is, nobody learns."""
    return GatewayError(Reason.OAUTH_STATE_INVALID, "there is no authorization under way with this state: begin again")
