"""Which units of a batch may go through, decided as if they ran one after another.

What the database holds is read first, a few sets at a time. Each unit is then checked in memory against that and
against what the units before it in the batch will write. The hopeful pass reads only the orders to be changed, and of
these only such as this process has not written itself; it leaves fresh keys and ids to the unique constraints and
versions to the condition of the update, and assumes that the keys and orders which a decision or a fill is about are
there. If the database objects, a later unit brings what was assumed, or a check fails that comes after what was not
read, the careful pass reads all.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from sqlalchemy import Connection

from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.ledger import Stake, stake_of
from brokergw.model.lifecycle import State, may_move
from brokergw.model.order import Order
from brokergw.model.trading import Halt
from brokergw.ports.journal import (
    CapsReached,
    ClientOrderIdTaken,
    CommitResult,
    FillKnown,
    KeyRecord,
    KeyTaken,
    LeaseLost,
    Stale,
    Subject,
)
from brokergw.store.encoding.rows import Row, key_from_row, order_from_row
from brokergw.store.ledger.book import Asking, LedgerBook, Move, is_still, moves_of
from brokergw.store.sql.many import ManyRows
from brokergw.store.sql.statements import Statements
from brokergw.store.writing.heads import Head, Heads, head_from_row, head_of
from brokergw.store.writing.units import InvariantBroken, PreparedUnit

Owned: TypeAlias = tuple[str, str, str]
"""A kind of id, the account it belongs to, and the id."""

Refusal: TypeAlias = CommitResult | Exception

_SURE: Final = (LeaseLost, KeyTaken)
"""Refusals that a hopeful pass may give: they come before whatever it has not read."""

_ORDER: Final = "order"
_CLIENT: Final = "client order"
_BROKER_CLIENT: Final = "broker client order"
_BROKER: Final = "broker order"


_SECOND_NS: Final = 1_000_000_000


class Race(Exception):
    """The attempt does not know enough, or the database speaks against it; nothing of it may be kept."""


@dataclass(frozen=True, slots=True)
class _StaleInDatabase:
    order_id: str


@dataclass(slots=True)
class _State:
    epochs: dict[str, int] = field(default_factory=dict)
    keys: dict[Row, KeyRecord] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)
    owners: dict[Owned, str] = field(default_factory=dict)
    fills: set[str] = field(default_factory=set)
    broker_ids: list[Row] = field(default_factory=list)
    renamed: set[str] = field(default_factory=set)
    assumed: set[Row | str] = field(default_factory=set)

    def take_over(self, staged: "_State") -> None:
        self.keys.update(staged.keys)
        self.heads.update(staged.heads)
        self.owners.update(staged.owners)
        self.fills.update(staged.fills)
        self.broker_ids.extend(staged.broker_ids)
        self.renamed |= staged.renamed
        self.assumed |= staged.assumed


class Decider:
    """Decides one batch, in the transaction that will write it."""

    def __init__(
        self,
        connection: Connection,
        statements: Statements,
        hints: Heads,
        book: LedgerBook,
        now_ns: int,
        *,
        careful: bool,
    ) -> None:
        self._careful = careful
        self._book = book
        self._now_s = now_ns // _SECOND_NS
        self._stakes: dict[int, Stake] = {}
        self._moves: list[Move] = []
        self._halts: list[Halt] = []
        self._hints = hints
        self._connection = connection
        self._statements = statements
        self._state = _State()
        self.recorded: Final[dict[str, State]] = {}
        """The state of each order to be changed, before the batch."""

    @property
    def heads(self) -> dict[str, Head]:
        """Where each order stands that a unit which goes through is about."""
        return self._state.heads

    @property
    def broker_ids(self) -> list[Row]:
        """The rows of `broker_order_ids` that the units which go through need."""
        return self._state.broker_ids

    @property
    def renamed(self) -> set[str]:
        """The orders whose own or broker-level client order id changes."""
        return self._state.renamed

    def decide(self, units: Sequence[PreparedUnit]) -> list[Refusal | None]:
        """Give each unit's refusal, or None where it goes through; raises Race when only a careful pass can tell."""
        self._read_epochs(units)
        self._read_heads(units)
        if self._careful:
            self._read_keys(units)
            self._read_owners(units)
            self._read_fills(units)
            self._halts = self._read_halts(units)
        verdicts = [self._check(unit) for unit in units]
        if not self._careful:
            self._require_sure(units, verdicts)
        current = self._current_orders([v.order_id for v in verdicts if isinstance(v, _StaleInDatabase)])
        return [Stale(current[v.order_id]) if isinstance(v, _StaleInDatabase) else v for v in verdicts]

    def _check(self, prepared: PreparedUnit) -> Refusal | _StaleInDatabase | None:
        # A hopeful pass that refuses a unit for anything it has staged is given up, but for what no cap lets through.
        apart = self._careful or prepared.unit.admission is not None
        staged = _State() if apart else self._state
        self._moves = []
        refusal = (
            self._check_guard(prepared)
            or self._check_claim(prepared, staged)
            or self._check_inserts(prepared, staged)
            or self._check_updates(prepared, staged)
            or self._check_fills(prepared, staged)
            or self._check_decision(prepared, staged)
            or self._check_ledger(prepared)
        )
        if refusal is None and apart:
            self._state.take_over(staged)
        return refusal

    def _require_sure(
        self, units: Sequence[PreparedUnit], verdicts: Sequence[Refusal | _StaleInDatabase | None]
    ) -> None:
        """Raise Race unless every refusal stands, whatever the pass has not read.

        A new order that no cap lets through need not cost its neighbours the careful pass, where the ledger's rows were
        read and locked for it: only its key comes before.
        """
        unsure = [each for each in zip(units, verdicts, strict=True) if each[1] is not None]
        unsure = [(unit, verdict) for unit, verdict in unsure if not isinstance(verdict, _SURE)]
        if not unsure:
            return
        capped = (isinstance(verdict, CapsReached) and unit.claim is not None for unit, verdict in unsure)
        if not self._statements.locks_rows or not all(capped):
            raise Race
        keys = {unit.claim[:3] for unit, _ in unsure if unit.claim is not None}
        if self._fetch(self._statements.find_keys, keys):
            raise Race

    def _check_guard(self, prepared: PreparedUnit) -> LeaseLost | None:
        guard = prepared.unit.guard
        if guard is None or self._state.epochs.get(guard.connection_id) == guard.epoch:
            return None
        return LeaseLost(guard.connection_id)

    def _check_claim(self, prepared: PreparedUnit, staged: _State) -> Refusal | None:
        claim = prepared.unit.claim
        if claim is None or prepared.claim is None:
            return None
        scope = prepared.claim[:3]
        record = self._state.keys.get(scope)
        if record is not None:
            return KeyTaken(record)
        self._refute(scope)
        staged.keys[scope] = KeyRecord(
            scope=claim.scope, fingerprint=claim.fingerprint, subject=claim.subject, claim_time_ns=claim.time_ns
        )
        return None

    def _check_inserts(self, prepared: PreparedUnit, staged: _State) -> Refusal | None:
        for order in prepared.unit.inserts:
            refusal = self._own(order, _ids_of(order), staged)
            if refusal is not None:
                return refusal
            self._refute(order.order_id)
            self.recorded[order.order_id] = order.state
            stake = self._stakes[id(order)]
            self._moves.extend(moves_of(None, stake))
            staged.heads[order.order_id] = head_of(order, stake)
        return None

    def _check_updates(self, prepared: PreparedUnit, staged: _State) -> Refusal | _StaleInDatabase | None:
        for order in prepared.unit.updates:
            head = staged.heads.get(order.order_id) or self._state.heads.get(order.order_id)
            if head is None or head.account_id != order.account_id:
                return NotFound(Reason.ORDER_NOT_FOUND, "order", order.order_id)
            if head.version != order.version - 1:
                return _StaleInDatabase(order.order_id) if head.order is None else Stale(head.order)
            if order.state is not head.state and not may_move(head.state, order.state):
                return InvariantBroken(f"an order may not move from {head.state} to {order.state}", order)
            refusal = self._own(order, _changed_ids(order, head), staged)
            if refusal is not None:
                return refusal
            if _renames(order, head):
                staged.renamed.add(order.order_id)
            stake = self._stakes[id(order)]
            self._moves.extend(moves_of(head.stake, stake))
            staged.heads[order.order_id] = head_of(order, stake, head.broker_order_ids)
        return None

    def _own(self, order: Order, ids: Iterable[Owned], staged: _State) -> ClientOrderIdTaken | None:
        for owned in ids:
            owner = staged.owners.get(owned) or self._state.owners.get(owned)
            if owner is not None:
                return ClientOrderIdTaken(owner)
            staged.owners[owned] = order.order_id
            kind, account_id, identifier = owned
            if kind == _BROKER:
                staged.broker_ids.append((account_id, identifier, order.order_id, order.user_id))
        return None

    def _check_fills(self, prepared: PreparedUnit, staged: _State) -> Refusal | None:
        for fill in prepared.unit.fills:
            if fill.order_id not in staged.heads and fill.order_id not in self._state.heads:
                if self._careful:
                    return NotFound(Reason.ORDER_NOT_FOUND, "order", fill.order_id)
                staged.assumed.add(fill.order_id)
            if fill.fill_id in self._state.fills or fill.fill_id in staged.fills:
                return FillKnown(fill.fill_id)
            staged.fills.add(fill.fill_id)
        return None

    def _check_decision(self, prepared: PreparedUnit, staged: _State) -> Refusal | None:
        decision = prepared.unit.decision
        if decision is None or prepared.decision is None:
            return None
        scope = prepared.decision[:3]
        record = staged.keys.get(scope) or self._state.keys.get(scope)
        if record is not None:
            decided = replace(record, decision=decision.text, decision_time_ns=decision.time_ns)
            staged.keys[scope] = decided
        elif self._careful:
            return GatewayError(Reason.JOURNAL_UNAVAILABLE, "the decision is about a key that nobody has claimed")
        else:
            staged.assumed.add(scope)
        return None

    def _check_ledger(self, prepared: PreparedUnit) -> Refusal | None:
        admission = prepared.unit.admission
        asking = None
        if admission is not None:
            order = prepared.unit.admitted
            if any(cap.subject is Subject.STRATEGY for cap in admission.caps) and not order.strategy_id:
                return InvariantBroken("a cap is a strategy's and the order has none", order)
            asking = Asking(order, admission, self._now_s)
        moves = self._moves if asking is not None else [move for move in self._moves if not is_still(*move)]
        return self._book.move(moves, asking, self._halts) if moves else None

    def _refute(self, brought: Row | str) -> None:
        if brought in self._state.assumed:
            raise Race

    def _read_epochs(self, units: Sequence[PreparedUnit]) -> None:
        wanted = {(unit.unit.guard.connection_id,) for unit in units if unit.unit.guard is not None}
        self._state.epochs.update(self._fetch(self._statements.find_epochs, wanted))

    def _read_keys(self, units: Sequence[PreparedUnit]) -> None:
        wanted = {unit.claim[:3] for unit in units if unit.claim is not None}
        wanted |= {unit.decision[:3] for unit in units if unit.decision is not None}
        for row in self._fetch(self._statements.find_keys, wanted):
            self._state.keys[tuple(row[:3])] = key_from_row(row)

    def _read_halts(self, units: Sequence[PreparedUnit]) -> list[Halt]:
        return self._book.halts([unit.unit.admitted for unit in units if unit.unit.admission is not None])

    def _read_heads(self, units: Sequence[PreparedUnit]) -> None:
        """Find where orders stand that are to change; the ledger's rows are locked before theirs."""
        updates = [order for unit in units for order in unit.unit.updates]
        wanted = {(order.order_id,) for order in updates}
        if self._careful:
            wanted |= {(fill.order_id,) for unit in units for fill in unit.unit.fills}
        elif len(wanted) == len(updates):
            for head in self._hints.before(updates):
                self._know(head)
                wanted.remove((head.order_id,))
        self._book.open(self._moving(units))
        self._book.repeats.bring(
            (each.unit.admitted, each.unit.admission.likeness) for each in units if each.unit.admission is not None
        )
        for row in self._fetch(self._statements.find_heads, wanted):
            self._know(head_from_row(row))

    def _moving(self, units: Sequence[PreparedUnit]) -> Iterator[Stake]:
        """Give what each version that may move the ledger counts for."""
        for prepared in units:
            unit = prepared.unit
            for order in (*unit.inserts, *unit.updates):
                stake = self._stakes[id(order)] = stake_of(order)
                if unit.admission is not None:
                    yield stake
                    continue
                head = self._state.heads.get(order.order_id)
                before = stake.none() if order.version == 1 else None if head is None else head.stake
                if before is None or not is_still(before, stake):
                    yield stake

    def _know(self, head: Head) -> None:
        self.recorded[head.order_id] = head.state
        self._state.heads[head.order_id] = head

    def _read_owners(self, units: Sequence[PreparedUnit]) -> None:
        wanted = {owned for unit in units for order in unit.unit.inserts for owned in _ids_of(order)}
        for unit in units:
            for order in unit.unit.updates:
                head = self._state.heads.get(order.order_id)
                wanted.update(_ids_of(order) if head is None else _changed_ids(order, head))
        fresh = {(identifier,) for kind, _, identifier in wanted if kind == _ORDER}
        for (order_id,) in self._fetch(self._statements.find_order_ids, fresh):
            self._state.owners[_ORDER, "", order_id] = order_id
        for kind, statement in (
            (_CLIENT, self._statements.find_client_ids),
            (_BROKER_CLIENT, self._statements.find_broker_client_ids),
            (_BROKER, self._statements.find_broker_ids),
        ):
            pairs = {(account_id, identifier) for each, account_id, identifier in wanted if each == kind}
            for account_id, identifier, order_id, *_ in self._fetch(statement, pairs):
                self._state.owners[kind, account_id, identifier] = order_id

    def _read_fills(self, units: Sequence[PreparedUnit]) -> None:
        wanted = {(fill.fill_id,) for unit in units for fill in unit.unit.fills}
        self._state.fills.update(fill_id for (fill_id,) in self._fetch(self._statements.find_fill_ids, wanted))

    def _current_orders(self, order_ids: Sequence[str]) -> dict[str, Order]:
        orders = map(order_from_row, self._fetch(self._statements.find_orders, {(each,) for each in order_ids}))
        return {order.order_id: order for order in orders}

    def _fetch(self, statement: ManyRows, wanted: set[Row]) -> list[Row]:
        # In order, so that two processes lock rows in the same order and never wait for each other in a circle.
        return statement.fetch(self._connection, sorted(wanted)) if wanted else []


def _ids_of(order: Order) -> Iterator[Owned]:
    yield (_ORDER, "", order.order_id)
    if order.client_order_id:
        yield (_CLIENT, order.account_id, order.client_order_id)
    if order.broker_client_order_id:
        yield (_BROKER_CLIENT, order.account_id, order.broker_client_order_id)
    for broker_order_id in dict.fromkeys(order.broker_order_ids):
        yield (_BROKER, order.account_id, broker_order_id)


def _changed_ids(order: Order, head: Head) -> Iterator[Owned]:
    if order.client_order_id and order.client_order_id != head.client_order_id:
        yield (_CLIENT, order.account_id, order.client_order_id)
    if order.broker_client_order_id and order.broker_client_order_id != head.broker_client_order_id:
        yield (_BROKER_CLIENT, order.account_id, order.broker_client_order_id)
    for broker_order_id in dict.fromkeys(order.broker_order_ids):
        if broker_order_id not in head.broker_order_ids:
            yield (_BROKER, order.account_id, broker_order_id)


def _renames(order: Order, head: Head) -> bool:
    before = (head.client_order_id, head.broker_client_order_id)
    return (order.client_order_id, order.broker_client_order_id) != before
