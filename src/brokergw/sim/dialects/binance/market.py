"""Public endpoints of both products: time, filters, quotes."""

import json
from typing import Any, Final

from brokergw.exchange import Depth
from brokergw.sim.dialects.binance.call import Call
from brokergw.sim.dialects.binance.futures_shapes import plain
from brokergw.sim.dialects.binance.listings import (
    LISTINGS,
    Kind,
    futures_symbol,
    kind_of,
    listed_as,
    spot_symbol,
    wire_symbol,
)
from brokergw.sim.dialects.binance.refusals import NO_SUCH_SYMBOL, ApiError
from brokergw.sim.dialects.binance.spot_shapes import JsonObject, ms, places

_WEIGHT: Final = {Kind.SPOT: 6000, Kind.FUTURES: 2400}
_ORDERS: Final = {Kind.SPOT: 50, Kind.FUTURES: 300}
_FUNDING_MS: Final = 28_800_000


def ping(_: Call) -> JsonObject:
    """Handle GET ping."""
    return {}


def time(call: Call) -> JsonObject:
    """Handle GET time."""
    return {"serverTime": call.brokerage.now_ms()}


def exchange_info(call: Call) -> JsonObject:
    """Handle GET exchangeInfo, for all symbols or those asked for."""
    options = call.brokerage.options
    describe = spot_symbol if call.kind is Kind.SPOT else futures_symbol
    wanted = _wanted(call)
    spot = call.kind is Kind.SPOT
    weight = options.spot_weight if spot else options.futures_weight
    limits = [
        {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": weight or _WEIGHT[call.kind],
        },
        {
            "rateLimitType": "ORDERS",
            "interval": "SECOND",
            "intervalNum": 10,
            "limit": options.orders_10s or _ORDERS[call.kind],
        },
    ]
    rows = [
        describe(listing, options.orders_open_max)
        for listing in LISTINGS
        if kind_of(listing) is call.kind and wire_symbol(listing.symbol) in wanted
    ]
    return {
        "timezone": "UTC",
        "serverTime": call.brokerage.now_ms(),
        "rateLimits": limits,
        "exchangeFilters": [],
        "symbols": rows,
    }


def book_ticker(call: Call) -> Any:
    """Handle GET ticker/bookTicker."""
    return _each(call, _book)


def price_ticker(call: Call) -> Any:
    """Handle GET ticker/price."""
    return _each(call, _price)


def average_price(call: Call) -> JsonObject:
    """Handle GET avgPrice."""
    listing = call.listing()
    depth = call.brokerage.exchange.quote(listing.symbol)
    return {"mins": 5, "price": places(depth.last), "closeTime": ms(depth.time_ns)}


def premium_index(call: Call) -> Any:
    """Handle GET premiumIndex: the mark is the last price here, and nobody pays for holding."""
    return _each(call, _premium)


def _wanted(call: Call) -> list[str]:
    known = call.brokerage.symbols(call.kind)
    if "symbols" in call.values:
        try:
            asked = json.loads(call.text("symbols"))
        except ValueError:
            raise ApiError(-1100, "Illegal characters found in parameter 'symbols'; legal range is a list.") from None
    elif "symbol" in call.values:
        asked = [call.text("symbol")]
    else:
        return known
    if not isinstance(asked, list) or any(symbol not in known for symbol in asked):
        raise ApiError(*NO_SUCH_SYMBOL)
    return asked


def _each(call: Call, shape: Any) -> Any:
    rows = [
        shape(call, symbol, call.brokerage.exchange.quote(listed_as(call.kind, symbol))) for symbol in _wanted(call)
    ]
    return rows[0] if "symbol" in call.values else rows


def _book(call: Call, symbol: str, depth: Depth) -> JsonObject:
    write = places if call.kind is Kind.SPOT else plain
    row = {
        "symbol": symbol,
        "bidPrice": write(depth.bid),
        "bidQty": write(depth.bid_size),
        "askPrice": write(depth.ask),
        "askQty": write(depth.ask_size),
    }
    return row if call.kind is Kind.SPOT else {**row, "time": ms(depth.time_ns)}


def _price(call: Call, symbol: str, depth: Depth) -> JsonObject:
    if call.kind is Kind.SPOT:
        return {"symbol": symbol, "price": places(depth.last)}
    return {"symbol": symbol, "price": plain(depth.last), "time": ms(depth.time_ns)}


def _premium(_: Call, symbol: str, depth: Depth) -> JsonObject:
    time_ms = ms(depth.time_ns)
    return {
        "symbol": symbol,
        "markPrice": plain(depth.last),
        "indexPrice": plain(depth.last),
        "estimatedSettlePrice": plain(depth.last),
        "lastFundingRate": "0.00000000",
        "interestRate": "0.00010000",
        "nextFundingTime": (time_ms // _FUNDING_MS + 1) * _FUNDING_MS,
        "time": time_ms,
    }
