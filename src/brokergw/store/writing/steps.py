"""The updates of a batch as few statements: one may touch a row once, so an order's versions are written as few steps.

Only an order's last version matters, but for one thing: the database refuses a move that the lifecycle table does not
have, and two legal moves in a row need not be one.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from brokergw.model.lifecycle import State, may_move
from brokergw.model.order import Order
from brokergw.store.encoding.rows import Row

Step: TypeAlias = dict[str, Row]
"""Rows to be written at once, by order id."""


def steps(updates: Sequence[tuple[Order, Row]], recorded: Mapping[str, State]) -> list[Step]:
    """Give the steps that take each order from its recorded state to its last version."""
    together = {order.order_id: row for order, row in updates}
    if len(together) == len(updates):
        return [together]
    made: list[Step] = [{}]
    stands: dict[str, tuple[int, State, State]] = {}
    for order, row in updates:
        number, start, last = stands.get(order.order_id, (0, recorded[order.order_id], recorded[order.order_id]))
        if order.state is not start and not may_move(start, order.state):
            number, start = number + 1, last
            if number == len(made):
                made.append({})
        made[number][order.order_id] = row
        stands[order.order_id] = (number, start, order.state)
    return made
