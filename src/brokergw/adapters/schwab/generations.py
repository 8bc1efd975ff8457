"""Which order took which one's place.

A change answers with the new order's id, and no row says afterwards which order it replaced. So what our own changes
told is remembered, what others of ours told is on record, and for the rest (changes whose answer was lost, or that
somebody made elsewhere) a successor is found by content: the one order of the same legs that was entered when the
replaced one closed, and that the record has for no other. With two of them, or while an order of ours for the symbol is
on its way without an id, none is: an order that lives on under an unknown id is better than one that lives on under a
wrong one.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Final

from brokergw.adapters.schwab.executions import executed
from brokergw.adapters.schwab.mapping import Carried
from brokergw.adapters.schwab.payloads import canonical_symbol, id_text
from brokergw.model.order import ZERO
from brokergw.transport.rows import Row, as_row, optional_text, rows_in, text, time_ns, whole

_NS: Final = 1_000_000_000
_KEPT: Final = 20_000
_APART_NS: Final = _NS
"""How far the end of an order and the entry of its successor, one act and two whole seconds, may lie apart."""


@dataclass(slots=True)
class Generations:
    """The links between orders of one account, as far as they are known."""

    _before: dict[str, str] = field(default_factory=dict)
    _after: dict[str, str] = field(default_factory=dict)
    _filled: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    _placed: dict[str, None] = field(default_factory=dict)

    def placed(self, order_id: str) -> None:
        """Note that an order was placed as a new one: it took nobody's place."""
        self._placed[order_id] = None
        if len(self._placed) > _KEPT:
            del self._placed[next(iter(self._placed))]

    def link(self, before: str, after: str) -> None:
        """Note that one order took another one's place."""
        self._before[after], self._after[before] = before, after

    def carried(self, order_id: str) -> Carried:
        """Give what an order carries over from all generations before it."""
        quantity, value = ZERO, ZERO
        name = self._before.get(order_id, "")
        replaces, seen = name, {order_id}
        while name and name not in seen:
            seen.add(name)
            filled = self._filled.get(name, (ZERO, ZERO))
            quantity, value = quantity + filled[0], value + filled[1]
            name = self._before.get(name, "")
        return Carried(quantity, value, replaces)

    def successor(self, order_id: str) -> str:
        """Give the order that took an order's place; empty where none is known."""
        return self._after.get(order_id, "")

    def chain(self, order_id: str) -> list[str]:
        """Give an order's generations, oldest first, itself last."""
        names = [order_id]
        while (before := self._before.get(names[0], "")) and before not in names:
            names.insert(0, before)
        return names

    def recorded(self, chain: Sequence[str]) -> None:
        """Note the generations of an order of ours as the record has them, oldest first."""
        if chain[0] not in self._before:
            self.placed(chain[0])
        for before, after in pairwise(chain):
            self.link(before, after)

    def unclear(self, rows: Iterable[Row]) -> list[str]:
        """Name the orders of which the record may know whose place they took, and who took theirs."""
        singles = _singles(rows)
        ends = [row for row in self._ends(singles) if not self._named(row)]
        return list(
            dict.fromkeys(name for row in ends for name in (id_text(row, "orderId"), *self._alike(row, singles)))
        )

    def learn(self, rows: Iterable[Row], unnamed: Collection[str] = ()) -> None:
        """Take in what rows tell: what replaced orders had filled, and who took their places.

        Of the symbols in `unnamed` nothing is found by content.
        """
        singles = _singles(rows)
        for row in singles:
            if row.get("status") == "REPLACED":
                self.settle(row)
        for row in self._ends(singles):
            if named := self._named(row):
                self.link(id_text(row, "orderId"), named)
        alike = {
            id_text(row, "orderId"): self._alike(row, singles)
            for row in self._ends(singles)
            if not any(symbol in unnamed for symbol in _symbols(row))
        }
        wanted = Counter(name for names in alike.values() for name in names)
        for order_id, names in alike.items():
            if len(names) == 1 and wanted[names[0]] == 1:
                self.link(order_id, names[0])

    def settle(self, row: Row) -> None:
        """Note what an order that was replaced had filled."""
        order_id = id_text(row, "orderId")
        fills = executed(row, order_id).fills
        quantity = sum((fill.quantity for fill in fills), ZERO)
        self._filled[order_id] = (quantity, sum((fill.quantity * fill.price for fill in fills), ZERO))

    def _named(self, row: Row) -> str:
        """Read the successor where the row names one, as the schema lets it."""
        named = row.get("replacingOrderCollection")
        orders = [each for each in named if isinstance(each, dict)] if isinstance(named, list) else []
        return id_text(orders[0], "orderId") if len(orders) == 1 else ""

    def _ends(self, singles: Iterable[Row]) -> list[Row]:
        """Give the replaced orders whose successors are not known."""
        return [
            row for row in singles if row.get("status") == "REPLACED" and id_text(row, "orderId") not in self._after
        ]

    def _alike(self, old: Row, rows: Sequence[Row]) -> list[str]:
        """Name what may have taken an order's place by its content and its time."""
        if not optional_text(old, "closeTime"):
            return []
        closed = time_ns(old, "closeTime")
        return [
            id_text(row, "orderId")
            for row in rows
            if whole(row, "orderId") > whole(old, "orderId")
            and id_text(row, "orderId") not in self._before
            and id_text(row, "orderId") not in self._placed
            and abs(time_ns(row, "enteredTime") - closed) <= _APART_NS
            and _content(row) == _content(old)
        ]


def singles_in(row: Row) -> list[Row]:
    """Give the orders in a row that have legs: itself, and its children."""
    own = [row] if row.get("orderLegCollection") else []
    return own + [single for child in rows_in(row, "childOrderStrategies") for single in singles_in(child)]


_SAME: Final = ("duration", "session", "orderType", "orderStrategyType")
"""What a change leaves as it is."""


def _singles(rows: Iterable[Row]) -> list[Row]:
    return [single for row in rows for single in singles_in(row)]


def _symbols(row: Row) -> list[str]:
    legs = rows_in(row, "orderLegCollection")
    return [canonical_symbol(text(as_row(leg.get("instrument")), "symbol")) for leg in legs]


def _content(row: Row) -> tuple[object, ...]:
    legs = [
        (text(as_row(leg.get("instrument")), "symbol"), text(leg, "instruction"))
        for leg in rows_in(row, "orderLegCollection")
    ]
    return (*sorted(legs), *(optional_text(row, name) for name in _SAME))
