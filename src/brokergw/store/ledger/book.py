"""The ledger inside one transaction: rows at hand, moved unit by unit, and written once at the end.

Where rows can be locked they are, in order, before anything is decided. What is written names the version it follows,
so that a row that was not there yet, or was remembered wrongly, is never overwritten: the batch starts again instead.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias, TypeVar

from sqlalchemy import Connection

from brokergw.model.ledger import Stake, lines_of, other_side
from brokergw.model.order import ZERO, Order
from brokergw.model.quick import quick
from brokergw.model.trading import Halt
from brokergw.ports.journal import Admission, AdmissionRefused
from brokergw.store.encoding.rows import Row
from brokergw.store.ledger.at_hand import AtHand
from brokergw.store.ledger.check import Case, objection
from brokergw.store.ledger.lines import Around, Line, Place, PlaceKey, PositionLine, UsageLine, place_key
from brokergw.store.ledger.repeats import Repeats
from brokergw.store.ledger.rows import (
    NO_POSITION,
    NOTHING_USED,
    Position,
    PositionKey,
    UsageKey,
    Used,
    position_from_row,
    position_keys,
    position_row,
    usage_from_row,
    usage_keys,
    usage_row,
)
from brokergw.store.ledger.statements import LedgerStatements
from brokergw.store.sql.many import Ask, fetched, together

Move: TypeAlias = tuple[Stake, Stake]
"""What an order counted for and what it counts for now, both of one line and side."""

Key = TypeVar("Key", PositionKey, UsageKey)
Value = TypeVar("Value", Position, Used)


@quick
@dataclass(frozen=True, slots=True)
class Asking:
    """An order that asks to be admitted, and when (Unix seconds)."""

    order: Order
    admission: Admission
    now_s: int


class LedgerBook:
    """The rows of the ledger that one batch is about."""

    def __init__(self, connection: Connection, statements: LedgerStatements, at_hand: AtHand | None = None) -> None:
        self._connection = connection
        self._statements = statements
        self._at_hand = AtHand() if at_hand is None else at_hand
        self._at_hand.begin()
        self.repeats: Final = Repeats(connection, statements)

    def open(self, stakes: Iterable[Stake]) -> None:
        """Bring the rows that some stakes move to hand, locked where there are locks."""
        hand = self._at_hand
        wanted = {place_key(stake) for stake in stakes} - hand.batch.keys()
        missing = [key for key in wanted if not hand.take(key)]
        if not missing:
            return
        positions: set[PositionKey] = set()
        usage: set[UsageKey] = set()
        for user_id, account_id, strategy_id, line in missing:
            positions.update(position_keys(account_id, line, strategy_id))
            if (other := other_side(line)) is not None:
                positions.add(PositionKey(account_id, other, ""))
            usage.update(usage_keys(user_id, account_id, strategy_id))
        self._bring(positions, usage)
        for key in missing:
            hand.put(key, self._assemble(key))

    def move(self, moves: Sequence[Move], asking: Asking | None, halts: Sequence[Halt]) -> AdmissionRefused | None:
        """Move the ledger by a unit; where the unit asks to be admitted and may not be, nothing moves."""
        places = [self._place(after) for _, after in moves]
        last = len(moves) - 1
        for number, (before, after) in enumerate(moves):
            admitted_s = asking.now_s if asking is not None and number == last else None
            _move(places[number], before, after, admitted_s)
        refusal = None
        if asking is not None:
            before, after = moves[last]
            case = Case(asking.order, asking.admission, before, after, places[last], asking.now_s)
            refusal = objection(case, halts, self.repeats.of(asking.order, asking.admission.likeness))
        for place in places:
            if refusal is None:
                place.keep()
            else:
                place.drop()
        if asking is not None and refusal is None:
            self.repeats.note(asking.order, asking.admission.likeness)
        return refusal

    def anchor(
        self, user_id: str, account_id: str, symbol: str, quantity: Decimal, average_cost: Decimal, expected: Decimal
    ) -> bool:
        """Set what everybody in an account holds of a symbol; False where it is not as expected, and nothing moves.

        Quantities are net of both sides. Those of hedge mode stay, and what differs is put beside them: of which side
        it is, nobody says.
        """
        keys = [PositionKey(account_id, line, "") for line in lines_of(symbol)]
        self._bring(set(keys), set(usage_keys(user_id, account_id, "")))
        own, *sides = (self._at_hand.positions[key].now.holding.quantity for key in keys)
        aside = sum(sides, ZERO)
        if own + aside != expected:
            return False
        key = (user_id, account_id, "", symbol)
        if not self._at_hand.take(key):
            self._at_hand.put(key, self._assemble(key))
        place = self._at_hand.batch[key]
        line = place.account.holding
        old = line.now
        holding = old.holding.anchored(quantity - aside, abs(quantity - aside) * average_cost)
        more = holding.worst - old.worst
        line.then = Position(user_id, holding, holding.worst, old.anchored + quantity - expected, line.version)
        for each in place.around:
            each.usage.then = Used(each.usage.now.usage.exposed(more), each.usage.version)
        place.keep()
        return True

    def halts(self, orders: Sequence[Order]) -> list[Halt]:
        """Read the halts that may concern orders to be admitted, and keep others from being set until the end."""
        return self._statements.halts_of(self._connection, orders) if orders else []

    def rows(self) -> tuple[list[Row], list[Row]]:
        """Give the rows of positions and of usage that must be written, in order."""
        positions, usage = self._at_hand.moved()
        return (
            [position_row(line.key, line.now) for line in positions],
            [usage_row(line.key, line.now) for line in usage],
        )

    def _place(self, stake: Stake) -> Place:
        key = place_key(stake)
        if key not in self._at_hand.batch:
            self.open([stake])
        return self._at_hand.batch[key]

    def _assemble(self, key: PlaceKey) -> Place:
        user_id, account_id, strategy_id, line = key
        hand, other = self._at_hand, other_side(line)
        account, user, *strategy = [hand.usage[each] for each in usage_keys(user_id, account_id, strategy_id)]
        everybody, *part = [hand.positions[each] for each in position_keys(account_id, line, strategy_id)]
        return Place(
            Around(account, everybody),
            Around(user, everybody),
            Around(strategy[0], part[0]) if strategy else None,
            None if other is None else hand.positions[PositionKey(account_id, other, "")],
        )

    def _bring(self, positions: set[PositionKey], usage: set[UsageKey]) -> None:
        """Read what is not at hand yet."""
        hand = self._at_hand
        positions -= hand.positions.keys()
        usage -= hand.usage.keys()
        if not positions and not usage:
            return
        sql = self._statements
        asks: list[Ask] = [(sql.find_positions, sorted(positions)), (sql.find_usage, sorted(usage))]
        held, used = map(fetched, together(self._connection, asks))
        holdings, counts = dict(map(position_from_row, held)), dict(map(usage_from_row, used))
        hand.positions.update({key: _line(key, holdings.get(key, NO_POSITION)) for key in positions})
        hand.usage.update({key: _line(key, counts.get(key, NOTHING_USED)) for key in usage})


def _move(place: Place, before: Stake, after: Stake, admitted_s: int | None) -> None:
    """Move every line of a place by an order's next version."""
    of_all = of_strategy = ZERO
    holds = before.held != after.held or before.price != after.price
    traded = before.traded != after.traded or before.worth != after.worth
    if holds or traded:
        of_all = _hold(place.account.holding, before, after)
        if place.strategy is not None:
            of_strategy = _hold(place.strategy.holding, before, after)
    _count(place.account.usage, before, after, of_all, admitted_s, acknowledging=True)
    if not (holds or traded or before.is_open is not after.is_open or admitted_s is not None):
        # An acknowledgement alone concerns the account only.
        return
    _count(place.user.usage, before, after, of_all, admitted_s, acknowledging=False)
    if place.strategy is not None:
        _count(place.strategy.usage, before, after, of_strategy, admitted_s, acknowledging=False)


def _hold(line: PositionLine, before: Stake, after: Stake) -> Decimal:
    """Move a holding, and give how much more it may come to at worst."""
    old = line.then
    holding = old.holding.moved(before, after)
    worst = holding.worst
    line.then = Position(after.user_id, holding, worst, old.anchored, line.version)
    return worst - old.worst


def _count(
    line: UsageLine, before: Stake, after: Stake, exposure: Decimal, admitted_s: int | None, *, acknowledging: bool
) -> None:
    usage = line.then.usage.moved(before, after, exposure, admitted_s=admitted_s, acknowledging=acknowledging)
    line.then = Used(usage, line.version)


def _line(key: Key, value: Value) -> Line[Key, Value]:
    return Line(key, value, value, value)


def moves_of(before: Stake | None, after: Stake) -> tuple[Move, ...]:
    """Give what an order's next version moves: out of the old line first, where an operator said it is another."""
    if before is None:
        return ((after.none(), after),)
    if (before.line, before.side) == (after.line, after.side):
        return ((before, after),)
    return ((before, before.none()), (after.none(), after))


def is_still(before: Stake, after: Stake) -> bool:
    """Tell whether a next version counts for just what the one before did."""
    return (
        before.held == after.held
        and before.price == after.price
        and before.traded == after.traded
        and before.worth == after.worth
        and before.is_open is after.is_open
        and before.unacknowledged == after.unacknowledged
        and before.trading_day == after.trading_day
        and before.line == after.line
        and before.side is after.side
    )
