"""What comes of comparing an account's record with its broker."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique


@unique
class Finding(StrEnum):
    """What a comparison came to.

    WARNED: all that differs is explained or tolerated. INCONCLUSIVE: something was on the move. FAILED: the broker was
    not read, which says nothing about what it holds.
    """

    AGREED = "AGREED"
    WARNED = "WARNED"
    MISMATCH = "MISMATCH"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAILED = "FAILED"


@unique
class Trigger(StrEnum):
    """Why an account was compared: for the first time, because it was due, because somebody asked, or to settle."""

    FIRST = "FIRST"
    PERIODIC = "PERIODIC"
    ON_DEMAND = "ON_DEMAND"
    SETTLEMENT = "SETTLEMENT"


@unique
class DifferenceKind(StrEnum):
    """What differs.

    POSITION: a symbol's signed quantity. LEGS: how much of a symbol is held long and short at once, where the broker
    keeps both. CASH: how far cash moved beyond what trades, fees and transactions come to. ORDER_UNKNOWN: open at the
    broker, not on the record. ORDER_ABSENT: open on the record, unknown to the broker.
    """

    POSITION = "POSITION"
    LEGS = "LEGS"
    CASH = "CASH"
    ORDER_UNKNOWN = "ORDER_UNKNOWN"
    ORDER_ABSENT = "ORDER_ABSENT"


@unique
class Explanation(StrEnum):
    """Why a difference is none of ours; NONE stands for one that nothing explains.

    OLDER: it was there before the first comparison. TRANSACTION: the account's history comes to it exactly.
    CORPORATE_ACTION: the history names a corporate action in the symbol. TOLERATED: the user's policy takes it.
    """

    NONE = "NONE"
    OLDER = "OLDER"
    TRANSACTION = "TRANSACTION"
    CORPORATE_ACTION = "CORPORATE_ACTION"
    TOLERATED = "TOLERATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that the record and the broker have otherwise.

    `subject` is a symbol, a currency or an order id; `record` and `broker` what each of them has, as decimals where it
    is a number. `detail` says in words what explains it, or what is known besides.
    """

    kind: DifferenceKind
    subject: str
    record: str
    broker: str
    explanation: Explanation = Explanation.NONE
    detail: str = ""

    @property
    def explained(self) -> bool:
        """Whether nobody has to be stopped for it."""
        return self.explanation is not Explanation.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Where an account stood when it last agreed: what the next comparison counts from.

    `cash` stood when the account's log reached `sequence`, at `as_of_ns`; None where no moment was quiet enough. The
    ids of the history's lines that were known are its `transactions`; `legs` are what each symbol had long and short at
    once.
    """

    as_of_ns: int
    cash: Decimal | None
    currency: str
    sequence: int
    legs: tuple[tuple[str, Decimal], ...] = ()
    transactions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """One finding, for as long as it stood: `rounds` comparisons from `first_ns` to `as_of_ns` came to the same.

    `good_ns` is the broker's last reply that was read whole. A mismatch is open until it is settled: by a person, who
    is then `settled_by`, or by the gateway itself once record and broker agree again, and then `settled_by` is empty.
    """

    reconciliation_id: str
    user_id: str
    account_id: str
    trigger: Trigger
    finding: Finding
    first_ns: int
    as_of_ns: int
    rounds: int = 1
    differences: tuple[Difference, ...] = ()
    detail: str = ""
    good_ns: int | None = None
    baseline: Baseline | None = None
    settled_by: str = ""
    settle_time_ns: int | None = None
    evidence: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it is a mismatch that still stands."""
        return self.finding is Finding.MISMATCH and self.settle_time_ns is None


@unique
class PositionPolicy(StrEnum):
    """What is done about a position that changed without an order: stop the user's strategies, or take it over."""

    HALT = "HALT"
    ADOPT = "ADOPT"


@unique
class CashPolicy(StrEnum):
    """What is done about cash that moved without a reason on record."""

    HALT = "HALT"
    WARN = "WARN"
    IGNORE = "IGNORE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationPolicy:
    """What a user's comparisons tolerate. `cash_tolerance` is in the account's currency, for each comparison."""

    positions: PositionPolicy = PositionPolicy.HALT
    cash: CashPolicy = CashPolicy.WARN
    cash_tolerance: Decimal = Decimal(1)
