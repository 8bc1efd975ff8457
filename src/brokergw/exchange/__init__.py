"""A small deterministic exchange: matching, accounts, positions and price paths."""

from brokergw.exchange.exchange import Exchange
from brokergw.exchange.listings import LISTINGS, Listing
from brokergw.exchange.refusals import RefusalCode, Refused
from brokergw.exchange.values import (
    QUIET_KINDS,
    Depth,
    EventKind,
    ExchangeEvent,
    ExchangeOrder,
    Execution,
    Holding,
    Ledger,
    OrderStatus,
    Ticket,
)

__all__ = [
    "LISTINGS",
    "QUIET_KINDS",
    "Depth",
    "EventKind",
    "Exchange",
    "ExchangeEvent",
    "ExchangeOrder",
    "Execution",
    "Holding",
    "Ledger",
    "Listing",
    "OrderStatus",
    "RefusalCode",
    "Refused",
    "Ticket",
]
