"""The terms of an order as keyword arguments, and their message."""

from collections.abc import Sequence
from typing import Required, TypedDict

from brokerapi.v1 import orders_pb2, trading_pb2

from brokergw.client import encode
from brokergw.client.encode import Amount, BadArgument, Moment


class Leg(TypedDict, total=False):
    """One leg of a multi-leg order: `ratio` units of it for each unit of the order."""

    symbol: Required[str]
    side: Required[str]
    ratio: Required[int]
    position_effect: str


class OrderTerms(TypedDict, total=False):
    """What to trade. Amounts are Decimal, str or int; names are the contract's without their prefix.

    Exactly one of `quantity` (units) and `notional` (the instrument's currency). `type` is MARKET, LIMIT, STOP,
    STOP_LIMIT or TRAILING_STOP; `time_in_force` DAY, GTC, GTD, IOC, FOK, AT_OPEN or AT_CLOSE. `trail_percent` is in
    percent of the price. A multi-leg order has `legs` in place of `symbol` and `side`. A `reduce_only` order may only
    make a position smaller.
    """

    symbol: str
    side: str
    type: Required[str]
    time_in_force: Required[str]
    quantity: Amount | None
    notional: Amount | None
    limit_price: Amount | None
    stop_price: Amount | None
    trail_amount: Amount | None
    trail_percent: Amount | None
    expire_time: Moment | None
    extended_hours: bool
    position_effect: str | None
    order_class: str | None
    take_profit_limit_price: Amount | None
    stop_loss_stop_price: Amount | None
    stop_loss_limit_price: Amount | None
    legs: Sequence[Leg]
    reduce_only: bool


def order_spec(
    *,
    type: str,  # noqa: A002 - the contract's own word
    time_in_force: str,
    symbol: str = "",
    side: str | None = None,
    quantity: Amount | None = None,
    notional: Amount | None = None,
    limit_price: Amount | None = None,
    stop_price: Amount | None = None,
    trail_amount: Amount | None = None,
    trail_percent: Amount | None = None,
    expire_time: Moment | None = None,
    extended_hours: bool = False,
    position_effect: str | None = None,
    order_class: str | None = None,
    take_profit_limit_price: Amount | None = None,
    stop_loss_stop_price: Amount | None = None,
    stop_loss_limit_price: Amount | None = None,
    legs: Sequence[Leg] = (),
    reduce_only: bool = False,
) -> orders_pb2.OrderSpec:
    """Write the terms of an order; whether they fit together is for the gateway to say.

    Raises:
        TypeError: an amount is a float.
        BadArgument: a name is unknown, an amount is not finite, or two of a kind are given where one fits.
    """
    _only_one(quantity=quantity, notional=notional)
    _only_one(trail_amount=trail_amount, trail_percent=trail_percent)
    spec = orders_pb2.OrderSpec(
        symbol=symbol,
        side=encode.side(side) if side else trading_pb2.SIDE_UNSPECIFIED,
        type=encode.order_type(type),
        time_in_force=encode.time_in_force(time_in_force),
        limit_price=encode.optional_decimal("limit_price", limit_price),
        stop_price=encode.optional_decimal("stop_price", stop_price),
        expire_time=encode.timestamp("expire_time", expire_time),
        extended_hours=extended_hours,
        position_effect=_effect(position_effect),
        order_class=encode.order_class(order_class) if order_class else trading_pb2.ORDER_CLASS_UNSPECIFIED,
        take_profit=_take_profit(take_profit_limit_price),
        stop_loss=_stop_loss(stop_loss_stop_price, stop_loss_limit_price),
        legs=[_leg(leg) for leg in legs],
        reduce_only=reduce_only,
    )
    if quantity is not None:
        spec.quantity = encode.decimal_text("quantity", quantity)
    if notional is not None:
        spec.notional = encode.decimal_text("notional", notional)
    if trail_amount is not None:
        spec.trail_amount = encode.decimal_text("trail_amount", trail_amount)
    if trail_percent is not None:
        spec.trail_percent = encode.decimal_text("trail_percent", trail_percent)
    return spec


def _effect(name: str | None) -> trading_pb2.PositionEffect.ValueType:
    return encode.position_effect(name) if name else trading_pb2.POSITION_EFFECT_UNSPECIFIED


def _only_one(**values: Amount | None) -> None:
    given = [name for name, value in values.items() if value is not None]
    if len(given) > 1:
        raise BadArgument(f"give only one of {' and '.join(given)}")


def _take_profit(limit_price: Amount | None) -> orders_pb2.TakeProfit | None:
    if limit_price is None:
        return None
    return orders_pb2.TakeProfit(limit_price=encode.decimal_text("take_profit_limit_price", limit_price))


def _stop_loss(stop_price: Amount | None, limit_price: Amount | None) -> orders_pb2.StopLoss | None:
    if stop_price is None:
        if limit_price is not None:
            raise BadArgument("stop_loss_limit_price needs stop_loss_stop_price")
        return None
    return orders_pb2.StopLoss(
        stop_price=encode.decimal_text("stop_loss_stop_price", stop_price),
        limit_price=encode.optional_decimal("stop_loss_limit_price", limit_price),
    )


def _leg(leg: Leg) -> orders_pb2.OrderLeg:
    return orders_pb2.OrderLeg(
        symbol=leg["symbol"],
        side=encode.side(leg["side"]),
        ratio=leg["ratio"],
        position_effect=_effect(leg.get("position_effect")),
    )
