"""The ledger inside one transaction: rows at hand, moved unit by unit, and written once at the end.

Where rows can be locked they are, in order, before anything is decided. What is written names the version it follows,
so that a row that was not there yet, or was remembered wrongly, is never overwritten: the batch starts again instead.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias, TypeVar

from sqlalchemy import Connection

from brokergw.model.ledger import Stake
from brokergw.model.order import ZERO, Order
from brokergw.model.quick import quick
from brokergw.model.trading import Halt
from brokergw.ports.journal import Admission, AdmissionRefused, Subject
from brokergw.store.ledger.check import Around, Case, objection
from brokergw.store.ledger.rows import (
    NOTHING_HELD,
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
from brokergw.store.rows import Row

_REMEMBERED_MAX: Final = 16_384

Move: TypeAlias = tuple[Stake, Stake]
"""What an order counted for and what it counts for now, both of one symbol and side."""

Key = TypeVar("Key")
Value = TypeVar("Value")


@quick
@dataclass(frozen=True, slots=True)
class Asking:
    """An order that asks to be admitted, and when (Unix seconds)."""

    order: Order
    admission: Admission
    now_s: int


class Remembered:
    """The rows as this process last had them, for where nobody else writes; so many of the latest used stay."""

    def __init__(self) -> None:
        self.positions: dict[PositionKey, Position] = {}
        self.usage: dict[UsageKey, Used] = {}

    def learn(self, book: "LedgerBook") -> None:
        """Take note of a batch that is durable."""
        _renew(self.positions, book.positions)
        _renew(self.usage, book.usage)


class LedgerBook:
    """The rows of the ledger that one batch is about."""

    def __init__(self, connection: Connection, statements: LedgerStatements, remembered: Remembered | None) -> None:
        self._connection = connection
        self._statements = statements
        self._remembered = remembered
        self._positions: dict[PositionKey, Position] = {}
        self._usage: dict[UsageKey, Used] = {}
        self._moved_positions: set[PositionKey] = set()
        self._moved_usage: set[UsageKey] = set()

    @property
    def positions(self) -> dict[PositionKey, Position]:
        """Every position at hand, as it is on record once this batch is."""
        return self._positions

    @property
    def usage(self) -> dict[UsageKey, Used]:
        """All usage at hand, as it is on record once this batch is."""
        return self._usage

    def open(self, stakes: Iterable[Stake]) -> None:
        """Bring the rows that some stakes move to hand, locked where there are locks."""
        positions: set[PositionKey] = set()
        usage: set[UsageKey] = set()
        for stake in stakes:
            positions.update(position_keys(stake.account_id, stake.symbol, stake.strategy_id))
            usage.update(usage_keys(stake.user_id, stake.account_id, stake.strategy_id))
        self._open(positions - self._positions.keys(), usage - self._usage.keys())

    def move(self, moves: Sequence[Move], asking: Asking | None, halts: Sequence[Halt]) -> AdmissionRefused | None:
        """Move the ledger by a unit; where the unit asks to be admitted and may not be, nothing moves."""
        positions: dict[PositionKey, Position] = {}
        usage: dict[UsageKey, Used] = {}
        last = len(moves) - 1
        for number, (before, after) in enumerate(moves):
            admitted_s = asking.now_s if asking is not None and number == last else None
            self._move(before, after, admitted_s, positions, usage)
        if asking is not None:
            before, after = moves[last]
            refusal = objection(self._case(asking, before, after, positions, usage), halts)
            if refusal is not None:
                return refusal
        self._keep(positions, usage)
        return None

    def anchor(self, user_id: str, key: PositionKey, quantity: Decimal, cost: Decimal, expected: Decimal) -> bool:
        """Set what everybody in an account holds of a symbol; False where it is not as expected, and nothing moves."""
        keys = usage_keys(user_id, key.account_id, "")
        self._open({key}, set(keys))
        old = self._positions[key]
        if old.holding.quantity != expected:
            return False
        holding = old.holding.anchored(quantity, cost)
        more = holding.worst - old.worst
        anchored = Position(user_id, holding, holding.worst, old.anchored + quantity - expected, old.version + 1)
        used = {each: self._usage[each] for each in keys}
        self._keep({key: anchored}, {each: Used(u.usage.exposed(more), u.version + 1) for each, u in used.items()})
        return True

    def halts(self, orders: Sequence[Order]) -> list[Halt]:
        """Read the halts that may concern orders to be admitted, and keep others from being set until the end."""
        return self._statements.halts_of(self._connection, orders) if orders else []

    def rows(self) -> tuple[list[Row], list[Row]]:
        """Give the rows of positions and of usage that must be written, in order."""
        return (
            [position_row(key, self._positions[key]) for key in sorted(self._moved_positions)],
            [usage_row(key, self._usage[key]) for key in sorted(self._moved_usage)],
        )

    def _keep(self, positions: dict[PositionKey, Position], usage: dict[UsageKey, Used]) -> None:
        """Take over what has moved; a row is one version on, however often a batch moves it."""
        self._positions.update(positions)
        self._usage.update(usage)
        self._moved_positions.update(positions)
        self._moved_usage.update(usage)

    def _move(
        self,
        before: Stake,
        after: Stake,
        admitted_s: int | None,
        positions: dict[PositionKey, Position],
        usage: dict[UsageKey, Used],
    ) -> None:
        exposures = [ZERO]
        holds = before.held != after.held or before.price != after.price
        traded = before.traded != after.traded or before.worth != after.worth
        if holds or traded:
            keys = position_keys(after.account_id, after.symbol, after.strategy_id)
            exposures = [self._move_position(key, before, after, positions) for key in keys]
        # An acknowledgement alone concerns the account only.
        only_account = not (holds or traded or before.is_open is not after.is_open or admitted_s is not None)
        for key in usage_keys(after.user_id, after.account_id, after.strategy_id)[: 1 if only_account else None]:
            old = usage.get(key) or self._usage_at(key)
            subject = key.subject
            counts = old.usage.moved(
                before,
                after,
                exposures[-1] if subject == Subject.STRATEGY else exposures[0],
                admitted_s=admitted_s,
                acknowledging=subject == Subject.ACCOUNT,
            )
            moved = key in usage or key in self._moved_usage
            usage[key] = Used(counts, old.version if moved else old.version + 1)

    def _move_position(
        self, key: PositionKey, before: Stake, after: Stake, positions: dict[PositionKey, Position]
    ) -> Decimal:
        old = positions.get(key) or self._position_at(key)
        holding = old.holding.moved(before, after)
        worst = holding.worst
        moved = key in positions or key in self._moved_positions
        version = old.version if moved else old.version + 1
        positions[key] = Position(after.user_id, holding, worst, old.anchored, version)
        return worst - old.worst

    def _case(
        self,
        asking: Asking,
        before: Stake,
        after: Stake,
        positions: dict[PositionKey, Position],
        usage: dict[UsageKey, Used],
    ) -> Case:
        around = {}
        keys = position_keys(after.account_id, after.symbol, after.strategy_id)
        for key in usage_keys(after.user_id, after.account_id, after.strategy_id):
            subject = Subject(key.subject)
            held = keys[-1] if subject is Subject.STRATEGY else keys[0]
            was = self._position_at(held)
            used = self._usage_at(key)
            around[subject] = Around(used.usage, usage.get(key, used).usage, was, positions.get(held, was))
        return Case(asking.order, asking.admission, before, after, around, asking.now_s)

    def _position_at(self, key: PositionKey) -> Position:
        if key not in self._positions:
            self._open({key}, set())
        return self._positions[key]

    def _usage_at(self, key: UsageKey) -> Used:
        if key not in self._usage:
            self._open(set(), {key})
        return self._usage[key]

    def _open(self, positions: set[PositionKey], usage: set[UsageKey]) -> None:
        if self._remembered is not None:
            _take(self._positions, positions, self._remembered.positions)
            _take(self._usage, usage, self._remembered.usage)
        if positions:
            found = self._statements.find_positions.fetch(self._connection, sorted(positions))
            self._positions.update(dict.fromkeys(positions, _NO_POSITION))
            self._positions.update(map(position_from_row, found))
        if usage:
            found = self._statements.find_usage.fetch(self._connection, sorted(usage))
            self._usage.update(dict.fromkeys(usage, NOTHING_USED))
            self._usage.update(map(usage_from_row, found))


_NO_POSITION: Final = Position("", NOTHING_HELD, ZERO, ZERO, 0)


def _take(at_hand: dict[Key, Value], wanted: set[Key], remembered: dict[Key, Value]) -> None:
    """Take what is remembered, and leave in `wanted` what is not."""
    for key in list(wanted):
        value = remembered.get(key)
        if value is not None:
            at_hand[key] = value
            wanted.discard(key)


def _renew(kept: dict[Key, Value], latest: dict[Key, Value]) -> None:
    for key, value in latest.items():
        kept.pop(key, None)
        kept[key] = value
    while len(kept) > _REMEMBERED_MAX:
        del kept[next(iter(kept))]


def moves_of(before: Stake | None, after: Stake) -> tuple[Move, ...]:
    """Give what an order's next version moves: out of the old symbol first, where an operator said it is another."""
    if before is None:
        return ((after.none(), after),)
    if (before.symbol, before.side) == (after.symbol, after.side):
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
        and before.symbol == after.symbol
        and before.side is after.side
    )
