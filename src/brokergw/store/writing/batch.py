"""Writing one batch inside a transaction: decide, allot sequences, write the winners by kind of row."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import localcontext
from typing import Any

from sqlalchemy import Connection

from brokergw.model.events import LogEvent
from brokergw.model.ledger import EXACT
from brokergw.ports.journal import CommitResult, Committed
from brokergw.store.audit.chain import chain_of
from brokergw.store.database.bell import CHANNEL
from brokergw.store.encoding.rows import Row
from brokergw.store.ledger.at_hand import AtHand
from brokergw.store.ledger.book import LedgerBook
from brokergw.store.ledger.check import scope_keys
from brokergw.store.ledger.statements import LedgerStatements
from brokergw.store.sql.failure import of_the_audit
from brokergw.store.sql.many import Ask, fetched, together, touched
from brokergw.store.sql.statements import Statements
from brokergw.store.writing.decide import Decider, Race
from brokergw.store.writing.heads import Head, Heads
from brokergw.store.writing.steps import steps
from brokergw.store.writing.units import PreparedUnit


@dataclass(slots=True)
class Written:
    """What a batch came to: a result for each unit, all events in log order, and where its orders stand."""

    results: list[CommitResult | Exception]
    events: list[LogEvent]
    heads: dict[str, Head]


@dataclass(slots=True)
class _Account:
    user_id: str
    next_sequence: int


class BatchWriter:
    """Writes batches for one process, `instance_id`; of what it wrote it holds hints only."""

    def __init__(self, statements: Statements, instance_id: str) -> None:
        self._statements = statements
        self._ledger = LedgerStatements(statements.dialect)
        self._heads = Heads()
        # Where rows can be locked somebody else may have moved them; a SQLite file has one process.
        self._at_hand = None if statements.locks_rows else AtHand()
        self._instance_id = instance_id

    def write(
        self, connection: Connection, units: Sequence[PreparedUnit], audit: list[Row], now_ns: int, *, careful: bool
    ) -> Written:
        """Write what may go through and refuse the rest; raises Race when the database disagrees."""
        if careful and self._at_hand is not None:
            self._at_hand.forget()
        with localcontext(EXACT):
            book = LedgerBook(connection, self._ledger, self._at_hand)
            decider = Decider(connection, self._statements, self._heads, book, now_ns, careful=careful)
            refusals = decider.decide(units)
            positions, usage = book.rows()
        winners = [unit for unit, refusal in zip(units, refusals, strict=True) if refusal is None]
        ledger = self._ledger
        counted: list[Ask] = [
            (ledger.write_positions, positions),
            (ledger.write_usage, usage),
            (ledger.note_repeats, book.repeats.rows()),
        ]
        accounts = self._write_and_allot(connection, [*counted, *self._orders(winners, decider)], winners)
        events, rows = _number(accounts, winners, now_ns)
        if told := [row for unit in winners for row in unit.audit] + audit:
            # By itself, since the chain must know of a failure whether the row that was in its way is its own.
            with of_the_audit():
                chain_of(connection).write(connection, told)
        self._write(connection, self._told(winners, rows))
        if not careful:
            self._require_unhalted(book, winners)
        committed = iter(events)
        results = [Committed(next(committed)) if refusal is None else refusal for refusal in refusals]
        return Written(results, [event for each in events for event in each], decider.heads)

    def remember(self, written: Written) -> None:
        """Take note that a batch is durable."""
        self._heads.remember(written.heads)
        if self._at_hand is not None:
            self._at_hand.settle()

    def _require_unhalted(self, book: LedgerBook, winners: list[PreparedUnit]) -> None:
        """See last of all that nothing is halted that was admitted: nobody who halts waits for more than a commit.

        Where something is, the careful pass looks first.
        """
        orders = [unit.unit.admitted for unit in winners if unit.unit.admission is not None]
        halted = {halt.scope.key for halt in book.halts(orders)}
        if halted and any(halted & scope_keys(order) for order in orders):
            raise Race

    def _orders(self, winners: list[PreparedUnit], decider: Decider) -> list[Ask]:
        """Give what is to be written of keys, orders and fills, in order."""
        sql = self._statements
        updates = [pair for unit in winners for pair in zip(unit.unit.updates, unit.updates, strict=True)]
        made = steps(updates, decider.recorded)
        alone = sum(map(len, made)) == len(updates)
        update = sql.update_orders if alone else sql.leap_orders
        rename = sql.rename_orders if alone else sql.leap_and_rename_orders
        changes: list[Ask] = []
        for step in made:
            # In order, so that two processes lock rows in the same order and never wait for each other in a circle.
            renamed = [step.pop(order_id) for order_id in sorted(decider.renamed & step.keys())]
            changes += [(update, [step[order_id] for order_id in sorted(step)]), (rename, renamed)]
        return [
            (sql.insert_keys, sorted(unit.claim for unit in winners if unit.claim is not None)),
            (sql.insert_orders, [row for unit in winners for row in unit.inserts]),
            *changes,
            (sql.insert_broker_ids, sorted(decider.broker_ids)),
            (sql.insert_fills, sorted(row for unit in winners for row in unit.fills)),
        ]

    def _told(self, winners: list[PreparedUnit], events: list[Row]) -> list[Ask]:
        """Give what is to be written of events and decisions, and the ringing for others."""
        sql = self._statements
        decided = {unit.decision[:3]: unit.decision for unit in winners if unit.decision is not None}
        told: list[Ask] = [
            (sql.insert_events, events),
            (sql.write_decisions, list(decided.values())),
        ]
        return [*told, (sql.ring, [(CHANNEL, self._instance_id)])] if events and sql.ring is not None else told

    def _write(self, connection: Connection, asks: list[Ask], *more: Ask) -> list[Any]:
        """Write rows, all of which must be; give the answer to the last of `more`, which is asked along with them."""
        asks = [ask for ask in asks if ask[1]]
        answers = together(connection, [*asks, *more])
        for (_, rows), cursors in zip(asks, answers, strict=False):
            if touched(cursors) != len(rows):
                raise Race
        return fetched(answers[-1]) if more else []

    def _write_and_allot(
        self, connection: Connection, asks: list[Ask], winners: list[PreparedUnit]
    ) -> dict[str, _Account]:
        """Write rows, and give the accounts' next sequences, with as many of them spent as the units' events need."""
        wanted = Counter(draft.account_id for unit in winners for draft in unit.unit.events)
        if not wanted:
            self._write(connection, asks)
            return {}
        more: list[Ask] = [(self._statements.allot_sequences, sorted(wanted.items()))]
        if self._statements.locks_rows and len(wanted) > 1:
            # The update alone would lock the rows in whatever order the database visits them.
            more.insert(0, (self._statements.lock_accounts, [(account_id,) for account_id in sorted(wanted)]))
        accounts = {
            account_id: _Account(user_id, last_sequence - wanted[account_id] + 1)
            for account_id, last_sequence, user_id in self._write(connection, asks, *more)
        }
        if len(accounts) != len(wanted):
            raise UnknownAccount(min(wanted.keys() - accounts.keys()))
        return accounts


def _number(
    accounts: dict[str, _Account], winners: list[PreparedUnit], now_ns: int
) -> tuple[list[tuple[LogEvent, ...]], list[Row]]:
    """Give the units' events with their sequences, and the rows of these."""
    numbered = []
    rows: list[Row] = []
    for unit in winners:
        events = []
        for draft, (order_id, text) in zip(unit.unit.events, unit.payloads, strict=True):
            account = accounts[draft.account_id]
            sequence = account.next_sequence
            account.next_sequence = sequence + 1
            event = LogEvent(
                kind=draft.kind,
                account_id=draft.account_id,
                sequence=sequence,
                origin=draft.origin,
                event_time_ns=draft.event_time_ns,
                receive_time_ns=draft.receive_time_ns,
                publish_time_ns=now_ns,
                payload=draft.payload,
            )
            events.append(event)
            rows.append(_event_row(account.user_id, event, order_id, text))
        numbered.append(tuple(events))
    return numbered, rows


class UnknownAccount(LookupError):
    """A unit names an account that no connection has brought."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f"account {account_id} is not in the store; add its connection first")


def _event_row(user_id: str, event: LogEvent, order_id: str, text: str) -> Row:
    return (
        user_id,
        event.account_id,
        event.sequence,
        event.kind._value_,
        order_id,
        event.origin._value_,
        event.event_time_ns,
        event.receive_time_ns,
        event.publish_time_ns,
        text,
    )
