from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.model.terms import Side
from brokergw.ports.journal import (
    Cap,
    CapReached,
    CapsReached,
    Committed,
    Measure,
    Subject,
    WouldIncrease,
)
from brokergw.store import Store
from tests.conformance.store.ledgers import (
    STRATEGY,
    asking,
    cap,
    holding,
    traded,
    true_to_the_orders,
    used,
)
from tests.conformance.store.making import MINE, OTHER_ACCOUNT, USER, add_accounts, change, committed, in_one_batch


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


def just_around(limit: int | str) -> list[tuple[Decimal, bool]]:
    """Give a limit a little above what is needed, just that, and a little below, with whether it suffices."""
    exact = Decimal(limit)
    step = Decimal("0.000000001")
    return [(exact + step, True), (exact, True), (exact - step, False)]


CAPS: Sequence[tuple[Measure, Subject, int]] = (
    (Measure.EXPOSURE, Subject.USER, 2000),
    (Measure.EXPOSURE, Subject.STRATEGY, 2000),
    (Measure.EXPOSURE, Subject.ACCOUNT, 2000),
    (Measure.POSITION, Subject.USER, 2000),
    (Measure.POSITION, Subject.STRATEGY, 2000),
    (Measure.OPEN_ORDERS, Subject.USER, 2),
    (Measure.DAY_ORDERS, Subject.USER, 2),
    (Measure.DAY_ORDERS, Subject.STRATEGY, 2),
    (Measure.MINUTE_ORDERS, Subject.USER, 2),
    (Measure.DAY_VOLUME, Subject.USER, 2000),
    (Measure.UNACKNOWLEDGED, Subject.ACCOUNT, 2000),
)


@pytest.mark.parametrize(("measure", "subject", "needed"), CAPS)
async def test_cap_holds_to_the_last_digit(store: Store, measure: Measure, subject: Subject, needed: int) -> None:
    """K7. A second order that brings a measure just below or to its cap goes; one that brings it above does not."""
    await committed(store, asking(holding(strategy_id=STRATEGY)))
    before = list(await store.journal.usage(USER))
    for limit, suffices in reversed(just_around(needed)):
        second = holding(strategy_id=STRATEGY)
        one = Cap(measure=measure, subject=subject, limit=limit)
        result = await store.journal.commit(asking(second, one))
        if suffices:
            assert isinstance(result, Committed)
            break
        half = Decimal(needed) / 2
        assert result == CapsReached((CapReached(one, half, half),))
        assert await store.journal.order(MINE, second.order_id) is None
        assert list(await store.journal.usage(USER)) == before
    assert await true_to_the_orders(store)


async def test_all_caps_that_an_order_would_exceed_are_named(store: Store) -> None:
    """A refusal names every cap that is exceeded, and none that holds."""
    caps = (cap(Measure.EXPOSURE, 999), cap(Measure.OPEN_ORDERS, 1), cap(Measure.DAY_VOLUME, 10))
    result = await store.journal.commit(asking(holding(), *caps))
    assert isinstance(result, CapsReached)
    assert [each.cap for each in result.reached] == [caps[0], caps[2]]


async def test_orders_of_one_batch_count_for_each_other(store: Store) -> None:
    """K7. Orders that are written together may not be more together than one after another, and harm nobody beside."""
    orders = [holding(3, 100) for _ in range(5)]
    other = holding(3, 100, account_id=OTHER_ACCOUNT)
    units = [asking(order, cap(Measure.EXPOSURE, 1000)) for order in orders]
    results = await in_one_batch(store, *units, asking(other))
    assert [type(result) for result in results] == [*[Committed] * 3, *[CapsReached] * 2, Committed]
    assert (await used(store)).exposure == 1200
    assert await true_to_the_orders(store)


async def test_order_that_adds_nothing_passes_a_cap_that_is_exceeded(store: Store) -> None:
    """A cap below what is used already stops what adds to it, and nothing else."""
    bought = holding(10, 100)
    await committed(store, asking(bought))
    await committed(store, change(traded(bought, 10, 100)))
    tight = cap(Measure.EXPOSURE, 1)
    sell = holding(10, 100, side=Side.SELL)
    assert isinstance(await store.journal.commit(asking(sell, tight)), Committed)
    assert isinstance(await store.journal.commit(asking(holding(1, 1), tight)), CapsReached)
    turning = holding(20, 100, side=Side.SELL)
    assert isinstance(await store.journal.commit(asking(turning, tight)), CapsReached)


@pytest.mark.parametrize(("units", "passes"), [(3, True), (4, True), (5, False)])
async def test_reducing_is_what_the_ledger_says(store: Store, units: int, *, passes: bool) -> None:
    """What only reduces passes every cap, all open orders of its side counted; what turns the position does not."""
    bought = holding(10, 100)
    await committed(store, asking(bought))
    await committed(store, change(traded(bought, 10, 100)))
    await committed(store, asking(holding(6, 100, side=Side.SELL)))
    caps = (cap(Measure.OPEN_ORDERS, 0), cap(Measure.MINUTE_ORDERS, 0))
    sell = holding(units, 100, side=Side.SELL)
    unsaid = await store.journal.commit(asking(replace(sell, order_id="ord_unsaid"), *caps))
    assert isinstance(unsaid, CapsReached)
    result = await store.journal.commit(asking(sell, *caps, reduces=True))
    assert isinstance(result, Committed if passes else CapsReached)


async def test_reducing_must_hold_for_the_brokers_position_too(store: Store) -> None:
    """Of what the ledger knows and what the broker told the smaller position is the one that can be reduced."""
    bought = holding(10, 100)
    await committed(store, asking(bought))
    await committed(store, change(traded(bought, 10, 100)))
    sell = holding(5, 100, side=Side.SELL)
    caps = (cap(Measure.OPEN_ORDERS, 0),)
    told = asking(sell, *caps, reduces=True, position=Decimal(4), mark=Decimal(100))
    assert isinstance(await store.journal.commit(told), CapsReached)
    told = asking(sell, *caps, reduces=True, position=Decimal(5), mark=Decimal(100))
    assert isinstance(await store.journal.commit(told), Committed)


async def test_worse_of_two_positions_counts(store: Store) -> None:
    """A position that only the broker knows of counts at its mark, and so does one that has become dearer."""
    order = holding(1, 100)
    told = {"position": Decimal(9), "mark": Decimal(100)}
    result = await store.journal.commit(asking(order, cap(Measure.EXPOSURE, 999), **told))
    assert result == CapsReached((CapReached(cap(Measure.EXPOSURE, 999), Decimal(900), Decimal(100)),))
    assert isinstance(await store.journal.commit(asking(order, cap(Measure.EXPOSURE, 1000), **told)), Committed)
    await committed(store, change(traded(order, 1, 100)))
    dearer = {"position": Decimal(1), "mark": Decimal(150)}
    second = holding(1, 100)
    result = await store.journal.commit(asking(second, cap(Measure.POSITION, 249), **dearer))
    assert result == CapsReached((CapReached(cap(Measure.POSITION, 249), Decimal(150), Decimal(100)),))
    assert isinstance(await store.journal.commit(asking(second, cap(Measure.POSITION, 250), **dearer)), Committed)


async def test_no_view_of_the_position_hides_what_an_order_adds_in_another(store: Store) -> None:
    """A short position that only the broker knows of makes a buy look harmless; the open orders are above all the same.

    With two open sells and two open buys of one symbol, a third buy adds to the worst case unless something is short.
    """
    for side in (Side.SELL, Side.SELL, Side.BUY, Side.BUY):
        await committed(store, asking(holding(10, 100, side=side)))
    short = {"position": Decimal(-10), "mark": Decimal(100)}
    third = holding(10, 100)
    for limit, admitted in ((2999, False), (3000, True)):
        result = await store.journal.commit(asking(third, cap(Measure.EXPOSURE, limit), **short))
        assert isinstance(result, Committed if admitted else CapsReached)


@pytest.mark.parametrize(("units", "admitted"), [(6, True), (7, True), (8, False)])
async def test_closing_order_takes_what_the_broker_shows_and_nobody_closes_already(
    store: Store, units: int, *, admitted: bool
) -> None:
    """K3. A position that only the broker knows of can be closed, once: orders that close it already count."""
    closing = {"reduces": True, "must_reduce": True, "broker_decides": True, "position": Decimal(10)}
    first = holding(3, 100, side=Side.SELL)
    assert isinstance(await store.journal.commit(asking(first, **closing)), Committed)
    result = await store.journal.commit(asking(holding(units, 100, side=Side.SELL), **closing))
    assert isinstance(result, Committed if admitted else WouldIncrease)
