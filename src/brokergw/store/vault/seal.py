"""Sealing of secrets: AES-256-GCM envelopes, each bound to the place where it is stored and to its version.

A sealed text is `v2.<key id>.<wrapped data key>.<nonce and ciphertext>`. Each value is encrypted under a data key of
its own, used for nothing else; the data key is encrypted under the key-encryption key that the id names. User,
connection, broker, field and version are authenticated by both, so that neither half opens in another row, nor an
older value in the row of a newer one. Putting a value under another key-encryption key wraps its data key anew and
leaves the rest as it is.

`v1.<key id>.<nonce and ciphertext>` is what came before: no data key and no version. It opens as a first version, and a
rotation writes it anew.
"""

import base64
import binascii
import os
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from brokergw.model.errors import GatewayError, Reason
from brokergw.store.vault.ring import KEY_BYTES, KeyEncryptionKey, KeyRing

FORMAT: Final = "v2"
"""Of what is sealed now."""

_FORMER: Final = "v1"
_PARTS: Final = {FORMAT: 4, _FORMER: 3}
_NONCE_BYTES: Final = 12
_CHANGED: Final = "they were moved or changed"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs, and which version of it: the first is 1, and each that replaces one is higher."""

    user_id: str
    connection_id: str
    broker: str
    field: str
    version: int = 1


class Sealed(GatewayError):
    """A stored secret does not open: a key is missing, or it was moved, changed or put back."""

    def __init__(self, connection_id: str, why: str) -> None:
        super().__init__(
            Reason.CONNECTION_NOT_USABLE,
            f"the stored credentials cannot be opened: {why}",
            metadata={"connection_id": connection_id},
        )


@dataclass(frozen=True, slots=True)
class _Envelope:
    """A sealed text taken apart; `wrapped` is empty in the former format."""

    form: str
    key_id: str
    wrapped: bytes
    body: bytes


class Seal:
    """Seals and opens with a ring of keys; prints nothing of them."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring: Final = ring

    def close(self, value: str, place: Place) -> str:
        """Seal a value for its place, under the primary key."""
        data_key = os.urandom(KEY_BYTES)
        body = _encrypted(AESGCM(data_key), value.encode(), _bound("value", place))
        return _text(self.ring.primary, data_key, body, place)

    def open(self, sealed: str, place: Place) -> str:
        """Open what was sealed for this place; raises Sealed."""
        envelope = _taken_apart(sealed, place)
        key = self._key_of(envelope, place)
        if envelope.form == _FORMER:
            return _decrypted(key.cipher, envelope.body, _formerly_bound(key, place), place).decode()
        data_key = _unwrapped(key, envelope, place)
        return _decrypted(AESGCM(data_key), envelope.body, _bound("value", place), place).decode()

    def rewrap(self, sealed: str, place: Place) -> str:
        """Put a value under the primary key; gives the very text where it is under it. Raises Sealed.

        Of a value of the present format nothing but its data key is opened.
        """
        envelope = _taken_apart(sealed, place)
        if envelope.form == _FORMER:
            return self.close(self.open(sealed, place), place)
        primary = self.ring.primary
        if envelope.key_id == primary.key_id:
            return sealed
        data_key = _unwrapped(self._key_of(envelope, place), envelope, place)
        return _text(primary, data_key, envelope.body, place)

    def _key_of(self, envelope: _Envelope, place: Place) -> KeyEncryptionKey:
        key = self.ring.find(envelope.key_id)
        if key is None:
            raise Sealed(place.connection_id, f"they are under key {envelope.key_id}, which is not among the keys")
        return key


def _text(key: KeyEncryptionKey, data_key: bytes, body: bytes, place: Place) -> str:
    wrapped = _encrypted(key.cipher, data_key, _bound("data key", place, key.key_id))
    return ".".join((FORMAT, key.key_id, _armoured(wrapped), _armoured(body)))


def _taken_apart(sealed: str, place: Place) -> _Envelope:
    form, *parts = sealed.split(".")
    if len(parts) + 1 != _PARTS.get(form):
        raise Sealed(place.connection_id, "their format is unknown to this version")
    key_id, *encoded = parts
    # The cause is left out wherever something does not open: nothing of the content may reach a log.
    try:
        raw = [base64.b64decode(each, altchars=b"-_", validate=True) for each in encoded]
    except (ValueError, binascii.Error):
        raise Sealed(place.connection_id, _CHANGED) from None
    if [_armoured(each) for each in raw] != encoded:
        # One content has one text: bits that carry nothing must be as they were written.
        raise Sealed(place.connection_id, _CHANGED)
    if form == _FORMER and place.version != 1:
        raise Sealed(place.connection_id, "they are older than their record says")
    return _Envelope(form, key_id, raw[0] if form == FORMAT else b"", raw[-1])


def _unwrapped(key: KeyEncryptionKey, envelope: _Envelope, place: Place) -> bytes:
    return _decrypted(key.cipher, envelope.wrapped, _bound("data key", place, key.key_id), place)


def _encrypted(cipher: AESGCM, content: bytes, bound_to: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, content, bound_to)


def _decrypted(cipher: AESGCM, raw: bytes, bound_to: bytes, place: Place) -> bytes:
    try:
        return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError):
        raise Sealed(place.connection_id, _CHANGED) from None


def _armoured(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _bound(what: str, place: Place, key_id: str = "") -> bytes:
    """Write down what a half of an envelope belongs to, each part behind its length, so that none runs into the next.

    The value itself is bound to no key-encryption key: it stays as it is when its data key is wrapped anew.
    """
    return _joined(
        f"brokergw {FORMAT} {what}",
        key_id,
        place.user_id,
        place.connection_id,
        place.broker,
        place.field,
        str(place.version),
    )


def _formerly_bound(key: KeyEncryptionKey, place: Place) -> bytes:
    return _joined(_FORMER, key.key_id, place.user_id, place.connection_id, place.broker, place.field)


def _joined(*parts: str) -> bytes:
    return b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
