"""Gate 1: does the broker let the account trade, and does the order say what its way of keeping positions asks for?"""

from collections.abc import Iterator, Sequence

from brokergw.desk.gates.question import Question
from brokergw.model.errors import Objection, Reason
from brokergw.model.terms import OrderTerms, PositionEffect


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
    if state.account.hedged and question.before is None and not _says_which(question.terms):
        description = "the account is in hedge mode, where an order must say whether it opens or closes"
        yield Objection(Reason.POSITION_EFFECT_REQUIRED, "order.position_effect", description)


def _says_which(terms: OrderTerms) -> bool:
    """Tell whether an order names one of the two positions of its symbol."""
    return terms.reduce_only or terms.position_effect is not PositionEffect.AUTO
