"""Market data: quotes, instruments and market hours."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from brokergw.exchange import Listing
from brokergw.model.instrument import AssetClass
from brokergw.sim import new_york
from brokergw.sim.dialects.schwab.call import Answer, Call
from brokergw.sim.dialects.schwab.refusals import data_error
from brokergw.sim.dialects.schwab.shapes import JsonObject, broker_symbol, instrument, millis, number
from brokergw.sim.wire import WireReply

_KINDS: Final = {
    AssetClass.STOCK: ("EQUITY", "COE"),
    AssetClass.ETF: ("EQUITY", "ETF"),
    AssetClass.OPTION: ("OPTION", None),
}


def quotes(call: Call) -> JsonObject | WireReply:
    """Handle GET /quotes?symbols=…; an unknown symbol is told beside the others, with 200."""
    symbols = call.request.query.get("symbols", "")
    if not symbols:
        return data_error(400, "symbols is required", "symbols")
    return _quotes(call, symbols.split(","))


def quote(call: Call) -> JsonObject | WireReply:
    """Handle GET /{symbol}/quotes: the same map of one, and 404 where there is none."""
    symbol = unquote(call.arguments[0])
    if call.brokerage.listing(symbol) is None:
        return data_error(404, "Symbol not found", "symbol")
    return _quotes(call, [symbol])


def _quotes(call: Call, symbols: Iterable[str]) -> JsonObject:
    found: JsonObject = {}
    unknown = []
    for symbol in symbols:
        listing = call.brokerage.listing(symbol)
        if listing is None:
            unknown.append(symbol)
        else:
            found[symbol] = _quote(call, listing)
    if unknown:
        found["errors"] = {"invalidSymbols": unknown}
    return found


def _quote(call: Call, listing: Listing) -> JsonObject:
    depth = call.brokerage.exchange.quote(listing.symbol)
    main, sub = _KINDS[listing.asset_class]
    shown = instrument(listing)
    reference: JsonObject = {
        "description": listing.name,
        "exchange": listing.venue[:1],
        "exchangeName": listing.venue,
    }
    if listing.asset_class is AssetClass.OPTION:
        reference |= {
            "contractType": shown["putCall"][:1],
            "multiplier": number(listing.contract_size),
            "underlying": shown["underlyingSymbol"],
        }
    else:
        reference |= {
            "cusip": shown["cusip"],
            "isShortable": listing.shortable,
            "isHardToBorrow": not listing.shortable,
        }
    row: JsonObject = {
        "assetMainType": main,
        "quoteType": "NBBO",
        "realtime": True,
        "ssid": shown["instrumentId"],
        "symbol": shown["symbol"],
        "quote": {
            "bidPrice": number(depth.bid),
            "askPrice": number(depth.ask),
            "bidSize": int(depth.bid_size),
            "askSize": int(depth.ask_size),
            "lastPrice": number(depth.last),
            "mark": number(depth.last),
            "quoteTime": millis(depth.time_ns),
            "tradeTime": millis(depth.time_ns),
            "securityStatus": "Normal" if listing.tradable else "Halted",
        },
        "reference": reference,
    }
    if sub is not None:
        row["assetSubType"] = sub
    return row


def instruments(call: Call) -> JsonObject:
    """Handle GET /instruments by symbol."""
    wanted = call.request.query.get("symbol", "").split(",")
    found = [listing for listing in map(call.brokerage.listing, wanted) if listing is not None]
    return {
        "instruments": [
            {
                "cusip": instrument(listing)["cusip"],
                "symbol": broker_symbol(listing.symbol),
                "description": listing.name,
                "exchange": listing.venue,
                "assetType": "ETF" if listing.asset_class is AssetClass.ETF else _KINDS[listing.asset_class][0],
            }
            for listing in found
        ]
    }


def markets(call: Call) -> JsonObject | Answer:
    """Handle GET /markets for shares, of one day."""
    text = call.request.query.get("date", "")
    now = call.brokerage.now_ns()
    try:
        day = datetime.fromisoformat(text).date() if text else new_york.new_york_day(now)
    except ValueError:
        return Answer(400, {"errors": [{"title": "Bad Request", "status": "400", "detail": "date is no date"}]})
    row: JsonObject = {"date": day.isoformat(), "marketType": "EQUITY", "isOpen": new_york.is_trading_day(day)}
    if new_york.is_trading_day(day):
        spans = {
            "preMarket": (new_york.at_minute(day, 7 * 60), new_york.open_ns(day)),
            "regularMarket": (new_york.open_ns(day), new_york.close_ns(day)),
            "postMarket": (new_york.close_ns(day), new_york.at_minute(day, 20 * 60)),
        }
        row["sessionHours"] = {name: [{"start": _iso(start), "end": _iso(end)}] for name, (start, end) in spans.items()}
    return {"equity": {"EQ": row}}


def _iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()
