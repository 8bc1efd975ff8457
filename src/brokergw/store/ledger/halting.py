"""What senders and the kill switch share: the lock that orders them on PostgreSQL, and how a halt is read.

SQLite's one writer orders them by itself.

Every transaction that permits a send holds it shared, taken last, after all row locks; whoever halts takes it alone.
"""

from typing import Final

from brokergw.model.trading import Halt, HaltCause, TradingScope, TradingState

HALT_LOCK: Final = 0x62_67_68_61_6C_74
"""The key of the transaction-level advisory lock."""


def halt_from_row(scope: str, cause: str, state: str, reason: str, set_by: str, set_time_ns: int, epoch: int) -> Halt:
    """Read a row of `trading_halts`, by its columns in order."""
    return Halt(
        scope=TradingScope.from_key(scope),
        cause=HaltCause(cause),
        state=TradingState(state),
        reason=reason,
        set_by=set_by,
        set_time_ns=set_time_ns,
        epoch=epoch,
    )
