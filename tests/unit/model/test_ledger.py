"""What versions of orders count for, and what counts come to."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.model.ledger import Holding, stake_of
from brokergw.model.lifecycle import OPEN, STATES, State
from brokergw.model.order import Order
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, Side, TimeInForce
from brokergw.model.usage import Usage

D = Decimal
TERMS = OrderTerms(
    symbol="ACME",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    quantity=D(10),
    limit_price=D(100),
)


def order(**changes: Any) -> Order:
    facts: dict[str, Any] = {
        "order_id": "ord_1",
        "user_id": "u",
        "account_id": "a",
        "broker": "b",
        "terms": TERMS,
        "idempotency_key": "k",
        "state": State.WORKING,
        "version": 1,
        "create_time_ns": 1,
        "update_time_ns": 1,
        "hold_quantity": D(10),
        "hold_price": D(101),
        "trading_day": "2027-01-15",
    }
    return Order(**facts | changes)


@pytest.mark.parametrize("state", list(State))
def test_only_an_end_gives_the_hold_back(state: State) -> None:
    """Every state that does not end an order holds, doubt and its absence included; every other holds nothing."""
    stake = stake_of(order(state=state, cum_quantity=D(4), average_price=D(99)))
    assert stake.open_worth == (0 if STATES[state].terminal else 6 * 101)
    assert stake.is_open is (state in OPEN)
    assert stake.worth == 4 * 99


def test_trades_count_with_the_contract_and_the_rate() -> None:
    """What traded is worth price times quantity times the unit's worth, as what is held is."""
    stake = stake_of(order(cum_quantity=D(4), average_price=D("2.5"), unit_worth=D(100), hold_price=D(260)))
    assert [stake.worth, stake.open_worth, stake.volume] == [D(1000), D(1560), D(2560)]


@pytest.mark.parametrize(
    ("state", "cost"),
    [
        (State.SENDING, 1010),
        (State.CONFIRM_PENDING, 1010),
        (State.IN_DOUBT, 1010),
        (State.MANUAL, 1010),
        (State.RESOLVED_ABSENT, 1010),
        (State.ACKED, 0),
        (State.WORKING, 0),
        (State.PENDING_CANCEL, 0),
        (State.FILLED, 0),
        # Ten at 100 are acknowledged already.
        (State.PENDING_MODIFY, 10),
    ],
)
def test_unacknowledged_is_what_the_broker_cannot_have_taken_off(state: State, cost: int) -> None:
    """Until the broker has told of an order, its buying power says nothing of it; of a change, nothing of its more."""
    assert stake_of(order(state=state)).unacknowledged == cost


def test_multi_leg_order_trades_by_its_legs_only() -> None:
    """The parent holds what the legs may cost; positions are its legs', each an order of its own."""
    legs = (Leg("A", Side.BUY, 1), Leg("B", Side.SELL, 1))
    terms = replace(TERMS, order_class=OrderClass.MULTI_LEG, legs=legs)
    parent = stake_of(order(terms=terms, cum_quantity=D(3), average_price=D(2)))
    assert [parent.traded, parent.worth, parent.open_worth] == [0, 0, 7 * 101]
    leg = stake_of(order(terms=terms, parent_order_id="ord_0", cum_quantity=D(3), average_price=D(2)))
    assert [leg.traded, leg.worth] == [3, 6]


def moved(holding: Holding, side: Side, units: int, price: int) -> Holding:
    """Let an order trade at once, without a hold."""
    terms = replace(TERMS, side=side)
    done = stake_of(order(terms=terms, hold_quantity=D(0), cum_quantity=D(units), average_price=D(price)))
    return holding.moved(done.none(), done)


def test_cost_is_the_average_and_turns_start_anew() -> None:
    """Buying raises the cost, selling takes its share off, and what is left after a turn costs its own price."""
    holding = moved(moved(Holding(), Side.BUY, 10, 10), Side.BUY, 10, 20)
    assert [holding.quantity, holding.cost, holding.average_cost] == [20, 300, 15]
    holding = moved(holding, Side.SELL, 15, 99)
    assert [holding.quantity, holding.cost] == [5, 75]
    holding = moved(holding, Side.SELL, 8, 40)
    assert [holding.quantity, holding.cost, holding.average_cost] == [-3, 120, 40]
    assert moved(holding, Side.BUY, 3, 7) == Holding()


def test_correction_of_a_price_changes_the_cost_of_what_stands() -> None:
    """An execution that turns out dearer makes the position dearer; one of a closed position changes nothing."""
    before = stake_of(order(hold_quantity=D(0), cum_quantity=D(10), average_price=D(10)))
    after = stake_of(order(hold_quantity=D(0), cum_quantity=D(10), average_price=D(12)))
    holding = moved(Holding(), Side.BUY, 10, 10).moved(before, after)
    assert [holding.quantity, holding.cost] == [10, 120]
    assert Holding().moved(before, after).cost == 0


def test_orders_against_the_position_count_as_far_as_they_turn_it() -> None:
    """With ten held, selling eight is no risk more, and selling thirty is one of twenty."""
    long = Holding(quantity=D(10), cost=D(100))
    assert replace(long, sell_quantity=D(8), sell_worth=D(800), sell_top=D(100)).worst == 100
    assert replace(long, sell_quantity=D(30), sell_worth=D(3000), sell_top=D(100)).worst == 2000
    short = Holding(quantity=D(-10), cost=D(100))
    assert replace(short, buy_quantity=D(30), buy_worth=D(3000), buy_top=D(100)).worst == 2000
    assert replace(short, sell_quantity=D(1), sell_worth=D(50), sell_top=D(50)).worst == 150


def admitted(usage: Usage, second: int, *, day: str = "2027-01-15") -> Usage:
    stake = stake_of(order(trading_day=day))
    return usage.moved(stake.none(), stake, D(0), admitted_s=second, acknowledging=False)


def test_minute_slides_and_never_holds_more() -> None:
    """T10. Whatever sixty seconds are chosen, an order admitted in them is counted at their end."""
    usage = Usage()
    for second in (100, 100, 130, 159):
        usage = admitted(usage, second)
    assert [usage.minute_orders(now) for now in (159, 160, 161, 190, 191, 219, 220)] == [4, 4, 2, 2, 1, 1, 0]


def test_minute_keeps_what_it_needs_only() -> None:
    """However fast orders come, the counts of a minute are kept, and no second more."""
    usage = Usage()
    for number in range(1_000):
        usage = admitted(usage, 100 + number // 5)
    assert len(usage.seconds) == 61
    assert usage.minute_orders(299) == 61 * 5


def test_clock_behind_anothers_counts_at_the_others_second() -> None:
    """A process whose clock is behind cannot make orders look older than the latest one."""
    usage = admitted(admitted(Usage(), 200), 150)
    assert usage.seconds == ((200, 2),)
    assert usage.minute_orders(150) == 2


def test_day_begins_with_its_first_order() -> None:
    """Counts are those of the latest day; what ends of an earlier one takes nothing off them."""
    yesterday = stake_of(order(trading_day="2027-01-14"))
    usage = Usage().moved(yesterday.none(), yesterday, D(0), admitted_s=1, acknowledging=False)
    assert usage.of_day("2027-01-14") == (1, D(1010))
    assert usage.of_day("2027-01-15") == (0, D(0))
    usage = admitted(usage, 2)
    ended = stake_of(order(trading_day="2027-01-14", state=State.CANCELED))
    usage = usage.moved(yesterday, ended, D(0), admitted_s=None, acknowledging=False)
    assert usage.of_day("2027-01-15") == (1, D(1010))
    late = admitted(usage, 3, day="2027-01-14")
    assert [late.day_orders, late.day_volume, late.trading_day] == [2, 1010, "2027-01-15"]


def test_change_on_a_later_day_counts_for_that_day() -> None:
    """An order of yesterday that is changed today is today's volume from then on."""
    yesterday, today = stake_of(order(trading_day="2027-01-14")), stake_of(order(hold_quantity=D(12)))
    usage = Usage().moved(yesterday.none(), yesterday, D(0), admitted_s=1, acknowledging=False)
    usage = usage.moved(yesterday, today, D(0), admitted_s=2, acknowledging=False)
    assert usage.of_day("2027-01-15") == (1, D(12 * 101))
