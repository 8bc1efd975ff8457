"""Whether an order is one too many: the same as a moment ago, or against the user's own."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from brokergw.desk.gates.own_orders import OwnOrders
from brokergw.desk.gates.question import Question, Said
from brokergw.desk.telling import repeated
from brokergw.model.commands import SubmitOrder
from brokergw.model.errors import Objection, Reason
from brokergw.model.likeness import Likeness, likeness, print_of
from brokergw.model.money import format_decimal
from brokergw.model.terms import OrderClass, OrderType, Side
from brokergw.ports.clock import Clock

_AT_ONCE: Final = frozenset({OrderType.LIMIT, OrderType.MARKET})


class RepeatCheck:
    """Whether the same order was placed a moment ago under another key.

    An order that gets past counts from here on; if a later check or the commit refuses it, it never was. What this
    process has not heard of yet, because another one placed it a moment ago, the commit finds.
    """

    def __init__(self, own: OwnOrders, clock: Clock, window_s: float) -> None:
        self._own = own
        self._clock = clock
        self._window_ns = round(window_s * 1e9)

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Compare with the last moments."""
        command = question.command
        if not isinstance(command, SubmitOrder) or not self._window_ns:
            return ()
        alike = likeness(command.account_id, question.terms)
        key, now_ns, recent = command.idempotency_key, self._clock.now_ns(), self._own.recent
        ago_ns = recent.other(alike, key, now_ns)
        if ago_ns is not None and not command.allow_duplicate:
            return (repeated(ago_ns, self._window_ns),)
        if self._own.shared:
            question.likeness = Likeness(
                print=print_of(alike), within_ns=self._window_ns, meant=command.allow_duplicate
            )
        if not command.validate_only:
            recent.place(alike, key, now_ns)
            question.undo.append(lambda: recent.take_back(alike, key))
        return ()


class SelfMatchCheck:
    """Whether the order could trade with a resting order of the same user in the same environment."""

    def __init__(self, own: OwnOrders) -> None:
        self._own = own

    def __call__(self, question: Question) -> Said:
        """Look for own orders on the other side that it would meet at once; a stop meets nobody before it fires."""
        terms = question.terms
        if terms.type not in _AT_ONCE or terms.order_class is OrderClass.MULTI_LEG:
            return ()
        return self._compare(question) if self._own.knows(question.session) else self._read(question)

    async def _read(self, question: Question) -> Sequence[Objection]:
        await self._own.read(question.session)
        return self._compare(question)

    def _compare(self, question: Question) -> Sequence[Objection]:
        terms, before = question.terms, question.before
        price = terms.limit_price if terms.limit_price is not None else _touch(question)
        own_id = before.order_id if before is not None else ""
        met = self._own.met_by(question.session, terms, price, own_id)
        if met is None:
            return ()
        resting, order_id = met
        side = terms.side.opposite.value.lower()
        return (
            Objection(
                Reason.SELF_MATCH_RISK,
                "order.limit_price" if terms.limit_price is not None else "order.type",
                f"the user's own order to {side} {terms.symbol} rests at {format_decimal(resting)}",
                format_decimal(resting),
                order_id,
            ),
        )


def _touch(question: Question) -> Decimal | None:
    """Give the price at which a market order would begin to trade; None where nobody can tell."""
    quote = question.quote
    if quote is None:
        return None
    return (quote.ask if question.terms.side is Side.BUY else quote.bid) or None
