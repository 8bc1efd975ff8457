"""Whether an order is too small to trade, or larger than one order may be."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from brokergw.desk.gates.question import Question
from brokergw.model.errors import Objection, Reason
from brokergw.model.instrument import Instrument
from brokergw.model.limits import LimitSource
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.model.terms import OrderTerms, Side


class SizeCheck:
    """Compares quantity and worth with what the instrument trades from, and with the limits of one order.

    The whole of a position may be closed however small or large it is; an order that reduces one may be larger than
    the limits, so that nobody is held in a position.
    """

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Compare."""
        objections: list[Objection] = []
        instrument = question.instrument
        worth = worth_of(question.terms, instrument, question.reference_price)
        if instrument is not None and not _closes_whole(question):
            objections += _too_small(question.terms, instrument, worth)
        too_large = list(_too_large(question, worth))
        if too_large and question.reduces:
            question.excused = True
            return objections
        return objections + too_large


def _too_large(question: Question, worth: Decimal | None) -> Iterator[Objection]:
    limits, quantity = question.limits, question.terms.quantity
    most = limits.values.order_quantity_max
    if most is not None and quantity is not None and quantity > most:
        yield _exceeds(
            Reason.ORDER_QUANTITY_EXCEEDS_LIMIT,
            "order.quantity",
            f"{format_decimal(quantity)} units are more than the {format_decimal(most)} that one order may have",
            (most, quantity),
            "order_quantity_max",
            limits.sources.get("order_quantity_max"),
        )
    most = limits.values.order_notional_max
    if most is not None and worth is not None and worth > most:
        yield _exceeds(
            Reason.ORDER_NOTIONAL_EXCEEDS_LIMIT,
            "order",
            f"the order is worth {format_decimal(worth)}, above the {format_decimal(most)} that one order may be",
            (most, worth),
            "order_notional_max",
            limits.sources.get("order_notional_max"),
        )


def worth_of(terms: OrderTerms, instrument: Instrument | None, reference: Decimal | None) -> Decimal | None:
    """Give what an order is worth at its own price or the reference; for a sell the higher of both. None: not known."""
    if terms.notional is not None:
        return terms.notional
    own = [price for price in (terms.limit_price, terms.stop_price) if price is not None]
    if reference is not None and (terms.side is Side.SELL or not own):
        own.append(reference)
    if not own or terms.quantity is None:
        return None
    price = max(own) if terms.side is Side.SELL else own[0]
    return terms.quantity * price * (instrument.multiplier if instrument is not None else 1)


def _too_small(terms: OrderTerms, instrument: Instrument, worth: Decimal | None) -> Iterator[Objection]:
    if terms.quantity is not None and terms.quantity < instrument.quantity_min:
        least = format_decimal(instrument.quantity_min)
        yield Objection(
            Reason.QUANTITY_BELOW_MINIMUM,
            "order.quantity",
            f"{terms.symbol} trades from {least} upwards",
            least,
            format_decimal(terms.quantity),
        )
    if worth is not None and instrument.notional_min is not None and worth < instrument.notional_min:
        least = format_decimal(instrument.notional_min)
        yield Objection(
            Reason.QUANTITY_BELOW_MINIMUM,
            "order",
            f"{terms.symbol} trades from a worth of {least} upwards",
            least,
            format_decimal(worth),
        )


def _closes_whole(question: Question) -> bool:
    """Tell whether an order is all that is left of a position."""
    if not question.reduces or question.state is None:
        return False
    held = question.state.position(question.terms.symbol)
    return held is not None and held.quantity != ZERO and abs(held.quantity) == question.terms.quantity


def _exceeds(
    reason: Reason,
    subject: str,
    description: str,
    compared: tuple[Decimal, Decimal],
    name: str,
    source: LimitSource | None,
) -> Objection:
    limit, requested = map(format_decimal, compared)
    return Objection(
        reason,
        subject,
        description,
        limit,
        requested,
        limit_name=name,
        source=source.value if source is not None else "",
        used="0",
        requested=requested,
    )
