"""How an order that a halt stops is told so, wherever on its way the halt was met."""

from brokergw.desk.halts.latch import words
from brokergw.model.errors import Objection, PreflightDenied, Reason
from brokergw.model.trading import Halt, HaltCause, TradingState


def halted(halt: Halt, order_id: str | None = None) -> PreflightDenied:
    """Deny an order for a halt."""
    return PreflightDenied("authority", (objection(halt),), order_id=order_id)


def objection(halt: Halt) -> Objection:
    """Say that a halt stands in an order's way: its scope, its cause and its reason."""
    if halt.cause is HaltCause.REJECT_STORM:
        reason = Reason.STRATEGY_DISABLED
    else:
        reason = Reason.TRADING_HALTED if halt.state is TradingState.HALTED else Reason.REDUCE_ONLY_MODE
    return Objection(
        reason,
        halt.scope.key,
        words(halt),
        limit=halt.state.value,
        observed=halt.cause.value,
        limit_name="trading_state",
        source=halt.scope.kind.value,
    )
