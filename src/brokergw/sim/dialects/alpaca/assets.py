"""Assets (Alpaca docs, Assets)."""

from typing import Final
from urllib.parse import unquote

from brokergw.exchange import Listing
from brokergw.model.instrument import AssetClass
from brokergw.model.money import format_decimal
from brokergw.sim.dialects.alpaca import body as read
from brokergw.sim.dialects.alpaca.call import Call
from brokergw.sim.dialects.alpaca.refusals import not_found
from brokergw.sim.dialects.alpaca.shapes import ASSET_CLASS, JsonObject, asset_id

_EQUITIES: Final = frozenset({AssetClass.STOCK, AssetClass.ETF})


def list_assets(call: Call) -> list[JsonObject]:
    """Handle GET /v2/assets; option contracts are listed elsewhere."""
    query = call.request.query
    rows = (
        _shape(listing)
        for listing in call.brokerage.exchange.listings()
        if listing.asset_class is not AssetClass.OPTION
    )
    attributes = read.query_list(query, "attributes")
    return [
        row
        for row in rows
        if query.get("asset_class", "us_equity") == row["class"]
        and query.get("status", "") in {"", row["status"]}
        and query.get("exchange", "") in {"", row["exchange"]}
        and (not attributes or attributes & set(row["attributes"]))
    ]


def get(call: Call) -> JsonObject:
    """Handle GET /v2/assets/{symbol or asset id}."""
    name = unquote(call.argument)
    listing = call.brokerage.listing(name)
    if listing is None:
        raise not_found(f"asset not found for {name}")
    return _shape(listing)


def _shape(listing: Listing) -> JsonObject:
    equity = listing.asset_class in _EQUITIES
    shape: JsonObject = {
        "id": asset_id(listing.symbol),
        "class": ASSET_CLASS[listing.asset_class],
        "exchange": listing.venue if listing.asset_class is not AssetClass.OPTION else "",
        "symbol": listing.symbol,
        "name": listing.name,
        "status": "active",
        "tradable": listing.tradable,
        "marginable": listing.marginable,
        "maintenance_margin_requirement": 30 if listing.marginable else 100,
        "margin_requirement_long": "30" if listing.marginable else "100",
        "margin_requirement_short": "30" if listing.shortable else "100",
        "shortable": listing.shortable,
        "easy_to_borrow": listing.shortable,
        "borrow_status": "easy_to_borrow" if listing.shortable else "not_borrowable",
        "fractionable": listing.fractionable,
        "attributes": ["fractional_eh_enabled"] if listing.fractionable and equity else [],
    }
    if listing.asset_class is AssetClass.CRYPTO:
        shape["min_order_size"] = format_decimal(listing.quantity_min)
        shape["min_trade_increment"] = format_decimal(listing.quantity_step)
        shape["price_increment"] = format_decimal(listing.tick_at(listing.reference_price))
    return shape
