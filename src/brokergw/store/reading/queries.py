"""The reads that are more than a look-up: lists, the log, snapshots."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy import Connection, Select, bindparam, func, select, text, tuple_

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import EventKind, LogEvent
from brokergw.model.lifecycle import State
from brokergw.model.order import Fill, Order
from brokergw.model.whose import Whose, only
from brokergw.ports.journal import KeyScope, OrderQuery
from brokergw.ports.snapshots import OrderHead, Snapshot
from brokergw.store.encoding.codec import texts_from_text
from brokergw.store.encoding.rows import event_from_row, fill_from_row, order_from_row
from brokergw.store.separation.filters import owner_of, rows_of
from brokergw.store.sieve import KeySieve
from brokergw.store.tables import ACCOUNTS, EVENTS, FILLS, KEYS, ORDERS

Result = TypeVar("Result")
Read: TypeAlias = Callable[[Connection], Result]


IS_OPEN: Final = text("broker_orders.is_open")
"""As the index over open orders has it; compared with a number, as SQLite is told flags, it would not serve."""


def sieve_of_keys(keys_max: int) -> Read[KeySieve | None]:
    """Put every idempotency key on record into a sieve, one after another; None when there are more than so many."""

    def read(connection: Connection) -> KeySieve | None:
        sieve = KeySieve()
        wanted = select(KEYS.c.user_id, KEYS.c.method, KEYS.c.key).limit(keys_max + 1)
        for number, row in enumerate(connection.execute(wanted)):
            if number >= keys_max:
                return None
            sieve.add(KeyScope(*row))
        return sieve

    return read


def list_orders(query: OrderQuery) -> Read[list[Order]]:
    """List orders as asked, newest first; raises PAGE_TOKEN_INVALID when `after_order_id` names no order."""

    def read(connection: Connection) -> list[Order]:
        wanted = _orders_wanted(query)
        if query.after_order_id:
            made = connection.scalar(
                select(ORDERS.c.create_time_ns).where(
                    ORDERS.c.order_id == query.after_order_id, ORDERS.c.user_id == query.user_id
                )
            )
            if made is None:
                raise _page_lost("order")
            wanted = wanted.where(
                tuple_(ORDERS.c.create_time_ns, ORDERS.c.order_id) < tuple_(made, query.after_order_id)
            )
        return [order_from_row(row) for row in connection.execute(wanted)]

    return read


def _orders_wanted(query: OrderQuery) -> Select[Any]:
    wanted = select(ORDERS).where(ORDERS.c.user_id == query.user_id)
    if query.account_ids:
        wanted = wanted.where(ORDERS.c.account_id.in_(query.account_ids))
    if query.symbol:
        wanted = wanted.where(ORDERS.c.symbol == query.symbol)
    if query.open_only is not None:
        wanted = wanted.where(ORDERS.c.is_open if query.open_only else ~ORDERS.c.is_open)
    if query.since_ns is not None:
        wanted = wanted.where(ORDERS.c.create_time_ns >= query.since_ns)
    if query.until_ns is not None:
        wanted = wanted.where(ORDERS.c.create_time_ns < query.until_ns)
    return wanted.order_by(ORDERS.c.create_time_ns.desc(), ORDERS.c.order_id.desc()).limit(query.limit)


def any_order(order_id: str) -> Read[Order | None]:
    """Read one order, whosever it is."""

    def read(connection: Connection) -> Order | None:
        row = connection.execute(select(ORDERS).where(ORDERS.c.order_id == order_id)).one_or_none()
        return None if row is None else order_from_row(row)

    return read


def open_orders(
    whose: Whose, account_ids: Sequence[str] | None, states: frozenset[State] | None = None
) -> Read[list[Order]]:
    """List the orders of some accounts, in some states (of all, in any when None) that have not ended, oldest first."""
    wanted = (
        select(ORDERS)
        .where(IS_OPEN, rows_of(whose, ORDERS, found_otherwise=account_ids is not None))
        .order_by(ORDERS.c.create_time_ns, ORDERS.c.order_id)
    )
    if account_ids is not None:
        wanted = wanted.where(ORDERS.c.account_id.in_(account_ids))
    if states is not None:
        wanted = wanted.where(ORDERS.c.state.in_(sorted(states)))
    return lambda connection: [order_from_row(row) for row in connection.execute(wanted)]


_OPEN_HEADS: Final = select(
    ORDERS.c.order_id, ORDERS.c.version, ORDERS.c.state, ORDERS.c.broker_order_ids, ORDERS.c.broker_client_order_id
).where(IS_OPEN, owner_of(ORDERS) == bindparam("of_user"), ORDERS.c.account_id == bindparam("of_account"))


def count_refused(user_id: str, strategy_id: str, broker: str, made_after_ns: int) -> Read[int]:
    """Count a user's latest orders of a strategy, or of none, that a broker (any when empty) has refused."""
    wanted = select(func.count()).where(
        ORDERS.c.user_id == user_id,
        ORDERS.c.create_time_ns > made_after_ns,
        ORDERS.c.state == State.REJECTED_BY_BROKER,
        ORDERS.c.strategy_id == strategy_id,
    )
    if broker:
        wanted = wanted.where(ORDERS.c.broker == broker)
    return lambda connection: connection.execute(wanted).scalar_one()


def open_heads(user_id: str, account_id: str) -> Read[list[OrderHead]]:
    """Tell where the orders of an account stand that have not ended."""

    def read(connection: Connection) -> list[OrderHead]:
        return [
            OrderHead(order_id, version, State(state), texts_from_text(broker_ids), client_id)
            for order_id, version, state, broker_ids, client_id in connection.execute(
                _OPEN_HEADS, {"of_user": user_id, "of_account": account_id}
            )
        ]

    return read


def list_fills(
    user_id: str, account_ids: Sequence[str], *, order_id: str, since_ns: int | None, after_fill_id: str, limit: int
) -> Read[list[Fill]]:
    """List fills, newest first; raises PAGE_TOKEN_INVALID when `after_fill_id` names no fill of these accounts."""

    def read(connection: Connection) -> list[Fill]:
        mine = (FILLS.c.user_id == user_id, FILLS.c.account_id.in_(account_ids))
        wanted = select(FILLS).where(*mine)
        if order_id:
            wanted = wanted.where(FILLS.c.order_id == order_id)
        if since_ns is not None:
            wanted = wanted.where(FILLS.c.trade_time_ns >= since_ns)
        if after_fill_id:
            traded = connection.scalar(select(FILLS.c.trade_time_ns).where(FILLS.c.fill_id == after_fill_id, *mine))
            if traded is None:
                raise _page_lost("fill")
            wanted = wanted.where(tuple_(FILLS.c.trade_time_ns, FILLS.c.fill_id) < tuple_(traded, after_fill_id))
        wanted = wanted.order_by(FILLS.c.trade_time_ns.desc(), FILLS.c.fill_id.desc()).limit(limit)
        return [fill_from_row(row) for row in connection.execute(wanted)]

    return read


def events_after(
    user_id: str, account_id: str, after: int, limit: int, kinds: frozenset[EventKind] | None
) -> Read[list[LogEvent]]:
    """Read an account's log after a sequence."""
    mine = (EVENTS.c.user_id == user_id, EVENTS.c.account_id == account_id)
    wanted = select(EVENTS).where(*mine, EVENTS.c.sequence > after)
    if kinds is not None:
        wanted = wanted.where(EVENTS.c.kind.in_(sorted(kinds)))
    wanted = wanted.order_by(EVENTS.c.sequence).limit(limit)
    return lambda connection: [event_from_row(row) for row in connection.execute(wanted)]


def events_of_order(user_id: str, order_id: str) -> Read[list[LogEvent]]:
    """Read every event of an order and its fills."""
    wanted = (
        select(EVENTS)
        .where(EVENTS.c.user_id == user_id, EVENTS.c.order_id == order_id, EVENTS.c.order_id != "")
        .order_by(EVENTS.c.account_id, EVENTS.c.sequence)
    )
    return lambda connection: [event_from_row(row) for row in connection.execute(wanted)]


# Asked several times a second for each account, so it is put together once.
_LAST_SEQUENCES: Final = select(ACCOUNTS.c.account_id, ACCOUNTS.c.last_sequence).where(
    ACCOUNTS.c.user_id.in_(bindparam("user_ids", expanding=True)),
    ACCOUNTS.c.account_id.in_(bindparam("account_ids", expanding=True)),
)


def last_sequences(whose: Whose, account_ids: Sequence[str]) -> Read[dict[str, int]]:
    """Give each account's last sequence, 0 where it has none."""
    asked = {"user_ids": list(whose.users), "account_ids": list(account_ids)}
    return lambda connection: _for_all(account_ids, connection.execute(_LAST_SEQUENCES, asked))


def oldest_cursors(whose: Whose, account_ids: Sequence[str]) -> Read[dict[str, int]]:
    """Give each account's earliest sequence still there minus one; where all are gone, its last."""
    earliest = select(func.min(EVENTS.c.sequence) - 1).where(EVENTS.c.account_id == ACCOUNTS.c.account_id)
    wanted = select(ACCOUNTS.c.account_id, func.coalesce(earliest.scalar_subquery(), ACCOUNTS.c.last_sequence)).where(
        rows_of(whose, ACCOUNTS), ACCOUNTS.c.account_id.in_(account_ids)
    )
    return lambda connection: _for_all(account_ids, connection.execute(wanted))


def snapshot(user_id: str, account_ids: Sequence[str]) -> Read[Snapshot]:
    """Read open orders and sequences; the caller runs it at one moment."""

    def read(connection: Connection) -> Snapshot:
        orders = open_orders(only(user_id), account_ids)(connection)
        return Snapshot(tuple(orders), last_sequences(only(user_id), account_ids)(connection))

    return read


def _for_all(account_ids: Sequence[str], rows: Any) -> dict[str, int]:
    found = {account_id: sequence for account_id, sequence in rows}  # noqa: C416 - rows are no pairs to the type checker
    return {account_id: found.get(account_id, 0) for account_id in account_ids}


def _page_lost(kind: str) -> GatewayError:
    return GatewayError(Reason.PAGE_TOKEN_INVALID, f"the page starts after a {kind} that is not on the record")
