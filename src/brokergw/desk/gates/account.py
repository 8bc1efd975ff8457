"""Gate 1: does the broker let the account trade?"""

from collections.abc import Iterator, Sequence

from brokergw.desk.gates.question import Question
from brokergw.model.errors import Objection, Reason


class AccountCheck:
    """Whether the broker has blocked the account, or takes only what makes its positions smaller."""

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Compare with the broker's word on the account; without it gate 4 lets nothing pass."""
        return list(_objections(question))


def _objections(question: Question) -> Iterator[Objection]:
    state = question.state
    if state is None:
        return
    if state.account.trading_blocked:
        yield Objection(Reason.ACCOUNT_DISABLED, "account", "the broker has blocked trading on this account")
    if state.account.close_only and not question.reduces:
        # By the broker's own word on the position, and it is the broker that holds the order to it.
        description = "the broker takes only what makes a position smaller on this account"
        yield Objection(Reason.ACCOUNT_CLOSE_ONLY, "account", description)
