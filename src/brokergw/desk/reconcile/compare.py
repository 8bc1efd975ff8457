"""Comparing one look at a broker with what the record went through meanwhile.

A broker's answer shows some moment between the question and the reply. So its figure agrees with the record when it is
one that the record passed through since the question was asked, and a fill that is put on the record during the
look is no difference, whether the answer has it already or not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from brokergw.model.account import Position
from brokergw.model.events import LogEvent
from brokergw.model.order import ZERO, Fill, FillKind
from brokergw.model.terms import Side


@dataclass(frozen=True, slots=True)
class Passage:
    """What the record had of a symbol since a question was asked: every quantity, the present one last.

    `clear` is False where an execution was corrected or taken back meanwhile, so that the way cannot be retraced.
    """

    quantities: tuple[Decimal, ...] = (ZERO,)
    clear: bool = True

    @property
    def now(self) -> Decimal:
        """The present quantity."""
        return self.quantities[-1]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A symbol whose quantity at the broker the record did not pass through."""

    symbol: str
    record: Decimal
    broker: Decimal

    @property
    def excess(self) -> Decimal:
        """What the broker has beyond the record, signed."""
        return self.broker - self.record


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a broker shows of each symbol: signed net quantity, and how much is held long and short at once."""

    net: Mapping[str, Decimal]
    legs: Mapping[str, Decimal]


def holdings_of(positions: Iterable[Position]) -> Holdings:
    """Net the rows of each symbol; brokers that keep both legs of one show a row for each."""
    long: dict[str, Decimal] = {}
    short: dict[str, Decimal] = {}
    for position in positions:
        if not position.quantity:
            # Positions of one symbol that cancel each other out hold nothing of it.
            continue
        side = long if position.quantity > ZERO else short
        side[position.symbol] = side.get(position.symbol, ZERO) + abs(position.quantity)
    symbols = [*long, *(symbol for symbol in short if symbol not in long)]
    net = {symbol: long.get(symbol, ZERO) - short.get(symbol, ZERO) for symbol in symbols}
    both = {symbol: min(long.get(symbol, ZERO), short.get(symbol, ZERO)) for symbol in symbols}
    return Holdings(net, {symbol: quantity for symbol, quantity in both.items() if quantity})


def passages(held: Mapping[str, Decimal], fills: Sequence[LogEvent]) -> dict[str, Passage]:
    """Retrace the record from what it holds now through the fills, oldest first, that led there."""
    quantities = {symbol: [quantity] for symbol, quantity in held.items()}
    unclear: set[str] = set()
    for event in reversed(fills):
        fill = event.payload
        if not isinstance(fill, Fill):
            continue
        if fill.kind is not FillKind.NEW:
            unclear.add(fill.symbol)
        way = quantities.setdefault(fill.symbol, [ZERO])
        way.append(way[-1] - signed(fill))
    return {symbol: Passage(tuple(reversed(way)), symbol not in unclear) for symbol, way in quantities.items()}


def signed(fill: Fill) -> Decimal:
    """Give what a fill adds to the position."""
    return fill.quantity if fill.side is Side.BUY else -fill.quantity


def suspects_of(way: Mapping[str, Passage], net: Mapping[str, Decimal]) -> dict[str, Suspect]:
    """Find the symbols whose quantity at the broker the record did not pass through."""
    found: dict[str, Suspect] = {}
    for symbol in [*net, *(symbol for symbol in way if symbol not in net)]:
        passage, shown = way.get(symbol, Passage()), net.get(symbol, ZERO)
        if shown not in passage.quantities:
            found[symbol] = Suspect(symbol, passage.now, shown)
    return found
