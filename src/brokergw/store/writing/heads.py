"""Where an order stands, as far as the next change of it must know."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from brokergw.model.ledger import Stake, stake_of
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.store.encoding.rows import Row, order_from_row

_REMEMBERED_MAX: Final = 8_192


@dataclass(slots=True)
class Head:
    """Where an order stands, and what it counts for; `order` is there if the present batch has read or written it."""

    order_id: str
    version: int
    state: State
    account_id: str
    client_order_id: str
    broker_client_order_id: str
    broker_order_ids: frozenset[str]
    stake: Stake
    order: Order | None = None


def head_of(order: Order, stake: Stake, earlier_broker_ids: frozenset[str] = frozenset()) -> Head:
    """Give the head of an order that a unit writes."""
    return Head(
        order.order_id,
        order.version,
        order.state,
        order.account_id,
        order.client_order_id,
        order.broker_client_order_id,
        earlier_broker_ids.union(order.broker_order_ids),
        stake,
        order,
    )


def head_from_row(row: Row) -> Head:
    """Read a row of the statement `find_heads`."""
    order = order_from_row(row)
    return head_of(order, stake_of(order))


class Heads:
    """What this process wrote last, so that the next change of an order need not read where it stands.

    Only a hint: a version, once durable, never changes, so a head serves where the order is at that very version, and
    the update itself makes sure of that.
    """

    def __init__(self) -> None:
        self._heads: dict[str, Head] = {}

    def before(self, updates: Iterable[Order]) -> Iterator[Head]:
        """Give the heads that updates follow, where they are known."""
        for order in updates:
            head = self._heads.get(order.order_id)
            if head is not None and head.version == order.version - 1:
                yield head

    def remember(self, durable: Mapping[str, Head]) -> None:
        """Keep what became durable."""
        for order_id, head in durable.items():
            head.order = None
            self._heads.pop(order_id, None)
            self._heads[order_id] = head
        while len(self._heads) > _REMEMBERED_MAX:
            del self._heads[next(iter(self._heads))]
