"""A symbol's worst case over random lives of random orders."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from brokergw.desk.record.tally import Totals
from brokergw.model.ledger import EXACT, Holding, stake_of
from brokergw.model.lifecycle import State
from brokergw.model.order import ZERO, Order
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce

START: Final = 1_800_000_000_000_000_000
units = st.decimals("0.001", "50", places=3)
prices = st.decimals("0.0001", "200", places=4)
shares = st.decimals("0", "1", places=3)


@dataclass
class Life:
    """Some orders of one symbol, and the holding that their versions move."""

    holding: Holding = field(default_factory=Holding)
    orders: list[Order] = field(default_factory=list)
    totals: dict[str, Totals] = field(default_factory=dict)

    def place(self, side: Side, quantity: Decimal, price: Decimal) -> None:
        order = Order(
            order_id=f"ord_{len(self.orders)}",
            user_id="u",
            account_id="a",
            broker="b",
            terms=OrderTerms(
                symbol="X",
                side=side,
                type=OrderType.LIMIT,
                time_in_force=TimeInForce.DAY,
                quantity=quantity,
                limit_price=price,
            ),
            idempotency_key="k",
            state=State.WORKING,
            version=1,
            create_time_ns=START,
            update_time_ns=START,
            hold_quantity=quantity,
            hold_price=price,
            unit_worth=Decimal("1.25"),
        )
        order = order.changed(hold_price=price * order.unit_worth)
        self.orders.append(order)
        self.totals[order.order_id] = Totals()
        stake = stake_of(order)
        self.holding = self.holding.moved(stake.none(), stake)

    def write(self, index: int, order: Order) -> None:
        before, self.orders[index] = self.orders[index], order
        self.holding = self.holding.moved(stake_of(before), stake_of(order))

    def open(self) -> Iterator[tuple[int, Order]]:
        return ((n, order) for n, order in enumerate(self.orders) if order.held_quantity)

    def trade(self, index: int, share: Decimal, price_share: Decimal) -> bool:
        """Let an order trade some of what it holds, at its price or better; False where that is less than a unit."""
        order = self.orders[index]
        # Down, since what is rounded up may be more, or dearer, than what is held.
        quantity = (order.held_quantity * share).quantize(Decimal("0.001"), ROUND_DOWN)
        price = (order.hold_price / order.unit_worth * price_share).quantize(Decimal("0.0001"), ROUND_DOWN)
        if not quantity:
            return False
        was = self.totals[order.order_id]
        total = Totals(was.quantity + quantity, was.value + quantity * price)
        self.totals[order.order_id] = total
        done = order.next(START, state=State.PARTIAL, cum_quantity=total.quantity, average_price=total.average_price)
        self.write(index, done.changed(state=State.FILLED) if not done.held_quantity else done)
        return True


def true_to_its_orders(life: Life) -> bool:
    """Count the open part anew."""
    counted = dict.fromkeys(Side, (ZERO, ZERO, ZERO))
    for _, order in life.open():
        held, worth, top = counted[order.terms.side]
        more = order.held_quantity
        counted[order.terms.side] = (held + more, worth + more * order.hold_price, max(top, order.hold_price))
    h = life.holding
    bought = sum((o.cum_quantity for o in life.orders if o.terms.side is Side.BUY), ZERO)
    sold = sum((o.cum_quantity for o in life.orders if o.terms.side is Side.SELL), ZERO)
    return (
        (h.buy_quantity, h.buy_worth) == counted[Side.BUY][:2]
        and (h.sell_quantity, h.sell_worth) == counted[Side.SELL][:2]
        and h.buy_top >= counted[Side.BUY][2]
        and h.sell_top >= counted[Side.SELL][2]
        and (h.buy_top == 0) is (h.buy_quantity == 0)
        and (h.sell_top == 0) is (h.sell_quantity == 0)
        and h.quantity == bought - sold
        and h.cost >= 0
        and (h.cost == 0 or h.quantity != 0)
    )


step = st.tuples(st.sampled_from(["place", "trade", "trade", "cancel", "change"]), st.integers(0, 20), shares, shares)
first = st.tuples(st.sampled_from(Side), units, prices)


@settings(max_examples=400, deadline=None)
@given(st.lists(first, min_size=1, max_size=8), st.lists(step, max_size=40))
def test_trading_at_the_held_price_or_better_never_raises_the_worst_case(
    placed: list[tuple[Side, Decimal, Decimal]], steps: list[tuple[str, int, Decimal, Decimal]]
) -> None:
    """K7. Whatever trades, is cancelled or made smaller, and in whatever order: only an admission adds exposure."""
    with localcontext(EXACT):
        life, waiting = Life(), list(placed)
        life.place(*waiting.pop(0))
        for kind, number, share, price_share in steps:
            alive = list(life.open())
            if kind == "place" and waiting:
                life.place(*waiting.pop(0))
                assert true_to_its_orders(life)
                continue
            if not alive:
                continue
            index, order = alive[number % len(alive)]
            worst = life.holding.worst
            if kind == "trade":
                life.trade(index, share, price_share)
            elif kind == "cancel":
                life.write(index, order.next(START, state=State.CANCELED))
            elif kind == "change":
                smaller = max(order.cum_quantity, order.hold_quantity * share)
                life.write(index, order.next(START, hold_quantity=smaller, hold_price=order.hold_price * price_share))
            assert life.holding.worst <= worst
            assert life.holding.cost <= worst
            assert true_to_its_orders(life)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(first, shares, shares), min_size=1, max_size=8))
def test_nothing_is_left_once_all_has_ended(
    lives: list[tuple[tuple[Side, Decimal, Decimal], Decimal, Decimal]],
) -> None:
    """When every order has ended and the position is closed, the holding is as it was at first, to the last digit."""
    with localcontext(EXACT):
        life = Life()
        for (side, quantity, price), share, price_share in lives:
            life.place(side, quantity, price)
            life.trade(len(life.orders) - 1, share, price_share)
        for index, order in list(life.open()):
            life.write(index, order.next(START, state=State.CANCELED))
        left = life.holding.quantity
        if left:
            life.place(Side.SELL if left > 0 else Side.BUY, abs(left), Decimal(1))
            life.trade(len(life.orders) - 1, Decimal(1), Decimal(1))
        assert life.holding == Holding()


def taken_back(order: Order) -> Order:
    """Bust every execution of an order."""
    return order.next(START, state=State.WORKING, cum_quantity=ZERO, average_price=None)


@settings(max_examples=200, deadline=None)
@given(first, first)
def test_bust_takes_back_what_it_brought(
    one: tuple[Side, Decimal, Decimal], other: tuple[Side, Decimal, Decimal]
) -> None:
    """A position is what stands of the executions: with one of them taken back it is as if that had never been."""
    with localcontext(EXACT):
        life, alone = Life(), Life()
        life.place(*one)
        life.trade(0, Decimal(1), Decimal(1))
        alone.place(*one)
        alone.trade(0, Decimal(1), Decimal(1))
        life.place(other[0], *other[1:])
        life.trade(1, Decimal(1), Decimal(1))
        life.write(1, taken_back(life.orders[1]))
        life.write(1, life.orders[1].next(START, state=State.CANCELED))
        assert life.holding.quantity == alone.holding.quantity
        if one[0] is other[0]:
            assert life.holding == alone.holding
