"""The numbers behind cTrader's words, as its protobuf files give them."""

from enum import IntEnum, unique
from typing import Final


@unique
class OrderKind(IntEnum):
    """ProtoOAOrderType."""

    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LOSS_TAKE_PROFIT = 4
    MARKET_RANGE = 5
    STOP_LIMIT = 6


@unique
class TradeSide(IntEnum):
    """ProtoOATradeSide."""

    BUY = 1
    SELL = 2


@unique
class Life(IntEnum):
    """ProtoOATimeInForce."""

    GOOD_TILL_DATE = 1
    GOOD_TILL_CANCEL = 2
    IMMEDIATE_OR_CANCEL = 3
    FILL_OR_KILL = 4
    MARKET_ON_OPEN = 5


@unique
class Status(IntEnum):
    """ProtoOAOrderStatus."""

    ACCEPTED = 1
    FILLED = 2
    REJECTED = 3
    EXPIRED = 4
    CANCELLED = 5


@unique
class Happening(IntEnum):
    """ProtoOAExecutionType."""

    ACCEPTED = 2
    FILLED = 3
    REPLACED = 4
    CANCELLED = 5
    EXPIRED = 6
    REJECTED = 7
    CANCEL_REJECTED = 8
    PARTIAL_FILL = 11


@unique
class Standing(IntEnum):
    """ProtoOAPositionStatus."""

    OPEN = 1
    CLOSED = 2
    CREATED = 3


@unique
class AccountKind(IntEnum):
    """ProtoOAAccountType."""

    HEDGED = 0
    NETTED = 1


@unique
class TradingMode(IntEnum):
    """ProtoOATradingMode."""

    ENABLED = 0
    DISABLED_WITHOUT_PENDINGS_EXECUTION = 1
    DISABLED_WITH_PENDINGS_EXECUTION = 2
    CLOSE_ONLY_MODE = 3


FILLED_DEAL, PARTIAL_DEAL = 2, 3
SCOPE_VIEW, SCOPE_TRADE = 0, 1
DEPOSIT, WITHDRAWAL = 0, 1

NUMBERS: Final[dict[str, dict[str, int]]] = {
    "orderType": {each.name: each.value for each in OrderKind},
    "tradeSide": {each.name: each.value for each in TradeSide},
    "timeInForce": {each.name: each.value for each in Life},
}
"""The words that clients may write in JSON instead of numbers, by field."""
