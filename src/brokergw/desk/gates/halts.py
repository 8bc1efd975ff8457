"""Gate 1: does anything halt this order?"""

from collections.abc import Sequence

from brokergw.desk.gates.question import Question
from brokergw.desk.halts.clearance import Clearance
from brokergw.desk.halts.denial import not_cleared, objection
from brokergw.desk.halts.standing import Standing
from brokergw.model.errors import GatewayError, Objection, Reason
from brokergw.model.trading import TradingScope, TradingState, scopes_of


class HaltCheck:
    """Whether anything that an order belongs to is halted.

    What only reduces a position may pass where trading is reduce-only. Whether it does is judged here by what the
    broker says now, and once more by the commit that admits it.
    """

    def __init__(self, standing: Standing, clearance: Clearance) -> None:
        self._standing = standing
        self._clearance = clearance

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Look; raises JOURNAL_UNAVAILABLE while this process must not send, RISK_DATA_UNAVAILABLE."""
        if not self._clearance.valid:
            # Nothing is recorded under the key, so the caller may come again with it.
            raise not_cleared(self._clearance)
        if self._standing.free:
            return ()
        halt = self._standing.binding(_scopes(question))
        if halt is None:
            return ()
        if halt.state is TradingState.REDUCE_ONLY and _reduces(question):
            return ()
        return (objection(halt),)


def _scopes(question: Question) -> tuple[TradingScope, ...]:
    connection = question.session.connection
    return scopes_of(
        user_id=connection.user_id,
        broker=connection.broker,
        account_id=connection.account_id,
        strategy_id=question.strategy_id,
        symbols=question.terms.symbols,
    )


def _reduces(question: Question) -> bool:
    """Tell whether the order may pass where only what reduces may; raises where the broker did not say."""
    error = question.state_error
    if error is not None:
        raise GatewayError(
            Reason.RISK_DATA_UNAVAILABLE,
            "trading is reduce-only, and the broker did not say what the order could reduce",
            metadata={"cause": error.reason.value},
            retry_after_s=error.retry_after_s or 1.0,
        ) from error
    return question.reduces
