"""What an API key looks like, and the hash by which it is known.

A key is `bgw_<id>_<secret><checksum>`: a prefix that scanners of leaked secrets can find, and a checksum that tells a
mistyped key without asking the store. Only an HMAC of the key is stored, under a secret that is not in the database.
"""

import base64
import hashlib
import hmac
import os
import re
import zlib
from typing import Final

_FORM: Final = re.compile(r"bgw_([a-z2-7]{10})_([a-z2-7]{32})([0-9a-f]{8})", re.ASCII)


def mint_key(key_id: str = "") -> tuple[str, str]:
    """Make a new key, or another secret for one; gives its public id and the key itself, which is shown once."""
    key_id, secret = key_id or _random_text(10), _random_text(32)
    body = f"bgw_{key_id}_{secret}"
    return key_id, body + _checksum(body)


def hash_key(key: str, pepper: bytes) -> str:
    """Hash a key for the store."""
    return hmac.new(pepper, key.encode(), hashlib.sha256).hexdigest()


def is_key(token: str) -> bool:
    """Tell whether a text may be a key: its form, and its checksum."""
    match = _FORM.fullmatch(token)
    return match is not None and _checksum(token[:-8]) == match.group(3)


def _random_text(length: int) -> str:
    return base64.b32encode(os.urandom(length)).decode().lower()[:length]


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
