"""What a token endpoint may answer, and what of it gets out."""

import json
from typing import Any

import httpx
import pytest

from brokergw.adapters.oauth import AKOYA, CTRADER
from brokergw.adapters.schwab import SCHWAB_OAUTH
from brokergw.model.oauth import OAuthProfile
from brokergw.ports.oauth import TokenRefused, TokenUnknown
from brokergw.transport.http import Reply
from brokergw.transport.oauth.reply import read_tokens

GIVEN = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 1800, "refresh_token": "rt-1", "scope": "api"}


def reply(document: Any, status: int = 200) -> Reply:
    """Make a reply of JSON, or of bytes as they are."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Reply(status, httpx.Headers(), body)


def test_tokens_are_read() -> None:
    """The standard's names, and nothing of them in a repr."""
    tokens = read_tokens(reply(GIVEN), SCHWAB_OAUTH)
    assert (tokens.access_token, tokens.refresh_token, tokens.life_s, tokens.scope) == ("at-1", "rt-1", 1800, "api")
    assert "at-1" not in repr(tokens)
    assert "rt-1" not in repr(tokens)


def test_other_names_are_read() -> None:
    """Camel case with a null error, as cTrader's, and Akoya's id_token."""
    camel = {"accessToken": "a", "tokenType": "bearer", "expiresIn": 2628000, "refreshToken": "r", "errorCode": None}
    assert read_tokens(reply(camel), CTRADER).life_s == 2_628_000
    assert read_tokens(reply({"id_token": "i", "token_type": "bearer"}), AKOYA).access_token == "i"


@pytest.mark.parametrize(
    ("document", "status", "profile", "code"),
    [
        ({"error": "invalid_grant"}, 400, SCHWAB_OAUTH, "invalid_grant"),
        ({"error": "invalid_client"}, 401, SCHWAB_OAUTH, "invalid_client"),
        ({"error": "unsupported_token_type", "error_description": "rt-1"}, 400, SCHWAB_OAUTH, "unsupported_token_type"),
        ({"errorCode": "ACCESS_DENIED", "description": "rt-1"}, 200, CTRADER, "ACCESS_DENIED"),
        ({"error": "token rt-1 is bad"}, 400, SCHWAB_OAUTH, "unreadable"),
        ({"error": {"code": 7}}, 400, SCHWAB_OAUTH, "unreadable"),
        ({"error": "x" * 64}, 400, SCHWAB_OAUTH, "x" * 64),
        ({"error": "x" * 65}, 400, SCHWAB_OAUTH, "unreadable"),
    ],
)
def test_a_refusal_tells_its_code_alone(document: Any, status: int, profile: OAuthProfile, code: str) -> None:
    """Whatever a server repeats in its words stays out; a code that is no word is a refusal all the same."""
    with pytest.raises(TokenRefused) as caught:
        read_tokens(reply(document, status), profile)
    assert caught.value.code == code
    assert "rt-1" not in str(caught.value)


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"error": "invalid_grant"}, 500),
        ({"error": "invalid_grant"}, 429),
        ({"error": "temporarily_unavailable"}, 400),
        (b"<html>Access Denied</html>", 403),
        (b"", 200),
        (b"[1]", 200),
        ({**GIVEN, "access_token": ""}, 200),
        ({**GIVEN, "access_token": 7}, 200),
        ({**GIVEN, "access_token": "a b"}, 200),
        ({**GIVEN, "access_token": "a\nX-Header: b"}, 200),
        ({**GIVEN, "access_token": "a" * 8193}, 200),
        ({**GIVEN, "refresh_token": ["r"]}, 200),
        ({**GIVEN, "token_type": "mac"}, 200),
        (GIVEN, 302),
    ],
)
def test_what_is_not_certain_is_unknown(document: Any, status: int) -> None:
    """Failures of the server, pages, and tokens that are none: nobody knows what has happened there."""
    with pytest.raises(TokenUnknown):
        read_tokens(reply(document, status), SCHWAB_OAUTH)


def test_the_longest_token_is_taken() -> None:
    """A token of exactly the bound is one."""
    assert len(read_tokens(reply({**GIVEN, "access_token": "a" * 8192}), SCHWAB_OAUTH).access_token) == 8192


@pytest.mark.parametrize(
    ("told", "life"),
    [
        (1, 1),
        ("900", 900),
        (900.9, 900),
        (0, None),
        (-1, None),
        (True, None),
        ("soon", None),
        (None, None),
        (315_360_000, 315_360_000),
        (315_360_001, None),
        (float("inf"), None),
    ],
)
def test_a_life_makes_sense_or_is_not_there(told: Any, life: int | None) -> None:
    """From one second to ten years; anything else is as if it had not been told."""
    assert read_tokens(reply({**GIVEN, "expires_in": told}), SCHWAB_OAUTH).life_s == life
