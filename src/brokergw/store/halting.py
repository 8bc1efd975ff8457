"""The lock that orders the kill switch against senders on PostgreSQL; SQLite's one writer orders them by itself.

Every transaction that permits a send holds it shared, taken last, after all row locks; whoever halts takes it alone.
"""

from typing import Final

HALT_LOCK: Final = 0x62_67_68_61_6C_74
"""The key of the transaction-level advisory lock."""
