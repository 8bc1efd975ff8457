"""Schwab's words for what the model has words for, both ways, and the nearest ones for what only others place."""

from typing import Final

from brokergw.model.lifecycle import State
from brokergw.model.terms import OrderType, PositionEffect, Side, TimeInForce

STATES: Final = {
    "NEW": State.ACKED,
    "PENDING_ACKNOWLEDGEMENT": State.ACKED,
    "ACCEPTED": State.ACKED,
    "QUEUED": State.ACKED,
    "PENDING_ACTIVATION": State.ACKED,
    "AWAITING_PARENT_ORDER": State.ACKED,
    "AWAITING_CONDITION": State.ACKED,
    "AWAITING_RELEASE_TIME": State.ACKED,
    "AWAITING_MANUAL_REVIEW": State.ACKED,
    "WORKING": State.WORKING,
    # A stop that waits for its price is where it will be until then.
    "AWAITING_STOP_CONDITION": State.WORKING,
    "FILLED": State.FILLED,
    "PENDING_CANCEL": State.PENDING_CANCEL,
    "AWAITING_UR_OUT": State.PENDING_CANCEL,
    "PENDING_RECALL": State.PENDING_CANCEL,
    "CANCELED": State.CANCELED,
    "PENDING_REPLACE": State.PENDING_MODIFY,
    # The order lives on under another id; a terminal state here would end it.
    "REPLACED": State.PENDING_MODIFY,
    "REJECTED": State.REJECTED_BY_BROKER,
    "EXPIRED": State.EXPIRED,
}
"""The schema's statuses, and PENDING_ACKNOWLEDGEMENT, which is not in it and is seen in an order's first seconds.

`UNKNOWN` is a status of the schema too, and says nothing that could be told.
"""

TYPES: Final = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP",
    OrderType.STOP_LIMIT: "STOP_LIMIT",
    OrderType.TRAILING_STOP: "TRAILING_STOP",
}
READ_TYPES: Final = {word: kind for kind, word in TYPES.items()} | {
    "NET_DEBIT": OrderType.LIMIT,
    "NET_CREDIT": OrderType.LIMIT,
    "NET_ZERO": OrderType.LIMIT,
    # What follows is placed by other programs only.
    "MARKET_ON_CLOSE": OrderType.MARKET,
    "LIMIT_ON_CLOSE": OrderType.LIMIT,
    "TRAILING_STOP_LIMIT": OrderType.TRAILING_STOP,
    "CABINET": OrderType.LIMIT,
    "NON_MARKETABLE": OrderType.LIMIT,
    "EXERCISE": OrderType.MARKET,
}
ON_CLOSE: Final = frozenset({"MARKET_ON_CLOSE", "LIMIT_ON_CLOSE"})
TIMES: Final = {
    TimeInForce.DAY: "DAY",
    TimeInForce.GTC: "GOOD_TILL_CANCEL",
    TimeInForce.IOC: "IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "FILL_OR_KILL",
}
READ_TIMES: Final = {word: time for time, word in TIMES.items()} | {
    "END_OF_WEEK": TimeInForce.GTD,
    "END_OF_MONTH": TimeInForce.GTD,
    "NEXT_END_OF_MONTH": TimeInForce.GTD,
}
SIDES: Final = {
    "BUY": Side.BUY,
    "BUY_TO_COVER": Side.BUY,
    "BUY_TO_OPEN": Side.BUY,
    "BUY_TO_CLOSE": Side.BUY,
    "SELL": Side.SELL,
    "SELL_SHORT": Side.SELL,
    "SELL_SHORT_EXEMPT": Side.SELL,
    "SELL_TO_OPEN": Side.SELL,
    "SELL_TO_CLOSE": Side.SELL,
}
CLOSING: Final = frozenset({"SELL", "BUY_TO_COVER", "SELL_TO_CLOSE", "BUY_TO_CLOSE"})
INSTRUCTIONS: Final = {
    (False, Side.BUY, PositionEffect.OPEN): "BUY",
    (False, Side.BUY, PositionEffect.CLOSE): "BUY_TO_COVER",
    (False, Side.SELL, PositionEffect.OPEN): "SELL_SHORT",
    (False, Side.SELL, PositionEffect.CLOSE): "SELL",
    (True, Side.BUY, PositionEffect.OPEN): "BUY_TO_OPEN",
    (True, Side.BUY, PositionEffect.CLOSE): "BUY_TO_CLOSE",
    (True, Side.SELL, PositionEffect.OPEN): "SELL_TO_OPEN",
    (True, Side.SELL, PositionEffect.CLOSE): "SELL_TO_CLOSE",
}
"""By whether it is a contract, the side, and what the order does to the position."""
