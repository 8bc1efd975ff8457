"""The journal port over a SQL database."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection

from brokergw.model.errors import GatewayError
from brokergw.model.events import AuditRow, EventKind, LogEvent
from brokergw.model.lifecycle import State
from brokergw.model.order import Fill, Order
from brokergw.model.whose import NOBODYS, Whose, everyone, only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import (
    Admission,
    AdmissionRefused,
    Commit,
    CommitResult,
    KeyRecord,
    KeyScope,
    OrderQuery,
)
from brokergw.ports.ledger import LedgerDifference, PositionOnRecord, UsageOnRecord
from brokergw.ports.snapshots import OrderHead, Snapshot
from brokergw.store import retention
from brokergw.store.audit.chain import write_audit
from brokergw.store.database.bell import Bell
from brokergw.store.database.polls import Poll
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.encoding.rows import audit_row
from brokergw.store.ledger import reading
from brokergw.store.ledger.anchoring import Moved, anchored
from brokergw.store.ledger.judging import judged
from brokergw.store.migrations import renew_epoch
from brokergw.store.reading import queries
from brokergw.store.reading.lookups import Lookups
from brokergw.store.sieve import KEYS_MAX, KeySieve
from brokergw.store.writing.units import prepare
from brokergw.store.writing.writer import Writer

_log = logging.getLogger(__name__)

_KEYS: Final = everyone("keys grow old by their age alone, and the sieve over them is one for all")
_LEDGER: Final = everyone("a recount is of the whole ledger")


class SqlJournal:
    """Implements `ports.journal.Journal`; every read may raise JOURNAL_UNAVAILABLE."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        lookups: Lookups,
        run: RunsWork,
        clock: Clock,
        epoch: str,
        sieve: KeySieve | None = None,
        bell: Bell | None = None,
    ) -> None:
        self._sieve = sieve
        self._filling: asyncio.Task[None] | None = None
        self._writer = writer
        self._reader = reader
        self._lookups = lookups
        self._run = run
        self._clock = clock
        self._epoch = epoch
        self._bell = bell
        self._open: dict[frozenset[State], Poll[list[Order]]] = {}

    async def commit(self, unit: Commit) -> CommitResult:
        """Make a unit durable with whatever else waits; raises JOURNAL_UNAVAILABLE or JOURNAL_OUTCOME_UNKNOWN."""
        if self._sieve is not None and unit.claim is not None:
            self._sieve.add(unit.claim.scope)
        return await self._writer.commit(prepare(unit))

    async def judge(self, order: Order, admission: Admission) -> AdmissionRefused | None:
        """Tell what the commit that admits a new order would say now; admits nothing."""
        now_ns = self._clock.now_ns()
        return await self._reader.query(only(order.user_id), judged(order, admission, now_ns), at_one_moment=True)

    def record(self, row: AuditRow) -> None:
        """Put an audit row into the next commit; raises JOURNAL_UNAVAILABLE when too much waits already."""
        self._writer.record(audit_row(row))

    async def key_of(self, scope: KeyScope) -> KeyRecord | None:
        """Look a key up."""
        if self._sieve is not None:
            if self._sieve.is_fresh(scope):
                return None
            if self._filling is None:
                self._filling = asyncio.create_task(self._fill(self._sieve), name="fill the key sieve")
        found: KeyRecord | None = await self._reader.find(self._lookups.key, (scope.user_id, scope.method, scope.key))
        return found

    async def _fill(self, sieve: KeySieve) -> None:
        """Read in every key on record, once; until then, and when there are too many, each key is asked for."""
        try:
            recorded = await self._reader.query(_KEYS, queries.sieve_of_keys(KEYS_MAX))
        except GatewayError as error:
            _log.warning("the key sieve stays empty: %s", error.reason)
            return
        if recorded is not None:
            sieve.absorb(recorded)
            sieve.complete = True

    async def order(self, whose: Whose, order_id: str) -> Order | None:
        """Read one order as it stands."""
        if whose.everybody:
            return await self._reader.query(whose, queries.any_order(order_id))
        user_id = whose.one
        found: Order | None = await self._reader.find(self._lookups.order, (user_id, order_id))
        return found

    async def order_by_client_id(self, user_id: str, account_id: str, client_order_id: str) -> Order | None:
        """Read an order by the client's own id."""
        found: Order | None = await self._reader.find(
            self._lookups.order_by_client_id, (user_id, account_id, client_order_id)
        )
        return found

    async def order_by_broker_id(
        self, user_id: str, account_id: str, broker_order_id: str, broker_client_order_id: str
    ) -> Order | None:
        """Read an order by any of its broker order ids, or else the broker-level client order id; empty finds none."""
        found: Order | None = None
        if broker_order_id:
            found = await self._reader.find(self._lookups.order_by_broker_id, (user_id, account_id, broker_order_id))
        if found is None and broker_client_order_id:
            found = await self._reader.find(
                self._lookups.order_by_broker_client_id, (user_id, account_id, broker_client_order_id)
            )
        return found

    async def orders(self, query: OrderQuery) -> Sequence[Order]:
        """List orders, newest first; `since_ns` is inclusive and `until_ns` exclusive, both of the creation time."""
        return await self._reader.query(only(query.user_id), queries.list_orders(query))

    async def open_orders(
        self, whose: Whose, account_id: str | None = None, states: frozenset[State] | None = None
    ) -> Sequence[Order]:
        """List every order that has not ended, oldest first."""
        if whose.everybody and account_id is None and states is not None:
            return await self._reader.poll(self._open_in(whose, states))
        accounts = None if account_id is None else (account_id,)
        return await self._reader.query(whose, queries.open_orders(whose, accounts, states))

    def _open_in(self, whose: Whose, states: frozenset[State]) -> Poll[list[Order]]:
        """Give the question for everybody's orders in some states, which is asked every second: put together once."""
        known = self._open.get(states)
        if known is None:
            known = self._open[states] = Poll(whose, queries.open_orders(whose, None, states))
        return known

    async def count_refused(self, user_id: str, strategy_id: str, broker: str, made_after_ns: int) -> int:
        """Count a user's orders of a strategy, or of none, that a broker (any when empty) has refused."""
        return await self._reader.query(
            only(user_id), queries.count_refused(user_id, strategy_id, broker, made_after_ns)
        )

    async def open_heads(self, user_id: str, account_id: str) -> Sequence[OrderHead]:
        """Tell where every order of an account stands that has not ended."""
        return await self._reader.query(only(user_id), queries.open_heads(user_id, account_id))

    async def fills(
        self,
        user_id: str,
        account_ids: Sequence[str],
        *,
        order_id: str = "",
        since_ns: int | None = None,
        after_fill_id: str = "",
        limit: int = 100,
    ) -> Sequence[Fill]:
        """List fills by trade time, newest first."""
        return await self._reader.query(
            only(user_id),
            queries.list_fills(
                user_id, account_ids, order_id=order_id, since_ns=since_ns, after_fill_id=after_fill_id, limit=limit
            ),
        )

    async def fill(self, user_id: str, fill_id: str) -> Fill | None:
        """Read one fill."""
        found: Fill | None = await self._reader.find(self._lookups.fill, (user_id, fill_id))
        return found

    async def events(
        self, user_id: str, account_id: str, after: int, limit: int, kinds: frozenset[EventKind] | None = None
    ) -> Sequence[LogEvent]:
        """Read the log of an account after a sequence, in order."""
        return await self._reader.query(
            only(user_id), queries.events_after(user_id, account_id, after, limit, kinds), for_streams=True
        )

    async def order_events(self, user_id: str, order_id: str) -> Sequence[LogEvent]:
        """Read every event of one order and its fills, in order."""
        return await self._reader.query(only(user_id), queries.events_of_order(user_id, order_id))

    async def sequences(self, whose: Whose, account_ids: Sequence[str]) -> dict[str, int]:
        """Give each account's last sequence; 0 where nothing has happened yet."""
        return await self._reader.query(whose, queries.last_sequences(whose, account_ids), for_streams=True)

    async def earliest(self, whose: Whose, account_ids: Sequence[str]) -> dict[str, int]:
        """Give each account's earliest sequence still on the record, minus one."""
        return await self._reader.query(whose, queries.oldest_cursors(whose, account_ids), for_streams=True)

    async def snapshot(self, user_id: str, account_ids: Sequence[str]) -> Snapshot:
        """Read open orders and sequences in one transaction."""
        return await self._reader.query(only(user_id), queries.snapshot(user_id, account_ids), at_one_moment=True)

    def on_events(self, listener: Callable[[Sequence[LogEvent]], None]) -> None:
        """Call a function in the event loop, after each commit, with the events it made durable.

        A commit whose outcome is unknown, and another process's commit, are not told; the next event of the account
        then skips a sequence, and the log has what is between.
        """
        self._writer.listen(listener)

    def on_wake(self, listener: Callable[[], None]) -> None:
        """Call a function in the event loop when another process may have written; on SQLite none ever does."""
        if self._bell is not None:
            self._bell.listen(listener)

    async def retire_keys(self, claimed_before_ns: int, limit: int) -> int:
        """Retire old keys, but for those whose order is open or ended within the last day."""
        retired: int = await self._run(_KEYS, retention.retire(claimed_before_ns, limit, self._clock.now_ns()))
        return retired

    async def drop_retired_keys(self, claimed_before_ns: int, limit: int) -> int:
        """Forget old retired keys."""
        dropped: int = await self._run(_KEYS, retention.drop(claimed_before_ns, limit, self._clock.now_ns()))
        return dropped

    async def forget_repeats(self, made_before_ns: int, limit: int) -> int:
        """Forget old notes of which order was the latest of its likeness."""
        forgotten: int = await self._run(_KEYS, retention.forget(made_before_ns, limit))
        return forgotten

    async def prune_events(self, user_id: str, account_id: str, published_before_ns: int, limit: int) -> int:
        """Forget the oldest events of an account."""
        work = retention.prune(user_id, account_id, published_before_ns, limit, self._clock.now_ns())
        pruned: int = await self._run(only(user_id), work)
        return pruned

    async def renew_epoch(self, audit: AuditRow) -> str:
        """Begin another life of the log, as must be done after a restore from a backup: earlier cursors then say so.

        Processes that serve go on with the life that they began in, so none must.
        """

        def work(database: Connection) -> str:
            write_audit(database, audit)
            return renew_epoch(database)

        self._epoch = str(await self._run(NOBODYS, work))
        return self._epoch

    async def usage(self, user_id: str) -> Sequence[UsageOnRecord]:
        """Give what a user, each strategy of theirs and each account has used."""
        return await self._reader.query(only(user_id), reading.usage(user_id, self._clock.now_ns()))

    async def positions_on_record(self, user_id: str, account_id: str) -> Sequence[PositionOnRecord]:
        """Give every symbol of an account that is held or has open orders."""
        return await self._reader.query(only(user_id), reading.positions(user_id, account_id))

    async def anchor(
        self, user_id: str, account_id: str, symbol: str, quantity: Decimal, average_cost: Decimal, expected: Decimal
    ) -> bool:
        """Set a position to what the broker told; False where it is no longer as expected."""
        try:
            work = anchored(user_id, account_id, symbol, quantity, average_cost, expected, self._clock.now_ns())
            done: bool = await self._run(only(user_id), work)
        except Moved:
            return False
        return done

    async def recount(self) -> Sequence[LedgerDifference]:
        """Count what is open anew from the open orders, and give every difference to the ledger."""
        return await self._reader.query(_LEDGER, reading.recount, at_one_moment=True)

    @property
    def shared(self) -> bool:
        """Whether other processes may write to this record too."""
        return self._bell is not None

    @property
    def epoch(self) -> str:
        """The id of this log's life."""
        return self._epoch
