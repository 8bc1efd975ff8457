"""Sealing of broker credentials: AES-256-GCM, each value bound to the place where it is stored.

A sealed text is `v1.<key id>.<nonce and ciphertext>`. The version and the key id tell which scheme and which key
opens it; both are authenticated, as are user, connection, broker and field, so a value moved to another row does not
open there.
"""

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from brokergw.model.errors import GatewayError, Reason

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_VERSION: Final = "v1"
_KEY_ID_CONTEXT: Final = b"brokergw credentials key id\x1f"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs."""

    user_id: str
    connection_id: str
    broker: str
    field: str


class Sealed(GatewayError):
    """A stored credential does not open: another key sealed it, or it was moved or changed."""

    def __init__(self, connection_id: str, why: str) -> None:
        super().__init__(
            Reason.CONNECTION_NOT_USABLE,
            f"the stored credentials cannot be opened: {why}",
            metadata={"connection_id": connection_id},
        )


class Seal:
    """Seals and opens with one key of 32 bytes; prints nothing of it."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the credentials key must be {KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)
        self.key_id: Final = hashlib.sha256(_KEY_ID_CONTEXT + key).hexdigest()[:16]

    def close(self, value: str, place: Place) -> str:
        """Seal a value for its place."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, value.encode(), self._bound_to(place))
        return f"{_VERSION}.{self.key_id}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, place: Place) -> str:
        """Open what was sealed for this place; raises Sealed."""
        version, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        if version != _VERSION:
            raise Sealed(place.connection_id, "their format is unknown to this version")
        if key_id != self.key_id:
            raise Sealed(place.connection_id, "another key sealed them")
        try:
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], self._bound_to(place)).decode()
        except (InvalidTag, ValueError, binascii.Error):
            # The cause is left out: nothing of the content may reach a log.
            raise Sealed(place.connection_id, "they were moved or changed") from None

    def _bound_to(self, place: Place) -> bytes:
        parts = (_VERSION, self.key_id, place.user_id, place.connection_id, place.broker, place.field)
        return b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
