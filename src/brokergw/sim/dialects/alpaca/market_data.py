"""Market data in JSON numbers: latest quotes, trades, bars and snapshots (Alpaca docs, Market Data)."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from brokergw.exchange import Depth, Listing
from brokergw.model.instrument import AssetClass
from brokergw.sim import new_york
from brokergw.sim.dialects.alpaca import body as read
from brokergw.sim.dialects.alpaca.call import Call
from brokergw.sim.dialects.alpaca.refusals import ApiError
from brokergw.sim.dialects.alpaca.shapes import JsonObject, timestamp

_MINUTE_NS: Final = 60_000_000_000
_LOOKS: Final = 8
_EQUITY: Final = frozenset({AssetClass.STOCK, AssetClass.ETF})
_OPTION: Final = frozenset({AssetClass.OPTION})
_CRYPTO: Final = frozenset({AssetClass.CRYPTO})

Shaper = Callable[[Call, Listing], JsonObject]


def stock_quotes(call: Call) -> JsonObject:
    """Handle GET /v2/stocks/quotes/latest."""
    return {"quotes": _each(call, _EQUITY, quote)}


def stock_quote(call: Call) -> JsonObject:
    """Handle GET /v2/stocks/{symbol}/quotes/latest."""
    return _single(call, "quote", quote)


def stock_trades(call: Call) -> JsonObject:
    """Handle GET /v2/stocks/trades/latest."""
    return {"trades": _each(call, _EQUITY, trade)}


def stock_trade(call: Call) -> JsonObject:
    """Handle GET /v2/stocks/{symbol}/trades/latest."""
    return _single(call, "trade", trade)


def stock_bars(call: Call) -> JsonObject:
    """Handle GET /v2/stocks/bars/latest."""
    return {"bars": _each(call, _EQUITY, minute_bar)}


def stock_snapshots(call: Call) -> JsonObject:
    """Handle GET /v2/stocks/snapshots: a map by symbol without a wrapper."""
    return _each(call, _EQUITY, snapshot)


def stock_snapshot(call: Call) -> JsonObject:
    """Handle GET /v2/stocks/{symbol}/snapshot."""
    listing = _known(call)
    return {"symbol": listing.symbol, **snapshot(call, listing)}


def crypto_quotes(call: Call) -> JsonObject:
    """Handle GET /v1beta3/crypto/{loc}/latest/quotes."""
    return {"quotes": _each(call, _CRYPTO, quote)}


def crypto_trades(call: Call) -> JsonObject:
    """Handle GET /v1beta3/crypto/{loc}/latest/trades."""
    return {"trades": _each(call, _CRYPTO, trade)}


def crypto_bars(call: Call) -> JsonObject:
    """Handle GET /v1beta3/crypto/{loc}/latest/bars."""
    return {"bars": _each(call, _CRYPTO, minute_bar)}


def crypto_snapshots(call: Call) -> JsonObject:
    """Handle GET /v1beta3/crypto/{loc}/snapshots."""
    return {"snapshots": _each(call, _CRYPTO, snapshot)}


def option_quotes(call: Call) -> JsonObject:
    """Handle GET /v1beta1/options/quotes/latest."""
    return {"quotes": _each(call, _OPTION, quote)}


def option_trades(call: Call) -> JsonObject:
    """Handle GET /v1beta1/options/trades/latest."""
    return {"trades": _each(call, _OPTION, trade)}


def quote(call: Call, listing: Listing) -> JsonObject:
    """Write the best bid and ask; coins have no venues and conditions."""
    depth = call.brokerage.exchange.quote(listing.symbol)
    shape: JsonObject = {
        "t": timestamp(depth.time_ns),
        "ap": float(depth.ask),
        "as": _size(depth.ask_size),
        "bp": float(depth.bid),
        "bs": _size(depth.bid_size),
    }
    if listing.asset_class is AssetClass.CRYPTO:
        return shape
    return {**shape, "ax": "V", "bx": "V", "c": ["R"], "z": _tape(listing)}


def trade(call: Call, listing: Listing) -> JsonObject:
    """Write the last trade."""
    depth = call.brokerage.exchange.quote(listing.symbol)
    shape: JsonObject = {"t": timestamp(depth.time_ns), "p": float(depth.last), "s": 100, "i": _trade_id(depth)}
    if listing.asset_class is AssetClass.CRYPTO:
        return {**shape, "s": 0.1, "tks": "B"}
    return {**shape, "x": "V", "c": ["@"], "z": _tape(listing)}


def minute_bar(call: Call, listing: Listing) -> JsonObject:
    """Write the bar of the present minute."""
    now = call.brokerage.now_ns()
    start = now // _MINUTE_NS * _MINUTE_NS
    return _bar(call, listing, start, now)


def snapshot(call: Call, listing: Listing) -> JsonObject:
    """Write everything that is latest."""
    now = call.brokerage.now_ns()
    today = new_york.at_minute(new_york.new_york_day(now), 0)
    yesterday = new_york.previous_close_ns(today)
    return {
        "latestTrade": trade(call, listing),
        "latestQuote": quote(call, listing),
        "minuteBar": minute_bar(call, listing),
        "dailyBar": _bar(call, listing, today, now),
        "prevDailyBar": _bar(call, listing, new_york.open_ns(new_york.new_york_day(yesterday)), yesterday),
    }


def _bar(call: Call, listing: Listing, start: int, end: int) -> JsonObject:
    price_at = call.brokerage.exchange.price_at
    prices = [price_at(listing.symbol, start + (end - start) * look // _LOOKS) for look in range(_LOOKS + 1)]
    return {
        "t": timestamp(start),
        "o": float(prices[0]),
        "h": float(max(prices)),
        "l": float(min(prices)),
        "c": float(prices[-1]),
        "v": 1000,
        "n": 10,
        "vw": round(float(sum(prices, Decimal(0)) / len(prices)), 4),
    }


def _each(call: Call, classes: frozenset[AssetClass], shaper: Shaper) -> JsonObject:
    """Write what is known of the symbols asked for; an unknown one is left out."""
    names = read.query_list(call.request.query, "symbols")
    if not names:
        raise ApiError(400, 40010001, "symbols is required")
    found = ((name, call.brokerage.listing(name)) for name in sorted(names))
    return {
        listing.symbol: shaper(call, listing)
        for name, listing in found
        if listing is not None and listing.symbol == name and listing.asset_class in classes
    }


def _single(call: Call, kind: str, shaper: Shaper) -> JsonObject:
    listing = _known(call)
    return {"symbol": listing.symbol, kind: shaper(call, listing)}


def _known(call: Call) -> Listing:
    listing = call.brokerage.exchange.listing(call.argument)
    if listing is None or listing.asset_class not in _EQUITY:
        raise ApiError(404, 40410000, f"symbol not found: {call.argument}")
    return listing


def _size(size: Decimal) -> int | float:
    return int(size) if size == size.to_integral_value() else float(size)


def _tape(listing: Listing) -> str:
    return {"NYSE": "A", "NASDAQ": "C"}.get(listing.venue, "B")


def _trade_id(depth: Depth) -> int:
    return depth.time_ns // 100_000_000
