"""A small deterministic exchange: matching, accounts, positions and price paths."""

from brokergw.exchange.exchange import Exchange
from brokergw.exchange.listings import LISTINGS, Listing
from brokergw.exchange.refusals import RefusalCode, Refused
from brokergw.exchange.values import (
    QUIET_KINDS,
    AccountOpening,
    Backing,
    Depth,
    EventKind,
    ExchangeEvent,
    ExchangeOrder,
    ExchangeState,
    Execution,
    Holding,
    Ledger,
    OrderStatus,
    Ticket,
)

__all__ = [
    "LISTINGS",
    "QUIET_KINDS",
    "AccountOpening",
    "Backing",
    "Depth",
    "EventKind",
    "Exchange",
    "ExchangeEvent",
    "ExchangeOrder",
    "ExchangeState",
    "Execution",
    "Holding",
    "Ledger",
    "Listing",
    "OrderStatus",
    "RefusalCode",
    "Refused",
    "Ticket",
]
