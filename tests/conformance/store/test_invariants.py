import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from brokergw.model.errors import Reason
from brokergw.model.lifecycle import EDGES, State, may_move
from brokergw.ports.journal import Commit, Committed
from brokergw.store import Store
from brokergw.store.database.engine import parse_url, writer_engine
from brokergw.store.migrations import is_current, upgrade
from brokergw.store.sql.edges import legal_moves, recorded_moves
from brokergw.store.writing.units import InvariantBroken
from tests.conformance.store.making import (
    MINE,
    START_NS,
    USER,
    a_fill,
    about,
    add_accounts,
    admit,
    an_order,
    audit,
    change,
    committed,
    executed,
    in_one_batch,
    log_of,
)
from tests.fixtures.two_roles import owned


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


@pytest.fixture
def owning(store_url: str) -> Iterator[Engine]:
    """Give an engine of the tables' owner, whom nothing binds but what the tables themselves refuse."""
    engine = writer_engine(parse_url(store_url if store_url.startswith("sqlite") else owned(store_url)))
    yield engine
    engine.dispose()


async def test_change_that_no_event_tells_is_refused(store: Store) -> None:
    """I7: a unit in which an order changes without an event of that very version is refused whole."""
    order = an_order()
    known = an_order()
    await committed(store, admit(known))
    later = known.next(START_NS, state=State.WORKING)
    for unit in (
        Commit(inserts=(order,)),
        Commit(inserts=(order,), events=(about(later),)),
        Commit(updates=(later,), events=(about(known),)),
    ):
        with pytest.raises(InvariantBroken) as refused:
            await store.journal.commit(unit)
        assert refused.value.reason is Reason.INTERNAL_ERROR
    assert await store.journal.order(MINE, order.order_id) is None
    assert await store.journal.order(MINE, known.order_id) == known
    assert await log_of(store) == [1]


async def test_execution_that_no_audit_row_tells_is_refused(store: Store) -> None:
    """I7: a unit that puts an execution on record without a row about its order is refused whole."""
    order, other = an_order(), an_order()
    for each in (order, other):
        await committed(store, admit(each))
    fill = a_fill(order, "e1")
    for audited in ((), (audit(),), (audit(order_id=other.order_id),)):
        with pytest.raises(InvariantBroken) as refused:
            await store.journal.commit(Commit(fills=(fill,), events=(about(fill),), audit=audited))
        assert (refused.value.reason, refused.value.order_id) == (Reason.INTERNAL_ERROR, order.order_id)
    assert await store.journal.fill(USER, fill.fill_id) is None
    await committed(store, executed(fill, events=(about(fill),)))


async def test_illegal_move_is_refused_alone(store: Store) -> None:
    """A unit that moves an order as the lifecycle table does not is refused, and its neighbours go through."""
    order = an_order(state=State.DENIED)
    await committed(store, admit(order))
    results = await in_one_batch(
        store, admit(an_order()), change(order.next(START_NS, state=State.SENDING)), admit(an_order())
    )
    assert [type(each) for each in results] == [Committed, InvariantBroken, Committed]
    assert await store.journal.order(MINE, order.order_id) == order


async def test_legal_moves_in_one_batch_are_all_made(store: Store) -> None:
    """An order may make several legal moves in one batch, also where the jump from the first to the last is none."""
    assert not may_move(State.DENIED, State.WORKING)
    walks = [
        [State.INTENT, State.NOT_SENT, State.SENDING, State.IN_DOUBT, State.MANUAL, State.FILLED, State.PARTIAL],
        [State.SENDING, State.WORKING, State.PARTIAL, State.PARTIAL, State.FILLED],
        [State.IN_DOUBT, State.ABSENT, State.WORKING],
    ]
    firsts = [an_order(state=walk[0]) for walk in walks]
    units = []
    for first, walk in zip(firsts, walks, strict=True):
        order = first
        for state in walk[1:]:
            order = order.next(START_NS, state=state, broker_client_order_id=f"{order.order_id}-{order.version}")
            units.append(change(order))
    await committed(store, Commit(inserts=tuple(firsts), events=tuple(map(about, firsts))))
    results = await in_one_batch(store, *units)
    assert all(isinstance(each, Committed) for each in results), results
    for first, walk in zip(firsts, walks, strict=True):
        stored = await store.journal.order(MINE, first.order_id)
        assert stored is not None
        assert (stored.state, stored.version) == (walk[-1], len(walk))


async def test_database_knows_the_lifecycle_table(owning: Engine) -> None:
    """The moves that the database holds legal are those of the lifecycle table."""
    with owning.connect() as database:
        assert recorded_moves(database) == legal_moves()
    assert len(legal_moves()) == sum(map(len, EDGES.values()))


async def test_database_refuses_illegal_moves_by_itself(store: Store, owning: Engine) -> None:
    """Whoever writes: the database refuses a move that is not in the table, and a version that does not rise."""
    orders = {state: an_order(state=state) for state in State}
    await committed(store, Commit(inserts=tuple(orders.values()), events=tuple(map(about, orders.values()))))
    with owning.connect() as database:
        for before, after in itertools.product(State, State):
            legal = before is after or may_move(before, after)
            move = text("UPDATE broker_orders SET state = :state, version = :version WHERE order_id = :order_id")
            values = {"state": after.value, "order_id": orders[before].order_id}
            for version, allowed in ((2, legal), (1, False), (0, False)):
                savepoint = database.begin_nested()
                if allowed:
                    database.execute(move, values | {"version": version})
                else:
                    with pytest.raises(IntegrityError):
                        database.execute(move, values | {"version": version})
                savepoint.rollback()
        database.rollback()


async def test_new_moves_are_learnt_at_the_next_upgrade(store: Store, store_url: str, owning: Engine) -> None:
    """A database whose legal moves are not this version's is out of date until it is upgraded."""
    with owning.begin() as database:
        database.execute(text("DELETE FROM order_edges WHERE to_state = 'FILLED'"))
    assert not is_current(owning)
    upgrade(owning, parse_url(store_url))
    assert is_current(owning)


async def test_last_defence_refuses_one_unit_alone(store: Store, owning: Engine) -> None:
    """Should the table in the database be narrower, the unit it refuses fails alone, as one the journal refused."""
    orders = [an_order() for _ in range(3)]
    for order in orders:
        await committed(store, admit(order))
    with owning.begin() as database:
        database.execute(text("DELETE FROM order_edges WHERE to_state = 'MANUAL' AND from_state = 'IN_DOUBT'"))
    doubted = replace(orders[1].next(START_NS), state=State.IN_DOUBT)
    await committed(store, change(doubted))
    results = await in_one_batch(
        store,
        change(orders[0].next(START_NS, state=State.WORKING)),
        change(doubted.next(START_NS, state=State.MANUAL)),
        change(orders[2].next(START_NS, state=State.WORKING)),
    )
    with owning.begin() as database:
        database.execute(text("INSERT INTO order_edges VALUES ('IN_DOUBT', 'MANUAL')"))
    assert isinstance(results[0], Committed)
    assert isinstance(results[1], Exception)
    assert isinstance(results[2], Committed)
