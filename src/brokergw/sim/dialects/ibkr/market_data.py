"""Quotes by contract id; the first question for one only begins the subscription (Client Portal API, Snapshot)."""

from typing import Final

from brokergw.model.money import format_decimal
from brokergw.sim.dialects.ibkr.call import Call
from brokergw.sim.dialects.ibkr.contracts import Contract
from brokergw.sim.dialects.ibkr.refusals import ApiError
from brokergw.sim.dialects.ibkr.shapes import JsonObject

_CONIDS_MAX, _FIELDS_MAX = 100, 50
_LOOKS: Final = 8


def snapshot(call: Call) -> list[JsonObject]:
    """Handle GET /iserver/marketdata/snapshot."""
    query = call.request.query
    ids = [text for text in query.get("conids", "").split(",") if text]
    fields = [text for text in query.get("fields", "").split(",") if text]
    if not ids or len(ids) > _CONIDS_MAX or len(fields) > _FIELDS_MAX:
        raise ApiError(400, "Bad Request: conids", coded=True)
    book = call.brokerage.contracts.by_conid
    known = [book[int(text)] for text in ids if text.isdigit() and int(text) in book]
    return [_row(call, contract, fields) for contract in known]


def unsubscribe(call: Call) -> JsonObject:
    """Handle POST /iserver/marketdata/unsubscribe: 500 where nothing was subscribed."""
    name = f"market data {call.body().get('conid')}"
    if name not in call.brokerage.session.asked:
        raise ApiError(500, "unknown")
    call.brokerage.session.asked.discard(name)
    return {"success": True}


def unsubscribe_all(call: Call) -> JsonObject:
    """Handle GET /iserver/marketdata/unsubscribeall."""
    asked = call.brokerage.session.asked
    asked -= {name for name in asked if name.startswith("market data ")}
    return {"unsubscribed": True}


def history(call: Call) -> JsonObject:
    """Handle GET /iserver/marketdata/history: bars over the last hours."""
    conid = call.request.query.get("conid", "")
    contract = call.brokerage.contracts.by_conid.get(int(conid)) if conid.isdigit() else None
    if contract is None:
        raise ApiError(500, "Chart data unavailable", coded=True)
    price = float(call.brokerage.exchange.quote(contract.listing.symbol).last)
    now_ms = call.brokerage.now_ns() // 1_000_000
    bars = [
        {"o": price, "c": price, "h": price, "l": price, "v": 100.0, "t": now_ms - 300_000 * look}
        for look in range(_LOOKS, 0, -1)
    ]
    return {"symbol": contract.ticker, "text": contract.listing.name, "barLength": 300, "data": bars}


def fields_of(call: Call, contract: Contract) -> dict[str, str]:
    """Give every field of a quote, all as text."""
    depth = call.brokerage.exchange.quote(contract.listing.symbol)
    return {
        "31": format_decimal(depth.last),
        "55": contract.ticker,
        "84": format_decimal(depth.bid),
        "85": format_decimal(depth.ask_size),
        "86": format_decimal(depth.ask),
        "88": format_decimal(depth.bid_size),
        "6509": "RpB",
        "7635": format_decimal(depth.last),
    }


def _row(call: Call, contract: Contract, fields: list[str]) -> JsonObject:
    row: JsonObject = {"conidEx": str(contract.conid), "conid": contract.conid}
    if call.brokerage.session.first(f"market data {contract.conid}"):
        return row
    told = fields_of(call, contract)
    depth = call.brokerage.exchange.quote(contract.listing.symbol)
    row |= {"server_id": "q0", "_updated": depth.time_ns // 1_000_000, "6509": told["6509"]}
    return row | {name: told[name] for name in fields if name in told}
