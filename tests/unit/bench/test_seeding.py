"""A seeded record holds orders of their own."""

from pathlib import Path

from bench.seeding import seed
from brokergw.model.whose import everyone
from brokergw.ports.journal import OrderQuery
from tests.conformance.store.making import ACCOUNT, USER, add_accounts, admit, an_order, committed, scope_of, settle
from tests.fixtures.stores import open_for_test


async def test_copies_are_ended_orders_with_ids_of_their_own(sqlite_url: str) -> None:
    """Every copy has another order, key, fill and place in the log, and the record goes on behind them."""
    order = an_order(idempotency_key="01a1fdfb-0000-4000-8000-000000000000")
    store = open_for_test(sqlite_url)
    await add_accounts(store)
    for unit in (admit(order), settle(order)):
        await committed(store, unit)
    await store.close()

    seed(Path(sqlite_url.removeprefix("sqlite:///")), order.order_id, 3)

    store = open_for_test(sqlite_url)
    orders = await store.journal.orders(OrderQuery(user_id=USER))
    assert len({each.order_id for each in orders}) == 4
    assert len({each.idempotency_key for each in orders}) == 4
    assert not await store.journal.open_orders(everyone("a test"))
    for each in orders:
        key = await store.journal.key_of(scope_of(each))
        assert key is not None
        assert key.subject == each.order_id
        (fill,) = await store.journal.fills("usr_1", (ACCOUNT,), order_id=each.order_id)
        assert fill.broker_order_id == each.broker_order_id
    log = await store.journal.events("usr_1", ACCOUNT, 0, 100)
    assert [event.sequence for event in log] == list(range(1, len(log) + 1))
    assert log[-1].payload.account_id == ACCOUNT
    after = await committed(store, admit(an_order()))
    assert after.events[0].sequence == len(log) + 1
    await store.close()
