"""What the executions of one order come to: its totals are the sum of what stands on the record, and nothing else.

An execution stands until it is amended. A correction stands in the place of what it corrects, a bust in the place of
what it takes back and counts nothing. So the totals depend on which executions are known, never on the order in which
they were told, nor on how often.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.model.order import ZERO, Fill, FillKind
from brokergw.model.quick import quick

_AVERAGE_STEP: Final = Decimal("1e-9")


@quick
@dataclass(frozen=True, slots=True)
class Execution:
    """What of an execution matters for totals; `refers_to` is the fill id of what it amends, empty where not told."""

    kind: FillKind
    quantity: Decimal
    price: Decimal
    trade_time_ns: int
    refers_to: str = ""


@quick
@dataclass(frozen=True, slots=True)
class Totals:
    """How much an order has traded, and for how much; `amended` when a correction or a bust is among it."""

    quantity: Decimal = ZERO
    value: Decimal = ZERO
    amended: bool = False

    @property
    def average_price(self) -> Decimal | None:
        """The average price, within the scale that the contract can show; None while nothing stands."""
        if not self.quantity:
            return None
        average = self.value / self.quantity
        rounded = average.quantize(_AVERAGE_STEP)
        return average if rounded == average else rounded


class Tally:
    """The executions of one order as of one version of it."""

    __slots__ = ("_rows", "totals", "version")

    def __init__(self, version: int, fills: Iterable[Fill] = ()) -> None:
        self.version = version
        self.totals = Totals()
        self._rows: dict[str, Execution] = {}
        self.add({fill.fill_id: execution_of(fill) for fill in fills})

    def __contains__(self, fill_id: str) -> bool:
        return fill_id in self._rows

    def with_more(self, more: dict[str, Execution]) -> Totals:
        """Give the totals with some executions added, which are not known yet."""
        plain = not self.totals.amended and all(row.kind is FillKind.NEW for row in more.values())
        if not plain:
            return totals_of(self._rows | more)
        quantity, value = self.totals.quantity, self.totals.value
        for row in more.values():
            quantity += row.quantity
            value += row.quantity * row.price
        return Totals(quantity, value)

    def add(self, more: dict[str, Execution]) -> None:
        """Add executions."""
        if more:
            self.totals = self.with_more(more)
            self._rows.update(more)

    def unexplained(self, name: str) -> bool:
        """Tell whether an amendment is about nothing that is known."""
        row = self._rows[name]
        if row.kind is FillKind.NEW:
            return False
        if row.refers_to:
            return row.refers_to not in self._rows
        others = {other for other, each in self._rows.items() if other != name and each.kind is not FillKind.BUST}
        return row.kind is FillKind.CORRECTION or not _like(self._rows, others, row)


def execution_of(fill: Fill) -> Execution:
    """Read a fill on record."""
    return Execution(fill.kind, fill.quantity, fill.price, fill.trade_time_ns, fill.refers_to_fill_id)


def totals_of(rows: Mapping[str, Execution]) -> Totals:
    """Sum up what stands of some executions, by fill id."""
    groups: dict[str, list[str]] = {}
    for name in rows:
        groups.setdefault(_root(rows, name), []).append(name)
    standing = {name for names in groups.values() if (name := _stands(rows, names))}
    for name in sorted(_unreferenced(rows, FillKind.BUST)):
        standing -= _like(rows, standing, rows[name])
    return Totals(
        sum((rows[name].quantity for name in standing), ZERO),
        sum((rows[name].quantity * rows[name].price for name in standing), ZERO),
        amended=any(row.kind is not FillKind.NEW for row in rows.values()),
    )


def _root(rows: Mapping[str, Execution], name: str) -> str:
    """Follow amendments back to the execution that they are about in the end, known or not."""
    for _ in range(len(rows)):
        row = rows.get(name)
        if row is None or row.kind is FillKind.NEW or not row.refers_to:
            break
        name = row.refers_to
    return name


def _stands(rows: Mapping[str, Execution], names: list[str]) -> str:
    """Choose what stands of an execution and its amendments; empty when nothing does."""
    amendments = [name for name in names if rows[name].kind is not FillKind.NEW]
    if not amendments:
        return names[0]
    if any(rows[name].kind is FillKind.BUST for name in amendments):
        return ""
    referring = [name for name in amendments if rows[name].refers_to]
    # A correction that does not say of what would be counted beside it.
    return max(referring, key=lambda name: (rows[name].trade_time_ns, name), default="")


def _unreferenced(rows: Mapping[str, Execution], kind: FillKind) -> list[str]:
    return [name for name, row in rows.items() if row.kind is kind and not row.refers_to]


def _like(rows: Mapping[str, Execution], names: set[str], bust: Execution) -> set[str]:
    """Find the one execution that a bust without a reference takes back: the latest of its size and price."""
    same = [n for n in names if (rows[n].quantity, rows[n].price) == (bust.quantity, bust.price)]
    return {max(same, key=lambda name: (rows[name].trade_time_ns, name))} if same else set()
