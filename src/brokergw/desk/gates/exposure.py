"""What an order is to hold, and what its commit must find: the caps of its limits and the broker's buying power."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from brokergw.desk.gates.collar import collar_of
from brokergw.desk.gates.hold import NO_FEES, Fees, hold_of
from brokergw.desk.gates.question import Question
from brokergw.desk.limits.book import LimitsBook
from brokergw.desk.limits.caps import caps_of
from brokergw.model.account import Position
from brokergw.model.errors import Objection, Reason
from brokergw.model.order import ZERO
from brokergw.model.terms import OrderClass
from brokergw.ports.journal import Admission, Cap, Measure, Subject

_FROM_THE_BROKER = frozenset({OrderClass.OCO, OrderClass.MULTI_LEG})


class Money:
    """Which currencies count as the base currency: itself, and those at par with it."""

    def __init__(self, base: str, par: Iterable[str]) -> None:
        at_par = frozenset(par)
        self._one_for_one = at_par | {base} if base in at_par else frozenset({base})
        self.base = base

    def foreign(self, currencies: set[str]) -> list[str]:
        """Give those currencies in which an amount is not the same amount in the base currency."""
        return sorted(currencies - self._one_for_one)


class HoldCheck:
    """Whether an order's worst cost can be told in the base currency; writes down what it is to hold."""

    def __init__(self, money: Money, book: LimitsBook) -> None:
        self._money = money
        self._book = book

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Work it out; an order without any price cannot be judged, even if it reduces."""
        objections = self._foreign(question)
        if objections and question.reduces:
            question.excused, objections = True, []
        fees = self._fees(question.session.connection.broker)
        hold = hold_of(question.terms, question.instruments, question.references, collar_of(question), fees)
        if hold is None:
            words = f"there is no price of {question.terms.symbol} to judge by"
            return [*objections, Objection(Reason.REFERENCE_PRICE_MISSING, "order.symbol", words)]
        side = hold.position_side if question.state is None else question.state.side_of(question.terms)
        question.hold = hold if side is hold.position_side else replace(hold, position_side=side)
        return objections

    def _fees(self, broker: str) -> Fees:
        config = self._book.broker(broker)
        if not config.fee_bps and not config.fee_per_contract:
            return NO_FEES
        return Fees(config.fee_bps, config.fee_per_contract)

    def _foreign(self, question: Question) -> list[Objection]:
        state = question.state
        currencies = {instrument.currency for instrument in question.instruments}
        if state is not None:
            currencies.add(state.account.currency)
        return [
            Objection(
                Reason.FX_RATE_STALE,
                "order.symbol",
                f"there is no rate from {currency} to {self._money.base}",
                observed=currency,
            )
            for currency in self._money.foreign(currencies)
        ]


class AdmissionCheck:
    """Writes down what the commit must find; it decides, under locks, and objects to nothing here."""

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Put the admission together."""
        if question.smaller:
            question.admission = Admission(reduces=True)
            return ()
        state = question.state
        assert state is not None, "the broker's word is required before this"
        held = state.held_by(question.terms)
        question.admission = Admission(
            caps=(*caps_of(question.limits), *_buying_power(question, state.account.buying_power)),
            reduces=question.reduces,
            must_reduce=question.terms.reduce_only or question.excused,
            # In hedge mode the broker lets an order close what its side has, and never turn it.
            broker_decides=state.account.hedged,
            position=held.quantity if held is not None else ZERO,
            beside=state.beside(question.terms),
            mark=_mark(question, held),
            likeness=question.likeness,
        )
        return ()


def _mark(question: Question, held: Position | None) -> Decimal | None:
    """Give what a unit of the position is worth now, by the broker or by the reference price."""
    price = held.market_price if held is not None else None
    price = price if price is not None else question.reference_price
    return None if price is None else price * question.hold.unit_worth


def _buying_power(question: Question, buying_power: Decimal) -> Iterable[Cap]:
    """Cap what the broker cannot have taken off yet by what it says that the account can pay.

    Exits hold what is there already, and the cost of a spread is the broker's to say.
    """
    if question.terms.order_class not in _FROM_THE_BROKER:
        yield Cap(measure=Measure.UNACKNOWLEDGED, subject=Subject.ACCOUNT, limit=max(ZERO, buying_power))
