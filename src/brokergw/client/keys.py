"""Idempotency keys: one version 7 UUID per intent, kept over every repetition of the call."""

import os
import time
import uuid
from collections.abc import Callable
from typing import Final

_RANDOM_BITS: Final = 74


def new_idempotency_key(now_ns: Callable[[], int] = time.time_ns) -> str:
    """Make the key of one intent: a UUID of version 7 (RFC 9562), so that keys sort by the time they were made.

    Args:
        now_ns: gives the wall time as Unix nanoseconds.
    """
    milliseconds = (now_ns() // 1_000_000) & ((1 << 48) - 1)
    random = int.from_bytes(os.urandom(10)) & ((1 << _RANDOM_BITS) - 1)
    high = milliseconds << 16 | 0x7 << 12 | random >> 62
    low = 0b10 << 62 | random & ((1 << 62) - 1)
    return str(uuid.UUID(int=high << 64 | low))
