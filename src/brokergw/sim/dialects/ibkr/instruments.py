"""Looking contracts up (Client Portal API, Contract and Security Definitions)."""

from typing import Any

from brokergw.model.instrument import AssetClass
from brokergw.model.money import format_decimal
from brokergw.sim.dialects.ibkr.call import Call
from brokergw.sim.dialects.ibkr.contracts import Contract
from brokergw.sim.dialects.ibkr.refusals import ApiError
from brokergw.sim.dialects.ibkr.shapes import JsonObject

_ORDER_TYPES = ["limit", "market", "stop", "stop_limit", "trailing_stop", "marketonclose", "limitonclose"]


def stocks(call: Call) -> JsonObject:
    """Handle GET /trsrv/stocks."""
    book = call.brokerage.contracts
    names = [name for name in call.request.query.get("symbols", "").split(",") if name]
    return {name: [_stock(each) for each in book.shares(name)] for name in names if book.shares(name)}


def futures(call: Call) -> JsonObject:
    """Handle GET /trsrv/futures."""
    names = call.request.query.get("symbols", "").split(",")
    listed = call.brokerage.contracts.of("FUT")
    found = {name: [_future(each) for each in listed if each.ticker == name] for name in names}
    return {name: rows for name, rows in found.items() if rows}


def currency_pairs(call: Call) -> JsonObject:
    """Handle GET /iserver/currency/pairs."""
    name = call.request.query.get("currency", "")
    rows = [
        {"symbol": each.local_symbol, "conid": each.conid, "ccyPair": each.ticker}
        for each in call.brokerage.contracts.of("CASH")
        if name in each.local_symbol.split(".")
    ]
    return {name: rows}


def search(call: Call) -> Any:
    """Handle GET and POST /iserver/secdef/search: an underlying with what hangs on it; ids are texts here."""
    query = dict(call.request.query) or call.body()
    book = call.brokerage.contracts
    found = book.shares(str(query.get("symbol", "")))
    if not found:
        raise ApiError(500, "No symbol found", coded=True)
    for each in found:
        call.brokerage.session.asked.add(f"search {each.conid}")
    return [_found(call, each) for each in found]


def strikes(call: Call) -> JsonObject:
    """Handle GET /iserver/secdef/strikes, which needs the search before it."""
    options = _options(call)
    calls = sorted(float(each.strike) for each in options if each.right == "C")
    return {"call": calls, "put": sorted(float(each.strike) for each in options if each.right == "P")}


def definitions(call: Call) -> list[JsonObject]:
    """Handle GET /iserver/secdef/info: options of a month, strike and right."""
    query = call.request.query
    strike, right = query.get("strike", ""), query.get("right", "")
    wanted = [each for each in _options(call) if not strike or format_decimal(each.strike) == strike]
    return [_definition(each) for each in wanted if right in {"", each.right}]


def contract_info(call: Call) -> JsonObject:
    """Handle GET /iserver/contract/{conid}/info."""
    contract = _known(call, call.arguments[0])
    return {
        "cfi_code": "",
        "symbol": contract.ticker,
        "cusip": None,
        "expiry_full": contract.contract_month or None,
        "con_id": contract.conid,
        "maturity_date": contract.expiry or None,
        "instrument_type": contract.sec_type,
        "has_related_contracts": False,
        "trading_class": contract.ticker,
        "valid_exchanges": f"SMART,{contract.exchange}",
        "local_symbol": contract.local_symbol,
        "currency": contract.currency,
        "text": None,
        "underlying_con_id": contract.underlying,
        "r_t_h": True,
        "multiplier": contract.multiplier,
        "contract_month": contract.contract_month or None,
        "company_name": contract.listing.name,
        "smart_available": True,
        "exchange": "SMART" if contract.sec_type == "STK" else contract.exchange,
    }


def rules(call: Call) -> JsonObject:
    """Handle POST /iserver/contract/rules."""
    return _rules(call, _known(call, str(call.body().get("conid", ""))))


def info_and_rules(call: Call) -> JsonObject:
    """Handle GET /iserver/contract/{conid}/info-and-rules."""
    return {**contract_info(call), "rules": _rules(call, _known(call, call.arguments[0]))}


def security_definitions(call: Call) -> JsonObject:
    """Handle GET /trsrv/secdef."""
    ids = [text for text in call.request.query.get("conids", "").split(",") if text.isdigit()]
    book = call.brokerage.contracts.by_conid
    return {"secdef": [_secdef(book[int(text)]) for text in ids if int(text) in book]}


def _known(call: Call, conid: str) -> Contract:
    contract = call.brokerage.contracts.by_conid.get(int(conid)) if conid.isdigit() else None
    if contract is None:
        raise ApiError(404, "Resource not found", coded=True)
    return contract


def _options(call: Call) -> list[Contract]:
    query = call.request.query
    conid = query.get("conid", "")
    if not conid.isdigit() or f"search {conid}" not in call.brokerage.session.asked:
        raise ApiError(500, "Please search the underlying first", coded=True)
    month = query.get("month", "")
    return [each for each in call.brokerage.contracts.options_on(int(conid)) if month in {"", each.month}]


def _stock(contract: Contract) -> JsonObject:
    listed = {"conid": contract.conid, "exchange": contract.exchange, "isUS": True}
    return {"name": contract.listing.name, "chineseName": None, "assetClass": "STK", "contracts": [listed]}


def _future(contract: Contract) -> JsonObject:
    date = int(contract.expiry)
    return {
        "symbol": contract.ticker,
        "conid": contract.conid,
        "underlyingConid": contract.underlying,
        "expirationDate": date,
        "ltd": date,
        "shortFuturesCutOff": date,
        "longFuturesCutOff": date,
    }


def _found(call: Call, contract: Contract) -> JsonObject:
    options = call.brokerage.contracts.options_on(contract.conid)
    sections: list[JsonObject] = [{"secType": "STK"}]
    if options:
        months = ";".join(sorted({each.month for each in options}))
        sections.append({"secType": "OPT", "months": months, "exchange": "SMART;CBOE"})
    return {
        "conid": str(contract.conid),
        "companyHeader": f"{contract.listing.name} - {contract.exchange}",
        "companyName": contract.listing.name,
        "symbol": contract.ticker,
        "description": contract.exchange,
        "restricted": None,
        "sections": sections,
    }


def _definition(contract: Contract) -> JsonObject:
    return {
        "conid": contract.conid,
        "symbol": contract.ticker,
        "secType": "OPT",
        "exchange": "SMART",
        "listingExchange": None,
        "right": contract.right,
        "strike": float(contract.strike),
        "currency": contract.currency,
        "desc1": contract.ticker,
        "desc2": contract.local_symbol,
        "maturityDate": contract.expiry,
        "multiplier": contract.multiplier,
        "tradingClass": contract.ticker,
        "validExchanges": "SMART,CBOE",
    }


def _rules(call: Call, contract: Contract) -> JsonObject:
    listing = contract.listing
    bands = [{"lowerEdge": float(band.price_from), "increment": float(band.tick)} for band in listing.tick_bands]
    return {
        "algoEligible": True,
        "canTradeAcctIds": [call.brokerage.account_id] if listing.tradable else [],
        "error": None,
        "orderTypes": _ORDER_TYPES,
        "orderTypesOutside": ["limit"],
        "fraqTypes": [],
        "cqtTypes": [],
        "tifTypes": ["DAY", "GTC", "IOC", "OPG"],
        "defaultSize": 100,
        "sizeIncrement": float(listing.quantity_step),
        "cashCcy": contract.currency,
        "negativeCapable": False,
        "increment": bands[-1]["increment"],
        "incrementRules": bands,
        "hasSecondary": listing.asset_class is AssetClass.STOCK,
    }


def _secdef(contract: Contract) -> JsonObject:
    return {
        "conid": contract.conid,
        "currency": contract.currency,
        "name": contract.listing.name,
        "assetClass": contract.sec_type,
        "expiry": contract.expiry or None,
        "lastTradingDay": contract.expiry or None,
        "strike": format_decimal(contract.strike),
        "ticker": contract.ticker,
        "undConid": contract.underlying,
        "multiplier": float(contract.listing.contract_size) if contract.multiplier else 0.0,
        "type": "ETF" if contract.listing.asset_class is AssetClass.ETF else None,
        "hasOptions": bool(contract.underlying),
    }
