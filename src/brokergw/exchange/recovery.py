"""Taking the state out of an exchange, and making an exchange again from it.

Cash, positions and averages are not part of the state: they come out of the opening cash and the executions by the
same arithmetic, in the same order. What open orders hold and reserve comes out of the orders.
"""

from brokergw.exchange.book import WorkingOrder
from brokergw.exchange.floor import Floor
from brokergw.exchange.ledger import Account
from brokergw.exchange.values import (
    ZERO,
    AccountOpening,
    ExchangeOrder,
    ExchangeState,
    Execution,
    OrderStatus,
)
from brokergw.model.terms import Side


def state_of(floor: Floor) -> ExchangeState:
    """Give what an exchange must remember."""
    accounts = floor.accounts.values()
    orders = sorted(
        (order.snapshot() for account in accounts for order in account.orders.values()),
        key=lambda order: order.backing.sequence,
    )
    return ExchangeState(
        tuple(account.opening() for account in accounts),
        tuple(orders),
        tuple(floor.executions),
    )


def recover(floor: Floor, state: ExchangeState) -> None:
    """Fill an untouched floor with a state; raises ValueError when it is not untouched or the state is broken."""
    if floor.accounts or floor.order_count:
        raise ValueError("only an untouched exchange can take over a state")
    for opening in state.accounts:
        _open(floor, opening)
    orders: dict[str, WorkingOrder] = {}
    for shot in state.orders:
        orders[shot.order_id] = _rebuild(floor, shot)
    for execution in state.executions:
        _apply(floor, execution, orders)
    for shot in state.orders:
        _finish(orders[shot.order_id], shot, orders)
    for shot in state.orders:
        order = orders[shot.order_id]
        order.accept()
        order.shot = shot
        if order.is_open and order.status is not OrderStatus.HELD:
            floor.rest(order)
    floor.order_count = max((shot.backing.sequence for shot in state.orders), default=0)


def _open(floor: Floor, opening: AccountOpening) -> None:
    floor.accounts[opening.account_id] = Account(
        opening.account_id,
        cash=opening.cash,
        multiplier=opening.multiplier,
        shorting=opening.shorting,
        create_time_ns=opening.create_time_ns,
    )


def _rebuild(floor: Floor, shot: ExchangeOrder) -> WorkingOrder:
    listing = floor.market.listing(shot.symbol)
    account = floor.accounts.get(shot.account_id)
    if listing is None or account is None:
        raise ValueError(f"order {shot.order_id} is of an unknown account or symbol")
    order = WorkingOrder(account, listing, shot.ticket)
    order.order_id = shot.order_id
    order.sequence = shot.backing.sequence
    order.client_order_id = shot.client_order_id
    order.quantity = shot.quantity
    order.closing = shot.backing.closing
    order.reserve_price = shot.backing.reserve_price
    order.ready_at_ns = shot.backing.ready_at_ns
    order.auction_ns = shot.backing.auction_ns
    return order


def _apply(floor: Floor, execution: Execution, orders: dict[str, WorkingOrder]) -> None:
    order = orders.get(execution.order_id)
    if order is None:
        raise ValueError(f"execution {execution.execution_id} is of an unknown order")
    account = order.account
    money = execution.price * execution.quantity * order.listing.contract_size
    buys = execution.side is Side.BUY
    order.position.apply(execution.quantity if buys else -execution.quantity, execution.price)
    account.cash -= (money if buys else -money) + execution.fee
    account.executions.append(execution)
    order.executions.append(execution)
    floor.executions.append(execution)


def _finish(order: WorkingOrder, shot: ExchangeOrder, orders: dict[str, WorkingOrder]) -> None:
    order.status = shot.status
    order.filled = shot.filled_quantity
    order.average_price = shot.average_price
    order.stop_price = shot.stop_price
    order.high_water_mark = shot.high_water_mark
    order.triggered = shot.triggered
    order.create_time_ns = shot.create_time_ns
    order.update_time_ns = shot.update_time_ns
    order.expires_at_ns = shot.expires_at_ns
    order.fill_time_ns = shot.fill_time_ns
    order.cancel_time_ns = shot.cancel_time_ns
    order.expire_time_ns = shot.expire_time_ns
    order.replace_time_ns = shot.replace_time_ns
    order.replaces = shot.replaces
    order.replaced_by = shot.replaced_by
    order.reject_reason = shot.reject_reason
    order.parent = orders[shot.parent_id] if shot.parent_id else None
    order.legs = tuple(orders[leg_id] for leg_id in shot.leg_ids)
    before = orders[shot.replaces].filled_value if shot.replaces else ZERO
    order.filled_value = before + sum((each.quantity * each.price for each in order.executions), ZERO)
