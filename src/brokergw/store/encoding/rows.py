"""Rows of the order, fill, key and audit tables: model values as tuples in the tables' column order, and back."""

import re
from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, TypeAlias

from brokergw.model.events import AuditRow, EventKind, LogEvent
from brokergw.model.lifecycle import OPEN, State
from brokergw.model.order import Fill, FillKind, Liquidity, Order, Origin
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, PositionEffect, PositionSide, Side, TimeInForce
from brokergw.ports.journal import KeyClaim, KeyRecord, KeyScope
from brokergw.store.encoding.codec import (
    decimal_or_none,
    fees_from_text,
    fees_to_text,
    labels_from_text,
    labels_to_text,
    legs_from_text,
    legs_to_text,
    payload_from_text,
    texts_from_text,
    texts_to_text,
)

Row: TypeAlias = tuple[Any, ...]

_NUL: Final = "\x00"
_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")
_INSTEAD: Final = "\N{REPLACEMENT CHARACTER}"
_AUDIT_TEXTS: Final = attrgetter(
    "user_id",
    "request_id",
    "key_id",
    "principal_kind",
    "address",
    "action",
    "method_class",
    "outcome",
    "reason",
    "account_id",
    "order_id",
    "detail",
    "payload",
)
"""The texts of an audit row, the first before its time and the others behind it."""


def is_storable(text: str) -> bool:
    """Tell whether every database can hold a text: no NUL, no half of a surrogate pair."""
    return _NUL not in text and (text.isascii() or _HALF_PAIR.search(text) is None)


def free_text(text: str) -> str:
    """Replace what a database cannot hold in text that others chose, such as a broker's message or a caller's word.

    An order must not fail to be recorded, nor a call to be audited, because of somebody's choice of characters.
    """
    if is_storable(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace(_NUL, _INSTEAD)


def order_row(order: Order) -> Row:
    """Write an order as a row of `broker_orders`."""
    terms = order.terms
    return (
        order.user_id,
        order.account_id,
        order.order_id,
        order.broker,
        order.state._value_,
        order.state in OPEN,
        order.version,
        order.create_time_ns,
        order.update_time_ns,
        order.submit_time_ns,
        order.complete_time_ns,
        terms.symbol,
        terms.side._value_,
        terms.type._value_,
        terms.time_in_force._value_,
        None if terms.quantity is None else str(terms.quantity),
        None if terms.notional is None else str(terms.notional),
        None if terms.limit_price is None else str(terms.limit_price),
        None if terms.stop_price is None else str(terms.stop_price),
        None if terms.trail_amount is None else str(terms.trail_amount),
        None if terms.trail_percent is None else str(terms.trail_percent),
        terms.expire_time_ns,
        terms.extended_hours,
        terms.position_effect._value_,
        terms.order_class._value_,
        None if terms.take_profit_limit_price is None else str(terms.take_profit_limit_price),
        None if terms.stop_loss_stop_price is None else str(terms.stop_loss_stop_price),
        None if terms.stop_loss_limit_price is None else str(terms.stop_loss_limit_price),
        legs_to_text(terms.legs),
        str(order.cum_quantity),
        None if order.average_price is None else str(order.average_price),
        str(order.canceled_quantity),
        order.idempotency_key,
        order.client_order_id,
        order.broker_client_order_id,
        texts_to_text(order.broker_order_ids),
        order.parent_order_id,
        order.strategy_id,
        order.run_id,
        labels_to_text(order.labels),
        order.attempt,
        free_text(order.reject_reason),
        order.rejected_by,
        free_text(order.broker_message),
        order.late_fill,
        order.external,
        order.sender,
        str(order.hold_quantity),
        str(order.hold_price),
        str(order.unit_worth),
        order.trading_day,
        terms.reduce_only,
        order.position_side._value_,
    )


def order_from_row(row: Sequence[Any]) -> Order:
    """Read a row of `broker_orders`."""
    terms = OrderTerms(
        symbol=row[11],
        side=Side(row[12]),
        type=OrderType(row[13]),
        time_in_force=TimeInForce(row[14]),
        quantity=decimal_or_none(row[15]),
        notional=decimal_or_none(row[16]),
        limit_price=decimal_or_none(row[17]),
        stop_price=decimal_or_none(row[18]),
        trail_amount=decimal_or_none(row[19]),
        trail_percent=decimal_or_none(row[20]),
        expire_time_ns=row[21],
        extended_hours=bool(row[22]),
        position_effect=PositionEffect(row[23]),
        order_class=OrderClass(row[24]),
        take_profit_limit_price=decimal_or_none(row[25]),
        stop_loss_stop_price=decimal_or_none(row[26]),
        stop_loss_limit_price=decimal_or_none(row[27]),
        legs=legs_from_text(row[28]),
        reduce_only=bool(row[51]),
    )
    return Order(
        user_id=row[0],
        account_id=row[1],
        order_id=row[2],
        broker=row[3],
        terms=terms,
        state=State(row[4]),
        version=row[6],
        create_time_ns=row[7],
        update_time_ns=row[8],
        submit_time_ns=row[9],
        complete_time_ns=row[10],
        cum_quantity=Decimal(row[29]),
        average_price=decimal_or_none(row[30]),
        canceled_quantity=Decimal(row[31]),
        idempotency_key=row[32],
        client_order_id=row[33],
        broker_client_order_id=row[34],
        broker_order_ids=texts_from_text(row[35]),
        parent_order_id=row[36],
        strategy_id=row[37],
        run_id=row[38],
        labels=labels_from_text(row[39]),
        attempt=row[40],
        reject_reason=row[41],
        rejected_by=row[42],
        broker_message=row[43],
        late_fill=bool(row[44]),
        external=bool(row[45]),
        sender=row[46],
        hold_quantity=Decimal(row[47]),
        hold_price=Decimal(row[48]),
        unit_worth=Decimal(row[49]),
        trading_day=row[50],
        position_side=PositionSide(row[52]),
    )


def fill_row(fill: Fill) -> Row:
    """Write a fill as a row of `broker_fills`."""
    return (
        fill.user_id,
        fill.account_id,
        fill.fill_id,
        fill.order_id,
        fill.broker,
        fill.client_order_id,
        fill.idempotency_key,
        fill.broker_order_id,
        fill.execution_id,
        fill.symbol,
        fill.side._value_,
        str(fill.quantity),
        str(fill.price),
        str(fill.cum_quantity),
        str(fill.leaves_quantity),
        str(fill.average_price),
        fill.trade_time_ns,
        fill.receive_time_ns,
        fill.kind._value_,
        fill.refers_to_fill_id,
        fill.fill_id_synthetic,
        fill.liquidity._value_,
        fill.venue,
        fees_to_text(fill.fees),
    )


def fill_from_row(row: Sequence[Any]) -> Fill:
    """Read a row of `broker_fills`."""
    return Fill(
        user_id=row[0],
        account_id=row[1],
        fill_id=row[2],
        order_id=row[3],
        broker=row[4],
        client_order_id=row[5],
        idempotency_key=row[6],
        broker_order_id=row[7],
        execution_id=row[8],
        symbol=row[9],
        side=Side(row[10]),
        quantity=Decimal(row[11]),
        price=Decimal(row[12]),
        cum_quantity=Decimal(row[13]),
        leaves_quantity=Decimal(row[14]),
        average_price=Decimal(row[15]),
        trade_time_ns=row[16],
        receive_time_ns=row[17],
        kind=FillKind(row[18]),
        refers_to_fill_id=row[19],
        fill_id_synthetic=bool(row[20]),
        liquidity=Liquidity(row[21]),
        venue=row[22],
        fees=fees_from_text(row[23]),
    )


def claim_row(claim: KeyClaim) -> Row:
    """Write a claim as a row of `idempotency_keys`, undecided."""
    scope = claim.scope
    return (scope.user_id, scope.method, scope.key, claim.fingerprint, claim.subject, claim.time_ns, "", None, False)


def key_from_row(row: Sequence[Any]) -> KeyRecord:
    """Read a row of `idempotency_keys`."""
    return KeyRecord(
        scope=KeyScope(row[0], row[1], row[2]),
        fingerprint=row[3],
        subject=row[4],
        claim_time_ns=row[5],
        decision=row[6],
        decision_time_ns=row[7],
        retired=bool(row[8]),
    )


def audit_row(row: AuditRow) -> Row:
    """Write what an audit row tells as the columns of `broker_audit_log`, all but its place in a chain."""
    texts = _AUDIT_TEXTS(row)
    if not is_storable("".join(texts)):
        texts = tuple(map(free_text, texts))
    user_id, *others = texts
    return (user_id, row.time_ns, *others, row.duration_ns)


def user_of_audit_row(row: Row) -> str:
    """Tell whose an audit row is, as `audit_row` has written it."""
    user_id: str = row[0]
    return user_id


def event_from_row(row: Sequence[Any]) -> LogEvent:
    """Read a row of `events`."""
    kind = EventKind(row[3])
    return LogEvent(
        kind=kind,
        account_id=row[1],
        sequence=row[2],
        origin=Origin(row[5]),
        event_time_ns=row[6],
        receive_time_ns=row[7],
        publish_time_ns=row[8],
        payload=payload_from_text(kind, row[9]),
    )
