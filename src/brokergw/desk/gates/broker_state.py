"""Gate 4: does the broker's account carry it, by what the broker says now?"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from brokergw.desk.gates.question import Question
from brokergw.desk.results import BrokerState
from brokergw.model.account import AccountState, Position
from brokergw.model.errors import GatewayError, Objection, Reason
from brokergw.model.instrument import Instrument
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.model.terms import OrderClass, OrderTerms, Side
from brokergw.ports.clock import Clock

AGE_MAX_S: Final = 60
_SECOND_NS: Final = 1_000_000_000


class BrokerStateCheck:
    """Whether the account can carry the order, by what the broker says for this very order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Compare with what the broker told; raises RISK_DATA_UNAVAILABLE or RISK_DATA_STALE where it did not.

        A change is judged for all of what it adds.
        """
        if question.smaller:
            return ()
        state = self._told(question)
        return list(state_objections(question, state))

    def _told(self, question: Question) -> BrokerState:
        """Give the broker's word; nothing is recorded under the key without it, so the caller may come again."""
        state, error = question.state, question.state_error
        if state is None:
            raise GatewayError(
                Reason.RISK_DATA_UNAVAILABLE,
                "the broker did not give the account and positions that the order must be checked against",
                metadata={"cause": error.reason.value} if error is not None else {},
                retry_after_s=(error.retry_after_s if error is not None else None) or 1.0,
            ) from error
        age_ns = self._clock.now_ns() - state.account.as_of_ns
        if age_ns > AGE_MAX_S * _SECOND_NS:
            raise GatewayError(
                Reason.RISK_DATA_STALE,
                f"what the broker told of the account is {age_ns // _SECOND_NS} s old",
                metadata={"limit": str(AGE_MAX_S), "observed": str(age_ns // _SECOND_NS)},
                retry_after_s=1.0,
            )
        return state


def state_objections(question: Question, state: BrokerState) -> Iterator[Objection]:
    """Compare an order with the account and the positions."""
    terms, instrument = question.terms, question.instrument
    if instrument is None or terms.order_class is OrderClass.OCO:
        # Exits hold what is there already, and the cost of a spread is the broker's to say.
        return
    held = state.held_by(terms)
    if terms.side is Side.BUY:
        yield from _buying_power_objections(question, state.account, held)
    else:
        yield from _position_objections(question, instrument, state.account, held)


def _buying_power_objections(question: Question, account: AccountState, held: Position | None) -> Iterator[Objection]:
    terms = question.terms
    covers = held is not None and terms.quantity is not None and terms.quantity <= -held.quantity
    cost = _added_cost(question)
    if covers or account.buying_power >= cost:
        return
    power, asked = format_decimal(account.buying_power), format_decimal(cost)
    yield Objection(
        Reason.INSUFFICIENT_BUYING_POWER,
        "account",
        f"the order needs {asked} {account.currency}, the broker's buying power is {power}",
        power,
        asked,
    )


def _added_cost(question: Question) -> Decimal:
    """Give what the broker would have to set aside: for a change only what it adds to what is set aside already."""
    hold, before = question.hold, question.before
    if question.terms.notional is not None:
        return question.terms.notional
    if before is None:
        return hold.quantity * hold.price
    aside = (before.terms.quantity or ZERO) * (before.hold_price or _own_price(before.terms) or hold.price)
    return max(ZERO, hold.quantity * hold.price - aside)


def _own_price(terms: OrderTerms) -> Decimal | None:
    return terms.limit_price or terms.stop_price


def _position_objections(
    question: Question, instrument: Instrument, account: AccountState, held: Position | None
) -> Iterator[Objection]:
    terms, before = question.terms, question.before
    available = max(ZERO, held.available_quantity) if held is not None else ZERO
    quantity = terms.quantity
    if quantity is not None and before is not None:
        quantity -= before.terms.quantity or ZERO
    if quantity is None or quantity <= available:
        return
    observed, limit = format_decimal(quantity), format_decimal(available)
    if held is not None and held.quantity > ZERO and held.quantity >= quantity:
        description = f"open orders hold the rest: {limit} of {format_decimal(held.quantity)} {terms.symbol} are free"
        yield Objection(Reason.INSUFFICIENT_POSITION, "account", description, limit, observed)
    elif not (account.shorting_enabled and instrument.shortable):
        description = f"{limit} {terms.symbol} can be sold, and a short sale is not permitted"
        yield Objection(Reason.SHORT_NOT_PERMITTED, "account", description, limit, observed)
