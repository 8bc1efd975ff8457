"""What the record's own refusal of an admission is to the caller: a gate's denial like any other."""

from decimal import Decimal
from typing import Final

from brokergw.desk.halts.denial import halted
from brokergw.desk.telling import repeated
from brokergw.model.errors import Objection, PreflightDenied, Reason
from brokergw.model.money import format_decimal
from brokergw.model.order import Order
from brokergw.ports.journal import AdmissionRefused, CapReached, Measure, Repeated, TradingStopped, WouldIncrease

_REACHED: Final = {
    Measure.EXPOSURE: (Reason.GROSS_EXPOSURE_EXCEEDS_LIMIT, "exposure_max", "the sum of all positions at worst"),
    Measure.POSITION: (Reason.SYMBOL_POSITION_EXCEEDS_LIMIT, "position_notional_max", "the symbol's position at worst"),
    Measure.OPEN_ORDERS: (Reason.OPEN_ORDERS_EXCEED_LIMIT, "open_orders_max", "the number of open orders"),
    Measure.DAY_ORDERS: (Reason.ORDER_COUNT_EXCEEDS_LIMIT, "orders_per_day_max", "the number of the day's orders"),
    Measure.MINUTE_ORDERS: (Reason.ORDER_COUNT_EXCEEDS_LIMIT, "orders_per_minute_max", "the last minute's orders"),
    Measure.DAY_VOLUME: (Reason.DAY_NOTIONAL_EXCEEDS_LIMIT, "daily_volume_max", "the day's volume"),
    Measure.UNACKNOWLEDGED: (Reason.INSUFFICIENT_BUYING_POWER, "buying_power", "the cost of orders on their way"),
}
_BROKER: Final = "BROKER"


def denial_of(order: Order, refusal: AdmissionRefused) -> PreflightDenied:
    """Make the denial: a halt is authority's to deny, what repeats or does not reduce sanity's, a cap exposure's."""
    if isinstance(refusal, TradingStopped):
        return halted(refusal.halt)
    if isinstance(refusal, WouldIncrease):
        return PreflightDenied("sanity", (_increasing(order, refusal),))
    if isinstance(refusal, Repeated):
        return PreflightDenied("sanity", (repeated(refusal.ago_ns, refusal.within_ns),))
    return PreflightDenied("exposure", tuple(_reached(order, each) for each in refusal.reached))


def _increasing(order: Order, refusal: WouldIncrease) -> Objection:
    free, terms = _text(refusal.reducible), order.terms
    return Objection(
        Reason.REDUCE_ONLY_WOULD_INCREASE,
        "order.quantity",
        f"by the record, {free} {terms.symbol} can be reduced by a {terms.side.value.lower()}, open orders counted",
        limit=free,
        observed=None if terms.quantity is None else _text(terms.quantity),
    )


def _reached(order: Order, each: CapReached) -> Objection:
    reason, name, words = _REACHED[each.cap.measure]
    limit, used, requested = (_text(value) for value in (each.cap.limit, each.used, each.requested))
    return Objection(
        reason,
        order.terms.symbol if each.cap.measure is Measure.POSITION else order.account_id,
        f"{words} is {used}, and {requested} more would exceed {limit}",
        limit=limit,
        observed=_text(each.used + each.requested),
        limit_name=name,
        source=_BROKER if each.cap.source is None else each.cap.source.value,
        used=used,
        requested=requested,
    )


def _text(value: Decimal) -> str:
    return format_decimal(value.normalize())
