"""The record of comparisons in the database."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, delete, exists, select, text, update

from brokergw.model.events import AuditRow
from brokergw.model.reconciliation import (
    Baseline,
    CashPolicy,
    Difference,
    DifferenceKind,
    Explanation,
    Finding,
    PositionPolicy,
    Reconciliation,
    ReconciliationPolicy,
    Trigger,
)
from brokergw.model.whose import Whose, everyone, only, these
from brokergw.ports.clock import Clock
from brokergw.ports.reconciliations import ReconciliationQuery
from brokergw.store.audit.chain import write_audit
from brokergw.store.database.polls import Poll
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.encoding.rows import free_text
from brokergw.store.retention import pruned_row
from brokergw.store.separation.filters import rows_of
from brokergw.store.tables import RECONCILIATION_POLICIES, RECONCILIATION_REQUESTS, RECONCILIATIONS

_OPEN: Final = and_(
    RECONCILIATIONS.c.finding == Finding.MISMATCH.value,
    RECONCILIATIONS.c.settle_time_ns.is_(None),
)
_DRIFT: Final = everyone("a mismatch stops orders, and each process keeps all of them in memory to judge any order")
_WANTED: Final = everyone("whoever holds an account's connection answers what was asked about it, by any process")
_OLD: Final = everyone("findings grow old by their age alone")
_NEWEST_FIRST: Final = RECONCILIATIONS.c.reconciliation_id.desc()
_AGAIN: Final = ("as_of_ns", "rounds", "detail", "good_ns", "baseline")


def _upsert(table: Table, key: str, changing: Sequence[str]) -> Any:
    columns = [column.name for column in table.columns]
    values, changes = ", ".join(f":{name}" for name in columns), ", ".join(f"{n} = excluded.{n}" for n in changing)
    # Names from the tables above only.
    return text(
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 - our own names
        f" ON CONFLICT ({key}) DO UPDATE SET {changes}"
    )


_PUT: Final = _upsert(RECONCILIATIONS, "reconciliation_id", _AGAIN)
_PUT_POLICY: Final = _upsert(
    RECONCILIATION_POLICIES, "user_id", ("positions", "cash", "cash_tolerance", "update_time_ns")
)
_WANT: Final = _upsert(RECONCILIATION_REQUESTS, "account_id", ("request_time_ns",))


class SqlReconciliations:
    """Implements `ports.reconciliations.Reconciliations`."""

    def __init__(self, run: RunsWork, reader: Reader, clock: Clock) -> None:
        self._run = run
        self._reader = reader
        self._clock = clock

    async def latest(self, user_id: str, account_id: str) -> Reconciliation | None:
        """Give an account's newest finding."""
        wanted = select(RECONCILIATIONS).where(
            RECONCILIATIONS.c.user_id == user_id, RECONCILIATIONS.c.account_id == account_id
        )
        return await self._one(only(user_id), wanted.order_by(_NEWEST_FIRST).limit(1))

    async def get(self, whose: Whose, reconciliation_id: str) -> Reconciliation | None:
        """Read one."""
        named = RECONCILIATIONS.c.reconciliation_id == reconciliation_id
        return await self._one(whose, select(RECONCILIATIONS).where(rows_of(whose, RECONCILIATIONS), named))

    async def list(self, query: ReconciliationQuery) -> Sequence[Reconciliation]:
        """List findings, newest first."""
        wanted = select(RECONCILIATIONS).where(rows_of(query.whose, RECONCILIATIONS))
        wanted = wanted.order_by(_NEWEST_FIRST).limit(query.limit)
        if query.account_ids is not None:
            wanted = wanted.where(RECONCILIATIONS.c.account_id.in_(query.account_ids))
        if query.open_only:
            wanted = wanted.where(_OPEN)
        if query.before_id:
            wanted = wanted.where(RECONCILIATIONS.c.reconciliation_id < query.before_id)
        return await self._many(query.whose, wanted)

    async def open(self) -> Sequence[Reconciliation]:
        """Give the mismatches of every account that stand."""
        return await self._reader.poll(_STANDING)

    async def put(self, finding: Reconciliation, audit: AuditRow | None = None) -> None:
        """Write a finding, new or in the place of its earlier state."""
        row = _row(finding)

        def work(database: Connection) -> None:
            database.execute(_PUT, row)
            _tell(database, audit)

        await self._run(only(finding.user_id), work)

    async def settle(
        self,
        user_id: str,
        reconciliation_id: str,
        settled_by: str,
        time_ns: int,
        evidence: str,
        audit: AuditRow | None = None,
    ) -> bool:
        """Settle a mismatch; False when a person has settled it already."""
        unsettled = RECONCILIATIONS.c.settled_by == ""
        if not settled_by:
            unsettled = and_(unsettled, RECONCILIATIONS.c.settle_time_ns.is_(None))
        change = (
            update(RECONCILIATIONS)
            .where(
                RECONCILIATIONS.c.user_id == user_id,
                RECONCILIATIONS.c.reconciliation_id == reconciliation_id,
                unsettled,
            )
            .values(settled_by=settled_by, settle_time_ns=time_ns, evidence=free_text(evidence))
        )

        def work(database: Connection) -> bool:
            if database.execute(change).rowcount != 1:
                return False
            _tell(database, audit)
            return True

        return bool(await self._run(_of_both(user_id, audit), work))

    async def want(self, user_id: str, account_id: str, time_ns: int) -> None:
        """Ask whoever does an account's background work for a comparison."""
        row = {"user_id": user_id, "account_id": account_id, "request_time_ns": time_ns}
        await self._run(only(user_id), lambda database: database.execute(_WANT, row) and None)

    async def wanted(self) -> Mapping[str, int]:
        """Tell for which accounts a comparison has been asked for, and when last."""
        return await self._reader.poll(_REQUESTS)

    async def answered(self, user_id: str, account_id: str, time_ns: int) -> None:
        """Take back what was asked for up to a time."""
        asked = RECONCILIATION_REQUESTS.c
        mine = (asked.user_id == user_id, asked.account_id == account_id)
        done = delete(RECONCILIATION_REQUESTS).where(*mine, asked.request_time_ns <= time_ns)
        await self._run(only(user_id), lambda database: database.execute(done) and None)

    async def policy(self, user_id: str) -> ReconciliationPolicy | None:
        """Read what a user's comparisons tolerate."""
        wanted = select(RECONCILIATION_POLICIES).where(RECONCILIATION_POLICIES.c.user_id == user_id)
        row = await self._reader.query(only(user_id), lambda database: database.execute(wanted).one_or_none())
        if row is None:
            return None
        return ReconciliationPolicy(
            positions=PositionPolicy(row.positions),
            cash=CashPolicy(row.cash),
            cash_tolerance=Decimal(row.cash_tolerance),
        )

    async def set_policy(
        self, user_id: str, policy: ReconciliationPolicy, time_ns: int, audit: AuditRow | None = None
    ) -> None:
        """Set what a user's comparisons tolerate."""
        row = {
            "user_id": user_id,
            "positions": policy.positions.value,
            "cash": policy.cash.value,
            "cash_tolerance": str(policy.cash_tolerance),
            "update_time_ns": time_ns,
        }

        def work(database: Connection) -> None:
            database.execute(_PUT_POLICY, row)
            _tell(database, audit)

        await self._run(_of_both(user_id, audit), work)

    async def prune(self, before_ns: int, limit: int) -> int:
        """Forget up to so many old findings, but for an account's newest and for open mismatches."""
        newer = RECONCILIATIONS.alias()
        follows = exists().where(
            newer.c.account_id == RECONCILIATIONS.c.account_id,
            newer.c.reconciliation_id > RECONCILIATIONS.c.reconciliation_id,
        )
        old = (
            select(RECONCILIATIONS.c.reconciliation_id)
            .where(RECONCILIATIONS.c.as_of_ns < before_ns, ~_OPEN, follows)
            .limit(limit)
        )

        now_ns = self._clock.now_ns()

        def work(database: Connection) -> int:
            ids = list(database.scalars(old))
            gone = delete(RECONCILIATIONS).where(RECONCILIATIONS.c.reconciliation_id.in_(ids))
            count = database.execute(gone).rowcount
            if count:
                write_audit(database, pruned_row(before_ns, f"{count} old comparisons", now_ns))
            return count

        pruned: int = await self._run(_OLD, work)
        return pruned

    async def _one(self, whose: Whose, wanted: Any) -> Reconciliation | None:
        row = await self._reader.query(whose, lambda database: database.execute(wanted).one_or_none())
        return None if row is None else _finding(row)

    async def _many(self, whose: Whose, wanted: Any) -> Sequence[Reconciliation]:
        rows = await self._reader.query(whose, lambda database: database.execute(wanted).all())
        return [_finding(row) for row in rows]


def _tell(database: Connection, audit: AuditRow | None) -> None:
    if audit is not None:
        write_audit(database, audit)


def _of_both(user_id: str, audit: AuditRow | None) -> Whose:
    """Whose rows are written: the user's, and the audit row of whoever did it."""
    return these((user_id, user_id if audit is None else audit.user_id))


def _row(finding: Reconciliation) -> dict[str, Any]:
    row = {column.name: getattr(finding, column.name) for column in RECONCILIATIONS.columns}
    return row | {
        "trigger": finding.trigger.value,
        "finding": finding.finding.value,
        "differences": free_text(json.dumps([asdict(each) for each in finding.differences])),
        "detail": free_text(finding.detail),
        "baseline": _baseline_text(finding.baseline),
        "evidence": free_text(finding.evidence),
    }


def _finding(row: Any) -> Reconciliation:
    fields = {column.name: getattr(row, column.name) for column in RECONCILIATIONS.columns}
    return Reconciliation(
        **fields
        | {
            "trigger": Trigger(row.trigger),
            "finding": Finding(row.finding),
            "differences": tuple(map(_difference, json.loads(row.differences))),
            "baseline": _baseline(row.baseline),
        }
    )


def _difference(found: dict[str, str]) -> Difference:
    return Difference(
        kind=DifferenceKind(found["kind"]),
        subject=found["subject"],
        record=found["record"],
        broker=found["broker"],
        explanation=Explanation(found["explanation"]),
        detail=found["detail"],
    )


def _baseline_text(baseline: Baseline | None) -> str:
    if baseline is None:
        return ""
    legs = {symbol: str(quantity) for symbol, quantity in baseline.legs}
    cash = None if baseline.cash is None else str(baseline.cash)
    plain = {"cash": cash, "legs": legs, "transactions": sorted(baseline.transactions)}
    return json.dumps(
        {"as_of_ns": baseline.as_of_ns, "currency": baseline.currency, "sequence": baseline.sequence, **plain}
    )


def _baseline(written: str) -> Baseline | None:
    if not written:
        return None
    found = json.loads(written)
    return Baseline(
        as_of_ns=found["as_of_ns"],
        cash=None if found["cash"] is None else Decimal(found["cash"]),
        currency=found["currency"],
        sequence=found["sequence"],
        legs=tuple((symbol, Decimal(quantity)) for symbol, quantity in found["legs"].items()),
        transactions=frozenset(found["transactions"]),
    )


_ALL_OPEN: Final = select(RECONCILIATIONS).where(_OPEN).order_by(_NEWEST_FIRST)
_ALL_REQUESTS: Final = select(RECONCILIATION_REQUESTS)
# Asked every second, so they are put together once.
_STANDING: Final[Poll[Sequence[Reconciliation]]] = Poll(
    _DRIFT, lambda database: tuple(map(_finding, database.execute(_ALL_OPEN)))
)
_REQUESTS: Final[Poll[Mapping[str, int]]] = Poll(
    _WANTED, lambda database: {row.account_id: row.request_time_ns for row in database.execute(_ALL_REQUESTS)}
)
