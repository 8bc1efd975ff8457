"""From the body of an order request to a ticket for the exchange, with every rule Alpaca checks first.

Rules and texts: Alpaca docs, Orders and Working with /orders; error bodies recorded from the paper API.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import Listing, Ticket
from brokergw.model.instrument import AssetClass
from brokergw.model.money import format_decimal
from brokergw.model.terms import OrderClass, OrderType, Side, TimeInForce
from brokergw.sim.dialects.alpaca import body as read
from brokergw.sim.dialects.alpaca.refusals import forbidden, malformed, sub_penny, unprocessable
from brokergw.sim.dialects.alpaca.shapes import CLASS, SIDE, TIME_IN_FORCE, TYPE

_TYPES: Final = {wire: type_ for type_, wire in TYPE.items()}
_TIMES: Final = {wire: time for time, wire in TIME_IN_FORCE.items() if wire != "gtd"}
_SIDES: Final = {wire: side for side, wire in SIDE.items()}
_CLASSES: Final = {wire: class_ for class_, wire in CLASS.items()} | {"simple": OrderClass.SIMPLE}
INTENTS: Final = frozenset({"", "buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"})

_CLIENT_ORDER_ID_MAX: Final = 128
_CENT: Final = Decimal("0.01")
_CRYPTO_FLOOR: Final = Decimal(10)
_CRYPTO_CAP: Final = Decimal(200_000)
_TRAIL_PERCENT_MIN: Final = Decimal("0.1")
_LIMITED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPPED: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_AUCTIONS: Final = frozenset({TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE})
_DAY_OR_GTC: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC})


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the rules need to know of the market and the account: the last price, the signed position,
    and which auctions take orders.
    """

    listing: Listing
    last: Decimal
    position: Decimal
    in_session: bool
    auctions: frozenset[TimeInForce]


def order_class_of(body: Mapping[str, Any]) -> OrderClass:
    """Read the order's class."""
    name = read.word(body, "order_class")
    if name not in _CLASSES:
        raise malformed("invalid order_class")
    return _CLASSES[name]


def client_order_id_of(body: Mapping[str, Any]) -> str:
    """Read the client's own id, empty when there is none."""
    client_order_id = read.word(body, "client_order_id")
    if len(client_order_id) > _CLIENT_ORDER_ID_MAX:
        raise malformed(f"client_order_id must be no more than {_CLIENT_ORDER_ID_MAX} characters")
    return client_order_id


def side_of(body: Mapping[str, Any]) -> Side:
    """Read the side."""
    side = _SIDES.get(read.word(body, "side"))
    if side is None:
        raise malformed("invalid side")
    return side


def type_of(body: Mapping[str, Any]) -> OrderType:
    """Read the type."""
    type_ = _TYPES.get(read.word(body, "type"))
    if type_ is None:
        raise malformed("invalid order type")
    return type_


def time_in_force_of(body: Mapping[str, Any]) -> TimeInForce:
    """Read the time in force."""
    time_in_force = _TIMES.get(read.word(body, "time_in_force"))
    if time_in_force is None:
        raise malformed("invalid time_in_force")
    return time_in_force


def ticket_of(body: Mapping[str, Any], around: Surroundings) -> Ticket:
    """Make a ticket of a single order or a group; raises ApiError."""
    take_profit = _part(body, "take_profit")
    stop_loss = _part(body, "stop_loss")
    ticket = Ticket(
        symbol=around.listing.symbol,
        side=side_of(body),
        type=type_of(body),
        time_in_force=time_in_force_of(body),
        quantity=read.number(body, "qty"),
        notional=read.number(body, "notional"),
        limit_price=read.number(body, "limit_price"),
        stop_price=read.number(body, "stop_price"),
        trail_amount=read.number(body, "trail_price"),
        trail_percent=read.number(body, "trail_percent"),
        extended_hours=read.flag(body, "extended_hours"),
        client_order_id=client_order_id_of(body),
        order_class=order_class_of(body),
        take_profit_limit_price=read.number(take_profit, "limit_price"),
        stop_loss_stop_price=read.number(stop_loss, "stop_price"),
        stop_loss_limit_price=read.number(stop_loss, "limit_price"),
    )
    _check_size(ticket)
    if ticket.order_class is not OrderClass.SIMPLE:
        _check_group(ticket, around)
    _check_prices(ticket)
    match around.listing.asset_class:
        case AssetClass.CRYPTO:
            _check_crypto(ticket, around)
        case AssetClass.OPTION:
            _check_option(ticket, around)
        case _:
            _check_equity(ticket, around)
    return ticket


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = body.get(name)
    if part is None or part == "":
        return {}
    if not isinstance(part, dict):
        raise malformed(f"invalid {name}")
    return part


def _check_size(ticket: Ticket) -> None:
    if ticket.quantity is not None and ticket.notional is not None:
        raise malformed("only one of qty or notional is accepted")
    if ticket.quantity is None and ticket.notional is None:
        raise malformed("qty or notional is required")
    if ticket.quantity is not None:
        if ticket.quantity <= 0:
            raise malformed("qty must be > 0")
        if read.places(ticket.quantity) > 9:
            raise malformed("qty must have no more than 9 decimal places")
    if ticket.notional is not None:
        if ticket.notional < 1:
            raise unprocessable("notional must be >= 1.00")
        if read.places(ticket.notional) > 2:
            raise unprocessable("notional value must be limited to 2 decimal places")
        if ticket.order_class is not OrderClass.SIMPLE:
            raise unprocessable("fractional orders must be simple orders")


def _check_prices(ticket: Ticket) -> None:
    for field, price in _prices(ticket):
        if price is not None and price <= 0:
            raise malformed(f"{field} must be > 0")
    trails = ticket.trail_amount is not None or ticket.trail_percent is not None
    has_limit = ticket.limit_price is not None or (
        ticket.order_class is OrderClass.OCO and ticket.take_profit_limit_price is not None
    )
    match ticket.type:
        case OrderType.MARKET if ticket.limit_price is not None or ticket.stop_price is not None or trails:
            raise malformed("market orders require no stop or limit price")
        case OrderType.LIMIT if not has_limit:
            raise malformed("limit orders require a limit price")
        case OrderType.STOP if ticket.stop_price is None:
            raise malformed("stop orders require a stop price")
        case OrderType.STOP_LIMIT if ticket.stop_price is None or ticket.limit_price is None:
            raise malformed("stop limit orders require both stop and limit price")
        case OrderType.TRAILING_STOP:
            _check_trail(ticket)
        case _:
            pass
    _check_foreign_prices(ticket, trails=trails)


def _check_foreign_prices(ticket: Ticket, *, trails: bool) -> None:
    name = TYPE[ticket.type]
    if ticket.limit_price is not None and ticket.type not in _LIMITED:
        raise malformed(f"{name} orders require no limit price")
    if ticket.stop_price is not None and ticket.type not in _STOPPED:
        raise malformed(f"{name} orders require no stop price")
    if trails and ticket.type is not OrderType.TRAILING_STOP:
        raise malformed(f"{name} orders require no trail_price or trail_percent")


def _prices(ticket: Ticket) -> tuple[tuple[str, Decimal | None], ...]:
    return (
        ("limit_price", ticket.limit_price),
        ("stop_price", ticket.stop_price),
        ("take_profit.limit_price", ticket.take_profit_limit_price),
        ("stop_loss.stop_price", ticket.stop_loss_stop_price),
        ("stop_loss.limit_price", ticket.stop_loss_limit_price),
    )


def _check_trail(ticket: Ticket) -> None:
    if (ticket.trail_amount is None) == (ticket.trail_percent is None):
        raise malformed("trailing stop orders must specify one of trail_price or trail_percent")
    if ticket.trail_percent is not None and ticket.trail_percent < _TRAIL_PERCENT_MIN:
        raise unprocessable("trail_percent must be >= 0.1")
    if ticket.trail_amount is not None and ticket.trail_amount <= 0:
        raise unprocessable("trail_price must be > 0")


def _check_equity(ticket: Ticket, around: Surroundings) -> None:
    extended = ticket.type is OrderType.LIMIT and ticket.time_in_force in _DAY_OR_GTC
    if ticket.extended_hours and (not extended or ticket.order_class is not OrderClass.SIMPLE):
        raise unprocessable("extended hours order must be DAY or GTC limit orders")
    for field, price in _prices(ticket):
        check_grid(field, price)
    if ticket.time_in_force in _AUCTIONS:
        _check_auction(ticket, around)
    if ticket.notional is not None or read.places(ticket.quantity or Decimal(0)):
        _check_fraction(ticket, around)
    if ticket.type in _STOPPED and around.in_session and ticket.order_class is OrderClass.SIMPLE:
        _check_stop_side(ticket, around.last)


def _check_auction(ticket: Ticket, around: Surroundings) -> None:
    name = TIME_IN_FORCE[ticket.time_in_force]
    if ticket.type not in {OrderType.MARKET, OrderType.LIMIT}:
        raise unprocessable(f"{name} orders must be market or limit orders")
    if ticket.time_in_force not in around.auctions:
        raise forbidden(f"{name} orders are not accepted at this time")


def _check_fraction(ticket: Ticket, around: Surroundings) -> None:
    if not around.listing.fractionable:
        raise forbidden(f'asset "{around.listing.symbol}" is not fractionable')
    if ticket.order_class is not OrderClass.SIMPLE:
        raise unprocessable("fractional orders must be simple orders")
    if ticket.time_in_force is not TimeInForce.DAY:
        raise unprocessable("fractional orders must be DAY orders")
    if ticket.notional is not None and ticket.type is not OrderType.MARKET:
        raise unprocessable("notional orders must be market orders")
    if ticket.side is Side.SELL and around.position <= 0:
        raise unprocessable("fractional orders cannot be sold short")


def _check_stop_side(ticket: Ticket, last: Decimal) -> None:
    stop = ticket.stop_price or Decimal(0)
    if ticket.side is Side.SELL and stop >= last:
        relation = "less"
    elif ticket.side is Side.BUY and stop <= last:
        relation = "greater"
    else:
        return
    raise unprocessable(
        f"stop price must be {relation} than current price",
        market_price=format_decimal(last),
        stop_price=format_decimal(stop),
    )


def check_grid(field: str, price: Decimal | None) -> None:
    """Refuse a share price with more than two places from a dollar up, more than four below."""
    if price is not None and read.places(price) > (2 if price >= 1 else 4):
        raise sub_penny(field, format_decimal(price))


def _check_crypto(ticket: Ticket, around: Surroundings) -> None:
    if ticket.order_class is not OrderClass.SIMPLE:
        raise unprocessable("crypto orders not allowed for advanced order_class: otoco")
    if ticket.type not in {OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT}:
        raise malformed("invalid order type for crypto order")
    if ticket.time_in_force not in {TimeInForce.GTC, TimeInForce.IOC}:
        raise unprocessable("invalid crypto time_in_force")
    if ticket.extended_hours:
        raise unprocessable("extended hours order must be DAY or GTC limit orders")
    cost = ticket.notional
    if cost is None and ticket.quantity is not None:
        cost = ticket.quantity * (ticket.limit_price or around.last)
    if cost is not None and cost < _CRYPTO_FLOOR:
        raise forbidden("cost basis must be >= minimal amount of order 10")
    if cost is not None and cost > _CRYPTO_CAP:
        raise forbidden("order notional exceeds the maximum of 200000 for crypto orders")


def _check_option(ticket: Ticket, around: Surroundings) -> None:
    if ticket.order_class is not OrderClass.SIMPLE:
        raise unprocessable("options orders not allowed for advanced order_class")
    if ticket.notional is not None or read.places(ticket.quantity or Decimal(0)):
        raise unprocessable("qty must be a whole number for options orders")
    if ticket.type is OrderType.TRAILING_STOP:
        raise malformed("invalid order type for options order")
    if ticket.time_in_force is not TimeInForce.DAY:
        raise unprocessable("order_time_in_force provided not supported for options trading")
    if ticket.extended_hours:
        raise unprocessable("extended hours order must be DAY or GTC limit orders")
    if ticket.type is OrderType.MARKET and not around.in_session:
        raise unprocessable("options market orders are only allowed during market hours")


def _check_group(ticket: Ticket, around: Surroundings) -> None:
    name = CLASS[ticket.order_class]
    take_profit, stop_loss = ticket.take_profit_limit_price, ticket.stop_loss_stop_price
    if ticket.order_class is OrderClass.OCO:
        if ticket.type is not OrderType.LIMIT:
            raise unprocessable("oco orders must be limit orders")
        take_profit = take_profit if take_profit is not None else ticket.limit_price
    if ticket.order_class is OrderClass.OTO:
        if (take_profit is None) == (stop_loss is None):
            raise unprocessable("oto orders require either take_profit or stop_loss")
    elif take_profit is None:
        raise unprocessable(f"{name} orders require take_profit.limit_price")
    elif stop_loss is None:
        raise unprocessable(f"{name} orders require stop_loss.stop_price")
    if ticket.stop_loss_limit_price is not None and stop_loss is None:
        raise unprocessable(f"{name} orders require stop_loss.stop_price")
    if ticket.time_in_force not in _DAY_OR_GTC:
        raise unprocessable(f"{name} orders must be DAY or GTC orders")
    _check_distances(ticket, around.last)


def _check_distances(ticket: Ticket, last: Decimal) -> None:
    """Keep both exits at least a cent away from the price that the position is entered (or stands) at."""
    base = ticket.limit_price if ticket.limit_price is not None and ticket.order_class is not OrderClass.OCO else None
    if base is None:
        base = ticket.stop_price or last
    exit_sells = ticket.side is Side.SELL if ticket.order_class is OrderClass.OCO else ticket.side is Side.BUY
    take_profit, stop_loss = ticket.take_profit_limit_price, ticket.stop_loss_stop_price
    facts = {"base_price": format_decimal(base)}
    if stop_loss is not None:
        if exit_sells and stop_loss > base - _CENT:
            raise unprocessable("stop_loss.stop_price must be <= base_price - 0.01", **facts)
        if not exit_sells and stop_loss < base + _CENT:
            raise unprocessable("stop_loss.stop_price must be >= base_price + 0.01", **facts)
    if take_profit is not None and ticket.order_class is not OrderClass.OCO:
        if exit_sells and take_profit < base + _CENT:
            raise unprocessable("take_profit.limit_price must be >= base_price + 0.01", **facts)
        if not exit_sells and take_profit > base - _CENT:
            raise unprocessable("take_profit.limit_price must be <= base_price - 0.01", **facts)
