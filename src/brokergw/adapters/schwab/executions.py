"""The executions in an order's row, and the reports that tell of them.

`orderActivityCollection` also says with `activityType` EXECUTION that an order was cancelled or replaced, of all that
was left and at a price of nothing: only rows of `executionType` FILL are executions. Each has an `activityId`, which
with the order's id names the execution alike wherever the row is read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from brokergw.adapters.schwab.payloads import decimal, id_text, optional_decimal
from brokergw.adapters.schwab.words import SIDES
from brokergw.model.lifecycle import State
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerFill, BrokerOrder, OrderReport
from brokergw.model.terms import Side
from brokergw.transport.rows import Row, Unusable, optional_text, rows_in, text, time_ns, whole


@dataclass(frozen=True, slots=True)
class Executed:
    """What an order's row tells of executions, oldest first; `last_ns` is the time of the last thing that happened."""

    fills: tuple[BrokerFill, ...]
    last_ns: int


@dataclass(frozen=True, slots=True)
class _Part:
    """What one leg traded at once; `left` is what the order still had to trade after it."""

    activity_id: str
    left: Decimal
    quantity: Decimal
    price: Decimal
    time_ns: int


def executed(row: Row, order_id: str) -> Executed:
    """Read an order's executions; those of several legs are put together."""
    legs = rows_in(row, "orderLegCollection")
    parts: dict[int, list[_Part]] = {}
    last_ns = 0
    for activity in rows_in(row, "orderActivityCollection"):
        for leg in rows_in(activity, "executionLegs"):
            last_ns = max(last_ns, time_ns(leg, "time"))
        if optional_text(activity, "executionType") == "FILL":
            for leg_id, part in _parts(activity):
                parts.setdefault(leg_id, []).append(part)
    for of_leg in parts.values():
        # Times are whole seconds, and the ids are not said to rise.
        of_leg.sort(key=lambda part: (part.time_ns, -part.left))
    if len(legs) > 1:
        fills = _spread_fills(row, order_id, legs, parts)
    else:
        fills = [_fill(order_id, part) for of_leg in parts.values() for part in of_leg]
    return Executed(tuple(fills), last_ns)


def reports(
    order: BrokerOrder, fills: Sequence[BrokerFill], before: Decimal, cost_before: Decimal
) -> list[OrderReport]:
    """Tell executions one by one, each with the order as it stood right after it.

    `before` is how much had been filled before the first of them, at a cost of `cost_before`.
    """
    told: list[OrderReport] = []
    total, value = before, cost_before
    for fill in fills:
        total += fill.quantity
        value += fill.quantity * fill.price
        done = order.state is State.FILLED and total == order.cum_quantity
        snapshot = replace(
            order,
            cum_quantity=total,
            average_price=value / total,
            state=State.FILLED if done else State.PARTIAL,
            update_time_ns=fill.trade_time_ns,
        )
        told.append(OrderReport(snapshot, fill.trade_time_ns, fill))
    return told


def _parts(activity: Row) -> Iterable[tuple[int, _Part]]:
    name = id_text(activity, "activityId")
    left = optional_decimal(activity, "orderRemainingQuantity") or ZERO
    for leg in rows_in(activity, "executionLegs"):
        quantity = decimal(leg, "quantity")
        if not quantity:
            # Executions without a quantity occur, and tell of nothing.
            continue
        yield whole(leg, "legId"), _Part(name, left, quantity, decimal(leg, "price"), time_ns(leg, "time"))


def _fill(order_id: str, part: _Part) -> BrokerFill:
    return BrokerFill(
        execution_id=f"{order_id}:{part.activity_id}",
        quantity=part.quantity,
        price=part.price,
        trade_time_ns=part.time_ns,
    )


def _spread_fills(row: Row, order_id: str, legs: Sequence[Row], parts: dict[int, list[_Part]]) -> list[BrokerFill]:
    """Put the executions of several legs together: the order has traded as far as each of its legs has.

    The price is what one unit cost over all legs, a sold leg taken off. Schwab names no such execution, so it is named
    by the order's total after it.
    """
    quantity = decimal(row, "quantity")
    ratios = {whole(leg, "legId"): decimal(leg, "quantity") / quantity for leg in legs}
    signs = {whole(leg, "legId"): _sign(leg) for leg in legs}
    steps: list[dict[Decimal, tuple[Decimal, int]]] = []
    for leg_id, ratio in ratios.items():
        total, value = ZERO, ZERO
        reached: dict[Decimal, tuple[Decimal, int]] = {}
        for part in parts.get(leg_id, []):
            total += part.quantity / ratio
            value += part.quantity * part.price * signs[leg_id]
            reached[total] = (value, part.time_ns)
        steps.append(reached)
    fills: list[BrokerFill] = []
    before, cost = ZERO, ZERO
    for total in sorted(set.intersection(*(set(reached) for reached in steps))):
        value = sum((reached[total][0] for reached in steps), ZERO)
        fills.append(
            BrokerFill(
                execution_id=f"{order_id}:{format_decimal(total)}",
                quantity=total - before,
                price=(value - cost) / (total - before),
                trade_time_ns=max(reached[total][1] for reached in steps),
                synthetic_id=True,
            )
        )
        before, cost = total, value
    return fills


def _sign(leg: Row) -> int:
    side = SIDES.get(text(leg, "instruction"))
    if side is None:
        raise Unusable("field instruction has a value that is not documented")
    return 1 if side is Side.BUY else -1
