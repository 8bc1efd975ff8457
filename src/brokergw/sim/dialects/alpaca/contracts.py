"""Option contracts (Alpaca docs, Option Contracts): what an OCC symbol says, spelled out."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from brokergw.exchange import Listing
from brokergw.model.instrument import AssetClass
from brokergw.model.money import format_decimal
from brokergw.sim.dialects.alpaca import body as read
from brokergw.sim.dialects.alpaca.call import Call
from brokergw.sim.dialects.alpaca.occ import expiration_of, is_call, strike_of, underlying_of
from brokergw.sim.dialects.alpaca.refusals import malformed, not_found
from brokergw.sim.dialects.alpaca.shapes import JsonObject, asset_id
from brokergw.sim.new_york import new_york_day

_LIMIT_DEFAULT, _LIMIT_MAX = 100, 10_000
_NEXT_WEEKEND: Final = timedelta(days=7)


def list_contracts(call: Call) -> JsonObject:
    """Handle GET /v2/options/contracts."""
    query = call.request.query
    rows = [row for row in _contracts(call) if _wanted(call, row)]
    first = 0
    if token := query.get("page_token", ""):
        if not token.isascii() or not token.isdigit():
            raise malformed("invalid page_token")
        first = int(token)
    limit = read.query_whole(query, "limit", _LIMIT_DEFAULT, _LIMIT_MAX)
    last = first + limit
    return {"option_contracts": rows[first:last], "next_page_token": str(last) if last < len(rows) else None}


def get(call: Call) -> JsonObject:
    """Handle GET /v2/options/contracts/{symbol or id}."""
    listing = call.brokerage.listing(call.argument)
    if listing is None or listing.asset_class is not AssetClass.OPTION:
        raise not_found(f"option contract not found for {call.argument}")
    return _shape(call, listing)


def _contracts(call: Call) -> list[JsonObject]:
    listings = call.brokerage.exchange.listings()
    rows = [_shape(call, listing) for listing in listings if listing.asset_class is AssetClass.OPTION]
    return sorted(rows, key=lambda row: str(row["symbol"]))


def _wanted(call: Call, row: JsonObject) -> bool:
    query = call.request.query
    underlyings = read.query_list(query, "underlying_symbols")
    if underlyings and row["underlying_symbol"] not in underlyings:
        return False
    for name in ("status", "root_symbol", "type", "style", "expiration_date"):
        if query.get(name, "") not in {"", row[name]}:
            return False
    expiration, strike = row["expiration_date"], Decimal(row["strike_price"])
    latest = query.get("expiration_date_lte", "")
    if not latest and not any(name.startswith("expiration_date") for name in query) and not underlyings:
        # Without any filter only contracts up to the next weekend are listed.
        latest = (new_york_day(call.brokerage.now_ns()) + _NEXT_WEEKEND).isoformat()
    if (latest and expiration > latest) or expiration < query.get("expiration_date_gte", ""):
        return False
    lowest, highest = read.number(dict(query), "strike_price_gte"), read.number(dict(query), "strike_price_lte")
    return (lowest is None or strike >= lowest) and (highest is None or strike <= highest)


def _shape(call: Call, listing: Listing) -> JsonObject:
    symbol = listing.symbol
    expiration, underlying = expiration_of(symbol), underlying_of(symbol)
    today = new_york_day(call.brokerage.now_ns())
    yesterday = (today - timedelta(days=1)).isoformat()
    return {
        "id": asset_id(symbol),
        "symbol": symbol,
        "name": listing.name,
        "status": "active" if expiration >= today else "inactive",
        "tradable": listing.tradable and expiration >= today,
        "expiration_date": expiration.isoformat(),
        "root_symbol": underlying,
        "underlying_symbol": underlying,
        "underlying_asset_id": asset_id(underlying),
        "type": "call" if is_call(symbol) else "put",
        "style": "american",
        "strike_price": format_decimal(strike_of(symbol)),
        "multiplier": format_decimal(listing.contract_size),
        "size": format_decimal(listing.contract_size),
        "open_interest": "1000",
        "open_interest_date": yesterday,
        "close_price": format_decimal(call.brokerage.previous_close(symbol)),
        "close_price_date": yesterday,
        "deliverables": None,
    }
