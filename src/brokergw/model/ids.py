"""Identifiers: how the gateway makes its own and what it accepts from clients."""

import hashlib
import random
import re
import time
import uuid
from functools import lru_cache
from typing import Final

CLIENT_ORDER_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,36}")
"""What a client may use as its own order id (brokers differ; this fits them all)."""

_RANDOM_BITS: Final = 74
_KEY: Final = re.compile(
    "[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE
)


def new_id(prefix: str) -> str:
    """Make a time-ordered unique id such as `ord_0198c2…` (UUIDv7 in hex behind a prefix)."""
    return f"{prefix}_{uuid7().hex}"


def uuid7() -> uuid.UUID:
    """Make a version 7 UUID: 48 bits of Unix milliseconds, then random bits (RFC 9562)."""
    # Ids only need to sort roughly by creation, so the operating system's time serves; no rule reads it back.
    milliseconds = time.time_ns() // 1_000_000
    # Ids are names, not secrets: the operating system's generator would cost a system call for each.
    tail = random.getrandbits(_RANDOM_BITS)
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | (tail >> 62) << 64
    value |= 0b10 << 62 | tail & ((1 << 62) - 1)
    return uuid.UUID(int=value)


def is_idempotency_key(text: str) -> bool:
    """Tell whether a text is a UUID of version 4 or 7 in its canonical 36-character form."""
    return _KEY.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def key_time_ns(key: str) -> int | None:
    """Give when an idempotency key says it was made (version 7, to the millisecond); None for other versions."""
    if key[14] != "7":
        return None
    return int(key[:8] + key[9:13], 16) * 1_000_000


def fill_id(broker: str, account_id: str, execution_id: str) -> str:
    """Derive the fill's id from the broker's execution id, so that a fill told twice is one fill."""
    digest = hashlib.blake2b(f"{broker}\x1f{account_id}\x1f{execution_id}".encode(), digest_size=16).hexdigest()
    return f"fil_{digest}"
