"""Hedge mode: a symbol's long and short position stand beside each other, and neither hides the other from a cap."""

from decimal import Decimal
from typing import Any

import pytest

from brokergw.model.ledger import line_of, lines_of, other_side, symbol_of
from brokergw.model.order import Order
from brokergw.model.terms import PositionSide, Side
from brokergw.ports.journal import CapsReached, Committed, Measure, WouldIncrease
from brokergw.store import Store
from tests.conformance.store.ledgers import asking, cap, holding, position, traded, true_to_the_orders, used
from tests.conformance.store.making import ACCOUNT, USER, add_accounts, change, committed

D = Decimal
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


def opening(side: PositionSide, units: int | str, **changes: Any) -> Order:
    """Make an order that opens a position of so many units at 100 each."""
    return holding(units, side=Side.BUY if side is LONG else Side.SELL, position_side=side, **changes)


def closing(side: PositionSide, units: int | str, **changes: Any) -> Order:
    """Make an order that closes so many of them."""
    return holding(units, side=Side.SELL if side is LONG else Side.BUY, position_side=side, **changes)


async def hold(store: Store, side: PositionSide, units: int) -> None:
    """Have a position."""
    order = opening(side, units)
    await committed(store, asking(order))
    await committed(store, change(traded(order, units, 100)))


async def eight_of_each(store: Store) -> None:
    await hold(store, LONG, 8)
    await hold(store, SHORT, 8)


async def test_two_sides_are_counted_one_beside_the_other(store: Store) -> None:
    """Eight long and eight short are sixteen in exposure, and nothing in the net that the broker is compared with."""
    await eight_of_each(store)
    held = await position(store)
    assert (held.symbol, held.quantity, held.worst) == ("AAPL", D(0), D(1600))
    assert (await used(store)).exposure == 1600
    assert await true_to_the_orders(store)


@pytest.mark.parametrize("side", [LONG, SHORT])
@pytest.mark.parametrize(("units", "goes"), [("1.99", True), ("2", True), ("2.01", False)])
async def test_each_side_is_held_to_the_limit_of_a_position(
    store: Store, side: PositionSide, units: str, *, goes: bool
) -> None:
    """A limit of ten leaves two to a side that has eight, whatever the other side has: below, at and above it."""
    await eight_of_each(store)
    result = await store.journal.commit(asking(opening(side, units), cap(Measure.POSITION, 1000)))
    assert isinstance(result, Committed if goes else CapsReached), result
    if isinstance(result, CapsReached):
        assert (result.reached[0].used, result.reached[0].requested) == (D(800), D("201.00"))


@pytest.mark.parametrize("side", [LONG, SHORT])
@pytest.mark.parametrize(("units", "goes"), [("3.99", True), ("4", True), ("4.01", False)])
async def test_exposure_is_the_sum_of_both_sides(store: Store, side: PositionSide, units: str, *, goes: bool) -> None:
    """A limit of twenty leaves four beside sixteen, on either side: below, at and above it."""
    await eight_of_each(store)
    result = await store.journal.commit(asking(opening(side, units), cap(Measure.EXPOSURE, 2000)))
    assert isinstance(result, Committed if goes else CapsReached), result


async def test_open_orders_count_for_their_own_side(store: Store) -> None:
    """Sells that open a short are no way out of a long: both count before anything has traded."""
    await committed(store, asking(opening(LONG, 8)))
    await committed(store, asking(opening(SHORT, 8)))
    assert (await used(store)).exposure == 1600
    assert isinstance(await store.journal.commit(asking(opening(SHORT, 3), cap(Measure.POSITION, 1000))), CapsReached)
    assert await true_to_the_orders(store)


@pytest.mark.parametrize("side", [LONG, SHORT])
@pytest.mark.parametrize(("units", "goes"), [("7.99", True), ("8", True), ("8.01", False)])
async def test_a_side_is_reduced_by_what_it_has_itself(
    store: Store, side: PositionSide, units: str, *, goes: bool
) -> None:
    """What closes a side passes every cap as far as that side reaches, although the net is nothing."""
    await eight_of_each(store)
    told = D(8) if side is LONG else D(-8)
    unit = asking(closing(side, units), cap(Measure.EXPOSURE, 0), reduces=True, must_reduce=True, position=told)
    result = await store.journal.commit(unit)
    assert isinstance(result, Committed if goes else WouldIncrease), result


@pytest.mark.parametrize(("limit", "goes"), [("1599.99", False), ("1600", True), ("1600.01", True)])
async def test_a_side_that_only_the_broker_knows_counts_in_exposure(store: Store, limit: str, *, goes: bool) -> None:
    """Eight short that were there before count beside eight that are to be long, by the broker's word for the order."""
    unit = asking(opening(LONG, 8), cap(Measure.EXPOSURE, limit), position=D(0), beside=D(8), mark=D(100))
    result = await store.journal.commit(unit)
    assert isinstance(result, Committed if goes else CapsReached), result


async def test_a_side_that_both_know_counts_once(store: Store) -> None:
    """What the broker tells of the other side is what the ledger has of it, and no more than that is added."""
    await eight_of_each(store)
    unit = asking(opening(LONG, 4), cap(Measure.EXPOSURE, 2000), position=D(8), beside=D(8), mark=D(100))
    assert isinstance(await store.journal.commit(unit), Committed)


async def test_closing_leaves_the_other_side_as_it_is(store: Store) -> None:
    """The long closed, the short is all there is; and what closes it holds nothing any more."""
    await eight_of_each(store)
    order = closing(LONG, 8)
    await committed(store, asking(order, reduces=True))
    await committed(store, change(traded(order, 8, 100)))
    held = await position(store)
    assert (held.quantity, held.worst, held.average_cost) == (D(-8), D(800), D(100))
    assert await true_to_the_orders(store)


@pytest.mark.parametrize(("expected", "done"), [(-1, False), (0, True), (1, False)])
async def test_a_difference_is_put_beside_both_sides(store: Store, expected: int, *, done: bool) -> None:
    """Compared with the broker is the net; what it has more counts for itself, for nobody knows of which side it is."""
    await eight_of_each(store)
    anchored = await store.journal.anchor(USER, ACCOUNT, "AAPL", D(3), D(100), D(expected))
    assert anchored is done
    held = await position(store)
    assert (held.quantity, held.worst) == ((D(3), D(1900)) if done else (D(0), D(1600)))
    assert await true_to_the_orders(store)


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USDT", "A|B", "A|", "|"])
def test_a_line_gives_its_symbol_back(symbol: str) -> None:
    """Whatever a symbol looks like, none of its lines is taken for another symbol's."""
    bare, long, short = lines_of(symbol)
    assert [symbol_of(line) for line in (bare, long, short)] == [symbol] * 3
    assert (other_side(bare), other_side(long), other_side(short)) == (None, short, long)
    assert line_of(symbol, PositionSide.NET) == symbol
