"""The rows of the journal: an account, an order, what changes of an order, an execution; each a JSON list.

Decimals are text, absent values null, enums their words. Readers raise ValueError, TypeError or ArithmeticError for a
row that is none.
"""

from decimal import Decimal
from typing import Any

from brokergw.exchange import AccountOpening, Backing, ExchangeOrder, Execution, OrderStatus, Ticket
from brokergw.model.terms import OrderClass, OrderType, Side, TimeInForce


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def opening_row(opening: AccountOpening) -> list[Any]:
    """Write an account."""
    return [
        opening.account_id,
        str(opening.cash),
        str(opening.multiplier),
        opening.shorting,
        opening.create_time_ns,
    ]


def read_opening(row: list[Any]) -> AccountOpening:
    """Read an account."""
    account_id, cash, multiplier, shorting, create_time_ns = row
    return AccountOpening(
        account_id=account_id,
        cash=Decimal(cash),
        multiplier=Decimal(multiplier),
        shorting=shorting,
        create_time_ns=create_time_ns,
    )


def order_row(order: ExchangeOrder) -> list[Any]:
    """Write an order as it is seen first: what stays, then its progress."""
    backing, ticket = order.backing, order.ticket
    return [
        order.order_id,
        order.account_id,
        order.client_order_id,
        order.create_time_ns,
        [backing.sequence, backing.closing, str(backing.reserve_price), backing.ready_at_ns, backing.auction_ns],
        [
            ticket.symbol,
            ticket.side,
            ticket.type,
            ticket.time_in_force,
            ticket.order_class,
            ticket.client_order_id,
            ticket.extended_hours,
            ticket.expire_time_ns,
            _text(ticket.quantity),
            _text(ticket.notional),
            _text(ticket.limit_price),
            _text(ticket.stop_price),
            _text(ticket.trail_amount),
            _text(ticket.trail_percent),
            _text(ticket.take_profit_limit_price),
            _text(ticket.stop_loss_stop_price),
            _text(ticket.stop_loss_limit_price),
        ],
        progress_row(order),
    ]


def read_order(row: list[Any]) -> ExchangeOrder:
    """Read an order."""
    order_id, account_id, client_order_id, create_time_ns, backing, ticket, progress = row
    sequence, closing, reserve_price, ready_at_ns, auction_ns = backing
    return ExchangeOrder(
        order_id=order_id,
        account_id=account_id,
        client_order_id=client_order_id,
        create_time_ns=create_time_ns,
        ticket=_read_ticket(ticket),
        backing=Backing(
            sequence=sequence,
            closing=closing,
            reserve_price=Decimal(reserve_price),
            ready_at_ns=ready_at_ns,
            auction_ns=auction_ns,
        ),
        **read_progress(progress),
    )


def _read_ticket(row: list[Any]) -> Ticket:
    symbol, side, kind, time_in_force, order_class, client_order_id, extended_hours, expire_time_ns, *prices = row
    quantity, notional, limit, stop, amount, percent, take_profit, stop_loss, stop_loss_limit = map(_decimal, prices)
    return Ticket(
        symbol=symbol,
        side=Side(side),
        type=OrderType(kind),
        time_in_force=TimeInForce(time_in_force),
        order_class=OrderClass(order_class),
        client_order_id=client_order_id,
        extended_hours=extended_hours,
        expire_time_ns=expire_time_ns,
        quantity=quantity,
        notional=notional,
        limit_price=limit,
        stop_price=stop,
        trail_amount=amount,
        trail_percent=percent,
        take_profit_limit_price=take_profit,
        stop_loss_stop_price=stop_loss,
        stop_loss_limit_price=stop_loss_limit,
    )


def progress_row(order: ExchangeOrder) -> list[Any]:
    """Write what changes of an order."""
    return [
        order.status,
        str(order.quantity),
        str(order.filled_quantity),
        _text(order.average_price),
        _text(order.stop_price),
        _text(order.high_water_mark),
        order.triggered,
        order.update_time_ns,
        order.expires_at_ns,
        order.fill_time_ns,
        order.cancel_time_ns,
        order.expire_time_ns,
        order.replace_time_ns,
        order.replaces,
        order.replaced_by,
        order.parent_id,
        order.leg_ids,
        order.reject_reason,
    ]


def read_progress(row: list[Any]) -> dict[str, Any]:
    """Read what changes of an order, as fields of it."""
    status, quantity, filled, average, stop, mark, triggered, *rest = row
    update, expires_at, fill, cancel, expire, replaced, replaces, replaced_by, parent_id, leg_ids, reason = rest
    return {
        "status": OrderStatus(status),
        "quantity": Decimal(quantity),
        "filled_quantity": Decimal(filled),
        "average_price": _decimal(average),
        "stop_price": _decimal(stop),
        "high_water_mark": _decimal(mark),
        "triggered": triggered,
        "update_time_ns": update,
        "expires_at_ns": expires_at,
        "fill_time_ns": fill,
        "cancel_time_ns": cancel,
        "expire_time_ns": expire,
        "replace_time_ns": replaced,
        "replaces": replaces,
        "replaced_by": replaced_by,
        "parent_id": parent_id,
        "leg_ids": tuple(leg_ids),
        "reject_reason": reason,
    }


def execution_row(execution: Execution) -> list[Any]:
    """Write an execution."""
    return [
        execution.execution_id,
        execution.order_id,
        execution.account_id,
        execution.symbol,
        execution.side,
        str(execution.quantity),
        str(execution.price),
        str(execution.fee),
        execution.time_ns,
        str(execution.position_quantity),
    ]


def read_execution(row: list[Any]) -> Execution:
    """Read an execution."""
    execution_id, order_id, account_id, symbol, side, quantity, price, fee, time_ns, position_quantity = row
    return Execution(
        execution_id=execution_id,
        order_id=order_id,
        account_id=account_id,
        symbol=symbol,
        side=Side(side),
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        time_ns=time_ns,
        position_quantity=Decimal(position_quantity),
    )
