"""The ledger's rows at hand in one batch: what each says, and what it would say with the unit that is looked at."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from brokergw.model.ledger import Stake
from brokergw.model.quick import quick
from brokergw.ports.journal import Subject
from brokergw.store.ledger.rows import Position, PositionKey, UsageKey, Used

Key = TypeVar("Key", PositionKey, UsageKey)
Value = TypeVar("Value", Position, Used)


@dataclass(slots=True)
class Line(Generic[Key, Value]):
    """One row, as it is on record; `now` is it with every unit of the batch that goes through, `then` with the one at
    hand as well.

    However often a batch moves the row, it is one version on.
    """

    key: Key
    on_record: Value
    now: Value
    then: Value

    @property
    def version(self) -> int:
        """The version that a batch writes."""
        return self.on_record.version + 1

    @property
    def moved(self) -> bool:
        """Whether a unit that goes through has moved it."""
        return self.now is not self.on_record

    def settle(self) -> None:
        """Take note that the batch is durable."""
        self.on_record = self.now


PositionLine = Line[PositionKey, Position]
UsageLine = Line[UsageKey, Used]


@quick
@dataclass(frozen=True, slots=True)
class Around:
    """A subject's counts, and the holding of one symbol that goes with them."""

    usage: UsageLine
    holding: PositionLine


@quick
@dataclass(frozen=True, slots=True)
class Place:
    """Every line that an order of one account, strategy and symbol moves; without a strategy, its part is empty.

    `beside` is the line of the symbol's other side, in hedge mode: it is looked at and not moved.
    """

    account: Around
    user: Around
    strategy: Around | None
    beside: PositionLine | None

    def of(self, subject: Subject) -> Around:
        """Give the lines of a subject; that a cap is a strategy's where the order has none is ruled out before."""
        if subject is Subject.ACCOUNT:
            return self.account
        if subject is Subject.USER:
            return self.user
        assert self.strategy is not None, "a strategy's cap comes with an order of a strategy"
        return self.strategy

    @property
    def around(self) -> tuple[Around, ...]:
        """The subjects' lines, the account's first."""
        return (self.account, self.user) if self.strategy is None else (self.account, self.user, self.strategy)

    def keep(self) -> None:
        """Let the unit at hand go through."""
        for each in self.around:
            each.usage.now, each.holding.now = each.usage.then, each.holding.then

    def drop(self) -> None:
        """Forget the unit at hand."""
        for each in self.around:
            each.usage.then, each.holding.then = each.usage.now, each.holding.now

    def settle(self) -> None:
        """Take note that the batch is durable."""
        for each in self.around:
            each.usage.settle()
            each.holding.settle()


PlaceKey = tuple[str, str, str, str]
"""The user, the account, the strategy and the line of a place."""


def place_key(stake: Stake) -> PlaceKey:
    """Tell which lines an order's version moves."""
    return (stake.user_id, stake.account_id, stake.strategy_id, stake.line)
