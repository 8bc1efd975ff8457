from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from brokergw.model.errors import GatewayError
from brokergw.model.ledger import stake_of
from brokergw.model.lifecycle import State
from brokergw.ports.journal import Committed, Stale
from brokergw.store import Store
from brokergw.store.sql.many import ManyRows
from brokergw.store.writing.heads import Heads, head_of
from tests.conformance.store.making import MINE, START_NS, USER, add_accounts, admit, an_order, change, committed
from tests.fixtures.stores import open_for_test


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


@pytest.fixture
def reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the rows that the writer looks up of orders to be changed."""
    counted: list[int] = []
    wanted = store._writer._committer._writer._statements.find_heads
    fetch = ManyRows.fetch

    def counting(self: ManyRows, connection: Any, rows: Sequence[Any]) -> list[Any]:
        if self is wanted:
            counted.append(len(rows))
        return fetch(self, connection, rows)

    monkeypatch.setattr(ManyRows, "fetch", counting)
    return counted


async def test_order_written_here_is_not_read_again(store: Store, reads: list[int]) -> None:
    """Changing an order that this process wrote last reads nothing first."""
    order = an_order()
    await committed(store, admit(order))
    for state in (State.WORKING, State.PARTIAL, State.FILLED):
        order = order.next(START_NS, state=state, broker_order_ids=("b1",))
        await committed(store, change(order))
    assert reads == []
    assert await store.journal.order(MINE, order.order_id) == order


async def test_order_changed_elsewhere_is_read(store: Store, store_url: str, reads: list[int]) -> None:
    """What another process wrote since is found: an update of the version known here is stale."""
    order = an_order()
    await committed(store, admit(order))
    theirs = order.next(START_NS, state=State.WORKING)
    ours = order.next(START_NS, state=State.IN_DOUBT)
    async with open_for_test(store_url) as other:
        await committed(other, change(theirs))
    assert await store.journal.commit(change(ours)) == Stale(theirs)
    assert reads != []
    later = theirs.next(START_NS, state=State.FILLED)
    assert isinstance(await store.journal.commit(change(later)), Committed)


async def test_what_was_not_certainly_durable_is_no_hint(store: Store, store_url: str, reads: list[int]) -> None:
    """A version whose commit failed is forgotten, so that another process's version of that number is not mistaken."""
    order = an_order()
    await committed(store, admit(order))
    lost = order.next(START_NS, state=State.WORKING, broker_order_ids=("lost",))

    def fail(_connection: object) -> None:
        event.remove(store._writing, "commit", fail)
        raise OperationalError("COMMIT", None, Exception("the disk is gone"))

    event.listen(store._writing, "commit", fail)
    with pytest.raises(GatewayError):
        await store.journal.commit(change(lost))
    theirs = order.next(START_NS, state=State.IN_DOUBT)
    async with open_for_test(store_url) as other:
        await committed(other, change(theirs))
    assert reads == []
    found = theirs.next(START_NS, state=State.WORKING, broker_order_ids=("lost",))
    await committed(store, change(found))
    assert reads == [1]
    assert await store.journal.order_by_broker_id(USER, order.account_id, "lost", "") == found


def test_hints_are_bounded() -> None:
    """Only so many heads are kept, the latest ones."""
    heads = Heads()
    orders = [an_order() for _ in range(9_000)]
    heads.remember({order.order_id: head_of(order, stake_of(order)) for order in orders})
    known = [head.order_id for head in heads.before(order.next(START_NS) for order in orders)]
    assert known == [order.order_id for order in orders[-8_192:]]
    assert list(heads.before([orders[-1], orders[-1].next(START_NS).next(START_NS)])) == []
