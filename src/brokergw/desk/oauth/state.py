"""The secrets of one authorization: its state, and the verifier and challenge of PKCE (RFC 7636)."""

import base64
import hashlib
import secrets
from typing import Final

_BYTES: Final = 32


def new_state() -> str:
    """Make a state of 256 bits."""
    return _text(secrets.token_bytes(_BYTES))


def attempt_of(state: str) -> str:
    """Give what an attempt is stored under, from which nobody finds its state."""
    return hashlib.sha256(state.encode()).hexdigest()


def new_verifier() -> str:
    """Make a verifier: 43 characters."""
    return _text(secrets.token_bytes(_BYTES))


def challenge_of(verifier: str) -> str:
    """Give a verifier's S256 challenge."""
    return _text(hashlib.sha256(verifier.encode("ascii")).digest())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
