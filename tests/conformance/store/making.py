"""Units of work for the store's tests: orders, fills and the commits that carry them."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from brokergw.model.account import Connection, Environment
from brokergw.model.events import AuditRow, EventDraft, EventKind, PositionChange
from brokergw.model.ids import fill_id, new_id
from brokergw.model.lifecycle import State
from brokergw.model.order import Fill, Order, Origin
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.model.whose import everyone, only
from brokergw.ports.journal import Commit, CommitResult, Committed, Decision, KeyClaim, KeyScope
from brokergw.store import Store

USER: Final = "usr_1"
MINE: Final = only(USER)
ALL: Final = everyone("a test looks at everything")
ACCOUNT: Final = "acc_1"
OTHER_ACCOUNT: Final = "acc_2"
START_NS: Final = 1_800_000_000_000_000_000
TERMS: Final = OrderTerms(
    symbol="AAPL",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    quantity=Decimal(10),
    limit_price=Decimal("190.25"),
)

_numbers = itertools.count(1)


async def add_accounts(store: Store, *account_ids: str, user_id: str = USER) -> None:
    """Make accounts known, each behind a connection of its own."""
    for account_id in account_ids or (ACCOUNT, OTHER_ACCOUNT):
        await store.connections.add(connection_for(account_id, user_id=user_id), None)


def connection_for(account_id: str, *, user_id: str = USER, **changes: Any) -> Connection:
    """Make a connection with an account behind it."""
    facts: dict[str, Any] = {
        "connection_id": f"con_{account_id}",
        "user_id": user_id,
        "broker": "mock",
        "environment": Environment.MOCK,
        "account_id": account_id,
        "account_label": "Practice",
        "has_key": False,
        "key_last_four": "",
        "create_time_ns": START_NS,
    }
    return Connection(**facts | changes)


def an_order(account_id: str = ACCOUNT, **changes: Any) -> Order:
    """Make a fresh order that may have been sent; each one is created a nanosecond after the one before."""
    number = next(_numbers)
    facts: dict[str, Any] = {
        "order_id": new_id("ord"),
        "user_id": USER,
        "account_id": account_id,
        "broker": "mock",
        "terms": TERMS,
        "idempotency_key": f"key-{number}",
        "state": State.SENDING,
        "version": 1,
        "create_time_ns": START_NS + number,
        "update_time_ns": START_NS + number,
        "broker_client_order_id": f"sent-{number}",
    }
    return Order(**facts | changes)


def a_fill(order: Order, execution_id: str, **changes: Any) -> Fill:
    """Make a fill of an order."""
    facts: dict[str, Any] = {
        "fill_id": fill_id(order.broker, order.account_id, execution_id),
        "order_id": order.order_id,
        "user_id": order.user_id,
        "account_id": order.account_id,
        "broker": order.broker,
        "client_order_id": order.client_order_id,
        "idempotency_key": order.idempotency_key,
        "broker_order_id": order.broker_order_id,
        "execution_id": execution_id,
        "symbol": order.terms.symbol,
        "side": order.terms.side,
        "quantity": Decimal(10),
        "price": Decimal("190.2"),
        "cum_quantity": Decimal(10),
        "leaves_quantity": Decimal(0),
        "average_price": Decimal("190.2"),
        "trade_time_ns": START_NS + next(_numbers),
        "receive_time_ns": START_NS,
    }
    return Fill(**facts | changes)


def scope_of(order: Order) -> KeyScope:
    """Give the scope of the key an order was submitted under."""
    return KeyScope(order.user_id, "SubmitOrder", order.idempotency_key)


def claim_of(order: Order, fingerprint: str = "print") -> KeyClaim:
    """Claim the key an order is submitted under."""
    return KeyClaim(scope=scope_of(order), fingerprint=fingerprint, subject=order.order_id, time_ns=START_NS)


def about(payload: Order | Fill | PositionChange) -> EventDraft:
    """Make the event that tells of something."""
    kinds = {Order: EventKind.ORDER, Fill: EventKind.FILL, PositionChange: EventKind.POSITION}
    return EventDraft(
        kind=kinds[type(payload)],
        account_id=payload.account_id,
        origin=Origin.LIVE,
        event_time_ns=START_NS,
        receive_time_ns=START_NS + 1,
        payload=payload,
    )


def audit(action: str = "SubmitOrder", outcome: str = "OK", **changes: Any) -> AuditRow:
    """Make an audit row."""
    facts: dict[str, Any] = {
        "time_ns": START_NS,
        "request_id": "req_1",
        "user_id": USER,
        "key_id": "key_1",
        "action": action,
        "outcome": outcome,
    }
    return AuditRow(**facts | changes)


def admit(order: Order) -> Commit:
    """Make the first of an order's two commits."""
    return Commit(claim=claim_of(order), inserts=(order,), events=(about(order),), audit=(audit(),))


def change(*updates: Order, **parts: Any) -> Commit:
    """Make a unit that updates orders, and tells of it."""
    return told(Commit(updates=updates, **parts))


def executed(*fills: Fill, **parts: Any) -> Commit:
    """Make a unit that puts executions on record."""
    return told(Commit(fills=fills, **parts))


def told(unit: Commit) -> Commit:
    """Let a unit tell of every order that changes or is executed in it, after what it tells already."""
    return replace(
        unit,
        events=(*unit.events, *(about(order) for order in (*unit.inserts, *unit.updates))),
        audit=(*unit.audit, *(audit("order.reported", order_id=fill.order_id) for fill in unit.fills)),
    )


def filled(order: Order, execution_id: str) -> tuple[Order, Fill]:
    """Let an order be filled at once: its next version and the fill."""
    after = order.next(
        START_NS + 5,
        state=State.FILLED,
        broker_order_ids=(f"broker-{order.order_id}",),
        cum_quantity=Decimal(10),
        average_price=Decimal("190.2"),
        complete_time_ns=START_NS + 5,
    )
    return after, a_fill(after, execution_id)


def settle(order: Order) -> Commit:
    """Make the second of an order's two commits."""
    after, fill = filled(order, f"execution-{order.order_id}")
    position = PositionChange(order.account_id, order.broker, order.terms.symbol, Decimal(10))
    return Commit(
        updates=(after,),
        fills=(fill,),
        events=(about(after), about(fill), about(position)),
        audit=(audit(outcome="FILLED", order_id=after.order_id),),
        decision=Decision(scope_of(order), '{"state":"FILLED"}', START_NS + 6),
    )


async def committed(store: Store, unit: Commit) -> Committed:
    """Commit a unit that must go through."""
    result = await store.journal.commit(unit)
    assert isinstance(result, Committed), result
    return result


async def in_one_batch(store: Store, *units: Commit) -> list[CommitResult | BaseException]:
    """Commit units such that the writer meets them in one batch, in this order."""
    async with writer_held(store):
        tasks = [asyncio.ensure_future(store.journal.commit(unit)) for unit in units]
        await asyncio.sleep(0)
    return list(await asyncio.gather(*tasks, return_exceptions=True))


@asynccontextmanager
async def writer_held(store: Store) -> AsyncIterator[None]:
    """Keep the writer busy while the block runs, so that everything asked for meanwhile waits together."""
    started, released = threading.Event(), threading.Event()

    def work(_database: object) -> None:
        started.set()
        assert released.wait(5)

    holding = asyncio.ensure_future(store.journal._writer.run(ALL, work))
    await asyncio.to_thread(started.wait, 5)
    try:
        yield
    finally:
        released.set()
        await holding


async def log_of(store: Store, account_id: str = ACCOUNT) -> list[int]:
    """Read the sequences of an account's whole log."""
    return [event.sequence for event in await store.journal.events(USER, account_id, 0, 100_000)]


async def together(*coroutines: Coroutine[Any, Any, Any]) -> Sequence[Any]:
    """Run everything at once."""
    return await asyncio.gather(*coroutines)
