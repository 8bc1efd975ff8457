"""What words Binance has for an order's terms, in both directions. An unknown word raises `Unusable`."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final, TypeVar

from brokergw.model.lifecycle import State
from brokergw.model.order import ZERO, Fee, Liquidity
from brokergw.model.outcome import BrokerFill
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.transport.rows import Row, Unsupported, Unusable, decimal, optional_decimal, optional_text, text, whole

_Word = TypeVar("_Word")
_MS: Final = 1_000_000

SIDES: Final = {Side.BUY: "BUY", Side.SELL: "SELL"}
_SIDES: Final = {word: side for side, word in SIDES.items()}
STATES: Final = {
    "NEW": State.WORKING,
    # An exit of a pair that waits for its entry: Binance has it, the book has not.
    "PENDING_NEW": State.ACKED,
    "PARTIALLY_FILLED": State.PARTIAL,
    "FILLED": State.FILLED,
    "CANCELED": State.CANCELED,
    "PENDING_CANCEL": State.PENDING_CANCEL,
    "REJECTED": State.REJECTED_BY_BROKER,
    "EXPIRED": State.EXPIRED,
    # What would have traded with an order of the same account.
    "EXPIRED_IN_MATCH": State.EXPIRED,
}
"""Binance's order statuses (enums.md). NEW_INSURANCE and NEW_ADL of futures are Binance's own orders: never guessed."""


def word(table: Mapping[str, _Word], name: str, field: str) -> _Word:
    """Translate a word that must be known."""
    found = table.get(name)
    if found is None:
        raise Unusable(f"field {field} has a value that is not documented")
    return found


def side_of(name: str) -> Side:
    """Read a side."""
    return word(_SIDES, name, "side")


def state_of(status: str) -> State:
    """Read a status."""
    return word(STATES, status, "status")


def time_ns(row: Row, *names: str) -> int:
    """Read the first of some times in milliseconds that is there, as nanoseconds."""
    for name in names:
        value = row.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value * _MS
    raise Unusable(f"field {names[0]} is missing")


def nonzero(row: Row, name: str) -> Decimal | None:
    """Read an amount of which 0 means that there is none."""
    return optional_decimal(row, name) or None


def average(row: Row, quantity: Decimal, value_field: str) -> Decimal | None:
    """Give an average price from the money that was traded; a negative amount means that Binance does not know it."""
    value = optional_decimal(row, value_field)
    return None if not quantity or value is None or value <= 0 else value / quantity


def fees(row: Row, amount_field: str, asset_field: str) -> tuple[Fee, ...]:
    """Read what a trade cost; a negative amount was received."""
    amount = optional_decimal(row, amount_field) or ZERO
    asset = optional_text(row, asset_field)
    return (Fee(amount, asset, "COMMISSION"),) if amount and asset else ()


def liquidity(row: Row, field: str) -> Liquidity:
    """Read whether a trade gave or took liquidity."""
    value = row.get(field)
    if not isinstance(value, bool):
        return Liquidity.UNKNOWN
    return Liquidity.MAKER if value else Liquidity.TAKER


def essence(terms: OrderTerms) -> OrderTerms:
    """Keep what Binance tells back of an order, in a form that two equal orders share.

    A market order has no time in force, the limit of a pair of exits is its profit, and whether an order may only
    reduce is not told of conditional ones' children.
    """
    market = terms.type in {OrderType.MARKET, OrderType.STOP, OrderType.TRAILING_STOP}
    oco = terms.order_class is OrderClass.OCO
    return replace(
        terms,
        limit_price=None if oco else terms.limit_price,
        take_profit_limit_price=terms.take_profit_limit_price or (terms.limit_price if oco else None),
        time_in_force=TimeInForce.GTC if market else terms.time_in_force,
        position_effect=PositionEffect.AUTO,
        reduce_only=False,
        expire_time_ns=None if terms.expire_time_ns is None else terms.expire_time_ns // 1_000_000_000,
    )


def refuse_what_no_product_has(terms: OrderTerms) -> None:
    """Raise Unsupported for terms that Binance has no word for."""
    if terms.extended_hours:
        raise Unsupported("extended hours")
    if terms.trail_amount is not None:
        raise Unsupported("trail by an amount: its trails are percentages")
    if terms.time_in_force in {TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE}:
        raise Unsupported(f"time in force {terms.time_in_force}")
    if terms.time_in_force is TimeInForce.DAY and terms.type is not OrderType.MARKET:
        raise Unsupported("order for a day: its days do not end")


def refuse_groups(terms: OrderTerms) -> None:
    """Raise Unsupported for an order that brings others along."""
    if terms.order_class is not OrderClass.SIMPLE:
        raise Unsupported(f"order class {terms.order_class}")


def execution_id(wire: str, trade_id: int) -> str:
    """Name an execution: Binance counts trades by symbol, and stream and lists tell the same number."""
    return f"{wire}:{trade_id}"


def traded(row: Row, maker: str) -> BrokerFill:
    """Read a row of the account's trades; `maker` is the product's name for who gave liquidity."""
    return BrokerFill(
        execution_id=execution_id(text(row, "symbol"), whole(row, "id")),
        quantity=decimal(row, "qty"),
        price=decimal(row, "price"),
        trade_time_ns=time_ns(row, "time"),
        fees=fees(row, "commission", "commissionAsset"),
        liquidity=liquidity(row, maker),
    )


def trading(event: Row, time_ns: int) -> BrokerFill:
    """Read the execution that an order's event tells of."""
    return BrokerFill(
        execution_id=execution_id(text(event, "s"), whole(event, "t")),
        quantity=decimal(event, "l"),
        price=decimal(event, "L"),
        trade_time_ns=time_ns,
        fees=fees(event, "n", "N"),
        liquidity=liquidity(event, "m"),
    )


def executed(row: Row) -> Decimal:
    """Read how much of an order has traded."""
    return decimal(row, "executedQty")
