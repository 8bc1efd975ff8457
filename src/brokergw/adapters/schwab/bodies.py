"""The bodies that order requests carry: prices as text, quantities as numbers, absent fields left out."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from brokergw.adapters.schwab.payloads import broker_symbol, decimal, is_option
from brokergw.adapters.schwab.words import INSTRUCTIONS, TIMES, TYPES
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.model.terms import OrderClass, OrderTerms, PositionEffect, Side
from brokergw.ports.broker import Change
from brokergw.transport.rows import Row, Unsupported, rows_in, text

_COPIED: Final = (
    "session",
    "duration",
    "orderType",
    "complexOrderStrategyType",
    "cancelTime",
    "stopPriceLinkBasis",
    "stopPriceLinkType",
    "stopType",
    "orderStrategyType",
)
_PRICES: Final = ("price", "stopPrice", "stopPriceOffset")


def needs_positions(terms: OrderTerms) -> bool:
    """Tell whether Schwab's instruction hangs on what is held: its words say whether an order opens or closes."""
    if terms.order_class is OrderClass.MULTI_LEG:
        return any(leg.position_effect is PositionEffect.AUTO for leg in terms.legs)
    return not terms.reduce_only and terms.position_effect is PositionEffect.AUTO


def submit_body(terms: OrderTerms, held: Mapping[str, Decimal]) -> Row:
    """Write an order; `held` has the signed quantity of every position, where they are needed. Raises Unsupported."""
    if terms.time_in_force not in TIMES:
        raise Unsupported(f"time in force {terms.time_in_force}")
    if terms.quantity is None:
        raise Unsupported("orders by money")
    if terms.quantity % 1:
        raise Unsupported("fractions of a unit")
    match terms.order_class:
        case OrderClass.MULTI_LEG:
            return _spread(terms, held)
        case OrderClass.OCO:
            return {"orderStrategyType": "OCO", "childOrderStrategies": _exits(terms, terms.side)}
        case OrderClass.BRACKET:
            pair = {"orderStrategyType": "OCO", "childOrderStrategies": _exits(terms, terms.side.opposite)}
            return {**_single(terms, held), "orderStrategyType": "TRIGGER", "childOrderStrategies": [pair]}
        case OrderClass.OTO:
            exits = _exits(terms, terms.side.opposite)
            return {**_single(terms, held), "orderStrategyType": "TRIGGER", "childOrderStrategies": exits}
        case _:
            return _single(terms, held)


def market_body(symbol: str, quantity: Decimal) -> Row:
    """Write the order that closes a position of a signed quantity."""
    side = Side.SELL if quantity > 0 else Side.BUY
    return {
        "session": "NORMAL",
        "duration": "DAY",
        "orderType": "MARKET",
        "orderStrategyType": "SINGLE",
        "orderLegCollection": [_leg(symbol, side, PositionEffect.CLOSE, abs(quantity))],
    }


def _single(terms: OrderTerms, held: Mapping[str, Decimal]) -> Row:
    effect = PositionEffect.CLOSE if terms.reduce_only else terms.position_effect
    if effect is PositionEffect.AUTO:
        effect = _effect(terms.side, held.get(terms.symbol, ZERO))
    body = _common(terms, TYPES[terms.type])
    _put(body, "price", terms.limit_price)
    _put(body, "stopPrice", terms.stop_price)
    offset = terms.trail_amount if terms.trail_amount is not None else terms.trail_percent
    if offset is not None:
        _put(body, "stopPriceOffset", offset)
        body["stopPriceLinkBasis"] = "LAST"
        body["stopPriceLinkType"] = "VALUE" if terms.trail_amount is not None else "PERCENT"
    body["orderLegCollection"] = [_leg(terms.symbol, terms.side, effect, _quantity(terms))]
    return body


def _exits(terms: OrderTerms, side: Side) -> list[Row]:
    """Write the orders that close what a group opens, or holds: the profit first."""
    found: list[Row] = []
    oco = terms.order_class is OrderClass.OCO
    profit = terms.take_profit_limit_price
    if profit is None and oco:
        profit = terms.limit_price
    if profit is not None:
        found.append(_exit(terms, side, "LIMIT", price=profit))
    if terms.stop_loss_stop_price is not None:
        kind = "STOP" if terms.stop_loss_limit_price is None else "STOP_LIMIT"
        stop = terms.stop_loss_stop_price
        found.append(_exit(terms, side, kind, stopPrice=stop, price=terms.stop_loss_limit_price))
    return found


def _exit(terms: OrderTerms, side: Side, kind: str, **prices: Decimal | None) -> Row:
    body = _common(terms, kind)
    for name, price in prices.items():
        _put(body, name, price)
    body["orderLegCollection"] = [_leg(terms.symbol, side, PositionEffect.CLOSE, _quantity(terms))]
    return body


def _spread(terms: OrderTerms, held: Mapping[str, Decimal]) -> Row:
    if not all(is_option(leg.symbol) for leg in terms.legs):
        raise Unsupported("legs that are no contracts")
    legs = []
    for leg in terms.legs:
        effect = leg.position_effect
        if effect is PositionEffect.AUTO:
            effect = _effect(leg.side, held.get(leg.symbol, ZERO))
        legs.append(_leg(leg.symbol, leg.side, effect, _quantity(terms) * leg.ratio))
    price = terms.limit_price
    kind = "MARKET"
    if price is not None:
        kind = "NET_DEBIT" if price > 0 else "NET_CREDIT" if price < 0 else "NET_ZERO"
    body = _common(terms, kind)
    _put(body, "price", None if price is None else abs(price))
    body["quantity"] = _number(_quantity(terms))
    body["complexOrderStrategyType"] = "CUSTOM"
    body["orderLegCollection"] = legs
    return body


def _common(terms: OrderTerms, kind: str) -> Row:
    return {
        "session": "SEAMLESS" if terms.extended_hours else "NORMAL",
        "duration": TIMES[terms.time_in_force],
        "orderType": kind,
        "orderStrategyType": "SINGLE",
    }


def _leg(symbol: str, side: Side, effect: PositionEffect, quantity: Decimal) -> Row:
    option = is_option(symbol)
    return {
        "instruction": INSTRUCTIONS[option, side, effect],
        "quantity": _number(quantity),
        "instrument": {"symbol": broker_symbol(symbol), "assetType": "OPTION" if option else "EQUITY"},
    }


def _effect(side: Side, held: Decimal) -> PositionEffect:
    closes = held > 0 if side is Side.SELL else held < 0
    return PositionEffect.CLOSE if closes else PositionEffect.OPEN


def change_body(row: Row, change: Change, quantity: Decimal) -> Row:
    """Write the order that takes another one's place: that one as it stands, with `quantity` units and other prices."""
    before = decimal(row, "quantity")
    body: Row = {name: row[name] for name in _COPIED if name in row}
    if body.get("complexOrderStrategyType") == "NONE":
        del body["complexOrderStrategyType"]
    for name in _PRICES:
        if name in row:
            _put(body, name, decimal(row, name))
    spread = len(rows_in(row, "orderLegCollection")) > 1
    if change.limit_price is not None:
        _put(body, "price", abs(change.limit_price))
        if spread:
            body["orderType"] = "NET_CREDIT" if change.limit_price < 0 else "NET_DEBIT"
    _put(body, "stopPrice", change.stop_price)
    _put(body, "stopPriceOffset", change.trail)
    body["orderLegCollection"] = [
        {
            "instruction": text(leg, "instruction"),
            "quantity": _number(decimal(leg, "quantity") / before * quantity),
            "instrument": _instrument(leg),
        }
        for leg in rows_in(row, "orderLegCollection")
    ]
    if spread:
        body["quantity"] = _number(quantity)
    return body


def _instrument(leg: Row) -> Row:
    named = leg["instrument"]
    # Answers may call a fund by another class than orders do.
    option = text(named, "assetType") == "OPTION"
    return {"symbol": text(named, "symbol"), "assetType": "OPTION" if option else "EQUITY"}


def _quantity(terms: OrderTerms) -> Decimal:
    assert terms.quantity is not None, "checked at the door"
    return terms.quantity


def _number(quantity: Decimal) -> int:
    return int(quantity)


def _put(body: dict[str, Any], name: str, value: Decimal | None) -> None:
    if value is not None:
        body[name] = format_decimal(value)
