"""What an order's executions make of it: its totals are theirs, and its state must agree with them.

A broker's total is no total of ours: where it is above what the executions come to, executions are owed. Until they
are here the order keeps the state it had, because an ending says how much traded, and that is not known yet.
"""

from typing import Any, Final

from brokergw.desk.record.tally import Totals
from brokergw.model.lifecycle import AT_BROKER, ENDED_AT_BROKER, State, is_terminal, may_move
from brokergw.model.order import ZERO, Order
from brokergw.model.outcome import BrokerOrder

ENDED_SHORT: Final = ENDED_AT_BROKER - {State.FILLED}
UNFILLED_LIVE: Final = frozenset({State.ACKED, State.WORKING, State.TRIGGERED})


def owes(before: Order, after: Order, totals: Totals) -> bool:
    """Tell whether a broker's word raised the total above what the executions come to."""
    return after.cum_quantity > max(before.cum_quantity, totals.quantity)


def counted(before: Order, after: Order, totals: Totals, told: BrokerOrder | None = None) -> Order:
    """Give the next version with the totals of its executions, and a state that agrees with them.

    `told` is the broker's own word, where there is one: it says what becomes of the part that a bust takes back.
    """
    if owes(before, after, totals):
        after = _held(before, after)
    state = _state(before, after, totals, told)
    changes: dict[str, Any] = {"cum_quantity": totals.quantity, "average_price": totals.average_price, "state": state}
    total = after.terms.quantity
    if state is State.FILLED or not is_terminal(state):
        changes["canceled_quantity"] = ZERO
    elif total is not None and (state is not State.REJECTED_BY_BROKER or totals.quantity):
        changes["canceled_quantity"] = max(ZERO, total - totals.quantity)
    if before.state in ENDED_SHORT and totals.quantity > before.cum_quantity:
        changes["late_fill"] = True
    ended_ns = after.complete_time_ns or after.update_time_ns
    changes["complete_time_ns"] = ended_ns if is_terminal(state) else None
    return after.changed(**changes)


def _held(before: Order, after: Order) -> Order:
    """Take over what the broker said of the order, but for its ending and its totals."""
    state = before.state if before.state in AT_BROKER | ENDED_AT_BROKER else State.WORKING
    if before.state in AT_BROKER and not is_terminal(after.state):
        state = after.state
    return before.changed(
        version=after.version,
        update_time_ns=after.update_time_ns,
        broker_order_ids=after.broker_order_ids,
        terms=after.terms,
        state=state,
        hold_quantity=after.hold_quantity,
        hold_price=after.hold_price,
        trading_day=after.trading_day,
    )


def _state(before: Order, after: Order, totals: Totals, told: BrokerOrder | None) -> State:
    total, done, state = after.terms.quantity, totals.quantity, after.state
    if total is not None and done >= total > 0 and may_move(before.state, State.FILLED):
        return State.FILLED
    if state in UNFILLED_LIVE and done > 0:
        return State.PARTIAL
    if state is State.PARTIAL and not done:
        return State.WORKING
    if state is State.FILLED and totals.amended and total is not None:
        return _after_bust(totals, told)
    return state


def _after_bust(totals: Totals, told: BrokerOrder | None) -> State:
    """Choose the state of an order that was filled and no longer is.

    It has ended only if the broker says so of these very executions; else it counts as open, and is asked for.
    """
    if told is not None and told.cum_quantity == totals.quantity and is_terminal(told.state):
        return told.state if told.state in {State.CANCELED, State.EXPIRED} else State.CANCELED
    return State.PARTIAL if totals.quantity else State.WORKING
