"""Whether an order's prices could be a mistake: compared with a fresh reference price, for the worse side only."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from brokergw.desk.gates.hold import HUNDRED
from brokergw.desk.gates.question import Question
from brokergw.model.errors import Objection, Reason
from brokergw.model.instrument import Quote
from brokergw.model.money import format_decimal
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, Side

COLLAR_PERCENT: Final = Decimal(5)
"""The collar where no limit sets one."""

_NAME: Final = "price_collar_percent"
_HUNDREDTH: Final = Decimal("0.01")


class CollarCheck:
    """Whether limit, stop and expected market price lie on the right side of the market, and near it."""

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Compare; without a reference price another check has spoken, or the order reduces."""
        terms = question.terms
        if terms.order_class is OrderClass.MULTI_LEG:
            return ()
        objections = list(_market_objections(question)) if terms.type is OrderType.MARKET else []
        reference = question.reference_price
        if reference is not None:
            objections += _stop_objections(terms, reference)
            objections += _limit_objections(question, reference)
        return objections


def collar_of(question: Question) -> Decimal:
    """Give the collar in percent that holds for an order."""
    percent = question.limits.values.price_collar_percent
    return COLLAR_PERCENT if percent is None else percent


def _limit_objections(question: Question, reference: Decimal) -> Iterator[Objection]:
    """Object to a limit that is worse than the reference by more than the collar; the better side is free.

    A stop-limit trades from its stop on, so its limit is compared with that.
    """
    terms, limit = question.terms, question.terms.limit_price
    if limit is None:
        return
    base = terms.stop_price if terms.stop_price is not None else reference
    collar = base * collar_of(question) / HUNDRED
    bound = base + collar if terms.side is Side.BUY else base - collar
    if (limit <= bound) if terms.side is Side.BUY else (limit >= bound):
        return
    side = "above" if terms.side is Side.BUY else "below"
    percent = format_decimal(collar_of(question))
    yield _outside(
        question,
        Reason.PRICE_OUTSIDE_COLLAR,
        "order.limit_price",
        f"the limit is more than {percent} % {side} {format_decimal(base)}",
        format_decimal(bound),
        format_decimal(limit),
    )


def _market_objections(question: Question) -> Iterator[Objection]:
    """Object to a market order that is not allowed, or whose price cannot be told or would lie outside the collar."""
    if question.limits.values.market_orders is False:
        source = question.limits.sources.get("market_orders")
        yield Objection(
            Reason.MARKET_ORDER_NOT_ALLOWED,
            "order.type",
            "market orders are not allowed",
            limit_name="market_orders",
            source=source.value if source is not None else "",
        )
    reference, quote = question.reference_price, question.quote
    if reference is None or quote is None:
        return
    expected = _expected(question.terms, quote)
    if expected is None:
        if not question.reduces:
            side = "offers" if question.terms.side is Side.BUY else "bids"
            description = f"nobody {side} {question.terms.symbol} now, so its price cannot be told"
            yield Objection(Reason.MARKET_ORDER_NOT_ALLOWED, "order.type", description)
        return
    away = abs(expected - reference) * HUNDRED / reference
    if away > collar_of(question):
        yield _outside(
            question,
            Reason.MARKET_ORDER_NOT_ALLOWED,
            "order.type",
            f"it would trade at {format_decimal(expected)}, too far from {format_decimal(reference)}",
            format_decimal(collar_of(question)),
            format_decimal(away.quantize(_HUNDREDTH)),
        )


def _expected(terms: OrderTerms, quote: Quote) -> Decimal | None:
    return (quote.ask if terms.side is Side.BUY else quote.bid) or None


def _stop_objections(terms: OrderTerms, reference: Decimal) -> Iterator[Objection]:
    """Object to a stop that would fire at once."""
    stop = terms.stop_price
    if stop is None or ((stop > reference) if terms.side is Side.BUY else (stop < reference)):
        return
    side = "above" if terms.side is Side.BUY else "below"
    yield Objection(
        Reason.STOP_PRICE_WRONG_SIDE,
        "order.stop_price",
        f"a stop to {terms.side.value.lower()} must lie {side} the price, which is {format_decimal(reference)}",
        format_decimal(reference),
        format_decimal(stop),
    )


def _outside(
    question: Question, reason: Reason, subject: str, description: str, limit: str, observed: str
) -> Objection:
    source = question.limits.sources.get(_NAME)
    return Objection(
        reason, subject, description, limit, observed, limit_name=_NAME, source=source.value if source else "PLATFORM"
    )
