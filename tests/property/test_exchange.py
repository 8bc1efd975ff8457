"""Whatever is asked of the exchange, its books balance."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings

from brokergw.exchange import Execution, OrderStatus, Ticket
from brokergw.exchange.resting import RestingBook
from brokergw.model.order import ZERO
from brokergw.model.terms import OrderClass, OrderType, Side, TimeInForce
from tests.fixtures.exchange_acts import (
    ACCOUNT,
    ACTS,
    AFTERNOON_NS,
    CASH,
    MULTIPLIERS,
    SYMBOLS,
    WAYS,
    Act,
    World,
    play,
    price,
    submit,
)

EXITS_WAKE_BEHIND_ANOTHER_SYMBOL: tuple[Decimal, dict[str, Any], list[Act], list[Act]] = (
    Decimal(2),
    {},
    [
        price("OCGN", 100),
        submit(
            Ticket(
                symbol="F",
                side=Side.SELL,
                type=OrderType.MARKET,
                time_in_force=TimeInForce.DAY,
                quantity=Decimal(7000),
                order_class=OrderClass.BRACKET,
                take_profit_limit_price=Decimal("8.80"),
                stop_loss_stop_price=Decimal("8.81"),
            )
        ),
        submit(
            Ticket(
                symbol="OCGN",
                side=Side.BUY,
                type=OrderType.STOP,
                time_in_force=TimeInForce.DAY,
                quantity=Decimal(1),
                stop_price=Decimal("0.9945"),
            )
        ),
        price("AAPL", None),
    ],
    [price("OCGN", 117)],
)
"""Exits of an entry older than an order of another symbol begin to wait after it; then one tick trades both."""


def signed(execution: Execution) -> Decimal:
    """Give an execution's quantity with its sign."""
    return execution.quantity if execution.side is Side.BUY else -execution.quantity


@settings(max_examples=150, deadline=None)
@given(MULTIPLIERS, ACTS)
def test_positions_are_the_sum_of_the_executions(multiplier: Decimal, acts: list[Act]) -> None:
    """Every position is the sum of its executions, and each execution tells the position after it."""

    def check(world: World) -> None:
        sums: dict[str, Decimal] = {}
        for execution in world.exchange.executions(ACCOUNT):
            sums[execution.symbol] = sums.get(execution.symbol, ZERO) + signed(execution)
            assert execution.position_quantity == sums[execution.symbol]
        held = {holding.symbol: holding.quantity for holding in world.exchange.positions(ACCOUNT)}
        assert held == {symbol: quantity for symbol, quantity in sums.items() if quantity}

    play(multiplier, acts, check)


@settings(max_examples=150, deadline=None)
@given(MULTIPLIERS, ACTS)
def test_cash_is_conserved(multiplier: Decimal, acts: list[Act]) -> None:
    """Cash is the opening cash less what was bought, plus what was sold, less the fees, to the last digit."""

    def check(world: World) -> None:
        executions = world.exchange.executions(ACCOUNT)
        spent = sum((signed(each) * each.price + each.fee for each in executions), ZERO)
        ledger = world.exchange.account(ACCOUNT)
        assert ledger.cash == CASH - spent
        worth = sum((holding.market_value for holding in world.exchange.positions(ACCOUNT)), ZERO)
        assert ledger.equity == ledger.cash + worth

    play(multiplier, acts, check)


@settings(max_examples=150, deadline=None)
@given(MULTIPLIERS, ACTS)
def test_every_unit_of_an_order_is_somewhere(multiplier: Decimal, acts: list[Act]) -> None:
    """An order's quantity is what was filled, what may still trade, and what was cancelled; none is below zero."""

    def check(world: World) -> None:
        orders = {order.order_id: order for order in world.exchange.orders(ACCOUNT)}
        for order in orders.values():
            parts = (order.filled_quantity, order.leaves_quantity, order.canceled_quantity)
            assert sum(parts, ZERO) == order.quantity
            assert min(parts) >= 0
            assert (order.status is OrderStatus.FILLED) == (order.filled_quantity == order.quantity > 0)
            own = sum((e.quantity for e in world.exchange.executions_of(ACCOUNT, order.order_id)), ZERO)
            before = orders[order.replaces].filled_quantity if order.replaces else ZERO
            assert order.filled_quantity == own + before
        is_open = [order for order in orders.values() if order.is_open]
        assert list(world.exchange.open_orders(ACCOUNT)) == is_open

    play(multiplier, acts, check)


@settings(max_examples=150, deadline=None)
@given(MULTIPLIERS, ACTS)
def test_nothing_is_promised_twice(multiplier: Decimal, acts: list[Act]) -> None:
    """Open orders never hold more than the position, and reservations are exactly those of the open orders."""

    def check(world: World) -> None:
        account = world.exchange._floor.accounts[ACCOUNT]
        for position in account.positions.values():
            assert 0 <= position.held <= abs(position.quantity)
            same = [o for o in account.open_orders.values() if o.position is position]
            assert position.held == sum((o.hold for o in same), ZERO)
            assert position.opening_buys == sum(1 for o in same if o.reserve and o.buys)
            assert position.opening_sells == sum(1 for o in same if o.reserve and not o.buys)
        reserved = sum((o.reserve for o in account.open_orders.values()), ZERO)
        assert world.exchange.account(ACCOUNT).reserved == reserved

    play(multiplier, acts, check)


@settings(max_examples=150, deadline=None)
@given(ACTS)
def test_without_credit_cash_never_runs_out(acts: list[Act]) -> None:
    """With multiplier 1 cash stays at or above zero and nothing is sold short, wherever prices go."""

    def check(world: World) -> None:
        assert world.exchange.account(ACCOUNT).cash >= 0
        assert all(holding.quantity > 0 for holding in world.exchange.positions(ACCOUNT))

    play(Decimal(1), acts, check)


@settings(max_examples=150, deadline=None)
@given(MULTIPLIERS, ACTS)
def test_the_same_commands_give_the_same_journal(multiplier: Decimal, acts: list[Act]) -> None:
    """Two exchanges with one seed that are asked the same at the same times tell exactly the same events."""
    assert play(multiplier, acts).events == play(multiplier, acts).events


@settings(max_examples=200, deadline=None)
@given(MULTIPLIERS, ACTS)
def test_passing_over_calm_books_changes_nothing(multiplier: Decimal, acts: list[Act]) -> None:
    """An exchange that looks at every resting order at every tick tells exactly the same events."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RestingBook, "is_calm", lambda *_: False)
        looking_at_all = play(multiplier, acts).events
    assert play(multiplier, acts).events == looking_at_all


@settings(max_examples=150, deadline=None)
@example(*EXITS_WAKE_BEHIND_ANOTHER_SYMBOL)
@given(MULTIPLIERS, WAYS, ACTS, ACTS)
def test_a_recovered_exchange_goes_on_as_if_nothing_had_been(
    multiplier: Decimal, ways: dict[str, Any], before: list[Act], after: list[Act]
) -> None:
    """An exchange made from another's state has the same state and money, and does, tells and refuses the same."""
    world, other = (World(multiplier, now_ns=AFTERNOON_NS, ways=ways) for _ in range(2))
    for act in before:
        act(world)
    for each in SYMBOLS:
        world.exchange.clear_price(each)
    other.now_ns = world.now_ns
    other.exchange = other.empty()
    other.exchange.recover(world.exchange.state())
    assert other.exchange.state() == world.exchange.state()
    world.events.clear()
    world.refusals.clear()
    other.exchange.listen(other.events.append, every_change=True)
    for act in after:
        act(world)
        act(other)
    assert other.events == world.events
    assert other.refusals == world.refusals
    assert other.exchange.state() == world.exchange.state()
    assert other.exchange.account(ACCOUNT) == world.exchange.account(ACCOUNT)
    assert other.exchange.positions(ACCOUNT) == world.exchange.positions(ACCOUNT)


@settings(max_examples=150, deadline=None)
@given(MULTIPLIERS, ACTS)
def test_groups_never_trade_both_exits(multiplier: Decimal, acts: list[Act]) -> None:
    """The exits of a group together trade no more than one of them was for."""
    world = play(multiplier, acts)
    orders = {order.order_id: order for order in world.exchange.orders(ACCOUNT)}

    for parent in orders.values():
        exits = [orders[leg] for leg in parent.leg_ids]
        if not exits or parent.status is OrderStatus.REPLACED:
            continue
        traded = sum((leg.filled_quantity for leg in exits), ZERO)
        if parent.order_class is OrderClass.OCO:
            assert traded + parent.filled_quantity <= (parent.ticket.quantity or ZERO)
        else:
            assert traded <= parent.filled_quantity
