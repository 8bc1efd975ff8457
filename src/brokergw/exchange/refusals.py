"""Every way the exchange refuses a command: a code, words, and the facts behind them."""

from decimal import Decimal
from enum import StrEnum, unique
from typing import TypeAlias

Fact: TypeAlias = str | Decimal | int


@unique
class RefusalCode(StrEnum):
    """Why a command was refused; the facts that come with a code stand beside it."""

    UNKNOWN_ACCOUNT = "UNKNOWN_ACCOUNT"  # account_id
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"  # symbol
    NOT_TRADABLE = "NOT_TRADABLE"  # symbol
    NOT_FRACTIONABLE = "NOT_FRACTIONABLE"  # symbol
    INVALID_TERMS = "INVALID_TERMS"  # field
    OFF_TICK = "OFF_TICK"  # field, price, tick
    OFF_STEP = "OFF_STEP"  # quantity, step
    BELOW_MINIMUM = "BELOW_MINIMUM"  # minimum, observed
    INSUFFICIENT_BUYING_POWER = "INSUFFICIENT_BUYING_POWER"  # buying_power, cost_basis
    INSUFFICIENT_QUANTITY = "INSUFFICIENT_QUANTITY"  # requested, available, existing, held_for_orders
    SHORT_NOT_ALLOWED = "SHORT_NOT_ALLOWED"  # symbol
    DUPLICATE_CLIENT_ORDER_ID = "DUPLICATE_CLIENT_ORDER_ID"  # client_order_id, existing_order_id
    WASH_TRADE = "WASH_TRADE"  # existing_order_id
    OPPOSITE_ORDER_OPEN = "OPPOSITE_ORDER_OPEN"  # existing_order_id
    NOT_FOUND = "NOT_FOUND"  # order_id
    NOT_OPEN = "NOT_OPEN"  # order_id, status
    NOT_REPLACEABLE = "NOT_REPLACEABLE"  # order_id, status


class Refused(Exception):
    """The exchange refused a command and changed nothing."""

    def __init__(self, code: RefusalCode, message: str, **facts: Fact) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = facts
