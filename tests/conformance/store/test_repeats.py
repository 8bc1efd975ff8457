"""The same order again under another key, refused by the commit that would admit it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from brokergw.model.lifecycle import State
from brokergw.model.likeness import Likeness, likeness, print_of
from brokergw.model.order import Order
from brokergw.model.terms import Side
from brokergw.ports.journal import Admission, Cap, CapsReached, Commit, Committed, Measure, Repeated
from brokergw.store import Store
from tests.conformance.store.ledgers import asking, cap, holding, true_to_the_orders
from tests.conformance.store.making import (
    OTHER_ACCOUNT,
    START_NS,
    USER,
    add_accounts,
    change,
    committed,
    in_one_batch,
)
from tests.conformance.store.test_caps_between_writers import WRITERS, stores_on
from tests.fixtures.stores import open_for_test

WINDOW_NS = 2_000_000_000


@pytest.fixture
async def known(postgresql_url: str) -> AsyncIterator[Store]:
    """Give a store that several processes may share, and that knows the accounts."""
    async with open_for_test(postgresql_url) as store:
        await add_accounts(store)
        yield store


def again(**changes: Any) -> Order:
    """Make an order that begins at the start, unless it is said when."""
    return holding(create_time_ns=START_NS, **changes)


def like(order: Order, **changes: Any) -> Likeness:
    """Give what an order has in common with those that are the same."""
    return Likeness(print=print_of(likeness(order.account_id, order.terms)), within_ns=WINDOW_NS, **changes)


def asks(order: Order, *caps: Cap, meant: bool = False) -> Commit:
    """Ask for an order's admission as one that repeats none, or is meant to."""
    return asking(order, *caps, likeness=like(order, meant=meant))


@pytest.mark.parametrize(("apart_ns", "taken"), [(WINDOW_NS - 1, False), (WINDOW_NS, True), (WINDOW_NS + 1, True)])
async def test_the_same_order_within_the_window_is_refused(known: Store, apart_ns: int, *, taken: bool) -> None:
    """D13. Just below the window it is a repetition, from the window on it is none; nothing of it is left behind."""
    first = again()
    await committed(known, asks(first))
    usage = list(await known.journal.usage(USER))
    second = again()
    second = replace(second, create_time_ns=START_NS + apart_ns)
    said = await known.journal.judge(second, Admission(likeness=like(second)))
    result = await known.journal.commit(asks(second))
    if taken:
        assert said is None
        assert isinstance(result, Committed)
        return
    assert said == result == Repeated(first.order_id, apart_ns, WINDOW_NS)
    assert list(await known.journal.usage(USER)) == usage
    assert await true_to_the_orders(known)


@pytest.mark.parametrize(
    "changes",
    [{"units": 11}, {"price": 101}, {"side": Side.SELL}, {"account_id": OTHER_ACCOUNT}],
    ids=["quantity", "price", "side", "account"],
)
async def test_another_order_is_no_repetition(known: Store, changes: dict[str, Any]) -> None:
    """Any difference in what is asked for makes it another order."""
    await committed(known, asks(again()))
    await committed(known, asking(again(**changes)))


async def test_a_repetition_that_is_meant_passes_and_counts(known: Store) -> None:
    """Who says so may repeat; and what came so counts for the next one."""
    await committed(known, asks(again()))
    meant = again()
    await committed(known, asks(meant, meant=True))
    result = await known.journal.commit(asks(again()))
    assert isinstance(result, Repeated)
    assert result.order_id == meant.order_id


async def test_who_looks_for_nothing_leaves_no_note(known: Store) -> None:
    """Without a window no order costs a note, nor is it found by others."""
    await committed(known, asking(again()))
    await committed(known, asks(again()))


@pytest.mark.parametrize("state", [State.REJECTED_BY_BROKER, State.NOT_SENT])
async def test_what_came_to_nothing_is_repeated_by_nothing(known: Store, state: State) -> None:
    """An order that is known not to exist doubles nothing."""
    first = again()
    await committed(known, asks(first))
    await committed(known, change(first.next(START_NS, state=state)))
    await committed(known, asks(again()))


async def test_a_second_attempt_does_not_repeat_its_own_first_one(known: Store) -> None:
    """An order that is driven again under its key is the same order, not another."""
    first = again()
    await committed(known, asks(first))
    unsent = first.next(START_NS, state=State.NOT_SENT)
    await committed(known, change(unsent))
    second = unsent.next(START_NS, state=State.SENDING, attempt=2)
    result = await known.journal.commit(replace(change(second), admission=asks(second).admission))
    assert isinstance(result, Committed)


async def test_a_repetition_is_told_before_a_cap(known: Store) -> None:
    """As at the gates: what is wrong with the order itself comes before what the sum of all comes to."""
    await committed(known, asks(again()))
    full = cap(Measure.OPEN_ORDERS, 1)
    assert isinstance(await known.journal.commit(asks(again(), full)), Repeated)
    assert isinstance(await known.journal.commit(asks(again(units=11), full)), CapsReached)


async def test_of_the_same_orders_in_one_batch_one_is_admitted(known: Store) -> None:
    """Orders that are written together see each other."""
    units = [asks(again()) for _ in range(4)]
    results = await in_one_batch(known, *units, asks(again(units=11)))
    assert [type(result) for result in results] == [Committed, Repeated, Repeated, Repeated, Committed]
    assert await true_to_the_orders(known)


async def test_of_the_same_order_at_four_writers_at_once_one_is_admitted(postgresql_url: str) -> None:
    """D13. Sent to several processes at one moment under different keys, it goes once, whoever is first."""
    async with AsyncExitStack() as stack:
        stores = await stores_on(postgresql_url, stack)
        await add_accounts(stores[0])
        for number in range(10):
            orders = [again(units=number + 1) for _ in range(2 * WRITERS)]
            results = await asyncio.gather(
                *(stores[n % WRITERS].journal.commit(asks(order)) for n, order in enumerate(orders))
            )
            admitted = [order for order, result in zip(orders, results, strict=True) if isinstance(result, Committed)]
            assert len(admitted) == 1
            others = [result for result in results if not isinstance(result, Committed)]
            assert others == [Repeated(admitted[0].order_id, 0, WINDOW_NS)] * (2 * WRITERS - 1)
        assert await stores[0].journal.recount() == []


async def test_old_notes_are_forgotten_in_pieces(known: Store) -> None:
    """Just before the given time goes, at it stays; as many as asked for, and nothing else of the orders."""
    for number in range(3):
        await committed(known, asks(again(units=number + 1)))
    assert await known.journal.forget_repeats(START_NS, 10) == 0
    assert await known.journal.forget_repeats(START_NS + 1, 2) == 2
    assert await known.journal.forget_repeats(START_NS + 1, 2) == 1
    await committed(known, asks(again(units=1)))


@pytest.mark.parametrize(("one", "other"), [("10", "10.0"), ("100", "1E+2"), ("0.5", "0.500")])
def test_a_print_is_the_same_however_numbers_are_written(one: str, other: str) -> None:
    """Two clients may write the same order differently, and two databases keep it differently."""
    prints = {like(again(units=each)).print for each in (one, other)}
    assert len(prints) == 1
    assert prints != {like(again(units="10.01")).print}
