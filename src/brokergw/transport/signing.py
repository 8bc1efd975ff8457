"""Signatures over a request's own bytes: HMAC-SHA256 by a secret, or Ed25519 by a private key."""

import base64
import hashlib
import hmac
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


class Signer(Protocol):
    """Signs; prints nothing of what it signs with."""

    def sign(self, payload: bytes) -> str:
        """Give the signature as text."""
        ...


class HmacSigner:
    """HMAC-SHA256, in hexadecimal."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, payload: bytes) -> str:
        """Give the signature as lower-case hexadecimal."""
        return hmac.new(self._secret, payload, hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "HmacSigner(***)"


class Ed25519Signer:
    """Ed25519, in base64."""

    __slots__ = ("_key",)

    def __init__(self, pem: str) -> None:
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("the private key is no PEM that can be read without a password") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the private key is not of Ed25519")  # noqa: TRY004 - a wrong key, whatever its type
        self._key = key

    def sign(self, payload: bytes) -> str:
        """Give the signature in base64."""
        return base64.b64encode(self._key.sign(payload)).decode()

    def __repr__(self) -> str:
        return "Ed25519Signer(***)"


def signer_of(secret: str) -> Signer:
    """Give the signer that a secret is for: a private key in PEM signs by Ed25519; raises ValueError for other keys."""
    return Ed25519Signer(secret) if "PRIVATE KEY-----" in secret else HmacSigner(secret)
