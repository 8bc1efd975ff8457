"""What a commit would say, asked without committing."""

import pytest

from brokergw.model.terms import Side
from brokergw.model.trading import PLATFORM
from brokergw.ports.journal import Admission, Cap, Measure, Subject
from brokergw.store import Store
from tests.conformance.store.ledgers import STRATEGY, asking, cap, halt, holding, traded, true_to_the_orders
from tests.conformance.store.making import ACCOUNT, MINE, USER, add_accounts, change, committed
from tests.conformance.store.test_caps import CAPS, just_around


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


@pytest.mark.parametrize(("measure", "subject", "needed"), CAPS)
async def test_question_is_answered_like_the_commit_and_admits_nothing(
    store: Store, measure: Measure, subject: Subject, needed: int
) -> None:
    """K7. Just below, at and just above each cap the answer is the commit's own, and all counts stay as they were."""
    await committed(store, asking(holding(strategy_id=STRATEGY)))
    usage = list(await store.journal.usage(USER))
    positions = list(await store.journal.positions_on_record(USER, ACCOUNT))
    for limit, suffices in reversed(just_around(needed)):
        second = holding(strategy_id=STRATEGY)
        one = Cap(measure=measure, subject=subject, limit=limit)
        said = await store.journal.judge(second, Admission(caps=(one,)))
        assert (said is None) is suffices
        assert await store.journal.order(MINE, second.order_id) is None
        assert list(await store.journal.usage(USER)) == usage
        assert list(await store.journal.positions_on_record(USER, ACCOUNT)) == positions
        if not suffices:
            assert await store.journal.commit(asking(second, one)) == said
    assert await true_to_the_orders(store)


@pytest.mark.parametrize(("units", "passes"), [(9, True), (10, True), (11, False)])
async def test_what_reduces_is_known_to_the_question(store: Store, units: int, *, passes: bool) -> None:
    """An order that the record's position covers passes every cap; one that is larger must not go at all."""
    bought = holding(10, 100)
    await committed(store, asking(bought))
    await committed(store, change(traded(bought, 10, 100)))
    sell = holding(units, 100, side=Side.SELL)
    wanted = asking(sell, cap(Measure.OPEN_ORDERS, 0), reduces=True, must_reduce=True)
    assert wanted.admission is not None
    said = await store.journal.judge(sell, wanted.admission)
    assert (said is None) is passes
    if not passes:
        assert await store.journal.commit(wanted) == said


async def test_halt_answers_a_question_as_it_answers_a_commit(store: Store) -> None:
    """What is halted in the book is told, whether or not this process has heard of it."""
    order = holding()
    assert await store.journal.judge(order, Admission()) is None
    await halt(store, PLATFORM, "HALTED")
    said = await store.journal.judge(order, Admission())
    assert said is not None
    assert await store.journal.commit(asking(order)) == said


async def test_question_about_the_first_order_ever_finds_nothing_used(store: Store) -> None:
    """Where no row is on record yet everything counts as nothing."""
    room = cap(Measure.EXPOSURE, 1000)
    assert await store.journal.judge(holding(10, 100), Admission(caps=(room,))) is None
    said = await store.journal.judge(holding(10, "100.01"), Admission(caps=(room,)))
    assert said is not None
