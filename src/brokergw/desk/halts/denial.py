"""How an order that a halt stops, or may stop, is told so, wherever on its way that was met."""

from brokergw.desk.halts.clearance import Clearance
from brokergw.model.errors import GatewayError, Objection, PreflightDenied, Reason
from brokergw.model.trading import Halt, HaltCause, TradingState


def not_cleared(clearance: Clearance) -> GatewayError:
    """Say that this process has not lately read which halts stand, and so sends nothing; the key is not used up."""
    words = "whether trading is halted cannot be told at the moment"
    return GatewayError(Reason.JOURNAL_UNAVAILABLE, words, retry_after_s=clearance.wait_s)


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
        _words(halt),
        limit=halt.state.value,
        observed=halt.cause.value,
        limit_name="trading_state",
        source=halt.scope.kind.value,
    )


def _words(halt: Halt) -> str:
    state = "halted" if halt.state is TradingState.HALTED else "reduce-only"
    return f"{halt.scope.key} is {state} ({halt.cause}): {halt.reason}"
