"""Gate 3, first: is the order on the instrument's grid, and does its expiry lie ahead?"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from brokergw.desk.gates.question import Question
from brokergw.model.errors import FieldViolation, InvalidRequest, Objection, Reason
from brokergw.model.instrument import Instrument
from brokergw.model.money import format_decimal, is_multiple
from brokergw.model.terms import OrderTerms
from brokergw.ports.clock import Clock

_DAY_NS: Final = 86_400_000_000_000


class SanityCheck:
    """Whether prices and expiry make sense; what is off the instrument's grid is a malformed request."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Compare with the instrument's grid; raises InvalidRequest for what is off the grid."""
        terms, instrument = question.terms, question.instrument
        if instrument is None:
            return []
        prefix = "order." if question.before is None else ""
        violations = tuple(grid_violations(instrument, terms.quantity, prices_of(terms), prefix))
        if violations:
            raise InvalidRequest(violations)
        days_max = question.session.capabilities.expiry_days_max
        return list(expiry_objections(terms, self._clock.now_ns(), days_max))


def grid_violations(
    instrument: Instrument, quantity: Decimal | None, prices: dict[str, Decimal | None], prefix: str
) -> Iterator[FieldViolation]:
    """Check a size and prices against the instrument's grid; the caller can only mend its request."""
    if quantity is not None and not is_multiple(quantity, instrument.quantity_step):
        step = format_decimal(instrument.quantity_step)
        yield FieldViolation(f"{prefix}quantity", f"must be a multiple of {step}", Reason.QUANTITY_OFF_STEP)
    for name, price in prices.items():
        if price is not None and not is_multiple(price, instrument.tick_at(price)):
            tick = format_decimal(instrument.tick_at(price))
            yield FieldViolation(
                f"{prefix}{name}", f"must be a multiple of {tick} at this price", Reason.PRICE_OFF_TICK
            )


def prices_of(terms: OrderTerms) -> dict[str, Decimal | None]:
    """List every price of an order by its field path."""
    return {
        "limit_price": terms.limit_price,
        "stop_price": terms.stop_price,
        "take_profit.limit_price": terms.take_profit_limit_price,
        "stop_loss.stop_price": terms.stop_loss_stop_price,
        "stop_loss.limit_price": terms.stop_loss_limit_price,
    }


def expiry_objections(terms: OrderTerms, now_ns: int, days_max: int | None = None) -> Iterator[Objection]:
    """Check that an expiry lies ahead, and not farther than the broker takes it."""
    if terms.expire_time_ns is None:
        return
    if terms.expire_time_ns <= now_ns:
        yield Objection(Reason.EXPIRE_TIME_INVALID, "order.expire_time", "the expiry lies in the past")
    if days_max is not None and terms.expire_time_ns > now_ns + days_max * _DAY_NS:
        description = f"the broker takes expiries up to {days_max} days ahead"
        yield Objection(Reason.EXPIRE_TIME_INVALID, "order.expire_time", description, str(days_max))
