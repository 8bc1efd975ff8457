"""Rows of the ledger's tables, and back."""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from brokergw.model.ledger import Holding
from brokergw.model.order import ZERO
from brokergw.model.quick import quick
from brokergw.model.usage import Usage
from brokergw.ports.journal import Subject
from brokergw.store.encoding.rows import Row

_KEYS_KEPT: Final = 4_096


class PositionKey(NamedTuple):
    """Which holding: of everybody in the account where `strategy_id` is empty; `line` is a symbol, or a side of it."""

    account_id: str
    line: str
    strategy_id: str


class UsageKey(NamedTuple):
    """Whose counts: `name` is a strategy or an account, empty for the user's own."""

    user_id: str
    subject: str
    name: str


@quick
@dataclass(frozen=True, slots=True)
class Position:
    """A holding as the ledger has it, and its worst case; version 0 is not on record yet."""

    user_id: str
    holding: Holding
    worst: Decimal
    anchored: Decimal
    version: int


@quick
@dataclass(frozen=True, slots=True)
class Used:
    """Counts as the ledger has them; version 0 is not on record yet."""

    usage: Usage
    version: int


NOTHING_HELD: Final = Holding()
NO_POSITION: Final = Position("", NOTHING_HELD, ZERO, ZERO, 0)
NOTHING_USED: Final = Used(Usage(), 0)


@lru_cache(_KEYS_KEPT)
def usage_keys(user_id: str, account_id: str, strategy_id: str) -> tuple[UsageKey, ...]:
    """List whose counts an order moves: the account's first, then the user's, then the strategy's."""
    account = UsageKey(user_id, Subject.ACCOUNT._value_, account_id)
    user = UsageKey(user_id, Subject.USER._value_, "")
    if not strategy_id:
        return (account, user)
    return (account, user, UsageKey(user_id, Subject.STRATEGY._value_, strategy_id))


@lru_cache(_KEYS_KEPT)
def position_keys(account_id: str, line: str, strategy_id: str) -> tuple[PositionKey, ...]:
    """List which holdings an order moves: everybody's first, then the strategy's."""
    everybody = PositionKey(account_id, line, "")
    return (everybody, PositionKey(account_id, line, strategy_id)) if strategy_id else (everybody,)


def position_row(key: PositionKey, position: Position) -> Row:
    """Write a row of `risk_positions`."""
    holding = position.holding
    return (
        position.user_id,
        *key,
        str(holding.quantity),
        str(holding.cost),
        str(holding.buy_quantity),
        str(holding.buy_worth),
        str(holding.buy_top),
        str(holding.sell_quantity),
        str(holding.sell_worth),
        str(holding.sell_top),
        str(position.anchored),
        position.version,
    )


def position_from_row(row: Row) -> tuple[PositionKey, Position]:
    """Read a row of `risk_positions`."""
    user_id, account_id, line, strategy_id, *amounts, anchored, version = row
    holding = Holding(*map(_decimal, amounts))
    position = Position(user_id, holding, holding.worst, _decimal(anchored), version)
    return PositionKey(account_id, line, strategy_id), position


def usage_row(key: UsageKey, used: Used) -> Row:
    """Write a row of `risk_usage`."""
    usage = used.usage
    return (
        *key,
        str(usage.exposure),
        usage.open_orders,
        str(usage.unacknowledged),
        usage.trading_day,
        usage.day_orders,
        str(usage.day_volume),
        ",".join([f"{second}:{count}" for second, count in usage.seconds]),
        used.version,
    )


def usage_from_row(row: Row) -> tuple[UsageKey, Used]:
    """Read a row of `risk_usage`."""
    user_id, subject, name, exposure, open_orders, unacknowledged, day, day_orders, day_volume, seconds, version = row
    usage = Usage(
        _decimal(exposure),
        open_orders,
        _decimal(unacknowledged),
        day,
        day_orders,
        _decimal(day_volume),
        tuple((int(second), int(count)) for second, _, count in (pair.partition(":") for pair in seconds.split(",")))
        if seconds
        else (),
    )
    return UsageKey(user_id, subject, name), Used(usage, version)


def _decimal(text: str) -> Decimal:
    return ZERO if text == "0" else Decimal(text)
