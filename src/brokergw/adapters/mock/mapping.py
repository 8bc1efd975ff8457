"""The exchange's values in canonical terms, and canonical terms as the exchange's tickets."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from brokergw.exchange import (
    Depth,
    ExchangeEvent,
    ExchangeOrder,
    Execution,
    Holding,
    Ledger,
    Listing,
    OrderStatus,
    RefusalCode,
    Refused,
    Ticket,
)
from brokergw.model.account import AccountState, Balance, Position, Transaction
from brokergw.model.instrument import AssetClass, Instrument, Quote
from brokergw.model.lifecycle import State
from brokergw.model.order import ZERO, Fee, Liquidity
from brokergw.model.outcome import BrokerFill, BrokerOrder, OrderReport, Rejected
from brokergw.model.terms import OrderTerms, OrderType, Side

CURRENCY: Final = "USD"
_AVERAGE_STEP: Final = Decimal("1e-9")

STATES: Final = {
    OrderStatus.ACCEPTED: State.ACKED,
    OrderStatus.NEW: State.WORKING,
    # An exit that waits for its entry is known to the exchange and not yet working.
    OrderStatus.HELD: State.ACKED,
    OrderStatus.PARTIALLY_FILLED: State.PARTIAL,
    OrderStatus.FILLED: State.FILLED,
    OrderStatus.CANCELED: State.CANCELED,
    OrderStatus.EXPIRED: State.EXPIRED,
    OrderStatus.REJECTED: State.REJECTED_BY_BROKER,
    # The order lives on under `replaced_by`.
    OrderStatus.REPLACED: State.PENDING_MODIFY,
}

REASONS: Final = {
    RefusalCode.UNKNOWN_ACCOUNT: "NOT_PERMITTED",
    RefusalCode.UNKNOWN_SYMBOL: "UNKNOWN_SYMBOL",
    RefusalCode.NOT_TRADABLE: "NOT_TRADABLE",
    RefusalCode.NOT_FRACTIONABLE: "NOT_FRACTIONABLE",
    RefusalCode.INVALID_TERMS: "INVALID_TERMS",
    RefusalCode.OFF_TICK: "INVALID_PRICE",
    RefusalCode.OFF_STEP: "INVALID_QUANTITY",
    RefusalCode.BELOW_MINIMUM: "MINIMUM_SIZE",
    RefusalCode.INSUFFICIENT_BUYING_POWER: "INSUFFICIENT_FUNDS",
    RefusalCode.INSUFFICIENT_QUANTITY: "INSUFFICIENT_POSITION",
    RefusalCode.SHORT_NOT_ALLOWED: "SHORT_NOT_ALLOWED",
    RefusalCode.DUPLICATE_CLIENT_ORDER_ID: "DUPLICATE_CLIENT_ID",
    RefusalCode.WASH_TRADE: "WASH_TRADE",
    RefusalCode.OPPOSITE_ORDER_OPEN: "OPPOSITE_ORDER_OPEN",
    RefusalCode.NOT_FOUND: "NOT_FOUND",
    RefusalCode.NOT_OPEN: "ORDER_NOT_OPEN",
    RefusalCode.NOT_REPLACEABLE: "REPLACE_REJECTED",
}
"""The canonical word for each of the exchange's refusals."""

_FIELD_REASONS: Final = {
    "quantity": "INVALID_QUANTITY",
    "notional": "INVALID_QUANTITY",
    "limit_price": "INVALID_PRICE",
    "stop_price": "INVALID_PRICE",
    "trail": "INVALID_PRICE",
    "trail_percent": "INVALID_PRICE",
    "take_profit_limit_price": "INVALID_PRICE",
    "stop_loss_stop_price": "INVALID_PRICE",
    "stop_loss_limit_price": "INVALID_PRICE",
}


def rejected(refused: Refused) -> Rejected:
    """Say a refusal in canonical words, with the exchange's own beside them."""
    reason = REASONS[refused.code]
    if refused.code is RefusalCode.INVALID_TERMS:
        reason = _FIELD_REASONS.get(str(refused.facts.get("field")), reason)
    return Rejected(reason, refused.code.value, refused.message)


def ticket(client_order_id: str, terms: OrderTerms) -> Ticket:
    """Write canonical terms as a ticket."""
    return Ticket(
        symbol=terms.symbol,
        side=terms.side,
        type=terms.type,
        time_in_force=terms.time_in_force,
        quantity=terms.quantity,
        notional=terms.notional,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        trail_amount=terms.trail_amount,
        trail_percent=terms.trail_percent,
        expire_time_ns=terms.expire_time_ns,
        extended_hours=terms.extended_hours,
        client_order_id=client_order_id,
        order_class=terms.order_class,
        take_profit_limit_price=terms.take_profit_limit_price,
        stop_loss_stop_price=terms.stop_loss_stop_price,
        stop_loss_limit_price=terms.stop_loss_limit_price,
    )


def terms(order: ExchangeOrder) -> OrderTerms:
    """Read an order's terms as they stand now."""
    ticket = order.ticket
    # A trail's stop belongs to the exchange, not to the terms.
    trails = ticket.type is OrderType.TRAILING_STOP
    return OrderTerms(
        symbol=ticket.symbol,
        side=ticket.side,
        type=ticket.type,
        time_in_force=ticket.time_in_force,
        quantity=order.quantity if ticket.notional is None else None,
        notional=ticket.notional,
        limit_price=ticket.limit_price,
        stop_price=None if trails else order.stop_price,
        trail_amount=ticket.trail_amount,
        trail_percent=ticket.trail_percent,
        expire_time_ns=ticket.expire_time_ns,
        extended_hours=ticket.extended_hours,
        order_class=ticket.order_class,
        take_profit_limit_price=ticket.take_profit_limit_price,
        stop_loss_stop_price=ticket.stop_loss_stop_price,
        stop_loss_limit_price=ticket.stop_loss_limit_price,
    )


def broker_order(order: ExchangeOrder, legs: Sequence[ExchangeOrder] = ()) -> BrokerOrder:
    """Tell an order in canonical terms."""
    state = STATES[order.status]
    if state is State.WORKING and order.triggered and order.stop_price is not None:
        state = State.TRIGGERED
    return BrokerOrder(
        broker_order_id=order.order_id,
        client_order_id=order.client_order_id,
        terms=terms(order),
        state=state,
        cum_quantity=order.filled_quantity,
        average_price=order.average_price,
        submit_time_ns=order.create_time_ns,
        update_time_ns=order.update_time_ns,
        replaces=order.replaces,
        replaced_by=order.replaced_by,
        reject_reason=order.reject_reason,
        legs=tuple(broker_order(leg) for leg in legs),
    )


def fill(execution: Execution) -> BrokerFill:
    """Tell an execution."""
    fees = (Fee(execution.fee, CURRENCY, "COMMISSION"),) if execution.fee else ()
    return BrokerFill(
        execution_id=execution.execution_id,
        quantity=execution.quantity,
        price=execution.price,
        trade_time_ns=execution.time_ns,
        liquidity=Liquidity.UNKNOWN,
        venue="MOCK",
        fees=fees,
        position_quantity=execution.position_quantity,
    )


def report(event: ExchangeEvent, order: BrokerOrder) -> OrderReport:
    """Tell a live event, with its order in canonical terms."""
    return OrderReport(order, event.time_ns, None if event.execution is None else fill(event.execution))


def fill_reports(
    order: ExchangeOrder, executions: Iterable[Execution], legs: Sequence[ExchangeOrder] = ()
) -> list[OrderReport]:
    """Tell again the executions of an order and its generations before, each with the running totals after it."""
    whole = broker_order(order, legs)
    reports, cum, value = [], ZERO, ZERO
    for execution in executions:
        cum += execution.quantity
        value += execution.quantity * execution.price
        last = cum == whole.cum_quantity
        then = whole if last and order.status is OrderStatus.FILLED else _midway(whole, cum, value, execution.time_ns)
        reports.append(OrderReport(then, execution.time_ns, fill(execution), replayed=True))
    return reports


def _midway(whole: BrokerOrder, cum: Decimal, value: Decimal, time_ns: int) -> BrokerOrder:
    average = value / cum
    rounded = average.quantize(_AVERAGE_STEP)
    return replace(
        whole,
        state=State.PARTIAL,
        cum_quantity=cum,
        average_price=rounded.normalize() if rounded != average else average,
        update_time_ns=time_ns,
        reject_reason="",
    )


def account(ledger: Ledger, holdings: Iterable[Holding], classes: dict[str, AssetClass]) -> AccountState:
    """Tell an account; coins are balances as well as positions."""
    money = Balance(CURRENCY, ledger.cash, max(ZERO, ledger.cash - ledger.reserved), min(ledger.cash, ledger.reserved))
    coins = tuple(
        Balance(held.symbol.partition("/")[0], held.quantity, held.available, held.quantity - held.available)
        for held in holdings
        if classes[held.symbol] is AssetClass.CRYPTO
    )
    return AccountState(
        masked_number=f"****{ledger.account_id[-4:]}",
        currency=CURRENCY,
        equity=ledger.equity,
        cash=ledger.cash,
        buying_power=ledger.buying_power,
        balances=(money, *coins),
        trading_blocked=False,
        shorting_enabled=ledger.shorting and ledger.multiplier > 1,
        multiplier=ledger.multiplier,
        as_of_ns=ledger.time_ns,
    )


def position(holding: Holding, asset_class: AssetClass, as_of_ns: int) -> Position:
    """Tell a position."""
    return Position(
        symbol=holding.symbol,
        asset_class=asset_class,
        quantity=holding.quantity,
        available_quantity=holding.available,
        average_price=holding.average_price,
        cost_basis=holding.cost_basis,
        market_price=holding.market_price,
        market_value=holding.market_value,
        unrealized_profit=holding.unrealized_profit,
        as_of_ns=as_of_ns,
    )


def deposit(ledger: Ledger, amount: Decimal) -> Transaction:
    """Tell the money an account began with."""
    return Transaction(
        transaction_id=f"deposit-{ledger.account_id}",
        kind="DEPOSIT",
        broker_kind="OPENING",
        time_ns=ledger.create_time_ns,
        net_amount=amount,
        currency=CURRENCY,
        description="play money",
    )


def trade(execution: Execution, contract_size: Decimal) -> Transaction:
    """Tell an execution as a line of the account's history, its fee taken off."""
    money = execution.quantity * execution.price * contract_size
    buys = execution.side is Side.BUY
    return Transaction(
        transaction_id=execution.execution_id,
        kind="FILL",
        broker_kind=execution.side.value,
        time_ns=execution.time_ns,
        symbol=execution.symbol,
        quantity=execution.quantity if buys else -execution.quantity,
        price=execution.price,
        net_amount=(-money if buys else money) - execution.fee,
        currency=CURRENCY,
        broker_order_id=execution.order_id,
    )


def quote(depth: Depth) -> Quote:
    """Tell the top of a book."""
    return Quote(depth.symbol, depth.bid, depth.ask, depth.bid_size, depth.ask_size, depth.time_ns)


def instrument(listing: Listing) -> Instrument:
    """Tell a listing."""
    return Instrument(
        symbol=listing.symbol,
        broker="mock",
        broker_symbol=listing.symbol,
        asset_class=listing.asset_class,
        name=listing.name,
        currency=CURRENCY,
        tick_bands=listing.tick_bands,
        quantity_step=listing.quantity_step,
        quantity_min=listing.quantity_min,
        notional_min=listing.notional_min,
        tradable=listing.tradable,
        fractionable=listing.fractionable,
        shortable=listing.shortable,
        venue=listing.venue,
        multiplier=listing.contract_size,
    )
