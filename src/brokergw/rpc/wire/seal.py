"""Opaque tokens: bytes that only the gateway can make, as URL-safe text."""

import base64
import binascii
import hashlib
import hmac
from typing import Final

_MAC_BYTES: Final = 12
KEY_BYTES_MIN: Final = 16


class Seal:
    """Signs bytes with a keyed hash. What is sealed can be read by anybody, but made by nobody else."""

    def __init__(self, key: bytes, purpose: bytes) -> None:
        if len(key) < KEY_BYTES_MIN:
            raise ValueError(f"the cursor key must have at least {KEY_BYTES_MIN} bytes")
        # The purpose keeps a token of one kind from passing as another under the same key.
        self._state = hashlib.blake2b(digest_size=_MAC_BYTES, key=key[:64], person=purpose)

    def close(self, body: bytes) -> str:
        """Sign and write as text."""
        state = self._state.copy()
        state.update(body)
        return base64.urlsafe_b64encode(body + state.digest()).rstrip(b"=").decode()

    def open(self, text: str) -> bytes | None:
        """Give the body back; None when the text is not one of ours."""
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        state = self._state.copy()
        state.update(body)
        return body if hmac.compare_digest(mac, state.digest()) else None


def digest8(*parts: str) -> bytes:
    """Shorten texts to 8 bytes, each apart from its neighbours."""
    joined = "\x1f".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(joined.encode(), digest_size=8).digest()
