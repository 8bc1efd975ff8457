"""Schwab's orders in canonical terms, with their executions. Nothing is guessed: an unknown word raises `Unusable`.

One row may be several orders: a group nests its exits. A pair (OCO) is a node without price or leg over two orders;
here the node's id stands for its limit order, whose executions are then those of the pair, and the stop is its leg.

A change makes a new order that begins anew. What its generations before had filled is carried over to it, so that
quantities and executions are those of the whole order, as everywhere else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Protocol, TypeVar

from brokergw.adapters.schwab.executions import Executed, executed
from brokergw.adapters.schwab.payloads import canonical_symbol, decimal, id_text, optional_decimal
from brokergw.adapters.schwab.words import ON_CLOSE, READ_TIMES, READ_TYPES, SIDES, STATES
from brokergw.model.lifecycle import State
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerFill, BrokerOrder
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.transport.rows import Row, Unusable, as_row, optional_text, rows_in, text, time_ns

_Word = TypeVar("_Word")

_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_LIVE: Final = frozenset({State.ACKED, State.WORKING})


@dataclass(frozen=True, slots=True)
class Carried:
    """What the generations before an order had filled: how much, what it cost, and the id of the last of them."""

    quantity: Decimal = ZERO
    value: Decimal = ZERO
    replaces: str = ""


class Links(Protocol):
    """Which order took which one's place."""

    def carried(self, order_id: str) -> Carried:
        """Give what an order carries over."""
        ...

    def successor(self, order_id: str) -> str:
        """Give the order that took an order's place; empty where none is known."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """One order with its own generation's executions; `whole` tells whether they are as many as the order counts.

    `replaced`: another order has taken its place, whether it is known or not.
    """

    order: BrokerOrder
    fills: tuple[BrokerFill, ...]
    whole: bool
    replaced: bool


def readings(row: Row, links: Links) -> list[Reading]:
    """Read a row and all orders in it: first the one that leads, then its exits."""
    children = rows_in(row, "childOrderStrategies")
    if optional_text(row, "orderStrategyType") == "OCO":
        return _pair(row, children, links) or [each for child in children for each in readings(child, links)]
    exits = _exit_rows(children)
    if exits is None:
        # A group of a kind that only others place: each of its orders is told for itself.
        return [_single(row, links), *(each for child in children for each in readings(child, links))]
    lead = _single(row, links)
    if not exits:
        return [lead]
    legs = [_single(each, links) for each in exits]
    order = replace(lead.order, terms=_grouped(lead.order.terms, legs), legs=tuple(leg.order for leg in legs))
    return [replace(lead, order=order), *legs]


def submitted_ns(row: Row) -> int:
    """Tell when a row was entered; a pair's node does not say it itself."""
    entered = optional_text(row, "enteredTime")
    if entered:
        return time_ns(row, "enteredTime")
    children = rows_in(row, "childOrderStrategies")
    if not children:
        raise Unusable("field enteredTime is missing")
    return min(submitted_ns(child) for child in children)


def _exit_rows(children: list[Row]) -> list[Row] | None:
    """Give a group's exits, none for an order that leads none; None where they are not what a group of ours has."""
    rows = children
    if len(children) == 1 and optional_text(children[0], "orderStrategyType") == "OCO":
        rows = rows_in(children[0], "childOrderStrategies")
    plain = all(not each.get("childOrderStrategies") and _leg_count(each) == 1 for each in rows)
    kinds = [READ_TYPES.get(optional_text(each, "orderType")) for each in rows]
    ours = kinds.count(OrderType.LIMIT) <= 1 and sum(kind in _STOPS for kind in kinds) <= 1
    return rows if plain and ours and all(kind in {OrderType.LIMIT, *_STOPS} for kind in kinds) else None


def _pair(row: Row, children: list[Row], links: Links) -> list[Reading] | None:
    exits = _exit_rows(children)
    if exits is None or len(exits) != 2:
        return None
    profit, stop = sorted(
        (_single(each, links) for each in exits), key=lambda each: each.order.terms.type is not OrderType.LIMIT
    )
    if profit.order.terms.type is not OrderType.LIMIT or stop.order.terms.type not in _STOPS:
        return None
    terms = replace(
        profit.order.terms,
        order_class=OrderClass.OCO,
        limit_price=None,
        take_profit_limit_price=profit.order.terms.limit_price,
        stop_loss_stop_price=stop.order.terms.stop_price,
        stop_loss_limit_price=stop.order.terms.limit_price,
    )
    order = replace(profit.order, broker_order_id=id_text(row, "orderId"), terms=terms, legs=(stop.order,))
    return [replace(profit, order=order), stop]


def _grouped(terms: OrderTerms, legs: Iterable[Reading]) -> OrderTerms:
    profit, stop, stop_limit = None, None, None
    legs = list(legs)
    for leg in legs:
        if leg.order.terms.type is OrderType.LIMIT:
            profit = leg.order.terms.limit_price
        else:
            stop, stop_limit = leg.order.terms.stop_price, leg.order.terms.limit_price
    return replace(
        terms,
        order_class=OrderClass.BRACKET if len(legs) == 2 else OrderClass.OTO,
        take_profit_limit_price=profit,
        stop_loss_stop_price=stop,
        stop_loss_limit_price=stop_limit,
    )


def _single(row: Row, links: Links) -> Reading:
    order_id = id_text(row, "orderId")
    carried = links.carried(order_id)
    own = executed(row, order_id)
    filled = optional_decimal(row, "filledQuantity") or ZERO
    entered = time_ns(row, "enteredTime")
    closed = time_ns(row, "closeTime") if optional_text(row, "closeTime") else 0
    cum = carried.quantity + filled
    told = sum((fill.quantity for fill in own.fills), ZERO)
    order = BrokerOrder(
        broker_order_id=order_id,
        client_order_id="",
        terms=_terms(row, carried),
        state=_state(row, filled),
        cum_quantity=cum,
        average_price=_average(carried, own, told) if told == filled else None,
        submit_time_ns=entered,
        update_time_ns=max([entered, closed, own.last_ns]),
        replaces=carried.replaces,
        replaced_by=links.successor(order_id),
        reject_reason=optional_text(row, "statusDescription"),
        successor_unknown=row.get("status") == "REPLACED" and not links.successor(order_id),
    )
    return Reading(order, own.fills, whole=told == filled, replaced=row.get("status") == "REPLACED")


def _average(carried: Carried, own: Executed, told: Decimal) -> Decimal | None:
    quantity = carried.quantity + told
    if not quantity:
        return None
    value = carried.value + sum((fill.quantity * fill.price for fill in own.fills), ZERO)
    return value / quantity


def _state(row: Row, filled: Decimal) -> State:
    state = _word(STATES, text(row, "status"), "status")
    # There is no status of its own for an order that is partly filled.
    return State.PARTIAL if state in _LIVE and filled > 0 else state


def _terms(row: Row, carried: Carried) -> OrderTerms:
    legs = rows_in(row, "orderLegCollection")
    if not legs:
        raise Unusable("an order has no leg")
    own = decimal(row, "quantity")
    kind = _word(READ_TYPES, text(row, "orderType"), "orderType")
    duration = _word(READ_TIMES, text(row, "duration"), "duration")
    spread = len(legs) > 1
    price = optional_decimal(row, "price") if kind in {OrderType.LIMIT, OrderType.STOP_LIMIT} else None
    if price is not None and row.get("orderType") == "NET_CREDIT":
        price = -price
    trails = kind is OrderType.TRAILING_STOP
    offset = optional_decimal(row, "stopPriceOffset") if trails else None
    percent = row.get("stopPriceLinkType") == "PERCENT"
    return OrderTerms(
        symbol="" if spread else _symbol(legs[0]),
        # An order of several legs has no side of its own: the sign of its price tells debit from credit.
        side=Side.BUY if spread else _word(SIDES, text(legs[0], "instruction"), "instruction"),
        type=kind,
        time_in_force=TimeInForce.AT_CLOSE if row.get("orderType") in ON_CLOSE else duration,
        quantity=own + carried.quantity,
        limit_price=price,
        stop_price=None if trails else optional_decimal(row, "stopPrice"),
        trail_amount=None if percent else offset,
        trail_percent=offset if percent else None,
        expire_time_ns=_end(row) if duration is TimeInForce.GTD else None,
        extended_hours=optional_text(row, "session") in {"AM", "PM", "SEAMLESS"},
        order_class=OrderClass.MULTI_LEG if spread else OrderClass.SIMPLE,
        legs=tuple(_leg(leg, own) for leg in legs) if spread else (),
    )


def _end(row: Row) -> int | None:
    return time_ns(row, "cancelTime") if optional_text(row, "cancelTime") else None


def _symbol(leg: Row) -> str:
    return canonical_symbol(text(as_row(leg.get("instrument")), "symbol"))


def _leg(row: Row, quantity: Decimal) -> Leg:
    instruction = text(row, "instruction")
    ratio = decimal(row, "quantity") / quantity
    if ratio % 1 or ratio < 1:
        raise Unusable("a leg is no multiple of its order")
    effect = PositionEffect.AUTO
    if instruction.endswith(("_OPEN", "_CLOSE")):
        effect = PositionEffect.OPEN if instruction.endswith("_OPEN") else PositionEffect.CLOSE
    return Leg(_symbol(row), _word(SIDES, instruction, "instruction"), int(ratio), effect)


def _leg_count(row: Row) -> int:
    return len(rows_in(row, "orderLegCollection"))


def _word(table: Mapping[str, _Word], word: str, field: str) -> _Word:
    found = table.get(word)
    if found is None:
        raise Unusable(f"field {field} has a value that is not documented")
    return found
