import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import event

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import EventKind, PositionChange
from brokergw.model.lifecycle import State
from brokergw.model.order import Fee, FillKind, Liquidity, Order
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.ports.journal import Commit, OrderQuery
from brokergw.store import Store
from brokergw.store.database.engine import parse_url, reader_engine
from brokergw.store.reading import queries
from brokergw.store.tables import ACCOUNTS, EVENTS
from tests.conformance.store.making import (
    ACCOUNT,
    ALL,
    MINE,
    OTHER_ACCOUNT,
    START_NS,
    TERMS,
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
    scope_of,
    settle,
)


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)
    await add_accounts(store, "acc_foreign", user_id="usr_2")


def whole_order() -> Order:
    """Make an order in which every field differs from its default."""
    terms = OrderTerms(
        symbol="SPY",
        side=Side.SELL,
        type=OrderType.TRAILING_STOP,
        time_in_force=TimeInForce.GTD,
        quantity=Decimal("1.50"),
        notional=Decimal("0.000000000000000001"),
        limit_price=Decimal("12345678901234567890.123456789012345678"),
        stop_price=Decimal(-3),
        trail_amount=Decimal("1E+3"),
        trail_percent=Decimal("0E-8"),
        expire_time_ns=START_NS + 9,
        extended_hours=True,
        position_effect=PositionEffect.CLOSE,
        order_class=OrderClass.BRACKET,
        take_profit_limit_price=Decimal("1.1"),
        stop_loss_stop_price=Decimal("1.2"),
        stop_loss_limit_price=Decimal("1.3"),
        legs=(Leg("SPY 1", Side.BUY, 2, PositionEffect.OPEN), Leg('"quoted"', Side.SELL, 1)),
    )
    return an_order(
        terms=terms,
        state=State.PARTIAL,
        version=7,
        client_order_id="mine",
        broker_order_ids=("b1", "b2"),
        parent_order_id="ord_parent",
        strategy_id="momentum",
        run_id="run 1",
        labels=(("b", "2"), ("a", "ü\x01\n")),
        attempt=3,
        cum_quantity=Decimal("0.50"),
        average_price=Decimal("9.990"),
        canceled_quantity=Decimal("0.25"),
        submit_time_ns=START_NS + 1,
        complete_time_ns=START_NS + 2,
        reject_reason="NONE",
        rejected_by="BROKER",
        broker_message="a % sign, a ? mark, a :name and 🙂",
        late_fill=True,
        external=True,
    )


async def test_order_fill_and_events_come_back_as_they_went(store: Store) -> None:
    """Whatever an order, a fill or a position change holds, digits of decimals included, is read back equal."""
    order = whole_order()
    fill = a_fill(
        order,
        "e1",
        kind=FillKind.CORRECTION,
        refers_to_fill_id="fil_0",
        fill_id_synthetic=True,
        liquidity=Liquidity.MAKER,
        venue="XNAS",
        fees=(Fee(Decimal("0.010"), "USD", "commission"), Fee(Decimal("-1E-7"), "BTC", "rebate", estimated=True)),
    )
    change = PositionChange(ACCOUNT, "mock", "SPY", Decimal("-0.50"))
    told = audit(order_id=order.order_id)
    unit = Commit(inserts=(order,), fills=(fill,), events=(about(order), about(fill), about(change)), audit=(told,))
    result = await committed(store, unit)
    stored = await store.journal.order(MINE, order.order_id)
    assert stored == order
    assert repr(stored) == repr(order)
    assert repr(await store.journal.fill(USER, fill.fill_id)) == repr(fill)
    log = await store.journal.events(USER, ACCOUNT, 0, 10)
    assert repr(tuple(log)) == repr(result.events)
    assert [event.publish_time_ns for event in log] == [START_NS] * 3


async def test_order_is_found_by_each_of_its_ids(store: Store) -> None:
    """An order is found by its id, its client order id and its ids at the broker, in its own account only."""
    order = whole_order()
    await committed(store, admit(order))
    journal = store.journal
    assert await journal.order_by_client_id(USER, ACCOUNT, "mine") == order
    assert await journal.order_by_broker_id(USER, ACCOUNT, "b1", "") == order
    assert await journal.order_by_broker_id(USER, ACCOUNT, "unknown", order.broker_client_order_id) == order
    assert await journal.order_by_client_id(USER, OTHER_ACCOUNT, "mine") is None
    assert await journal.order_by_client_id(USER, ACCOUNT, "") is None
    assert await journal.order_by_broker_id(USER, ACCOUNT, "", "") is None
    assert await journal.order(MINE, "ord_unknown") is None
    assert await journal.fill(USER, "fil_unknown") is None
    assert await journal.key_of(replace(scope_of(order), key="unknown")) is None


async def test_lookups_that_wait_together_are_all_answered(store: Store) -> None:
    """Hundreds of concurrent look-ups of every kind, for the same and for other things, each get their own answer."""
    orders = [an_order(client_order_id=f"c{n}", broker_order_ids=(f"b{n}",)) for n in range(40)]
    await asyncio.gather(*(committed(store, admit(order)) for order in orders))
    journal = store.journal
    found = await asyncio.gather(
        *(
            find
            for n, order in enumerate(orders)
            for find in (
                journal.order(MINE, order.order_id),
                journal.order_by_client_id(USER, ACCOUNT, f"c{n}"),
                journal.order_by_broker_id(USER, ACCOUNT, f"b{n}", ""),
                journal.order(MINE, order.order_id),
                journal.order(MINE, "unknown"),
            )
        )
    )
    assert list(found) == [each for order in orders for each in (order, order, order, order, None)]
    records = await asyncio.gather(*(journal.key_of(scope_of(order)) for order in orders))
    assert [record and record.subject for record in records] == [order.order_id for order in orders]


async def test_unstorable_question_is_answered_alone(store: Store) -> None:
    """A look-up of an id that no database can hold finds nothing, and those that wait beside it are answered."""
    order = an_order()
    await committed(store, admit(order))
    journal = store.journal
    found = await asyncio.gather(
        *(journal.order(MINE, each) for each in (order.order_id, "\x00", "\ud800", order.order_id))
    )
    assert list(found) == [order, None, None, order]


async def test_orders_are_listed_newest_first_and_paged(store: Store) -> None:
    """Pages of any size, put together, are the whole list, newest first, also where creation times are equal."""
    twins = [an_order(create_time_ns=START_NS + 10**6) for _ in range(4)]
    orders = [an_order() for _ in range(7)] + twins
    for order in orders:
        await committed(store, admit(order))
    expected = sorted(orders, key=lambda order: (order.create_time_ns, order.order_id), reverse=True)
    for size in (1, 3, 11, 100):
        listed: list[Order] = []
        while page := await store.journal.orders(
            OrderQuery(user_id=USER, limit=size, after_order_id=listed[-1].order_id if listed else "")
        ):
            assert len(page) <= size
            listed.extend(page)
        assert listed == expected


async def test_orders_are_filtered(store: Store) -> None:
    """Account, symbol, openness and creation time each narrow the list; another user's orders are never in it."""
    first = an_order()
    second = an_order(OTHER_ACCOUNT, terms=replace(TERMS, symbol="MSFT"))
    third = an_order()
    foreign = an_order("acc_foreign", user_id="usr_2")
    for order in (first, second, third, foreign):
        await committed(store, admit(order))
    await committed(store, settle(first))
    done = await store.journal.order(MINE, first.order_id)

    async def listed(**wanted: object) -> list[Order | None]:
        return list(await store.journal.orders(replace(OrderQuery(user_id=USER), **wanted)))  # type: ignore[arg-type]

    assert await listed() == [third, second, done]
    assert await listed(account_ids=(ACCOUNT,)) == [third, done]
    assert await listed(account_ids=(ACCOUNT, OTHER_ACCOUNT), symbol="MSFT") == [second]
    assert await listed(open_only=True) == [third, second]
    assert await listed(open_only=False) == [done]
    assert await listed(since_ns=second.create_time_ns) == [third, second]
    assert await listed(until_ns=second.create_time_ns) == [done]
    assert await listed(account_ids=("acc_foreign",)) == []
    assert await listed(limit=1) == [third]


async def test_page_after_something_unknown_is_refused(store: Store) -> None:
    """A page that starts after an order or fill of nobody, or of somebody else, is refused by PAGE_TOKEN_INVALID."""
    foreign = an_order("acc_foreign", user_id="usr_2")
    await committed(store, admit(foreign))
    await committed(store, settle(foreign))
    fills = await store.journal.fills("usr_2", ["acc_foreign"])
    for after in ("ord_unknown", foreign.order_id):
        with pytest.raises(GatewayError) as refused:
            await store.journal.orders(OrderQuery(user_id=USER, after_order_id=after))
        assert refused.value.reason is Reason.PAGE_TOKEN_INVALID
    for after in ("fil_unknown", fills[0].fill_id):
        with pytest.raises(GatewayError) as refused:
            await store.journal.fills(USER, [ACCOUNT], after_fill_id=after)
        assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


async def test_fills_are_listed_newest_first_and_paged(store: Store) -> None:
    """Fills come by trade time, newest first, filtered by account, order and time, in pages without gaps."""
    order, other = an_order(), an_order(OTHER_ACCOUNT)
    await committed(store, admit(order))
    await committed(store, admit(other))
    fills = [a_fill(order, f"e{n}", trade_time_ns=START_NS + n // 2) for n in range(6)]
    foreign = a_fill(other, "e", trade_time_ns=START_NS + 100)
    await committed(store, executed(*fills, foreign))
    expected = sorted(fills, key=lambda fill: (fill.trade_time_ns, fill.fill_id), reverse=True)
    listed = list(await store.journal.fills(USER, [ACCOUNT], limit=4))
    listed += await store.journal.fills(USER, [ACCOUNT], limit=4, after_fill_id=listed[-1].fill_id)
    assert listed == expected
    assert await store.journal.fills(USER, [ACCOUNT, OTHER_ACCOUNT]) == [foreign, *expected]
    assert await store.journal.fills(USER, [ACCOUNT, OTHER_ACCOUNT], order_id=other.order_id) == [foreign]
    assert await store.journal.fills(USER, [ACCOUNT], since_ns=START_NS + 2) == expected[:2]
    assert await store.journal.fills(USER, []) == []


async def test_open_orders_come_oldest_first(store: Store) -> None:
    """Every order that has not ended is listed, of one account or of all, oldest first."""
    first, second, ended = an_order(), an_order(OTHER_ACCOUNT), an_order()
    for order in (second, first, ended):
        await committed(store, admit(order))
    await committed(store, settle(ended))
    assert await store.journal.open_orders(ALL) == [first, second]
    assert await store.journal.open_orders(MINE, ACCOUNT) == [first]
    assert await store.journal.open_orders(MINE, "acc_unknown") == []


async def test_log_resumes_after_a_sequence(store: Store) -> None:
    """The log is read after a sequence, so many at a time, of all kinds or of some."""
    order = an_order()
    await committed(store, admit(order))
    await committed(store, settle(order))
    journal = store.journal
    log = await journal.events(USER, ACCOUNT, 0, 10)
    assert [(event.sequence, event.kind) for event in log] == [
        (1, EventKind.ORDER),
        (2, EventKind.ORDER),
        (3, EventKind.FILL),
        (4, EventKind.POSITION),
    ]
    assert await journal.events(USER, ACCOUNT, 1, 2) == log[1:3]
    assert await journal.events(USER, ACCOUNT, 0, 1, frozenset({EventKind.FILL, EventKind.POSITION})) == log[2:3]
    assert await journal.events(USER, ACCOUNT, 4, 10) == []
    assert await journal.events(USER, "acc_unknown", 0, 10) == []
    assert await journal.order_events(USER, order.order_id) == log[:3]
    assert await journal.order_events(USER, "") == []


async def test_sequences_and_oldest_cursors(store: Store) -> None:
    """An account without events is at 0; once old events are gone, the oldest cursor that resumes has moved."""
    order = an_order()
    await committed(store, admit(order))
    await committed(store, settle(order))
    journal = store.journal
    accounts = [ACCOUNT, OTHER_ACCOUNT, "acc_unknown"]
    assert await journal.sequences(MINE, accounts) == {ACCOUNT: 4, OTHER_ACCOUNT: 0, "acc_unknown": 0}
    assert await journal.earliest(MINE, accounts) == {ACCOUNT: 0, OTHER_ACCOUNT: 0, "acc_unknown": 0}
    await journal._writer.run(
        ALL, lambda database: database.execute(EVENTS.delete().where(EVENTS.c.sequence < 3)).rowcount
    )
    assert await journal.earliest(MINE, [ACCOUNT]) == {ACCOUNT: 2}
    await journal._writer.run(ALL, lambda database: database.execute(EVENTS.delete()).rowcount)
    assert await journal.earliest(MINE, [ACCOUNT]) == {ACCOUNT: 4}


async def test_snapshot_of_several_accounts(store: Store) -> None:
    """A snapshot holds the open orders and last sequences of exactly the accounts asked for."""
    mine, other, foreign = an_order(), an_order(OTHER_ACCOUNT), an_order("acc_foreign", user_id="usr_2")
    for order in (mine, other, foreign):
        await committed(store, admit(order))
    snapshot = await store.journal.snapshot(USER, [ACCOUNT, OTHER_ACCOUNT])
    assert snapshot.orders == (mine, other)
    assert snapshot.sequences == {ACCOUNT: 1, OTHER_ACCOUNT: 1}
    assert (await store.journal.snapshot(USER, [])).orders == ()


async def test_operator_can_query_the_columns(store: Store) -> None:
    """Columns hold what their names say: an order's row read by name matches the order, field by field."""
    order = whole_order()
    await committed(store, admit(order))

    def read(database: object) -> dict[str, object]:
        rows = database.exec_driver_sql("SELECT * FROM broker_orders").mappings()  # type: ignore[attr-defined]
        return dict(rows.one())

    row = await store.journal._reader.query(ALL, read)
    for name in ("order_id", "user_id", "account_id", "strategy_id", "run_id", "version", "attempt", "create_time_ns"):
        assert row[name] == getattr(order, name)
    assert row["state"] == "PARTIAL"
    assert row["order_type"] == "TRAILING_STOP"
    assert row["quantity"] == "1.50"
    assert row["notional"] == "1E-18"
    assert row["stop_loss_limit_price"] == "1.3"
    assert bool(row["is_open"]) is True
    assert bool(row["external"]) is True
    assert row["broker_order_ids"] == '["b1","b2"]'


async def test_account_row_counts_its_log(store: Store) -> None:
    """The account's row holds the last sequence, so that another process goes on where this one stopped."""
    await committed(store, admit(an_order()))
    wanted = ACCOUNTS.select().where(ACCOUNTS.c.account_id == ACCOUNT)
    row = await store.journal._reader.query(ALL, lambda database: database.execute(wanted).one())
    assert row.last_sequence == 1


async def test_refusals_are_counted_by_strategy_or_broker_and_age(store: Store) -> None:
    """Only orders that a broker has refused, made after a moment; those without a strategy by their broker."""
    for strategy_id in ("s1", "s1", "s2", ""):
        order = an_order(strategy_id=strategy_id, create_time_ns=START_NS)
        await committed(store, admit(order))
        await committed(store, change(order.next(START_NS, state=State.REJECTED_BY_BROKER)))
    await committed(store, admit(an_order(strategy_id="s1", create_time_ns=START_NS)))
    count = store.journal.count_refused
    assert [await count(USER, "s1", "", START_NS + apart) for apart in (-1, 0, 1)] == [2, 0, 0]
    assert [await count(USER, "", broker, START_NS - 1) for broker in ("mock", "alpaca")] == [1, 0]
    assert await count("usr_2", "s1", "", START_NS - 1) == 0


def test_open_orders_of_an_account_are_found_by_their_own_index(sqlite_url: str) -> None:
    """However many orders of a user have ended, the open ones of an account are not searched for among them."""
    engine = reader_engine(parse_url(sqlite_url))
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _x, statement, *_: asked.append(statement))
    with engine.connect() as connection:
        queries.open_heads(USER, ACCOUNT)(connection)
        queries.open_orders(MINE, (ACCOUNT,))(connection)
        for statement in tuple(asked):
            values = tuple("x" for _ in range(statement.count("?")))
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            assert "ix_broker_orders_open" in str(plan), plan
    engine.dispose()
