"""Event payloads as compact JSON text, and back.

Everything that differs from its default is written, decimals as text, so that what is read equals what was written.
The writing is by hand: it runs several times for each order, and one f-string costs a third of a general encoder.
"""

import json
from dataclasses import asdict
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from operator import attrgetter
from typing import Any, Final, TypeAlias

from brokergw.model.events import EventKind, FeedGap, PositionChange
from brokergw.model.lifecycle import State
from brokergw.model.order import ONE, ZERO, Fee, Fill, FillKind, Liquidity, Order
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, PositionSide, Side, TimeInForce

Payload: TypeAlias = Order | Fill | PositionChange | FeedGap

quote: Final = encode_basestring_ascii
"""Write a text as a JSON string in plain ASCII."""

EMPTY_LIST: Final = "[]"

_ORDER_TEXTS: Final = (
    "client_order_id",
    "broker_client_order_id",
    "parent_order_id",
    "strategy_id",
    "run_id",
    "reject_reason",
    "rejected_by",
    "broker_message",
    "sender",
)
_TERM_DECIMALS: Final = (
    "quantity",
    "notional",
    "limit_price",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "take_profit_limit_price",
    "stop_loss_stop_price",
    "stop_loss_limit_price",
)
_order_texts: Final = attrgetter(*_ORDER_TEXTS)
_term_decimals: Final = attrgetter(*_TERM_DECIMALS)


def payload_to_text(payload: Payload) -> str:
    """Write an order, a fill, a position change or a gap."""
    if isinstance(payload, Order):
        return order_to_text(payload)
    if isinstance(payload, Fill):
        return fill_to_text(payload)
    if isinstance(payload, FeedGap):
        return json.dumps(asdict(payload))
    return (
        f'{{"account_id":{quote(payload.account_id)},"broker":{quote(payload.broker)}'
        f',"symbol":{quote(payload.symbol)},"quantity":"{payload.quantity}"}}'
    )


def payload_from_text(kind: EventKind, text: str) -> Payload:
    """Read what an event of a kind carries."""
    found = json.loads(text)
    if kind is EventKind.ORDER:
        return _order(found)
    if kind is EventKind.FILL:
        return _fill(found)
    if kind is EventKind.GAP:
        return FeedGap(**found)
    return PositionChange(
        account_id=found["account_id"],
        broker=found["broker"],
        symbol=found["symbol"],
        quantity=Decimal(found["quantity"]),
    )


def order_to_text(order: Order) -> str:
    """Write an order."""
    head = (
        f'{{"order_id":{quote(order.order_id)},"user_id":{quote(order.user_id)}'
        f',"account_id":{quote(order.account_id)},"broker":{quote(order.broker)}'
        f',"idempotency_key":{quote(order.idempotency_key)},"state":"{order.state._value_}"'
        f',"version":{order.version},"create_time_ns":{order.create_time_ns}'
        f',"update_time_ns":{order.update_time_ns},"terms":{_terms_to_text(order.terms)}'
        f',"cum_quantity":"{order.cum_quantity}","canceled_quantity":"{order.canceled_quantity}"'
    )
    given = zip(_ORDER_TEXTS, _order_texts(order), strict=True)
    texts = [f',"{name}":{quote(value)}' for name, value in given if value]
    return f"{head}{''.join(texts)}{_order_progress(order)}{_order_marks(order)}}}"


def _order_progress(order: Order) -> str:
    text = f',"broker_order_ids":{texts_to_text(order.broker_order_ids)}' if order.broker_order_ids else ""
    if order.average_price is not None:
        text += f',"average_price":"{order.average_price}"'
    if order.submit_time_ns is not None:
        text += f',"submit_time_ns":{order.submit_time_ns}'
    if order.complete_time_ns is not None:
        text += f',"complete_time_ns":{order.complete_time_ns}'
    return text


def _order_marks(order: Order) -> str:
    text = f',"labels":{labels_to_text(order.labels)}' if order.labels else ""
    if order.attempt != 1:
        text += f',"attempt":{order.attempt}'
    if order.late_fill:
        text += ',"late_fill":true'
    if order.external:
        text += ',"external":true'
    return text + _order_hold(order)


def _order_hold(order: Order) -> str:
    quantity, price, worth = str(order.hold_quantity), str(order.hold_price), str(order.unit_worth)
    text = "" if quantity == price == "0" else f',"hold_quantity":"{quantity}","hold_price":"{price}"'
    if worth != "1":
        text += f',"unit_worth":"{worth}"'
    if order.position_side is not PositionSide.NET:
        text += f',"position_side":"{order.position_side._value_}"'
    return f'{text},"trading_day":{quote(order.trading_day)}' if order.trading_day else text


def fill_to_text(fill: Fill) -> str:
    """Write a fill."""
    fees = f',"fees":{fees_to_text(fill.fees)}' if fill.fees else ""
    synthetic = ',"fill_id_synthetic":true' if fill.fill_id_synthetic else ""
    return (
        f'{{"fill_id":{quote(fill.fill_id)},"order_id":{quote(fill.order_id)},"user_id":{quote(fill.user_id)}'
        f',"account_id":{quote(fill.account_id)},"broker":{quote(fill.broker)}'
        f',"client_order_id":{quote(fill.client_order_id)},"idempotency_key":{quote(fill.idempotency_key)}'
        f',"broker_order_id":{quote(fill.broker_order_id)},"execution_id":{quote(fill.execution_id)}'
        f',"symbol":{quote(fill.symbol)},"side":"{fill.side._value_}","quantity":"{fill.quantity}"'
        f',"price":"{fill.price}","cum_quantity":"{fill.cum_quantity}","leaves_quantity":"{fill.leaves_quantity}"'
        f',"average_price":"{fill.average_price}","trade_time_ns":{fill.trade_time_ns}'
        f',"receive_time_ns":{fill.receive_time_ns},"kind":"{fill.kind._value_}"'
        f',"refers_to_fill_id":{quote(fill.refers_to_fill_id)},"liquidity":"{fill.liquidity._value_}"'
        f',"venue":{quote(fill.venue)}{synthetic}{fees}}}'
    )


def _terms_to_text(terms: OrderTerms) -> str:
    head = (
        f'{{"symbol":{quote(terms.symbol)},"side":"{terms.side._value_}","type":"{terms.type._value_}"'
        f',"time_in_force":"{terms.time_in_force._value_}"'
    )
    given = zip(_TERM_DECIMALS, _term_decimals(terms), strict=True)
    decimals = [f',"{name}":"{value}"' for name, value in given if value is not None]
    return f"{head}{''.join(decimals)}{_terms_extras(terms)}}}"


def _terms_extras(terms: OrderTerms) -> str:
    text = "" if terms.expire_time_ns is None else f',"expire_time_ns":{terms.expire_time_ns}'
    if terms.extended_hours:
        text += ',"extended_hours":true'
    if terms.reduce_only:
        text += ',"reduce_only":true'
    if terms.position_effect is not PositionEffect.AUTO:
        text += f',"position_effect":"{terms.position_effect._value_}"'
    if terms.order_class is not OrderClass.SIMPLE:
        text += f',"order_class":"{terms.order_class._value_}"'
    if terms.legs:
        text += f',"legs":{legs_to_text(terms.legs)}'
    return text


def texts_to_text(values: tuple[str, ...]) -> str:
    """Write a list of texts."""
    return f"[{','.join(map(quote, values))}]" if values else EMPTY_LIST


def texts_from_text(text: str) -> tuple[str, ...]:
    """Read a list of texts."""
    return () if text == EMPTY_LIST else tuple(json.loads(text))


def labels_to_text(labels: tuple[tuple[str, str], ...]) -> str:
    """Write labels as a list of pairs, which keeps their order."""
    return f"[{','.join(f'[{quote(k)},{quote(v)}]' for k, v in labels)}]" if labels else EMPTY_LIST


def labels_from_text(text: str) -> tuple[tuple[str, str], ...]:
    """Read labels."""
    return () if text == EMPTY_LIST else _labels(json.loads(text))


def legs_to_text(legs: tuple[Leg, ...]) -> str:
    """Write the legs of an order."""
    if not legs:
        return EMPTY_LIST
    rows = (f'[{quote(leg.symbol)},"{leg.side._value_}",{leg.ratio},"{leg.position_effect._value_}"]' for leg in legs)
    return f"[{','.join(rows)}]"


def legs_from_text(text: str) -> tuple[Leg, ...]:
    """Read the legs of an order."""
    return () if text == EMPTY_LIST else _legs(json.loads(text))


def fees_to_text(fees: tuple[Fee, ...]) -> str:
    """Write the fees of a fill."""
    if not fees:
        return EMPTY_LIST
    rows = (
        f'["{fee.amount}",{quote(fee.asset)},{quote(fee.kind)},{"true" if fee.estimated else "false"}]' for fee in fees
    )
    return f"[{','.join(rows)}]"


def fees_from_text(text: str) -> tuple[Fee, ...]:
    """Read the fees of a fill."""
    return () if text == EMPTY_LIST else _fees(json.loads(text))


def decimal_or_none(text: str | None) -> Decimal | None:
    """Read a decimal where there is one."""
    return None if text is None else Decimal(text)


def _labels(found: Any) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in found)


def _legs(found: Any) -> tuple[Leg, ...]:
    return tuple(Leg(symbol, Side(side), ratio, PositionEffect(effect)) for symbol, side, ratio, effect in found)


def _fees(found: Any) -> tuple[Fee, ...]:
    return tuple(Fee(Decimal(amount), asset, kind, estimated) for amount, asset, kind, estimated in found)


def _terms(found: dict[str, Any]) -> OrderTerms:
    return OrderTerms(
        symbol=found["symbol"],
        side=Side(found["side"]),
        type=OrderType(found["type"]),
        time_in_force=TimeInForce(found["time_in_force"]),
        expire_time_ns=found.get("expire_time_ns"),
        extended_hours=found.get("extended_hours", False),
        reduce_only=found.get("reduce_only", False),
        position_effect=PositionEffect(found.get("position_effect", PositionEffect.AUTO)),
        order_class=OrderClass(found.get("order_class", OrderClass.SIMPLE)),
        legs=_legs(found.get("legs", ())),
        **{name: Decimal(found[name]) for name in _TERM_DECIMALS if name in found},
    )


def _order(found: dict[str, Any]) -> Order:
    return Order(
        order_id=found["order_id"],
        user_id=found["user_id"],
        account_id=found["account_id"],
        broker=found["broker"],
        terms=_terms(found["terms"]),
        idempotency_key=found["idempotency_key"],
        state=State(found["state"]),
        version=found["version"],
        create_time_ns=found["create_time_ns"],
        update_time_ns=found["update_time_ns"],
        broker_order_ids=tuple(found.get("broker_order_ids", ())),
        labels=_labels(found.get("labels", ())),
        attempt=found.get("attempt", 1),
        cum_quantity=Decimal(found.get("cum_quantity", ZERO)),
        average_price=decimal_or_none(found.get("average_price")),
        canceled_quantity=Decimal(found.get("canceled_quantity", ZERO)),
        submit_time_ns=found.get("submit_time_ns"),
        complete_time_ns=found.get("complete_time_ns"),
        late_fill=found.get("late_fill", False),
        external=found.get("external", False),
        hold_quantity=Decimal(found.get("hold_quantity", ZERO)),
        hold_price=Decimal(found.get("hold_price", ZERO)),
        unit_worth=Decimal(found.get("unit_worth", ONE)),
        trading_day=found.get("trading_day", ""),
        position_side=PositionSide(found.get("position_side", "")),
        **{name: found[name] for name in _ORDER_TEXTS if name in found},
    )


def _fill(found: dict[str, Any]) -> Fill:
    return Fill(
        fill_id=found["fill_id"],
        order_id=found["order_id"],
        user_id=found["user_id"],
        account_id=found["account_id"],
        broker=found["broker"],
        client_order_id=found["client_order_id"],
        idempotency_key=found["idempotency_key"],
        broker_order_id=found["broker_order_id"],
        execution_id=found["execution_id"],
        symbol=found["symbol"],
        side=Side(found["side"]),
        quantity=Decimal(found["quantity"]),
        price=Decimal(found["price"]),
        cum_quantity=Decimal(found["cum_quantity"]),
        leaves_quantity=Decimal(found["leaves_quantity"]),
        average_price=Decimal(found["average_price"]),
        trade_time_ns=found["trade_time_ns"],
        receive_time_ns=found["receive_time_ns"],
        kind=FillKind(found["kind"]),
        refers_to_fill_id=found["refers_to_fill_id"],
        fill_id_synthetic=found.get("fill_id_synthetic", False),
        liquidity=Liquidity(found["liquidity"]),
        venue=found["venue"],
        fees=_fees(found.get("fees", ())),
    )
