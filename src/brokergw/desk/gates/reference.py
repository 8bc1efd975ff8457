"""A price to judge an order by: fresh in the market's session, the last known one outside, never a made-up one."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from brokergw.desk.gates.question import Question, Said
from brokergw.model.account import Position
from brokergw.model.errors import GatewayError, Objection, Reason
from brokergw.model.instrument import Quote
from brokergw.model.order import ZERO
from brokergw.model.sessions import SessionKind
from brokergw.ports.clock import Clock

AGE_MAX_S: Final = 15
_SECOND_NS: Final = 1_000_000_000
_TWO: Final = Decimal(2)


class ReferenceCheck:
    """Finds the reference price of the order, or of each of its legs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, question: Question) -> Said:
        """Ask for quotes that are not at hand, and judge their age.

        An order that reduces is judged by what there is. Raises RISK_DATA_UNAVAILABLE when the broker cannot be asked
        and nothing else says a price.
        """
        question.references = ()
        terms, prices = question.terms, question.session.prices
        known = None if terms.legs else prices.at_hand(terms.symbol)
        if known is None:
            return self._ask(question)
        objections = self._judge(question, terms.symbol, known.quote)
        return () if question.reduces else objections

    async def _ask(self, question: Question) -> Sequence[Objection]:
        objections: list[Objection] = []
        for symbol in question.symbols:
            objections += self._judge(question, symbol, await self._quote(question, symbol))
        return () if question.reduces else objections

    async def _quote(self, question: Question, symbol: str) -> Quote | None:
        try:
            return await question.session.prices.of(symbol)
        except GatewayError as error:
            if _mark(_held(question, symbol)) is None and not question.reduces:
                raise GatewayError(
                    Reason.RISK_DATA_UNAVAILABLE,
                    "the broker did not give a price to judge the order by",
                    metadata={"cause": error.reason.value},
                    retry_after_s=error.retry_after_s or 1.0,
                ) from error
            return None

    def _judge(self, question: Question, symbol: str, quote: Quote | None) -> Sequence[Objection]:
        """Put the reference price into the question; gives what is wrong with it."""
        held = _held(question, symbol)
        mark, price = _mark(held), reference_of(quote)
        age_ns = abs(self._clock.now_ns() - quote.time_ns) if quote is not None else 0
        stale = age_ns > AGE_MAX_S * _SECOND_NS and question.session_now is SessionKind.REGULAR
        if price is None or stale:
            # The broker values the position at this very moment, by what it knows itself.
            found = mark or price or (_paid(held) if question.reduces else None)
        else:
            found, question.quote = price, quote
        question.references = (*question.references, found)
        if mark is not None or (price is not None and not stale):
            return ()
        return (_objection(symbol, price, age_ns),)


def reference_of(quote: Quote | None) -> Decimal | None:
    """Give the middle of bid and ask, or the one that there is; None for none and for a crossed quote."""
    if quote is None:
        return None
    bid = quote.bid if quote.bid is not None and quote.bid > ZERO else None
    ask = quote.ask if quote.ask is not None and quote.ask > ZERO else None
    if bid is not None and ask is not None:
        return (bid + ask) / _TWO if bid <= ask else None
    return bid if bid is not None else ask


def _held(question: Question, symbol: str) -> Position | None:
    return question.state.position(symbol) if question.state is not None else None


def _mark(held: Position | None) -> Decimal | None:
    """Give what the broker itself values a unit of a position at."""
    return held.market_price if held is not None and held.market_price else None


def _paid(held: Position | None) -> Decimal | None:
    return held.average_price if held is not None else None


def _objection(symbol: str, price: Decimal | None, age_ns: int) -> Objection:
    if price is None:
        return Objection(Reason.REFERENCE_PRICE_MISSING, "order.symbol", f"there is no price of {symbol} to judge by")
    age = age_ns // _SECOND_NS
    return Objection(
        Reason.REFERENCE_PRICE_STALE,
        "order.symbol",
        f"the latest price of {symbol} is {age} s old, at most {AGE_MAX_S} s are taken",
        str(AGE_MAX_S),
        str(age),
    )
