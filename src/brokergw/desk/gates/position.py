"""What an order does to the position that the broker tells for it: whether it only makes it smaller."""

from collections.abc import Sequence
from decimal import Decimal

from brokergw.desk.gates.question import Question, Said
from brokergw.desk.results import BrokerState
from brokergw.model.account import Position
from brokergw.model.errors import GatewayError, Objection, Reason
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO, Order
from brokergw.model.terms import OrderClass, OrderTerms, PositionEffect, Side


class PositionAsked:
    """The first thing asked for every order: the broker's word on the account, and quotes beside it.

    A change that makes an order smaller needs neither. Where the broker does not tell, nothing counts as reducing, and
    the gate that needs the answer says so.
    """

    def __call__(self, question: Question) -> Said:
        """Write down the broker's word and whether the order reduces; objects to nothing."""
        question.session.prices.want(question.symbols)
        if question.before is not None and makes_smaller(question.before.terms, question.terms):
            question.reduces = question.smaller = True
            return ()
        return _ask(question)


async def _ask(question: Question) -> Sequence[Objection]:
    try:
        question.state = state = await question.session.state.get()
    except GatewayError as error:
        question.state_error = error
    else:
        question.reduces = reduces(question.terms, state, question.before)
    return ()


class ReduceOnlyCheck:
    """Whether an order that may only reduce does, open reducing orders counted; the commit has the last word."""

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Compare with what the broker says of the position."""
        terms = question.terms
        if not terms.reduce_only or question.reduces or question.state is None:
            return ()
        free = reducible(terms, question.state, question.before)
        return (
            Objection(
                Reason.REDUCE_ONLY_WOULD_INCREASE,
                "order.reduce_only",
                f"{format_decimal(free)} {terms.symbol} can be reduced by a {terms.side.value.lower()}, "
                "open orders counted",
                format_decimal(free),
                None if terms.quantity is None else format_decimal(terms.quantity),
            ),
        )


def reduces(terms: OrderTerms, state: BrokerState, before: Order | None = None) -> bool:
    """Tell whether an order only makes positions smaller, by what no open order holds of them yet."""
    if terms.quantity is None or terms.position_effect is PositionEffect.OPEN:
        return False
    match terms.order_class:
        case OrderClass.SIMPLE | OrderClass.OCO:
            return ZERO < terms.quantity <= reducible(terms, state, before)
        case OrderClass.MULTI_LEG:
            return all(
                leg.ratio * terms.quantity <= _free(state.position(leg.symbol), leg.side) for leg in terms.legs
            ) and bool(terms.legs)
        case _:
            # The exits of a group whose entry reduces would open something.
            return False


def reducible(terms: OrderTerms, state: BrokerState, before: Order | None = None) -> Decimal:
    """Give how much an order could reduce: what is held against its side and free, or held by the order itself."""
    held = state.held_by(terms)
    if held is None:
        return ZERO
    own = before.leaves_quantity if before is not None else ZERO
    return min(abs(held.quantity), _free(held, terms.side) + own)


def makes_smaller(before: OrderTerms, after: OrderTerms) -> bool:
    """Tell whether a change can only make an order cost less: no more units, and no higher price."""
    if before.quantity is None or after.quantity is None or after.quantity > before.quantity:
        return False
    prices = (
        (before.limit_price, after.limit_price),
        (before.stop_price, after.stop_price),
        (before.trail_amount, after.trail_amount),
        (before.trail_percent, after.trail_percent),
    )
    if any(a is not None and b is not None and a > b for b, a in prices):
        return False
    if after.quantity < before.quantity:
        return after.side is Side.BUY or all(b == a for b, a in prices)
    # Selling for less is no smaller order.
    return after.side is Side.BUY


def _free(held: Position | None, side: Side) -> Decimal:
    if held is None or (held.quantity > ZERO) is not (side is Side.SELL):
        return ZERO
    return held.available_quantity
