"""What is read from and written to the book of halts, each as one piece of work inside a transaction.

The epoch of the halts is one number for all of them; it stands in `store_meta` and is raised under that row's lock, so
that changes follow one another.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, text, update

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.trading import Halt, HaltCause, TradingScope
from brokergw.ports.halts import Finding, FindingState, HaltWish, Residual, Sweep, SweepOrder
from brokergw.store.audit.chain import write_audit
from brokergw.store.halting import halt_from_row
from brokergw.store.rows import free_text
from brokergw.store.tables import HALT_FINDINGS, HALT_SWEEPS, HALT_WATCHERS, META, TRADING_HALTS

_EPOCH: Final = "halts"
_BEGIN: Final = text("INSERT INTO store_meta (name, value) VALUES ('halts', '0') ON CONFLICT DO NOTHING")
_RAISE: Final = text(
    "UPDATE store_meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = 'halts' RETURNING value"
)
_LOOK: Final = """
SELECT COALESCE((SELECT CAST(value AS BIGINT) FROM store_meta WHERE name = 'halts'), 0),
       EXISTS (SELECT 1 FROM halt_watchers WHERE instance_id = %s)
"""


def look_sql() -> bytes:
    """Give the statement of a look: the epoch, and whether this process (its one parameter) may count on the book."""
    return _LOOK.encode()


def read(database: Connection) -> tuple[int, tuple[Halt, ...]]:
    """Read the epoch and every halt, in one statement, so that they belong together."""
    wanted = select(META.c.value, TRADING_HALTS).select_from(META.outerjoin(TRADING_HALTS, META.c.name == _EPOCH))
    rows = database.execute(wanted.where(META.c.name == _EPOCH)).all()
    return (int(rows[0].value) if rows else 0), tuple(halt_from_row(*row[1:]) for row in rows if row.scope is not None)


def place(database: Connection, wish: HaltWish) -> Halt:
    """Put a halt in, or make the standing one of its scope and cause stricter; gives what stands then."""
    write_audit(database, wish.audit)
    epoch = _next_epoch(database)
    which = (TRADING_HALTS.c.scope == wish.scope.key) & (TRADING_HALTS.c.cause == wish.cause.value)
    row = database.execute(select(TRADING_HALTS).where(which)).one_or_none()
    halt = Halt(
        scope=wish.scope,
        cause=wish.cause,
        state=wish.state,
        reason=free_text(wish.reason),
        set_by=free_text(wish.set_by),
        set_time_ns=wish.set_time_ns,
        epoch=epoch,
    )
    if row is None:
        database.execute(insert(TRADING_HALTS).values(_values(halt)))
    else:
        standing = halt_from_row(*row)
        if halt.state.severity > standing.state.severity:
            database.execute(update(TRADING_HALTS).where(which).values(_values(halt)))
        else:
            halt = standing
    if wish.sweep is not None:
        _begin_sweep(database, wish, wish.sweep)
    return halt


def lift(database: Connection, scope: TradingScope, cause: HaltCause, epoch: int | None, audit: AuditRow) -> None:
    """Take a halt out; raises HALT_NOT_FOUND or KILL_SWITCH_EPOCH_CHANGED."""
    _next_epoch(database)
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
    write_audit(database, audit)


def enter(database: Connection, instance_id: str) -> None:
    """Count on a process, which has confirmed nothing yet."""
    leave(database, frozenset({instance_id}))
    database.execute(insert(HALT_WATCHERS).values(instance_id=instance_id, epoch=-1))


def leave(database: Connection, instance_ids: frozenset[str]) -> None:
    """Count on some processes no longer."""
    database.execute(delete(HALT_WATCHERS).where(HALT_WATCHERS.c.instance_id.in_(sorted(instance_ids))))


def confirm(database: Connection, instance_id: str, epoch: int) -> None:
    """Note that a process has confirmed an epoch."""
    mine = HALT_WATCHERS.c.instance_id == instance_id
    database.execute(update(HALT_WATCHERS).where(mine, HALT_WATCHERS.c.epoch < epoch).values(epoch=epoch))


def unconfirmed(database: Connection, instance_id: str, epoch: int) -> frozenset[str]:
    """List the other processes that have not confirmed an epoch."""
    wanted = select(HALT_WATCHERS.c.instance_id).where(
        HALT_WATCHERS.c.instance_id != instance_id, HALT_WATCHERS.c.epoch < epoch
    )
    return frozenset(database.scalars(wanted))


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


def _begin_sweep(database: Connection, wish: HaltWish, order: SweepOrder) -> None:
    which = (HALT_SWEEPS.c.scope == wish.scope.key) & (HALT_SWEEPS.c.cause == wish.cause.value)
    if database.scalar(select(HALT_SWEEPS.c.sweep_id).where(which)) is None:
        database.execute(insert(HALT_SWEEPS).values(_sweep_values(wish, order)))
    elif order.flatten:
        database.execute(update(HALT_SWEEPS).where(which).values(flatten=True))


def _next_epoch(database: Connection) -> int:
    database.execute(_BEGIN)
    return int(database.execute(_RAISE).scalar_one())


def _values(halt: Halt) -> dict[str, Any]:
    return {
        "scope": halt.scope.key,
        "cause": halt.cause.value,
        "state": halt.state.value,
        "reason": halt.reason,
        "set_by": halt.set_by,
        "set_time_ns": halt.set_time_ns,
        "epoch": halt.epoch,
    }


def _sweep_values(wish: HaltWish, order: SweepOrder) -> dict[str, Any]:
    return {
        "sweep_id": order.sweep_id,
        "scope": wish.scope.key,
        "cause": wish.cause.value,
        "flatten": order.flatten,
        "user_id": free_text(order.user_id),
        "key_id": free_text(order.key_id),
        "request_id": free_text(order.request_id),
        "begin_time_ns": wish.set_time_ns,
    }


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
