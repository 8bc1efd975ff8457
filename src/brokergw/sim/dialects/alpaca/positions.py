"""Positions: read and close (Alpaca docs, Positions)."""

from decimal import ROUND_DOWN, Decimal
from typing import Final

from brokergw.exchange import Holding, Listing, Ticket
from brokergw.model.instrument import AssetClass
from brokergw.model.money import format_decimal
from brokergw.model.terms import OrderType, Side, TimeInForce
from brokergw.sim.dialects.alpaca import body as read
from brokergw.sim.dialects.alpaca import orders
from brokergw.sim.dialects.alpaca.call import Answer, Call
from brokergw.sim.dialects.alpaca.refusals import ApiError, malformed, not_found
from brokergw.sim.dialects.alpaca.shapes import ASSET_CLASS, JsonObject, as_submitted, asset_id, rounded
from brokergw.sim.faults import FaultName

_HUNDRED: Final = Decimal(100)
_NONE: Final = "position does not exist"


def list_positions(call: Call) -> list[JsonObject]:
    """Handle GET /v2/positions."""
    return [_shape(call, holding) for holding in _shown(call)]


def get(call: Call) -> JsonObject:
    """Handle GET /v2/positions/{symbol or asset id}."""
    listing = call.brokerage.listing(call.argument)
    for holding in _shown(call):
        if listing is not None and holding.symbol == listing.symbol:
            return _shape(call, holding)
    raise not_found(_NONE)


def _shown(call: Call) -> list[Holding]:
    holdings = list(call.brokerage.exchange.positions(call.room.account_id))
    fault = call.strike(FaultName.WRONG_POSITION)
    if fault is None:
        return holdings
    listing = call.brokerage.listing(fault.symbol)
    if listing is None:
        return holdings
    shown = [holding for holding in holdings if holding.symbol != listing.symbol]
    quantity = Decimal(fault.quantity)
    if quantity:
        price = call.brokerage.exchange.quote(listing.symbol).last
        value = quantity * price * listing.contract_size
        shown.append(
            Holding(
                symbol=listing.symbol,
                quantity=quantity,
                available=abs(quantity),
                average_price=price,
                cost_basis=value,
                market_price=price,
                market_value=value,
                unrealized_profit=Decimal(0),
            )
        )
    return shown


def _shape(call: Call, holding: Holding) -> JsonObject:
    listing = call.brokerage.exchange.listing(holding.symbol)
    asset_class = listing.asset_class if listing is not None else AssetClass.STOCK
    cost = holding.cost_basis
    profit = rounded(holding.unrealized_profit)
    share = rounded(holding.unrealized_profit / abs(cost)) if cost else "0"
    yesterday = call.brokerage.previous_close(holding.symbol)
    return {
        "asset_id": asset_id(holding.symbol),
        "symbol": holding.symbol.replace("/", ""),
        "exchange": "" if asset_class is AssetClass.OPTION else listing.venue if listing is not None else "",
        "asset_class": ASSET_CLASS[asset_class],
        "asset_marginable": bool(listing is not None and listing.marginable),
        "qty": format_decimal(holding.quantity),
        "qty_available": format_decimal(holding.available if holding.quantity > 0 else -holding.available),
        "avg_entry_price": rounded(holding.average_price),
        "side": "long" if holding.quantity > 0 else "short",
        "market_value": rounded(holding.market_value),
        "cost_basis": rounded(cost),
        "unrealized_pl": profit,
        "unrealized_plpc": share,
        "unrealized_intraday_pl": profit,
        "unrealized_intraday_plpc": share,
        "current_price": format_decimal(holding.market_price),
        "lastday_price": format_decimal(yesterday),
        "change_today": rounded((holding.market_price - yesterday) / yesterday),
    }


def close(call: Call) -> JsonObject:
    """Handle DELETE /v2/positions/{symbol or asset id}: answers 200 with the market order that closes it."""
    listing = call.brokerage.listing(call.argument)
    held = {holding.symbol: holding for holding in call.brokerage.exchange.positions(call.room.account_id)}
    if listing is None or listing.symbol not in held:
        raise not_found(_NONE)
    holding = held[listing.symbol]
    return _close(call, listing, holding, _wanted(call, listing, abs(holding.quantity)))


def _wanted(call: Call, listing: Listing, whole: Decimal) -> Decimal:
    query = dict(call.request.query)
    quantity, percentage = read.number(query, "qty"), read.number(query, "percentage")
    if quantity is not None and percentage is not None:
        raise malformed("only one of qty or percentage is accepted")
    if quantity is not None:
        if quantity <= 0:
            raise malformed("qty must be > 0")
        return quantity
    if percentage is None:
        return whole
    if not 0 < percentage <= _HUNDRED:
        raise malformed("percentage must be between 0 and 100")
    step = listing.quantity_step
    return (whole * percentage / _HUNDRED / step).to_integral_value(ROUND_DOWN) * step


def _close(call: Call, listing: Listing, holding: Holding, quantity: Decimal) -> JsonObject:
    is_crypto = listing.asset_class is AssetClass.CRYPTO
    ticket = Ticket(
        symbol=listing.symbol,
        side=Side.SELL if holding.quantity > 0 else Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.GTC if is_crypto else TimeInForce.DAY,
        quantity=quantity,
    )
    return as_submitted(orders.place(call, ticket, listing))


def close_all(call: Call) -> Answer:
    """Handle DELETE /v2/positions: 207 with one row for each position."""
    if read.query_flag(call.request.query, "cancel_orders"):
        orders.cancel_all(call)
    rows: list[JsonObject] = []
    for holding in call.brokerage.exchange.positions(call.room.account_id):
        listing = call.brokerage.exchange.listing(holding.symbol)
        if listing is None:
            continue
        row: JsonObject = {"symbol": holding.symbol.replace("/", "")}
        try:
            rows.append({**row, "status": 200, "body": _close(call, listing, holding, abs(holding.quantity))})
        except ApiError as error:
            rows.append({**row, "status": error.status, "body": error.document})
    return Answer(207, rows)
