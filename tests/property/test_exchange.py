"""Whatever is asked of the exchange, its books balance."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from brokergw.exchange import Exchange, ExchangeEvent, Execution, OrderStatus, Refused, Ticket
from brokergw.model.order import ZERO
from brokergw.model.terms import OrderClass, OrderType, Side, TimeInForce

START_NS = 1_800_000_000_000_000_000
ACCOUNT = "acc"
CASH = Decimal(400_000)
STOCK = (
    ("AAPL", Side.BUY, Decimal(300)),
    ("OCGN", Side.BUY, Decimal(9000)),
    ("BTC/USD", Side.BUY, Decimal("1.5")),
    ("F", Side.SELL, Decimal(4000)),
)
"""What an account begins with, as far as it may sell short."""

SYMBOLS = ("AAPL", "F", "OCGN", "BTC/USD")
REFERENCE = {"AAPL": Decimal(230), "F": Decimal(11), "OCGN": Decimal("0.85"), "BTC/USD": Decimal(97_000)}


@dataclass
class World:
    """An exchange with a clock of its own, and everything it ever told."""

    multiplier: Decimal
    now_ns: int = START_NS
    events: list[ExchangeEvent] = field(default_factory=list)
    exchange: Exchange = field(init=False)

    def __post_init__(self) -> None:
        self.exchange = self.empty()
        self.exchange.open_account(ACCOUNT, cash=CASH, multiplier=self.multiplier)
        for symbol, side, quantity in STOCK:
            if side is Side.BUY or self.multiplier > 1:
                self.exchange.submit(ACCOUNT, market_order(symbol, side, quantity))
        while self.exchange.has_resting_orders:
            self.exchange.tick()
        self.exchange.listen(self.events.append, every_change=True)

    def empty(self) -> Exchange:
        """Make an exchange of the same kind on the same clock."""
        return Exchange(seed=7, now_ns=lambda: self.now_ns, fee_rate=Decimal("0.001"))


def market_order(symbol: str, side: Side, quantity: Decimal) -> Ticket:
    """Make the simplest ticket there is."""
    return Ticket(symbol=symbol, side=side, type=OrderType.MARKET, time_in_force=TimeInForce.GTC, quantity=quantity)


Act: TypeAlias = Callable[[World], None]


def submit(ticket: Ticket) -> Act:
    """Place an order."""

    def act(world: World) -> None:
        before = world.exchange.account(ACCOUNT)
        try:
            order = world.exchange.submit(ACCOUNT, ticket)
        except Refused:
            return
        cost = order.quantity * order.backing.reserve_price
        assert order.backing.closing or cost <= before.buying_power

    return act


def cancel(index: int) -> Act:
    """Cancel one of the orders so far."""

    def act(world: World) -> None:
        orders = world.exchange.orders(ACCOUNT)
        if orders:
            chosen = orders[index % len(orders)]
            try:
                world.exchange.cancel(ACCOUNT, chosen.order_id)
            except Refused:
                assert not chosen.is_open

    return act


def change(index: int, quantity: Decimal | None, percent: int) -> Act:
    """Replace one of the orders so far."""

    def act(world: World) -> None:
        orders = world.exchange.orders(ACCOUNT)
        if not orders:
            return
        old = orders[index % len(orders)]
        limit = None if old.limit_price is None else priced(old.symbol, percent)
        try:
            new = world.exchange.replace(ACCOUNT, old.order_id, quantity=quantity, limit_price=limit)
        except Refused:
            assert world.exchange.order(ACCOUNT, old.order_id) == old
            return
        assert new.replaces == old.order_id

    return act


def price(symbol: str, percent: int | None) -> Act:
    """Pin a price or let it run, and tick."""

    def act(world: World) -> None:
        if percent is None:
            world.exchange.clear_price(symbol)
        else:
            world.exchange.set_price(symbol, priced(symbol, percent))
        world.exchange.tick()

    return act


def wait(seconds: int) -> Act:
    """Let time pass, and tick."""

    def act(world: World) -> None:
        world.now_ns += seconds * 1_000_000_000
        world.exchange.tick()

    return act


def priced(symbol: str, percent: int) -> Decimal:
    """Give a price on the tick, in percent of the symbol's reference."""
    places = Decimal("0.0001") if symbol == "OCGN" else Decimal("0.01")
    return (REFERENCE[symbol] * percent / 100).quantize(places)


RESTING = [TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD]
PERCENTS = st.integers(80, 117)
QUANTITIES = st.sampled_from([Decimal(q) for q in ("0.5", "1", "3", "40", "200", "1000", "7000")])


@st.composite
def tickets(draw: st.DrawFn) -> Ticket:
    """Make tickets of every type and class, many of which cannot be accepted."""
    symbol = draw(st.sampled_from(SYMBOLS))
    kind = draw(st.sampled_from(list(OrderType)))
    group = draw(st.sampled_from([OrderClass.SIMPLE] * 4 + [OrderClass.BRACKET, OrderClass.OCO, OrderClass.OTO]))
    if group is OrderClass.OCO:
        kind = OrderType.LIMIT
    by_money = kind is OrderType.MARKET and group is OrderClass.SIMPLE and draw(st.booleans())
    is_plain = kind in {OrderType.MARKET, OrderType.LIMIT} and group is OrderClass.SIMPLE
    time_in_force = draw(st.sampled_from(list(TimeInForce) if is_plain else RESTING))
    low, high = sorted((draw(PERCENTS), draw(PERCENTS)))
    side = draw(st.sampled_from(list(Side)))
    leaves_long = (side is Side.SELL) == (group is OrderClass.OCO)
    gain, loss = (high, low) if leaves_long else (low, high)
    trails = kind is OrderType.TRAILING_STOP
    by_amount = trails and draw(st.booleans())
    grouped = group is not OrderClass.SIMPLE
    return Ticket(
        symbol=symbol,
        side=side,
        type=kind,
        time_in_force=time_in_force,
        quantity=None if by_money else draw(QUANTITIES),
        notional=draw(st.sampled_from([Decimal(500), Decimal("12345.67")])) if by_money else None,
        limit_price=priced(symbol, draw(PERCENTS)) if kind in {OrderType.LIMIT, OrderType.STOP_LIMIT} else None,
        stop_price=priced(symbol, draw(PERCENTS)) if kind in {OrderType.STOP, OrderType.STOP_LIMIT} else None,
        trail_amount=Decimal("0.5") if by_amount else None,
        trail_percent=Decimal("1.5") if trails and not by_amount else None,
        expire_time_ns=START_NS + 3_600_000_000_000 if time_in_force is TimeInForce.GTD else None,
        order_class=group,
        take_profit_limit_price=priced(symbol, gain) if grouped else None,
        stop_loss_stop_price=priced(symbol, loss) if grouped and group is not OrderClass.OTO else None,
    )


ACTS = st.lists(
    st.one_of(
        tickets().map(submit),
        tickets().map(submit),
        st.builds(cancel, st.integers(0, 50)),
        st.builds(change, st.integers(0, 50), st.none() | QUANTITIES, PERCENTS),
        st.builds(price, st.sampled_from(SYMBOLS), st.none() | PERCENTS),
        st.builds(wait, st.sampled_from([1, 60, 3_600, 50_000])),
    ),
    min_size=4,
    max_size=40,
)
MULTIPLIERS = st.sampled_from([Decimal(1), Decimal(2), Decimal(4)])


def play(multiplier: Decimal, acts: list[Act], after_each: Callable[[World], None] | None = None) -> World:
    """Make a world and do everything in it, looking at it after each act."""
    world = World(multiplier)
    for act in acts:
        act(world)
        if after_each is not None:
            after_each(world)
    return world


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


@settings(max_examples=150, deadline=None)
@given(MULTIPLIERS, ACTS, ACTS)
def test_a_recovered_exchange_goes_on_as_if_nothing_had_been(
    multiplier: Decimal, before: list[Act], after: list[Act]
) -> None:
    """An exchange made from another's state has the same state and money, and does the same from then on."""
    world, other = play(multiplier, before), World(multiplier)
    for each in SYMBOLS:
        world.exchange.clear_price(each)
    other.now_ns = world.now_ns
    other.exchange = other.empty()
    other.exchange.recover(world.exchange.state())
    assert other.exchange.state() == world.exchange.state()
    for act in after:
        act(world)
        act(other)
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
