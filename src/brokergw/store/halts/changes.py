"""What is read from and written to the book of halts, each as one piece of work inside a transaction.

The epoch of the halts is one number for all of them; it stands in `store_meta` and is raised under that row's lock, so
that changes follow one another.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Row, delete, insert, select

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.trading import Halt, HaltCause, TradingScope
from brokergw.ports.halts import Finding, FindingState, HaltWish, Residual, Sweep, SweepOrder
from brokergw.store.audit.chain import write_audit
from brokergw.store.encoding.rows import free_text
from brokergw.store.halts.statements import HaltStatements, halt_statements
from brokergw.store.ledger.halting import halt_from_row
from brokergw.store.sql.many import Ask, Piece, fetched, together
from brokergw.store.tables import HALT_FINDINGS, HALT_SWEEPS, HALT_WATCHERS, TRADING_HALTS

_LOOK: Final = """
SELECT e.epoch, EXISTS (SELECT 1 FROM halt_watchers WHERE instance_id = %s),
       h.scope, h.cause, h.state, h.reason, h.set_by, h.set_time_ns, h.epoch
FROM (SELECT COALESCE((SELECT CAST(value AS BIGINT) FROM store_meta WHERE name = 'halts'), 0) AS epoch) AS e
LEFT JOIN trading_halts h ON e.epoch <> %s
"""


def look_sql() -> bytes:
    """Give the statement of a look.

    Its parameters are this process and the epoch that it knows. It answers with the epoch and whether this process may
    count on the book, in each row; and with the halts, one in each row, where the epoch is another one.
    """
    return _LOOK.encode()


def read(database: Connection) -> tuple[int, tuple[Halt, ...]]:
    """Read the epoch and every halt."""
    return _read(together(database, [halt_statements(database.dialect.name).standing])[0])


Around: TypeAlias = tuple[Sequence[Ask], Sequence[Ask]]
"""What goes along with a change, in the same journey: before it, and after it."""

NOTHING: Final[Around] = ((), ())


def place(database: Connection, wish: HaltWish, around: Around = NOTHING) -> tuple[Halt, tuple[int, tuple[Halt, ...]]]:
    """Put a halt in, or make the standing one of its scope and cause stricter; gives what stands then, and the book."""
    sql = halt_statements(database.dialect.name)
    before, after = around
    changes = [sql.raised, (sql.place, [_row(wish)]), *_sweeping(sql, wish), sql.standing]
    answers = write_audit(database, wish.audit, before=before, after=[*changes, *after])
    epoch, standing = _read(answers[len(before) + len(changes) - 1])
    return next(halt for halt in standing if (halt.scope, halt.cause) == (wish.scope, wish.cause)), (epoch, standing)


def lift(
    database: Connection,
    scope: TradingScope,
    cause: HaltCause,
    epoch: int | None,
    audit: AuditRow,
    around: Around = NOTHING,
) -> tuple[None, tuple[int, tuple[Halt, ...]]]:
    """Take a halt out, and give the book; raises HALT_NOT_FOUND or KILL_SWITCH_EPOCH_CHANGED."""
    sql = halt_statements(database.dialect.name)
    before, after = around
    together(database, [*before, sql.raised])
    which = (TRADING_HALTS.c.scope == scope.key) & (TRADING_HALTS.c.cause == cause.value)
    standing = database.scalar(select(TRADING_HALTS.c.epoch).where(which))
    facts = {"scope": scope.key, "cause": cause.value}
    if standing is None:
        raise GatewayError(Reason.HALT_NOT_FOUND, "nothing of that kind is halted", metadata=facts)
    if epoch is not None and epoch != standing:
        raise GatewayError(
            Reason.KILL_SWITCH_EPOCH_CHANGED,
            "the halt has changed since it was read",
            metadata={**facts, "epoch": str(standing)},
        )
    database.execute(delete(TRADING_HALTS).where(which))
    answers = write_audit(database, audit, after=[sql.standing, *after])
    return None, _read(answers[0])


def enter(database: Connection, instance_id: str) -> None:
    """Count on a process, which has confirmed nothing yet."""
    leave(database, frozenset({instance_id}))
    database.execute(insert(HALT_WATCHERS).values(instance_id=instance_id, epoch=-1))


def leave(database: Connection, instance_ids: frozenset[str]) -> None:
    """Count on some processes no longer."""
    database.execute(delete(HALT_WATCHERS).where(HALT_WATCHERS.c.instance_id.in_(sorted(instance_ids))))


def confirming(instance_id: str, epoch: int) -> list[Piece]:
    """Give what notes that a process has confirmed an epoch, for PostgreSQL to run at once."""
    return [
        # A word that is lost with the server only makes others wait.
        ("SELECT set_config('synchronous_commit', 'off', true)", ()),
        (
            "UPDATE halt_watchers SET epoch = %s WHERE instance_id = %s AND epoch < %s RETURNING epoch",
            (epoch, instance_id, epoch),
        ),
    ]


def asking(instance_id: str, epoch: int) -> Piece:
    """Give what lists the other processes that have not confirmed an epoch, for PostgreSQL to run."""
    return "SELECT instance_id FROM halt_watchers WHERE instance_id <> %s AND epoch < %s", (instance_id, epoch)


def read_sweeps(database: Connection) -> tuple[Sweep, ...]:
    """Read the sweeps of the halts that stand."""
    rows = database.execute(select(HALT_SWEEPS).order_by(HALT_SWEEPS.c.begin_time_ns, HALT_SWEEPS.c.sweep_id))
    return tuple(_sweep(row) for row in rows)


def report(database: Connection, finding: Finding) -> None:
    """Write a finding over the last one; one of a sweep that has ended is dropped."""
    which = (HALT_FINDINGS.c.sweep_id == finding.sweep_id) & (HALT_FINDINGS.c.account_id == finding.account_id)
    stands = select(HALT_SWEEPS.c.sweep_id).where(HALT_SWEEPS.c.sweep_id == finding.sweep_id)
    if database.scalar(stands.with_for_update(read=True, key_share=True)) is None:
        return
    database.execute(delete(HALT_FINDINGS).where(which))
    database.execute(insert(HALT_FINDINGS).values(_finding_values(finding)))


def read_findings(database: Connection) -> tuple[Finding, ...]:
    """Read what the sweeps came to."""
    rows = database.execute(select(HALT_FINDINGS).order_by(HALT_FINDINGS.c.sweep_id, HALT_FINDINGS.c.account_id))
    return tuple(_finding(row) for row in rows)


def _read(cursors: Sequence[Any]) -> tuple[int, tuple[Halt, ...]]:
    rows = fetched(cursors)
    return (rows[0][0] if rows else 0), tuple(halt_from_row(*row[1:]) for row in rows if row[1] is not None)


def _sweeping(sql: HaltStatements, wish: HaltWish) -> list[Ask]:
    """Begin a sweep where none of this halt is under way, else widen the one that is."""
    if wish.sweep is None:
        return []
    widened: list[Ask] = [(sql.widen_sweep, [(wish.scope.key, wish.cause.value)])] if wish.sweep.flatten else []
    return [(sql.begin_sweep, [_sweep_row(wish, wish.sweep)]), *widened]


def _row(wish: HaltWish) -> tuple[Any, ...]:
    """Write a halt by the columns of `trading_halts`; its epoch is the database's to give."""
    reason, set_by = free_text(wish.reason), free_text(wish.set_by)
    return (wish.scope.key, wish.cause.value, wish.state.value, reason, set_by, wish.set_time_ns, 0)


def _sweep_row(wish: HaltWish, order: SweepOrder) -> tuple[Any, ...]:
    """Write a sweep by the columns of `halt_sweeps`."""
    return (
        order.sweep_id,
        wish.scope.key,
        wish.cause.value,
        order.flatten,
        free_text(order.user_id),
        free_text(order.key_id),
        free_text(order.request_id),
        wish.set_time_ns,
    )


def _sweep(row: Row[Any]) -> Sweep:
    return Sweep(
        scope=TradingScope.from_key(row.scope),
        cause=HaltCause(row.cause),
        order=SweepOrder(
            sweep_id=row.sweep_id,
            flatten=bool(row.flatten),
            user_id=row.user_id,
            key_id=row.key_id,
            request_id=row.request_id,
        ),
        begin_time_ns=row.begin_time_ns,
    )


def _finding_values(finding: Finding) -> dict[str, Any]:
    return {
        "sweep_id": finding.sweep_id,
        "account_id": finding.account_id,
        "user_id": finding.user_id,
        "state": finding.state.value,
        "residuals": residuals_to_text(finding.residuals),
        "why": free_text(finding.why),
        "time_ns": finding.time_ns,
    }


def _finding(row: Row[Any]) -> Finding:
    return Finding(
        sweep_id=row.sweep_id,
        account_id=row.account_id,
        user_id=row.user_id,
        state=FindingState(row.state),
        residuals=residuals_from_text(row.residuals),
        why=row.why,
        time_ns=row.time_ns,
    )


def residuals_to_text(residuals: Iterable[Residual]) -> str:
    """Write residuals as a JSON list."""
    fields = ("symbol", "order_id", "broker_order_id", "quantity", "why")
    return json.dumps([{name: free_text(getattr(each, name)) for name in fields} for each in residuals])


def residuals_from_text(written: str) -> tuple[Residual, ...]:
    """Read residuals back."""
    found: Sequence[dict[str, str]] = json.loads(written)
    return tuple(Residual(**each) for each in found)
