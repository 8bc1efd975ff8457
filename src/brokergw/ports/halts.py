"""Where halts stand for every process: the book of halts, and the file for a time when it cannot be written.

A process may send only while it has lately looked into the book (its *clearance*), and only what no halt that it knows
of concerns. So a halt that is in the book holds everywhere once each process has said that it knows it (has *confirmed*
the book's epoch), or once the clearance of a process that says nothing has run out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, Protocol

from brokergw.model.events import AuditRow
from brokergw.model.trading import Halt, HaltCause, TradingScope, TradingState

CLEARANCE_S: Final = 0.5
"""How long a process may send after the moment at which it began its last look into the book."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a look into the book showed. `asked_at` is the monotonic time at which the look began.

    `fenced` says that the book no longer counts on this process: another one has waited for its clearance to run out.
    """

    asked_at: float
    epoch: int
    halts: tuple[Halt, ...]
    fenced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOrder:
    """That a halt shall also clear away what rests in its scope, and close what is held there if `flatten` is set.

    `user_id`, `key_id` and `request_id` are those of the person who asked for it, and whom each step is audited under.
    A scope and cause have one sweep: another order for it can only add `flatten`.
    """

    sweep_id: str
    flatten: bool
    user_id: str
    key_id: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltWish:
    """A halt to be put into the book, with its audit row and, where wanted, a sweep."""

    scope: TradingScope
    cause: HaltCause
    state: TradingState
    reason: str
    set_by: str
    set_time_ns: int
    audit: AuditRow
    sweep: SweepOrder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A sweep that a halt asked for, as long as that halt stands."""

    scope: TradingScope
    cause: HaltCause
    order: SweepOrder
    begin_time_ns: int

    @property
    def sweep_id(self) -> str:
        """The sweep's id."""
        return self.order.sweep_id


@unique
class FindingState(StrEnum):
    """How far a sweep has come in one account. DONE is said only of what the broker itself has confirmed."""

    WORKING = "WORKING"
    BLOCKED = "BLOCKED"
    DONE = "DONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """Something in an account that is not confirmed gone: an order (with its id, or the broker's) or a position."""

    symbol: str
    order_id: str = ""
    broker_order_id: str = ""
    quantity: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a sweep has come to in one account. `why` says what keeps it, empty where nothing does."""

    sweep_id: str
    account_id: str
    user_id: str
    state: FindingState
    residuals: tuple[Residual, ...]
    why: str
    time_ns: int


class HaltBook(Protocol):
    """The durable halts. Every method raises JOURNAL_UNAVAILABLE where the database does not do its part."""

    @property
    def shared(self) -> bool:
        """Whether other processes live by this book too."""
        ...

    async def open(self, listener: Callable[[News], None]) -> News:
        """Enter this process and give the book as it stands, then tell `listener` of every look from here on.

        On a shared book that is ten times a second and at once after a change, in a thread of its own; a listener
        must only take note. On one that is this process's alone, after each change.
        """
        ...

    async def place(self, wish: HaltWish) -> tuple[Halt, News]:
        """Put a halt in, with everything that stands after it. No send is admitted in its scope once this returns.

        What stands for the same scope and cause is made stricter, never looser.
        """
        ...

    async def lift(self, scope: TradingScope, cause: HaltCause, *, epoch: int | None, audit: AuditRow) -> News:
        """Take a halt out, and end its sweeps.

        Raises HALT_NOT_FOUND, or KILL_SWITCH_EPOCH_CHANGED when `epoch` is given and is not the halt's.
        """
        ...

    async def confirm(self, epoch: int) -> None:
        """Say that this process knows the halts of an epoch, and that what it was sending in their scopes is over."""
        ...

    async def unconfirmed(self, epoch: int) -> frozenset[str]:
        """Give the other processes that have not confirmed an epoch."""
        ...

    async def fence(self, instance_ids: frozenset[str]) -> None:
        """Count no longer on processes that did not confirm and whose clearance has run out."""
        ...

    async def sweeps(self) -> Sequence[Sweep]:
        """Give the sweeps of the halts that stand, oldest first."""
        ...

    async def report(self, finding: Finding) -> None:
        """Write down how far a sweep has come in one account."""
        ...

    async def findings(self) -> Sequence[Finding]:
        """Give what the sweeps of the halts that stand have come to."""
        ...

    async def close(self) -> None:
        """Leave: others need not wait for this process."""
        ...


class HaltFile(Protocol):
    """Halts that could not be put into the book yet, on this machine's disk."""

    def load(self) -> Sequence[HaltWish]:
        """Give what an earlier life of this process left, oldest first."""
        ...

    async def keep(self, wishes: Sequence[HaltWish]) -> None:
        """Keep these and nothing else; they are on the disk when this returns."""
        ...
