from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from brokergw.model.errors import GatewayError
from brokergw.model.lifecycle import State
from brokergw.model.terms import Side
from brokergw.ports.journal import (
    Admission,
    CapReached,
    CapsReached,
    CommitResult,
    Committed,
    KeyTaken,
    Measure,
    Stale,
    Subject,
)
from brokergw.store import Store
from tests.conformance.store.ledgers import (
    DAY,
    STRATEGY,
    asking,
    cap,
    holding,
    position,
    position_or_none,
    traded,
    true_to_the_orders,
    used,
)
from tests.conformance.store.making import (
    ACCOUNT,
    ALL,
    START_NS,
    TERMS,
    USER,
    add_accounts,
    an_order,
    change,
    committed,
    log_of,
)
from tests.fixtures.stores import open_for_test


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


async def test_admitted_order_counts_at_once(store: Store) -> None:
    """An order's worst case counts for its user, its account and its strategy from its admission on."""
    await committed(store, asking(holding(10, 100, strategy_id=STRATEGY)))
    for subject in ({}, {"strategy_id": STRATEGY}, {"account_id": ACCOUNT}):
        found = await used(store, **subject)
        assert [found.exposure, found.open_orders, found.day_orders, found.minute_orders] == [1000, 1, 1, 1]
        assert [found.trading_day, found.day_volume] == [DAY, 1000]
    assert (await used(store, account_id=ACCOUNT)).unacknowledged == 1000
    assert await true_to_the_orders(store)


async def test_acknowledged_order_costs_buying_power_at_the_broker(store: Store) -> None:
    """What the broker has acknowledged it takes off by itself; in doubt it may not have."""
    order = holding()
    await committed(store, asking(order))
    doubtful = order.next(START_NS, state=State.IN_DOUBT)
    await committed(store, change(doubtful))
    assert (await used(store, account_id=ACCOUNT)).unacknowledged == 1000
    await committed(store, change(doubtful.next(START_NS, state=State.WORKING)))
    assert (await used(store, account_id=ACCOUNT)).unacknowledged == 0
    assert (await used(store)).exposure == 1000
    assert await true_to_the_orders(store)


async def test_fills_become_a_position(store: Store) -> None:
    """What trades leaves the open part and counts as a position at what it cost."""
    order = holding(10, 100)
    await committed(store, asking(order))
    part = traded(order, 4, 90)
    await committed(store, change(part))
    found = await position(store)
    assert [found.quantity, found.average_cost, found.open_buys] == [4, 90, 6]
    assert (await used(store)).exposure == 4 * 90 + 6 * 100
    await committed(store, change(part.next(START_NS, state=State.CANCELED)))
    after = await used(store)
    assert [after.exposure, after.open_orders, after.day_volume] == [360, 0, 360]
    assert await true_to_the_orders(store)


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.MANUAL, State.RESOLVED_ABSENT])
async def test_doubt_holds(store: Store, state: State) -> None:
    """An order of unknown outcome holds what it held, however long that lasts, until it ends."""
    order = holding()
    await committed(store, asking(order))
    doubtful = order.next(START_NS, state=State.IN_DOUBT)
    await committed(store, change(doubtful))
    if state is not State.IN_DOUBT:
        doubtful = doubtful.next(START_NS, state=state)
        await committed(store, change(doubtful))
    assert (await used(store)).exposure == 1000
    await committed(store, change(doubtful.next(START_NS, state=State.ABSENT)))
    assert [(await used(store)).exposure, (await used(store)).open_orders] == [0, 0]
    assert await true_to_the_orders(store)


async def test_taken_key_is_told_before_any_cap(store: Store) -> None:
    """Whoever repeats an order is answered as to that order, whatever is left of a cap."""
    order = holding()
    await committed(store, asking(order))
    again = replace(holding(), idempotency_key=order.idempotency_key)
    result = await store.journal.commit(asking(again, cap(Measure.EXPOSURE, 1000)))
    assert isinstance(result, KeyTaken)


async def test_change_holds_what_it_may_become(store: Store) -> None:
    """A change is checked for what it adds, holds the larger of both while it is on its way, then what stands."""
    order = holding(10, 100)
    await committed(store, asking(order))
    working = order.next(START_NS, state=State.WORKING)
    await committed(store, change(working))
    larger = working.next(START_NS, state=State.PENDING_MODIFY, hold_quantity=Decimal(15))
    ask = replace(change(larger), admission=Admission(caps=(cap(Measure.EXPOSURE, 1499),)))
    result = await store.journal.commit(ask)
    assert result == CapsReached((CapReached(cap(Measure.EXPOSURE, 1499), Decimal(1000), Decimal(500)),))
    caps = (cap(Measure.EXPOSURE, 1500), cap(Measure.OPEN_ORDERS, 1), cap(Measure.UNACKNOWLEDGED, 500, Subject.ACCOUNT))
    await committed(store, replace(change(larger), admission=Admission(caps=caps)))
    assert [(await used(store)).exposure, (await used(store)).day_orders] == [1500, 2]
    back = larger.next(START_NS, state=State.WORKING, hold_quantity=Decimal(10))
    await committed(store, change(back))
    assert (await used(store)).exposure == 1000
    assert await true_to_the_orders(store)


async def test_stale_change_is_told_before_any_cap(store: Store) -> None:
    """A change of an order that has moved on is stale, whatever is left of a cap; nothing of it counts."""
    order = holding()
    await committed(store, asking(order))
    await committed(store, change(order.next(START_NS, state=State.WORKING)))
    late = order.next(START_NS, state=State.IN_DOUBT, hold_quantity=Decimal(99))
    late_unit = replace(change(late), admission=Admission(caps=(cap(Measure.EXPOSURE, 0),)))
    assert isinstance(await store.journal.commit(late_unit), Stale)
    assert (await used(store)).exposure == 1000


async def test_exits_count_once_with_their_entry(store: Store) -> None:
    """The exits that a broker makes for an entry hold nothing and are no open orders; what they trade moves all."""
    entry = holding(10, 100)
    await committed(store, asking(entry))
    exit_order = an_order(
        terms=replace(TERMS, side=Side.SELL, limit_price=Decimal(120)),
        parent_order_id=entry.order_id,
        state=State.WORKING,
        broker_client_order_id="exit-1",
    )
    await committed(store, change(traded(entry, 10, 100), inserts=(exit_order,)))
    assert [(await used(store)).open_orders, (await used(store)).exposure] == [0, 1000]
    await committed(store, change(traded(exit_order, 10, 120)))
    assert (await position_or_none(store)) is None
    assert await true_to_the_orders(store)


async def test_position_is_anchored_to_the_brokers_word(store: Store) -> None:
    """R10. A position older than the record is taken over with its cost, and counts; orders then move it."""
    assert await store.journal.anchor(USER, ACCOUNT, "AAPL", Decimal(10), Decimal(50), Decimal(0))
    found = await position(store)
    assert [found.quantity, found.average_cost, found.worst] == [10, 50, 500]
    assert (await used(store)).exposure == (await used(store, account_id=ACCOUNT)).exposure == 500
    sell = holding(4, 60, side=Side.SELL)
    assert isinstance(await store.journal.commit(asking(sell, cap(Measure.EXPOSURE, 0), reduces=True)), Committed)
    await committed(store, change(traded(sell, 4, 60)))
    assert [(await position(store)).quantity, (await used(store)).exposure] == [6, 300]
    assert await true_to_the_orders(store)


async def test_anchor_misses_a_position_that_has_moved(store: Store) -> None:
    """R8. A position that moved since it was compared is left alone."""
    order = holding(10, 100)
    await committed(store, asking(order))
    await committed(store, change(traded(order, 10, 100)))
    assert not await store.journal.anchor(USER, ACCOUNT, "AAPL", Decimal(3), Decimal(1), Decimal(0))
    assert (await position(store)).quantity == 10
    assert await store.journal.anchor(USER, ACCOUNT, "AAPL", Decimal(3), Decimal(1), Decimal(10))
    assert [(await position(store)).quantity, (await used(store)).exposure] == [3, 3]
    again = holding(1, 100)
    await committed(store, asking(again))
    assert (await used(store)).exposure == 103
    assert await true_to_the_orders(store)


async def test_recount_finds_what_differs(store: Store) -> None:
    """A row that is not what the orders come to is named, with both figures."""
    await committed(store, asking(holding()))
    sql = "UPDATE risk_usage SET exposure = '999.5' WHERE subject = 'USER'"
    await store.journal._run(ALL, lambda database: database.exec_driver_sql(sql) and None)
    (difference,) = await store.journal.recount()
    assert (difference.subject, difference.measure) == (f"USER/{USER}", "exposure")
    assert (difference.recorded, difference.counted) == (Decimal("999.5"), Decimal(1000))


async def test_refused_unit_leaves_no_event(store: Store) -> None:
    """What an admission is refused for leaves neither an order nor an event nor a claimed key."""
    order = holding()
    await store.journal.commit(asking(order, cap(Measure.EXPOSURE, 1)))
    assert await log_of(store) == []
    assert isinstance(await store.journal.commit(asking(order)), Committed)


async def test_another_writer_is_noticed(store: Store, store_url: str) -> None:
    """What somebody else wrote into the ledger counts, whatever this process remembers."""
    await committed(store, asking(holding(3, 100)))
    async with open_for_test(store_url) as other:
        await committed(other, asking(holding(3, 100)))
        await committed(other, asking(holding(3, 100)))
    result: CommitResult = await store.journal.commit(asking(holding(3, 100), cap(Measure.EXPOSURE, 1000)))
    assert isinstance(result, CapsReached)
    assert result.reached[0].used == 900
    assert isinstance(await store.journal.commit(asking(holding(1, 100), cap(Measure.EXPOSURE, 1000))), Committed)
    assert await true_to_the_orders(store)


async def test_what_was_not_certainly_durable_counts_for_nothing(store: Store, store_url: str) -> None:
    """After a commit that failed the ledger is read again, so that another's rows of its version are not mistaken."""

    def fail(_connection: object) -> None:
        event.remove(store._writing, "commit", fail)
        raise OperationalError("COMMIT", None, Exception("the disk is gone"))

    event.listen(store._writing, "commit", fail)
    with pytest.raises(GatewayError):
        await store.journal.commit(asking(holding(3, 100)))
    async with open_for_test(store_url) as other:
        await committed(other, asking(holding(9, 100)))
    await committed(store, asking(holding(1, 100)))
    assert (await used(store)).exposure == 1000
    assert await true_to_the_orders(store)
