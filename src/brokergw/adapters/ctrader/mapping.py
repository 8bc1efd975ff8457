"""cTrader's rows in canonical terms, and orders in cTrader's; an unknown number raises `Unusable`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

from brokergw.adapters.ctrader import payloads
from brokergw.adapters.ctrader.payloads import MS, money, optional_text, units
from brokergw.adapters.ctrader.symbols import Details, SymbolBook
from brokergw.model.account import Position, PositionPart
from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.order import ZERO, Fee
from brokergw.model.outcome import BrokerFill, BrokerOrder
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, Side, TimeInForce
from brokergw.transport.rows import Row, Unsupported, Unusable, as_row, decimal, int64, optional_decimal, optional_int64

_Word = TypeVar("_Word")

MARKET, LIMIT, STOP, PROTECTION, MARKET_RANGE, STOP_LIMIT = 1, 2, 3, 4, 5, 6
BUY, SELL = 1, 2
GTD, GTC, IOC, FOK = 1, 2, 3, 4
SIDES: Final = {BUY: Side.BUY, SELL: Side.SELL}
SIDE_NUMBERS: Final = {Side.BUY: BUY, Side.SELL: SELL}
LIVES: Final = {GTD: TimeInForce.GTD, GTC: TimeInForce.GTC, IOC: TimeInForce.IOC, FOK: TimeInForce.FOK}
_LIFE_NUMBERS: Final = {ours: theirs for theirs, ours in LIVES.items()}
_TYPES: Final = {
    MARKET: OrderType.MARKET,
    LIMIT: OrderType.LIMIT,
    STOP: OrderType.STOP,
    STOP_LIMIT: OrderType.STOP_LIMIT,
    # A market order that stops at a price is a limit order at that price.
    MARKET_RANGE: OrderType.LIMIT,
}
_TYPE_NUMBERS: Final = {
    OrderType.MARKET: MARKET,
    OrderType.LIMIT: LIMIT,
    OrderType.STOP: STOP,
    OrderType.STOP_LIMIT: STOP_LIMIT,
}
_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.GTC, TimeInForce.DAY})
_ACCEPTED: Final = 1
_ENDED: Final = {2: State.FILLED, 3: State.REJECTED_BY_BROKER, 4: State.EXPIRED, 5: State.CANCELED}
DEALT: Final = frozenset({2, 3})
"""ProtoOADealStatus FILLED and PARTIALLY_FILLED: a trade; all others are none."""


def order(row: Row, symbols: SymbolBook) -> BrokerOrder:
    """Read a ProtoOAOrder; its symbol must be known to the book."""
    data = as_row(row.get("tradeData"))
    cum = units(row, "executedVolume")
    submitted_ns = payloads.time_ns(data, "openTimestamp")
    updated_ms = optional_int64(row, "utcLastUpdateTimestamp")
    return BrokerOrder(
        broker_order_id=str(int64(row, "orderId")),
        client_order_id=optional_text(row, "clientOrderId"),
        terms=_terms(row, data, symbols),
        state=_state(row, cum),
        cum_quantity=cum,
        average_price=optional_decimal(row, "executionPrice") if cum else None,
        submit_time_ns=submitted_ns,
        update_time_ns=updated_ms * MS if updated_ms else submitted_ns,
    )


def fill(row: Row, currency: str) -> BrokerFill | None:
    """Read a ProtoOADeal; None for one that came to nothing. The account's currency is what commissions are in."""
    if int64(row, "dealStatus") not in DEALT:
        return None
    commission = money(row, "commission")
    return BrokerFill(
        execution_id=str(int64(row, "dealId")),
        quantity=units(row, "filledVolume"),
        price=decimal(row, "executionPrice"),
        trade_time_ns=payloads.time_ns(row, "executionTimestamp"),
        # Commissions are told as what they do to the balance.
        fees=(Fee(-commission, currency, "COMMISSION"),) if commission else (),
    )


def is_protection(row: Row) -> bool:
    """Tell whether an order is a stop-loss or take-profit that the server keeps with a position."""
    return optional_int64(row, "orderType") == PROTECTION


@dataclass(frozen=True, slots=True)
class Held:
    """One of cTrader's positions; `quantity` is signed."""

    position_id: int
    symbol_id: int
    quantity: Decimal
    price: Decimal
    margin: Decimal


def held(row: Row) -> Held:
    """Read a ProtoOAPosition."""
    data = as_row(row.get("tradeData"))
    size = units(data, "volume")
    return Held(
        position_id=int64(row, "positionId"),
        symbol_id=int64(data, "symbolId"),
        quantity=size if side_of(data) is Side.BUY else -size,
        price=decimal(row, "price"),
        margin=money(row, "usedMargin"),
    )


def positions(
    parts: Iterable[Held],
    orders: Sequence[BrokerOrder],
    profits: Mapping[int, Decimal],
    symbols: SymbolBook,
    now_ns: int,
) -> list[Position]:
    """Give what is held of each symbol, over all of its positions: hedged ones against each other, as their sum."""
    by_symbol: dict[int, list[Held]] = {}
    for part in parts:
        by_symbol.setdefault(part.symbol_id, []).append(part)
    found = (_position(symbol_id, group, orders, profits, symbols, now_ns) for symbol_id, group in by_symbol.items())
    return [each for each in found if each.quantity or each.parts]


def _position(
    symbol_id: int,
    group: Sequence[Held],
    orders: Sequence[BrokerOrder],
    profits: Mapping[int, Decimal],
    symbols: SymbolBook,
    now_ns: int,
) -> Position:
    symbol = symbols.of(symbol_id)
    quantity = sum((part.quantity for part in group), ZERO)
    one_way = all((part.quantity > 0) is (quantity > 0) for part in group)
    cost = sum((part.quantity * part.price for part in group), ZERO)
    profit = [profits[part.position_id] for part in group if part.position_id in profits]
    return Position(
        symbol=symbol.canonical,
        asset_class=symbol.asset_class,
        quantity=quantity,
        available_quantity=available(symbol.canonical, quantity, orders),
        # Positions that stand against each other have no price in common.
        average_price=cost / quantity if quantity and one_way else None,
        cost_basis=cost if one_way else None,
        market_price=None,
        market_value=None,
        unrealized_profit=sum(profit, ZERO) if len(profit) == len(group) else None,
        as_of_ns=now_ns,
        parts=tuple(PositionPart(str(part.position_id), part.quantity, part.price) for part in group)
        if len(group) > 1
        else (),
    )


def available(symbol: str, quantity: Decimal, orders: Sequence[BrokerOrder]) -> Decimal:
    """Give what open orders against a position would leave of it; cTrader itself holds nothing for them."""
    against = Side.SELL if quantity > 0 else Side.BUY
    claimed = sum(
        (
            (order.terms.quantity or ZERO) - order.cum_quantity
            for order in orders
            if order.terms.symbol == symbol and order.terms.side is against
        ),
        ZERO,
    )
    return max(ZERO, abs(quantity) - claimed)


def side_of(row: Row) -> Side:
    """Read a trade side."""
    return _word(SIDES, int64(row, "tradeSide"), "tradeSide")


def order_body(client_order_id: str, terms: OrderTerms, symbol_id: int, details: Details) -> dict[str, Any]:
    """Word an order; its client order id is its label too, which its position keeps. Raises Unsupported."""
    if terms.order_class is not OrderClass.SIMPLE or terms.legs:
        raise Unsupported("orders with exits or legs through this gateway")
    volume = None if terms.quantity is None else payloads.volume_of(terms.quantity)
    if volume is None:
        raise Unsupported("orders by money, and quantities finer than a hundredth")
    body: dict[str, Any] = {
        "symbolId": symbol_id,
        "orderType": _offered(_TYPE_NUMBERS, terms.type, "orders of this type"),
        "tradeSide": SIDE_NUMBERS[terms.side],
        "volume": volume,
        "timeInForce": _life(terms),
        "clientOrderId": client_order_id,
        "label": client_order_id,
    }
    if terms.time_in_force is TimeInForce.GTD:
        body["expirationTimestamp"] = _expiry(terms)
    return body | _prices(terms.type, terms.side, terms.limit_price, terms.stop_price, details)


def change_body(found: BrokerOrder, row: Row, change: Mapping[str, Decimal | None], details: Details) -> dict[str, Any]:
    """Word an amendment with every term of the order, since cTrader may take away what is left out.

    Raises Unsupported.
    """
    terms = found.terms
    quantity = change.get("quantity") or terms.quantity or ZERO
    volume = payloads.volume_of(quantity)
    if volume is None:
        raise Unsupported("quantities finer than a hundredth")
    body: dict[str, Any] = {"orderId": int64(row, "orderId"), "volume": volume}
    for name in ("expirationTimestamp", "stopLoss", "takeProfit", "relativeStopLoss", "relativeTakeProfit",
                 "guaranteedStopLoss", "trailingStopLoss", "stopTriggerMethod"):  # fmt: skip
        if row.get(name) is not None:
            body[name] = row[name]
    limit = change.get("limit_price") or terms.limit_price
    stop = change.get("stop_price") or terms.stop_price
    return body | _prices(terms.type, terms.side, limit, stop, details)


def _prices(
    kind: OrderType, side: Side, limit: Decimal | None, stop: Decimal | None, details: Details
) -> dict[str, Any]:
    match kind:
        case OrderType.LIMIT:
            return {"limitPrice": limit}
        case OrderType.STOP:
            return {"stopPrice": stop}
        case OrderType.STOP_LIMIT:
            assert limit is not None
            assert stop is not None
            points = (limit - stop if side is Side.BUY else stop - limit) / details.point
            if points < 0 or points != points.to_integral_value():
                raise Unsupported("stop-limit orders whose limit lies before their stop, or off the grid")
            return {"stopPrice": stop, "slippageInPoints": int(points)}
        case _:
            return {}


def _life(terms: OrderTerms) -> int:
    """Word how long an order lives; what trades at once does not, whatever was asked for."""
    if terms.type is OrderType.MARKET and terms.time_in_force in _AT_ONCE:
        return IOC
    if terms.type is OrderType.MARKET and terms.time_in_force is not TimeInForce.FOK:
        raise Unsupported("market orders that wait")
    return _offered(_LIFE_NUMBERS, terms.time_in_force, "orders that live so long")


def _expiry(terms: OrderTerms) -> int:
    if terms.expire_time_ns is None or terms.expire_time_ns % MS:
        raise Unsupported("orders that end between two milliseconds")
    return terms.expire_time_ns // MS


def _terms(row: Row, data: Row, symbols: SymbolBook) -> OrderTerms:
    symbol_id = int64(data, "symbolId")
    side = side_of(data)
    kind, limit, stop = _type(row, side, symbol_id, symbols)
    life = _word(LIVES, optional_int64(row, "timeInForce") or IOC, "timeInForce")
    return OrderTerms(
        symbol=symbols.of(symbol_id).canonical,
        side=side,
        type=kind,
        time_in_force=life,
        quantity=units(data, "volume"),
        limit_price=limit,
        stop_price=stop,
        expire_time_ns=payloads.time_ns(row, "expirationTimestamp") if life is TimeInForce.GTD else None,
    )


def _type(
    row: Row, side: Side, symbol_id: int, symbols: SymbolBook
) -> tuple[OrderType, Decimal | None, Decimal | None]:
    number = int64(row, "orderType")
    limit, stop = optional_decimal(row, "limitPrice"), optional_decimal(row, "stopPrice")
    if number == PROTECTION:
        # A stop-loss has a stop, a take-profit a limit; what has neither has traded at the market.
        return (OrderType.STOP if stop else OrderType.LIMIT if limit else OrderType.MARKET), limit, stop
    kind = _word(_TYPES, number, "orderType")
    match number:
        case 2:
            return kind, decimal(row, "limitPrice"), None
        case 3:
            return kind, None, decimal(row, "stopPrice")
        case 5 | 6:
            base = decimal(row, "stopPrice" if number == STOP_LIMIT else "baseSlippagePrice")
            away = (optional_int64(row, "slippageInPoints") or 0) * symbols.details_of(symbol_id).point
            limit = base + away if side is Side.BUY else base - away
            return kind, limit, base if number == STOP_LIMIT else None
        case _:
            return kind, None, None


def _state(row: Row, cum: Decimal) -> State:
    status = int64(row, "orderStatus")
    if status == _ACCEPTED:
        return State.PARTIAL if cum else State.WORKING
    return _word(_ENDED, status, "orderStatus")


def _word(table: Mapping[int, _Word], number: int, field: str) -> _Word:
    found = table.get(number)
    if found is None:
        raise Unusable(f"field {field} has a value that is not documented")
    return found


def _offered(table: Mapping[Any, int], word: Any, what: str) -> int:
    found = table.get(word)
    if found is None:
        raise Unsupported(what)
    return found


def is_over(order: BrokerOrder) -> bool:
    """Tell whether an order has ended."""
    return is_terminal(order.state)
