"""Whether an order at the broker is one of ours: by its terms, and by the time it was entered."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from brokergw.model.lifecycle import State
from brokergw.model.money import format_decimal
from brokergw.model.order import Order
from brokergw.model.outcome import BrokerOrder
from brokergw.model.terms import OrderClass, OrderTerms

_SECOND_NS: Final = 1_000_000_000
EARLY_NS: Final = 2 * _SECOND_NS
"""How far a broker's clock may be behind ours: an order entered earlier than this before its permit is not ours."""

LATE_NS: Final = 120 * _SECOND_NS
"""How long after its permit a broker may still enter an order that has been on its way."""


def permit_ns(order: Order) -> int:
    """Give when the order was last permitted to be sent."""
    return order.submit_time_ns if order.submit_time_ns is not None else order.create_time_ns


def differences(ours: OrderTerms, told: OrderTerms) -> tuple[str, ...]:
    """Name what the broker shows otherwise than it was sent; empty when it is our order.

    Only what every broker repeats is compared. A multi-leg order has neither symbol nor side of its own, and
    the first order of a group need not have the group's type.
    """
    return tuple(_differences(ours, told))


def _differences(ours: OrderTerms, told: OrderTerms) -> Iterator[str]:
    if ours.order_class is not OrderClass.MULTI_LEG:
        if _symbol(ours) != _symbol(told):
            yield f"symbol {told.symbol} instead of {ours.symbol}"
        if ours.side is not told.side:
            yield f"side {told.side} instead of {ours.side}"
    if ours.order_class is OrderClass.SIMPLE and ours.type is not told.type:
        yield f"type {told.type} instead of {ours.type}"
    if ours.quantity is not None and told.quantity is not None and ours.quantity != told.quantity:
        yield f"quantity {format_decimal(told.quantity)} instead of {format_decimal(ours.quantity)}"


def contradictions(order: Order, seen: BrokerOrder) -> tuple[str, ...]:
    """Name what speaks against taking a broker's order for ours, while the broker has never confirmed ours.

    Once it has, its terms may have been changed there; a later generation's terms say nothing either.
    """
    if order.broker_order_ids or order.external or seen.replaces:
        return ()
    return differences(order.terms, seen.terms)


def may_take(order: Order, seen: BrokerOrder) -> bool:
    """Tell whether a broker's order may change ours by itself; what is in an operator's hands stays there."""
    return order.state is not State.MANUAL and not contradictions(order, seen)


def same_content(order: Order, seen: BrokerOrder, *, early_ns: int = EARLY_NS) -> bool:
    """Tell whether an order at the broker has the terms of ours, and was entered when ours may have been.

    For brokers that carry no id of ours. The times are the broker's own entry time, which may lie `early_ns` before
    our permit, and our permit.
    """
    ours, told = order.terms, seen.terms
    permitted = permit_ns(order)
    return (
        not differences(ours, told)
        and (ours.quantity, ours.notional) == (told.quantity, told.notional)
        and (ours.limit_price, ours.stop_price) == (told.limit_price, told.stop_price)
        and ours.time_in_force is told.time_in_force
        and permitted - early_ns <= seen.submit_time_ns <= permitted + LATE_NS
    )


def in_words(seen: BrokerOrder) -> str:
    """Write a broker's order down as evidence, in a few words."""
    terms = seen.terms
    size = terms.quantity if terms.quantity is not None else terms.notional
    entered = datetime.fromtimestamp(seen.submit_time_ns // _SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = [terms.side.value, format_decimal(size) if size is not None else "?", terms.symbol, terms.type.value]
    if terms.limit_price is not None:
        parts.append(format_decimal(terms.limit_price))
    return f"{seen.broker_order_id} ({' '.join(parts)}, {seen.state}, entered {entered})"


def _symbol(terms: OrderTerms) -> str:
    # Some brokers write a currency pair with its slash here and without it there.
    return terms.symbol.replace("/", "")
