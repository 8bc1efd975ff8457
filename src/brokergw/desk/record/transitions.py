"""How an order changes: pure functions from an order and what the broker said to the next version of the order.

The broker's cumulative figures only ever rise (a report may be late, never wrong), and a state never goes back: a
report that tells nothing new gives None.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from brokergw.desk.record.counting import ENDED_SHORT, UNFILLED_LIVE
from brokergw.desk.record.matching import may_take
from brokergw.desk.record.tally import Execution, Tally, Totals
from brokergw.model.events import EventDraft, EventKind, PositionChange
from brokergw.model.ids import fill_id, new_id
from brokergw.model.lifecycle import ENDED_AT_BROKER, State, is_terminal, may_move
from brokergw.model.order import ZERO, Fill, FillKind, Order, Origin
from brokergw.model.outcome import BrokerFill, BrokerOrder
from brokergw.model.terms import OrderTerms, OrderType

_PENDING: Final = frozenset({State.PENDING_CANCEL, State.PENDING_MODIFY})


def move(order: Order, state: State, now_ns: int, **changes: Any) -> Order:
    """Give the next version in another state; an illegal move is a bug of ours and stops here."""
    if state is not order.state and not may_move(order.state, state):
        raise AssertionError(f"{order.order_id} may not go from {order.state} to {state}")
    if order.state is State.ABSENT:
        # It was born late: neither had it ended, nor was it not placed.
        changes.setdefault("reject_reason", "")
    if order.state is State.MANUAL:
        # What pointed two ways is settled; the audit keeps it.
        changes.setdefault("broker_message", "")
    if not is_terminal(state):
        changes.setdefault("complete_time_ns", None)
    elif order.complete_time_ns is None or order.state is State.ABSENT:
        changes.setdefault("complete_time_ns", now_ns)
    if state in {State.CANCELED, State.EXPIRED} and order.terms.quantity is not None:
        done = changes.get("cum_quantity", order.cum_quantity)
        changes.setdefault("canceled_quantity", max(ZERO, order.terms.quantity - done))
    return order.next(now_ns, state=state, **changes)


def merge(order: Order, seen: BrokerOrder, now_ns: int) -> Order | None:
    """Give the order after what the broker said of it, or None when that is nothing new, or about another order."""
    return adopt(order, seen, now_ns) if may_take(order, seen) else None


def adopt(order: Order, seen: BrokerOrder, now_ns: int) -> Order | None:
    """Give the order after what the broker said of it, which is known to be about this order."""
    changes = _new_facts(order, seen)
    state = _next_state(order, seen, changes.get("cum_quantity", order.cum_quantity))
    if state is order.state and not changes:
        return None
    if "cum_quantity" in changes and order.state in ENDED_SHORT:
        changes["late_fill"] = True
        if order.terms.quantity is not None:
            changes["canceled_quantity"] = max(ZERO, order.terms.quantity - changes["cum_quantity"])
    if state is State.REJECTED_BY_BROKER and order.state is not state:
        changes.update(rejected_by="VENUE", reject_reason="BROKER_REJECTED", broker_message=seen.reject_reason)
    return move(order, state, now_ns, **changes)


def _new_facts(order: Order, seen: BrokerOrder) -> dict[str, Any]:
    """Collect what the report adds to the order, apart from its state."""
    changes: dict[str, Any] = {}
    fresh_ids = [i for i in (seen.broker_order_id, seen.replaced_by) if i and i not in order.broker_order_ids]
    if fresh_ids:
        changes["broker_order_ids"] = (*order.broker_order_ids, *fresh_ids)
    if seen.cum_quantity > order.cum_quantity:
        changes["cum_quantity"] = seen.cum_quantity
        changes["average_price"] = seen.average_price
    terms = _terms_after(order, seen)
    if terms is not order.terms and terms != order.terms:
        changes["terms"] = terms
        changes.update(hold_after(order, terms))
    return changes


def _terms_after(order: Order, seen: BrokerOrder) -> OrderTerms:
    """Take over the sizes and prices of the newest generation; everything else stays as the client said it."""
    if seen.replaced_by or seen.broker_order_id != _newest(order, seen):
        return order.terms
    told = seen.terms
    terms = order.terms
    if terms.notional is None and told.quantity is not None:
        terms = _with(terms, "quantity", told.quantity)
    if terms.type is OrderType.MARKET:
        return terms
    for name in ("limit_price", "stop_price", "trail_amount", "trail_percent"):
        if getattr(terms, name) is not None and getattr(told, name) is not None and not _trails(terms, name):
            terms = _with(terms, name, getattr(told, name))
    return terms


def _trails(terms: OrderTerms, name: str) -> bool:
    """Tell whether the broker moves a price by itself, as it does with the stop of a trailing order."""
    return name == "stop_price" and (terms.trail_amount is not None or terms.trail_percent is not None)


def _with(terms: OrderTerms, name: str, value: Decimal) -> OrderTerms:
    change: dict[str, Any] = {name: value}
    return terms if getattr(terms, name) == value else replace(terms, **change)


def _newest(order: Order, seen: BrokerOrder) -> str:
    if order.broker_order_id in {"", seen.replaces}:
        return seen.broker_order_id
    return order.broker_order_id


def _next_state(order: Order, seen: BrokerOrder, cum: Decimal) -> State:
    """Choose the state after a report: never backwards, never on a replaced generation's word."""
    if seen.replaced_by or (order.broker_order_id and seen.broker_order_id != _newest(order, seen)):
        return _filled_if_complete(order, cum)
    target = seen.state
    if order.state in ENDED_AT_BROKER:
        return _filled_if_complete(order, cum)
    if target in UNFILLED_LIVE and cum > 0:
        target = State.PARTIAL
    if target is order.state or not may_move(order.state, target):
        return order.state
    if order.state in _PENDING and not is_terminal(target):
        return order.state
    if target is State.ACKED and order.state in {State.WORKING, State.TRIGGERED, State.PARTIAL}:
        return order.state
    return target


def _filled_if_complete(order: Order, cum: Decimal) -> State:
    complete = order.terms.quantity is not None and cum >= order.terms.quantity > 0
    return State.FILLED if complete and may_move(order.state, State.FILLED) else order.state


def holding_of(order: Order) -> dict[str, Any]:
    """Give what an order holds, as changes of another version."""
    return {
        "hold_quantity": order.hold_quantity,
        "hold_price": order.hold_price,
        "trading_day": order.trading_day,
    }


def hold_after(order: Order, terms: OrderTerms) -> dict[str, Any]:
    """Give what an order holds once it has other terms that no gate has seen.

    While a change is on its way it holds no less than before, and the price that a unit may cost never falls by this.
    """
    if not order.hold_quantity:
        return {}
    quantity = order.hold_quantity if terms.quantity is None else terms.quantity
    if order.state in _PENDING:
        quantity = max(quantity, order.hold_quantity)
    named = [price for price in (terms.limit_price, terms.stop_price) if price is not None]
    return {
        "hold_quantity": quantity,
        "hold_price": max([order.hold_price, *(price * order.unit_worth for price in named)]),
    }


def after_change(
    order: Order, seen: BrokerOrder | None, terms: OrderTerms, now_ns: int, holds: dict[str, Any]
) -> Order:
    """Give the order once the broker has taken a change: the new terms, and the new generation if there is one.

    `holds` is what it holds from now on.
    """
    ids = order.broker_order_ids
    if seen is not None and seen.broker_order_id not in ids:
        ids = (*ids, seen.broker_order_id)
    back = State.PARTIAL if order.cum_quantity > 0 else State.WORKING
    if seen is not None and seen.state in UNFILLED_LIVE and order.cum_quantity == 0:
        back = seen.state
    return move(order, back, now_ns, terms=terms, broker_order_ids=ids, **holds)


def confirm(order: Order, seen: BrokerOrder, now_ns: int) -> Order | None:
    """Give the order after a change whose answer was lost, by what the broker shows of it now."""
    if is_terminal(seen.state):
        return merge(order, seen, now_ns)
    terms = _terms_after(order, seen)
    holds = hold_after(order, terms)
    if holds and terms.quantity is not None:
        holds["hold_quantity"] = terms.quantity
    return after_change(order, seen, terms, now_ns, holds)


def executions_of(order: Order, fills: Sequence[BrokerFill]) -> dict[str, Execution]:
    """Read executions as the broker told them, by fill id."""
    return {
        fill_id(order.broker, order.account_id, fill.execution_id): Execution(
            fill.kind, fill.quantity, fill.price, fill.trade_time_ns, _refers_to(order, fill)
        )
        for fill in fills
    }


def fill_rows(after: Order, fills: Sequence[BrokerFill], tally: Tally, now_ns: int) -> tuple[Fill, ...]:
    """Make the records of executions told together, each with the running totals after it."""
    rows: list[Fill] = []
    known: dict[str, Execution] = {}
    for fill, (name, execution) in zip(fills, executions_of(after, fills).items(), strict=True):
        known[name] = execution
        totals = tally.with_more(known)
        rows.append(_fill_row(after, name, fill, totals, now_ns))
    return tuple(rows)


def _fill_row(order: Order, name: str, fill: BrokerFill, totals: Totals, now_ns: int) -> Fill:
    total = order.terms.quantity
    return Fill(
        fill_id=name,
        order_id=order.order_id,
        user_id=order.user_id,
        account_id=order.account_id,
        broker=order.broker,
        client_order_id=order.client_order_id,
        idempotency_key=order.idempotency_key,
        broker_order_id=order.broker_order_id,
        execution_id=fill.execution_id,
        symbol=order.terms.symbol,
        side=order.terms.side,
        quantity=fill.quantity,
        price=fill.price,
        cum_quantity=totals.quantity,
        leaves_quantity=ZERO if total is None or order.state in ENDED_SHORT else max(ZERO, total - totals.quantity),
        average_price=totals.average_price or ZERO,
        trade_time_ns=fill.trade_time_ns,
        receive_time_ns=now_ns,
        kind=fill.kind,
        refers_to_fill_id=_refers_to(order, fill),
        fill_id_synthetic=fill.synthetic_id,
        liquidity=fill.liquidity,
        venue=fill.venue,
        fees=fill.fees,
    )


def _refers_to(order: Order, fill: BrokerFill) -> str:
    if fill.kind is FillKind.NEW or not fill.refers_to_execution_id:
        return ""
    return fill_id(order.broker, order.account_id, fill.refers_to_execution_id)


def leg_orders(parent: Order, seen: BrokerOrder, now_ns: int) -> tuple[Order, ...]:
    """Make the records of the exits that the broker created together with an order."""
    return tuple(
        Order(
            order_id=new_id("ord"),
            user_id=parent.user_id,
            account_id=parent.account_id,
            broker=parent.broker,
            terms=leg.terms,
            idempotency_key=parent.idempotency_key,
            state=leg.state,
            version=1,
            create_time_ns=now_ns,
            update_time_ns=now_ns,
            submit_time_ns=leg.submit_time_ns,
            broker_client_order_id=leg.client_order_id,
            broker_order_ids=(leg.broker_order_id,),
            parent_order_id=parent.order_id,
            strategy_id=parent.strategy_id,
            run_id=parent.run_id,
            # Exits hold nothing: they only ever close what their entry holds.
            unit_worth=parent.unit_worth,
            trading_day=parent.trading_day,
            position_side=parent.position_side,
        )
        for leg in seen.legs
        if leg.broker_order_id not in parent.broker_order_ids
    )


def order_event(order: Order, origin: Origin, event_time_ns: int, now_ns: int) -> EventDraft:
    """Draft the event that tells of an order's new version."""
    return EventDraft(
        kind=EventKind.ORDER,
        account_id=order.account_id,
        origin=origin,
        event_time_ns=event_time_ns,
        receive_time_ns=now_ns,
        payload=order,
    )


def fill_events(fill: Fill, position: Decimal | None, origin: Origin) -> tuple[EventDraft, ...]:
    """Draft the events that tell of an execution, and of the position after it where the broker told that."""
    events = [_draft(EventKind.FILL, fill, origin, fill)]
    if position is not None:
        change = PositionChange(fill.account_id, fill.broker, fill.symbol, position)
        events.append(_draft(EventKind.POSITION, fill, origin, change))
    return tuple(events)


def _draft(kind: EventKind, fill: Fill, origin: Origin, payload: Fill | PositionChange) -> EventDraft:
    return EventDraft(
        kind=kind,
        account_id=fill.account_id,
        origin=origin,
        event_time_ns=fill.trade_time_ns,
        receive_time_ns=fill.receive_time_ns,
        payload=payload,
    )
