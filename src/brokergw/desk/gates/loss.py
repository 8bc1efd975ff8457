"""Gate 4: has the user lost today what it may lose?"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from brokergw.desk.gates.question import Question, Said
from brokergw.desk.loss.book import FRESH_S
from brokergw.desk.loss.looking import is_plausible
from brokergw.desk.loss.losses import Losses
from brokergw.desk.results import BrokerState
from brokergw.model.errors import GatewayError, Objection, Reason
from brokergw.model.loss import RiskDay
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.ports.clock import Clock

_NAME: Final = "daily_loss_max"


class LossCheck:
    """Whether the day's loss over all of the user's accounts is below the limit, this account's as of this moment.

    Orders of unknown outcome count at their worst. What makes a position smaller passes: nobody is to be caught in one.
    """

    def __init__(self, losses: Losses, clock: Clock) -> None:
        self._losses = losses
        self._clock = clock

    def __call__(self, question: Question) -> Said:
        """Compare; raises RISK_DATA_UNAVAILABLE when the broker does not tell what that takes, RISK_DATA_STALE when
        what was told is too old or contradicts itself: under both no key is used up.

        Without the broker's word on the account the check before this one has refused the order.
        """
        cap, state = question.limits.values.daily_loss_max, question.state
        if cap is None or state is None or question.reduces:
            return ()
        known = self._losses.book.of(question.session.connection.account_id, self._losses.today())
        if known is None:
            return self._ask(question, state, cap, sure=False)
        if not is_plausible(state):
            return self._judge(question, cap, None, ZERO)
        used = self._used(question, known, state)
        # Money that went is no loss: before an order is refused for one, what moved the cash is asked for.
        if used < cap or self._losses.looker.has_asked_since(known.account_id, state.account.cash):
            return self._judge(question, cap, known, used)
        return self._ask(question, state, cap, sure=True)

    async def _ask(self, question: Question, state: BrokerState, cap: Decimal, *, sure: bool) -> Sequence[Objection]:
        """Compare with a look of this moment; `sure` has the account's history asked for, whatever is known of it."""
        try:
            row = await self._losses.looker.look(question.session, state, sure=sure)
        except GatewayError as error:
            raise GatewayError(
                Reason.RISK_DATA_UNAVAILABLE,
                "what the account has lost today is not known",
                metadata={"cause": error.reason.value},
                retry_after_s=error.retry_after_s or 1.0,
            ) from error
        used = ZERO if row is None else self._used(question, row, state)
        return self._judge(question, cap, row, used)

    def _used(self, question: Question, row: RiskDay, state: BrokerState) -> Decimal:
        """Give what the user has used of the limit, by this answer of the broker's."""
        user_id = question.session.connection.user_id
        return self._losses.book.used(user_id, row.trading_day, {row.account_id: row.loss_at(state.account.equity)})

    def _judge(self, question: Question, cap: Decimal, row: RiskDay | None, used: Decimal) -> Sequence[Objection]:
        if used >= cap and row is not None:
            return (_reached(question, cap, used),)
        self._require_known(question, row)
        return ()

    def _require_known(self, question: Question, row: RiskDay | None) -> None:
        connection = question.session.connection
        if row is None:
            why = "the broker's equity is not what cash and positions come to; what was lost today is not known"
            raise _stale(why, connection.account_id)
        now = self._clock.now_ns()
        stale = self._losses.book.stale(connection.user_id, now, but=connection.account_id)
        if stale:
            why = f"no equity of account {stale[0]} is younger than {FRESH_S} s; what was lost is not known"
            raise _stale(why, stale[0])


def _stale(why: str, account_id: str) -> GatewayError:
    metadata = {"account": account_id, "limit": str(FRESH_S)}
    return GatewayError(Reason.RISK_DATA_STALE, why, metadata=metadata, retry_after_s=1.0)


def _reached(question: Question, cap: Decimal, used: Decimal) -> Objection:
    source = question.limits.sources.get(_NAME)
    lost, most = format_decimal(used), format_decimal(cap)
    return Objection(
        Reason.DAILY_LOSS_LIMIT_REACHED,
        "user",
        f"{lost} is lost today, of {most} that may be",
        limit=most,
        observed=lost,
        limit_name=_NAME,
        source=source.value if source is not None else "",
        used=lost,
        requested="0",
    )
