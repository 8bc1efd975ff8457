"""The terms of an order: OrderSpec in, with every rule of the contract, and out again."""

from decimal import Decimal
from enum import Enum, auto
from typing import Final

from brokerapi.v1 import orders_pb2 as pb

from brokergw.model.errors import Reason
from brokergw.model.money import format_decimal
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.rpc.wire.decimals import decimal_from, optional_decimal, positive_from
from brokergw.rpc.wire.found import Found, enum_from, token_from
from brokergw.rpc.wire.times import optional_time, time_from
from brokergw.rpc.wire.trading import (
    ORDER_CLASS_FROM,
    ORDER_CLASS_TO,
    ORDER_TYPE_FROM,
    ORDER_TYPE_TO,
    POSITION_EFFECT_FROM,
    POSITION_EFFECT_TO,
    SIDE_FROM,
    SIDE_TO,
    TIME_IN_FORCE_FROM,
    TIME_IN_FORCE_TO,
)

_BAD: Final = Reason.INVALID_ORDER_FIELD
_LEGS_MIN: Final = 2
_LEGS_MAX: Final = 4
_LIMITED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPPED: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_WITH_EXITS: Final = frozenset({OrderClass.BRACKET, OrderClass.OCO, OrderClass.OTO})


class _Need(Enum):
    """What an order type makes of a field; OPEN where the type itself is unknown, or leaves the choice."""

    REQUIRED = auto()
    REFUSED = auto()
    OPEN = auto()


def terms_from_proto(spec: pb.OrderSpec, found: Found) -> OrderTerms:
    """Read what a caller wants traded; what is wrong with it goes to `found`, field by field."""
    order_class = enum_from(ORDER_CLASS_FROM, spec.order_class, "order.order_class", found, _BAD, OrderClass.SIMPLE)
    legs = _legs(spec, order_class, found)
    symbol, side = _whole(spec, found) if order_class is not OrderClass.MULTI_LEG else _legged(spec, legs, found)
    order_type = enum_from(ORDER_TYPE_FROM, spec.type, "order.type", found, _BAD, None)
    time_in_force = enum_from(TIME_IN_FORCE_FROM, spec.time_in_force, "order.time_in_force", found, _BAD, None)
    quantity, notional = _size(spec, order_type, order_class, found)
    trail_amount, trail_percent = _trail(spec, order_type, found)
    take_profit, stop_loss, stop_loss_limit = _exits(spec, order_class, side, found)
    limit_price = _price(spec, "limit_price", _limit_need(order_type, order_class), order_class, found)
    if order_class is OrderClass.OCO:
        limit_price = _oco_limit(order_type, limit_price, take_profit, found)
    return OrderTerms(
        symbol=symbol,
        side=side,
        type=order_type or OrderType.MARKET,
        time_in_force=time_in_force or TimeInForce.DAY,
        quantity=quantity,
        notional=notional,
        limit_price=limit_price,
        stop_price=_price(spec, "stop_price", _need(order_type, _STOPPED), order_class, found),
        trail_amount=trail_amount,
        trail_percent=trail_percent,
        expire_time_ns=_expiry(spec, time_in_force, found),
        extended_hours=spec.extended_hours,
        position_effect=enum_from(
            POSITION_EFFECT_FROM, spec.position_effect, "order.position_effect", found, _BAD, PositionEffect.AUTO
        ),
        order_class=order_class,
        take_profit_limit_price=take_profit,
        stop_loss_stop_price=stop_loss,
        stop_loss_limit_price=stop_loss_limit,
        legs=legs,
        reduce_only=spec.reduce_only,
    )


def terms_to_proto(terms: OrderTerms) -> pb.OrderSpec:
    """Write the terms of an order."""
    spec = pb.OrderSpec(
        type=ORDER_TYPE_TO[terms.type],
        time_in_force=TIME_IN_FORCE_TO[terms.time_in_force],
        limit_price=optional_decimal(terms.limit_price),
        stop_price=optional_decimal(terms.stop_price),
        expire_time=optional_time(terms.expire_time_ns),
        extended_hours=terms.extended_hours,
        position_effect=POSITION_EFFECT_TO[terms.position_effect],
        order_class=ORDER_CLASS_TO[terms.order_class],
    )
    if terms.order_class is not OrderClass.MULTI_LEG:
        spec.symbol = terms.symbol
        spec.side = SIDE_TO[terms.side]
    if terms.quantity is not None:
        spec.quantity = format_decimal(terms.quantity)
    if terms.notional is not None:
        spec.notional = format_decimal(terms.notional)
    if terms.type is OrderType.TRAILING_STOP:
        _write_trail(spec, terms)
    if terms.order_class is not OrderClass.SIMPLE:
        _write_group(spec, terms)
    if terms.reduce_only:
        spec.reduce_only = True
    return spec


def _write_trail(spec: pb.OrderSpec, terms: OrderTerms) -> None:
    if terms.trail_amount is not None:
        spec.trail_amount = format_decimal(terms.trail_amount)
    if terms.trail_percent is not None:
        spec.trail_percent = format_decimal(terms.trail_percent)


def _write_group(spec: pb.OrderSpec, terms: OrderTerms) -> None:
    if terms.take_profit_limit_price is not None:
        spec.take_profit.limit_price = format_decimal(terms.take_profit_limit_price)
    if terms.stop_loss_stop_price is not None:
        spec.stop_loss.stop_price = format_decimal(terms.stop_loss_stop_price)
        if terms.stop_loss_limit_price is not None:
            spec.stop_loss.limit_price = format_decimal(terms.stop_loss_limit_price)
    for leg in terms.legs:
        spec.legs.add(
            symbol=leg.symbol,
            side=SIDE_TO[leg.side],
            ratio=leg.ratio,
            position_effect=POSITION_EFFECT_TO[leg.position_effect],
        )


def _whole(spec: pb.OrderSpec, found: Found) -> tuple[str, Side]:
    symbol = token_from(spec.symbol, "order.symbol", found, _BAD)
    return symbol, enum_from(SIDE_FROM, spec.side, "order.side", found, _BAD, Side.BUY)


def _legged(spec: pb.OrderSpec, legs: tuple[Leg, ...], found: Found) -> tuple[str, Side]:
    if spec.symbol:
        found.add("order.symbol", "must not be set for MULTI_LEG", _BAD)
    if spec.side:
        found.add("order.side", "must not be set for MULTI_LEG", _BAD)
    # The group as a whole has no side; the model wants one, and the first leg's is as true as any.
    return "", legs[0].side if legs else Side.BUY


def _legs(spec: pb.OrderSpec, order_class: OrderClass, found: Found) -> tuple[Leg, ...]:
    if order_class is not OrderClass.MULTI_LEG:
        if spec.legs:
            found.add("order.legs", "may only be set for MULTI_LEG", _BAD)
        return ()
    if not _LEGS_MIN <= len(spec.legs) <= _LEGS_MAX:
        found.add("order.legs", "must be 2 to 4 legs", _BAD)
    return tuple(_leg(leg, f"order.legs[{index}]", found) for index, leg in enumerate(spec.legs[:_LEGS_MAX]))


def _leg(leg: pb.OrderLeg, path: str, found: Found) -> Leg:
    if leg.ratio < 1:
        found.add(f"{path}.ratio", "must be 1 or more", _BAD)
    return Leg(
        symbol=token_from(leg.symbol, f"{path}.symbol", found, _BAD),
        side=enum_from(SIDE_FROM, leg.side, f"{path}.side", found, _BAD, Side.BUY),
        ratio=leg.ratio,
        position_effect=enum_from(
            POSITION_EFFECT_FROM, leg.position_effect, f"{path}.position_effect", found, _BAD, PositionEffect.AUTO
        ),
    )


def _size(
    spec: pb.OrderSpec, order_type: OrderType | None, order_class: OrderClass, found: Found
) -> tuple[Decimal | None, Decimal | None]:
    match spec.WhichOneof("size"):
        case "quantity":
            return positive_from(spec.quantity, "order.quantity", found, _BAD), None
        case "notional":
            if order_type is not None and order_type is not OrderType.MARKET:
                found.add("order.notional", "may only be set for MARKET orders", _BAD)
            if order_class is OrderClass.MULTI_LEG:
                found.add("order.notional", "must not be set for MULTI_LEG", _BAD)
            return None, positive_from(spec.notional, "order.notional", found, _BAD)
        case _:
            found.add("order.quantity", "exactly one of quantity and notional is required", _BAD)
            return None, None


def _need(order_type: OrderType | None, needed_by: frozenset[OrderType]) -> _Need:
    if order_type is None:
        return _Need.OPEN
    return _Need.REQUIRED if order_type in needed_by else _Need.REFUSED


def _limit_need(order_type: OrderType | None, order_class: OrderClass) -> _Need:
    # An OCO names its limit as take-profit; it may be repeated as limit_price.
    return _Need.OPEN if order_class is OrderClass.OCO else _need(order_type, _LIMITED)


def _price(spec: pb.OrderSpec, name: str, need: _Need, order_class: OrderClass, found: Found) -> Decimal | None:
    path = f"order.{name}"
    if not spec.HasField(name):  # type: ignore[arg-type]
        if need is _Need.REQUIRED:
            found.add(path, "is required for this order type", _BAD)
        return None
    if need is _Need.REFUSED:
        found.add(path, "must not be set for this order type", _BAD)
    # The net price of several legs may be a credit, so it may be zero or negative.
    read = decimal_from if order_class is OrderClass.MULTI_LEG else positive_from
    return read(getattr(spec, name), path, found, _BAD)


def _trail(spec: pb.OrderSpec, order_type: OrderType | None, found: Found) -> tuple[Decimal | None, Decimal | None]:
    chosen = spec.WhichOneof("trail")
    if chosen is None:
        if order_type is OrderType.TRAILING_STOP:
            found.add("order.trail_amount", "TRAILING_STOP needs one of trail_amount and trail_percent", _BAD)
        return None, None
    path = f"order.{chosen}"
    if order_type is not None and order_type is not OrderType.TRAILING_STOP:
        found.add(path, "must not be set for this order type", _BAD)
    value = positive_from(getattr(spec, chosen), path, found, _BAD)
    if chosen == "trail_amount":
        return value, None
    if value is not None and value >= 100:
        found.add(path, "must be below 100", _BAD)
    return None, value


def _expiry(spec: pb.OrderSpec, time_in_force: TimeInForce | None, found: Found) -> int | None:
    path = "order.expire_time"
    if not spec.HasField("expire_time"):
        if time_in_force is TimeInForce.GTD:
            found.add(path, "is required for GTD", Reason.TIF_REQUIRES_EXPIRY)
        return None
    if time_in_force is not None and time_in_force is not TimeInForce.GTD:
        found.add(path, "may only be set for GTD", _BAD)
    return time_from(spec.expire_time, path, found)


def _exits(
    spec: pb.OrderSpec, order_class: OrderClass, side: Side, found: Found
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    has_profit, has_loss = spec.HasField("take_profit"), spec.HasField("stop_loss")
    if not (has_profit or has_loss or order_class in _WITH_EXITS):
        return None, None, None
    _exit_shape(order_class, found, has_profit=has_profit, has_loss=has_loss)
    profit = loss = loss_limit = None
    if has_profit:
        profit = positive_from(spec.take_profit.limit_price, "order.take_profit.limit_price", found, _BAD)
    if has_loss:
        loss = positive_from(spec.stop_loss.stop_price, "order.stop_loss.stop_price", found, _BAD)
        if spec.stop_loss.HasField("limit_price"):
            loss_limit = positive_from(spec.stop_loss.limit_price, "order.stop_loss.limit_price", found, _BAD)
    if profit is not None and loss is not None:
        # The exits of a BRACKET trade against its entry; an OCO is the pair of exits itself.
        exit_side = side if order_class is OrderClass.OCO else side.opposite
        if (profit <= loss) if exit_side is Side.SELL else (profit >= loss):
            found.add("order.take_profit.limit_price", "must lie on the profitable side of the stop-loss", _BAD)
    return profit, loss, loss_limit


def _exit_shape(order_class: OrderClass, found: Found, *, has_profit: bool, has_loss: bool) -> None:
    match order_class:
        case OrderClass.BRACKET | OrderClass.OCO:
            if not has_profit:
                found.add("order.take_profit", f"is required for {order_class}", _BAD)
            if not has_loss:
                found.add("order.stop_loss", f"is required for {order_class}", _BAD)
        case OrderClass.OTO:
            if has_profit == has_loss:
                found.add("order.take_profit", "OTO needs exactly one of take_profit and stop_loss", _BAD)
        case _:
            if has_profit:
                found.add("order.take_profit", f"must not be set for {order_class}", _BAD)
            if has_loss:
                found.add("order.stop_loss", f"must not be set for {order_class}", _BAD)


def _oco_limit(
    order_type: OrderType | None, limit_price: Decimal | None, take_profit: Decimal | None, found: Found
) -> Decimal | None:
    if order_type is not None and order_type is not OrderType.LIMIT:
        found.add("order.type", "must be LIMIT for OCO", _BAD)
    if None not in {limit_price, take_profit} and limit_price != take_profit:
        found.add("order.limit_price", "must be left out for OCO, or equal take_profit.limit_price", _BAD)
    return limit_price if limit_price is not None else take_profit
