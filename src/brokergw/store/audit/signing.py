"""Ed25519 signatures of the audit log: made with a key that the database never sees, checked with its public half."""

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_BYTES: Final = 32


class Signer:
    """Signs with a secret of 32 bytes; prints nothing of it."""

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        raw = self._key.public_key().public_bytes_raw()
        self.public_key: Final = raw.hex()
        self.key_id: Final = key_id_of(raw)

    def sign(self, text: str) -> str:
        """Sign a text; gives 128 hexadecimal digits."""
        return self._key.sign(text.encode()).hex()


class TrustedKeys:
    """The public keys that a verification believes, each as 64 hexadecimal digits; raises ValueError for others."""

    def __init__(self, *public_keys: str) -> None:
        self._keys: dict[str, Ed25519PublicKey] = {}
        for text in public_keys:
            raw = bytes.fromhex(text)
            if len(raw) != KEY_BYTES:
                raise ValueError("a public key is 64 hexadecimal digits")
            self._keys[key_id_of(raw)] = Ed25519PublicKey.from_public_bytes(raw)

    @property
    def public_keys(self) -> tuple[str, ...]:
        """Give them, each as 64 hexadecimal digits."""
        return tuple(key.public_bytes_raw().hex() for key in self._keys.values())

    def knows(self, key_id: str) -> bool:
        """Tell whether a key is among them."""
        return key_id in self._keys

    def vouches(self, key_id: str, text: str, signature: str) -> bool:
        """Tell whether one of them, by its id, signed this very text."""
        key = self._keys.get(key_id)
        if key is None:
            return False
        try:
            key.verify(bytes.fromhex(signature), text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


def key_id_of(public_key: bytes) -> str:
    """Name a public key by 16 hexadecimal digits of its hash."""
    return hashlib.sha256(b"brokergw audit key\x1f" + public_key).hexdigest()[:16]
