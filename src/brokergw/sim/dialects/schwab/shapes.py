"""Schwab's JSON: numbers are JSON numbers, times have seconds and an offset without a colon, ids are long integers."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from brokergw.exchange import ExchangeOrder, Listing, OrderStatus
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderType, TimeInForce
from brokergw.sim.dialects.alpaca.occ import underlying_of

JsonObject: TypeAlias = dict[str, Any]

_SECOND_NS: Final = 1_000_000_000
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
STATUS: Final = {
    OrderStatus.ACCEPTED: "PENDING_ACTIVATION",
    OrderStatus.NEW: "WORKING",
    OrderStatus.HELD: "AWAITING_PARENT_ORDER",
    OrderStatus.PARTIALLY_FILLED: "WORKING",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
    OrderStatus.REPLACED: "REPLACED",
}
DURATION: Final = {
    TimeInForce.DAY: "DAY",
    TimeInForce.GTC: "GOOD_TILL_CANCEL",
    TimeInForce.IOC: "IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "FILL_OR_KILL",
}


def number(value: Decimal) -> float | int:
    """Write an amount as a JSON number."""
    return float(value)


def stamp(time_ns: int) -> str:
    """Write a moment as orders tell it: `2026-03-04T01:26:35+0000`."""
    return f"{datetime.fromtimestamp(time_ns // _SECOND_NS, UTC):%Y-%m-%dT%H:%M:%S}+0000"


def millis(time_ns: int) -> int:
    """Write a moment as quotes and the streamer tell it."""
    return time_ns // 1_000_000


def account_hash(account_number: str) -> str:
    """Give what stands for an account number in every path."""
    return hashlib.sha256(f"simulated account {account_number}".encode()).hexdigest().upper()


def stable_number(*parts: str) -> int:
    """Make a number of eleven digits that is always the same for the same parts."""
    digest = hashlib.blake2b("|".join(parts).encode(), digest_size=8).digest()
    return 10_000_000_000 + int.from_bytes(digest) % 89_999_999_999


def broker_symbol(symbol: str) -> str:
    """Write a contract in Schwab's 21 characters, the root padded to six; anything else as it is."""
    root = underlying_of(symbol)
    return symbol if not root else f"{root:<6}{symbol.removeprefix(root)}"


def instrument(listing: Listing, *, position: bool = False) -> JsonObject:
    """Describe what is traded, as orders and positions do."""
    shape: JsonObject = {
        "assetType": _asset_type(listing, position=position),
        "cusip": f"{stable_number('cusip', listing.symbol):09d}"[:9],
        "symbol": broker_symbol(listing.symbol),
        "instrumentId": stable_number("instrument", listing.symbol) % 10_000_000,
    }
    if listing.asset_class is AssetClass.OPTION:
        root = underlying_of(listing.symbol)
        kind = listing.symbol.removeprefix(root)[6]
        shape |= {"putCall": "CALL" if kind == "C" else "PUT", "underlyingSymbol": root, "description": listing.name}
    return shape


def _asset_type(listing: Listing, *, position: bool) -> str:
    if listing.asset_class is AssetClass.OPTION:
        return "OPTION"
    # Orders call funds equities too; positions tell them apart.
    return "COLLECTIVE_INVESTMENT" if position and listing.asset_class is AssetClass.ETF else "EQUITY"


def shown_status(order: ExchangeOrder) -> str:
    """Give the status of an order; a stop waits for its price."""
    if order.status is OrderStatus.NEW and order.type in _STOPS and not order.triggered:
        return "AWAITING_STOP_CONDITION"
    return STATUS[order.status]


def price_fields(order: ExchangeOrder) -> JsonObject:
    """Give the prices that an order names."""
    shape: JsonObject = {}
    if order.limit_price is not None:
        shape["price"] = number(order.limit_price)
    if order.type in {OrderType.STOP, OrderType.STOP_LIMIT} and order.stop_price is not None:
        shape |= {"stopPrice": number(order.stop_price), "stopType": "STANDARD"}
    for offset, kind in ((order.trail_amount, "VALUE"), (order.trail_percent, "PERCENT")):
        if offset is not None:
            shape |= {
                "stopPriceLinkBasis": "LAST",
                "stopPriceLinkType": kind,
                "stopPriceOffset": number(offset),
                "stopType": "STANDARD",
            }
    return shape
