"""What a token endpoint answered: tokens, a refusal for good, or nothing that can be used.

No word of the answer but the refusal's code gets out of here, and that only where it looks like one: servers repeat in
their descriptions what they were sent.
"""

import json
import re
from typing import Any, Final

from brokergw.model.oauth import IssuedTokens, OAuthProfile
from brokergw.ports.oauth import TokenRefused, TokenUnknown
from brokergw.transport.http import Reply

_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8192}")
_LIFE_MAX_S: Final = 10 * 365 * 86_400
_TRANSIENT: Final = frozenset({"temporarily_unavailable", "server_error", "slow_down"})


def read_tokens(reply: Reply, profile: OAuthProfile) -> IssuedTokens:
    """Read a reply; raises TokenRefused, or TokenUnknown for one that says nothing certain."""
    document = _document(reply.body)
    if reply.status >= 500 or reply.status == 429:
        # Also where it calls itself a refusal: the server may have acted before it failed.
        raise TokenUnknown(f"the authorization server answered {reply.status}")
    code = _code(document.get(profile.names.refusal))
    if code is not None:
        if code in _TRANSIENT:
            raise TokenUnknown(f"the authorization server answered {code}")
        raise TokenRefused(code)
    if reply.status != 200:
        raise TokenUnknown(f"the authorization server answered {reply.status} without a reason")
    return _tokens(document, profile)


def read_revocation(reply: Reply) -> None:
    """Read what a revocation came to; raises as `read_tokens`. No body is asked of a success (RFC 7009, 2.2)."""
    if reply.status == 200:
        return
    if reply.status >= 500 or reply.status == 429:
        # 503 says that the token is still good, the others may mean anything: it is asked for again.
        raise TokenUnknown(f"the authorization server answered {reply.status}")
    code = _code(_document(reply.body).get("error"))
    if code is None or code in _TRANSIENT:
        raise TokenUnknown(f"the authorization server answered {reply.status} without a reason")
    raise TokenRefused(code)


def _tokens(document: dict[str, Any], profile: OAuthProfile) -> IssuedTokens:
    names = profile.names
    kind = document.get(names.token_type, "bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenUnknown("the token is of a type that is not known")
    access_token = document.get(names.access_token)
    refresh_token = document.get(names.refresh_token) or ""
    if not _is_token(access_token) or (refresh_token and not _is_token(refresh_token)):
        raise TokenUnknown("the reply holds no token")
    scope = document.get(names.scope)
    return IssuedTokens(
        access_token=str(access_token),
        refresh_token=str(refresh_token),
        life_s=_life(document.get(names.expires_in)),
        scope=scope[:512] if isinstance(scope, str) else "",
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _code(value: Any) -> str | None:
    """Give a refusal's code; None where there is none. One that is no word is a refusal all the same."""
    if not value:
        return None
    return value if isinstance(value, str) and _CODE.fullmatch(value) else "unreadable"


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _life(value: Any) -> int | None:
    """Read a life in seconds, a number or its digits; what makes no sense is as if it were not there."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = int(float(value))
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds <= _LIFE_MAX_S else None
