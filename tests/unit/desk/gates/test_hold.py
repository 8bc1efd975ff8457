"""What an order is reserved for: never less than an execution at the worst allowed price costs."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.desk.gates.hold import Fees, hold_of
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import Leg, OrderClass, OrderType, Side
from tests.fixtures.questions import instrument, terms

D = Decimal
PRICES = st.decimals(D("0.01"), D(100_000), places=2)
SIZES = st.decimals(D("0.000001"), D(1_000_000), places=6)
PERCENTS = st.decimals(D(0), D(50), places=2)
FEES = st.builds(Fees, st.decimals(D(0), D(500), places=2), st.decimals(D(0), D(10), places=2))
NO_PRICES: dict[str, Any] = {"limit_price": None, "stop_price": None}


@pytest.mark.parametrize(
    ("shape", "price"),
    [
        ({"limit_price": D(49)}, "49"),
        ({"type": OrderType.MARKET, "limit_price": None}, "55"),
        ({"type": OrderType.STOP, "limit_price": None, "stop_price": D(60)}, "66"),
        ({"type": OrderType.STOP_LIMIT, "limit_price": D(61), "stop_price": D(60)}, "61"),
        ({"type": OrderType.TRAILING_STOP, "limit_price": None, "trail_amount": D(10)}, "66"),
        ({"type": OrderType.TRAILING_STOP, "limit_price": None, "trail_percent": D(20)}, "66"),
        ({"side": Side.SELL, "limit_price": D(40)}, "55"),
        ({"side": Side.SELL, "limit_price": D(60)}, "66"),
        ({"side": Side.SELL, "type": OrderType.MARKET, "limit_price": None}, "55"),
        ({"side": Side.SELL, "type": OrderType.STOP, "limit_price": None, "stop_price": D(45)}, "55"),
    ],
)
def test_each_kind_of_order_has_its_worst_price(shape: dict[str, Any], price: str) -> None:
    """At a reference of 50 and a collar of 10 %."""
    hold = hold_of(terms(**shape), (instrument(),), (D(50),), D(10))
    assert hold is not None
    assert (hold.quantity, hold.price) == (D(10), D(price))


def test_without_any_price_there_is_no_hold() -> None:
    """A market order that nothing prices cannot be reserved for; one with a price of its own can."""
    assert hold_of(terms(type=OrderType.MARKET, **NO_PRICES), (instrument(),), (None,), D(10)) is None
    assert hold_of(terms(quantity=None, notional=D(5)), (instrument(),), (None,), D(10)) is None
    assert hold_of(terms(), (instrument(),), (None,), D(10)) is not None


def test_a_contract_counts_for_what_it_stands_for() -> None:
    """A contract over 100 units holds a hundred times its price, and its fee by contract."""
    option = instrument(asset_class=AssetClass.OPTION, multiplier=D(100))
    hold = hold_of(terms(limit_price=D(2)), (option,), (D(2),), D(10), Fees(D(0), D("0.65")))
    assert hold is not None
    assert (hold.price, hold.unit_worth) == (D("200.65"), D(100))
    share = hold_of(terms(limit_price=D(2)), (instrument(),), (D(2),), D(10), Fees(D(10), D("0.65")))
    assert share is not None
    assert share.price == D("2.002")


def test_legs_are_added_up() -> None:
    """That one leg covers another is for the broker to prove."""
    legs = (Leg("A", Side.BUY, 1), Leg("B", Side.SELL, 2))
    spread = terms(order_class=OrderClass.MULTI_LEG, symbol="", legs=legs, limit_price=D(1), quantity=D(3))
    option = instrument(asset_class=AssetClass.OPTION, multiplier=D(100))
    hold = hold_of(spread, (option, option), (D(5), D(2)), D(10))
    assert hold is not None
    assert (hold.quantity, hold.price) == (D(3), D(990))
    assert hold_of(spread, (option, option), (D(5), None), D(10)) is None


@given(
    limit=PRICES, share=PERCENTS, reference=PRICES, size=SIZES, fees=FEES, multiplier=st.sampled_from([D(1), D(100)])
)
def test_no_execution_of_a_limited_buy_costs_more_than_it_holds(
    limit: Decimal, share: Decimal, reference: Decimal, size: Decimal, fees: Fees, multiplier: Decimal
) -> None:
    """Whatever the market does, a buy trades at its limit or better."""
    contract = instrument(asset_class=AssetClass.OPTION, multiplier=multiplier)
    hold = hold_of(terms(quantity=size, limit_price=limit), (contract,), (reference,), D(5), fees)
    assert hold is not None
    traded = limit * (1 - share / 100)
    worth = size * traded * multiplier
    cost = worth + worth * fees.basis_points / 10_000 + size * fees.per_contract
    assert hold.quantity * hold.price >= cost - D("1e-12")


@given(reference=PRICES, collar=PERCENTS, within=PERCENTS, size=SIZES, side=st.sampled_from(list(Side)))
def test_no_execution_within_the_collar_costs_more_than_a_market_order_holds(
    reference: Decimal, collar: Decimal, within: Decimal, size: Decimal, side: Side
) -> None:
    """Both to buy, and to sell what must be bought back."""
    order = terms(side=side, type=OrderType.MARKET, limit_price=None, quantity=size)
    hold = hold_of(order, (instrument(),), (reference,), collar)
    assert hold is not None
    traded = reference * (1 + min(collar, within) / 100)
    assert hold.quantity * hold.price >= size * traded


@given(notional=SIZES, reference=PRICES, collar=PERCENTS)
def test_an_order_by_money_holds_at_least_that_money(notional: Decimal, reference: Decimal, collar: Decimal) -> None:
    """Its units are found from the reference price, rounded up."""
    order = terms(type=OrderType.MARKET, limit_price=None, quantity=None, notional=notional)
    hold = hold_of(order, (instrument(),), (reference,), collar)
    assert hold is not None
    assert hold.quantity * hold.price >= notional
