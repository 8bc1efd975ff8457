"""The audit rows of what a broker's word made of an order: for each change of state, and for each execution.

An execution moves a position and the ledger, also where the order's state stays what it was, so no commit puts one on
record without a row that names it.
"""

from collections.abc import Sequence
from typing import Final

from brokergw.desk.telling import own_audit
from brokergw.model.events import AuditRow
from brokergw.model.order import Fill, FillKind, Order, Origin
from brokergw.model.quick import copier_of

EXECUTIONS_NAMED_MAX: Final = 20
_changed: Final = copier_of(AuditRow)

_ACTIONS: Final = {
    Origin.LIVE: "order.reported",
    Origin.REPLAYED: "order.replayed",
    Origin.RECONCILED: "order.reconciled",
    Origin.INFERRED: "order.inferred",
}


def told_of(
    own: tuple[AuditRow, ...], before: Order, after: Order | None, fills: Sequence[Fill], origin: Origin, now_ns: int
) -> tuple[AuditRow, ...]:
    """Give the rows of one commit: those that its step has of its own, or else one where there is something to tell.

    The first of them names the executions.
    """
    if own:
        return (_naming(own[0], fills), *own[1:]) if fills else own
    if after is None or (after.state is before.state and not fills):
        return ()
    amended = next((fill.kind.value for fill in fills if fill.kind is not FillKind.NEW), "")
    reason = amended or after.reject_reason
    return (own_audit(after, now_ns, _ACTIONS[origin], reason=reason, detail=_in_words(fills)),)


def _naming(row: AuditRow, fills: Sequence[Fill]) -> AuditRow:
    return _changed(row, {"detail": "; ".join(filter(None, (row.detail, _in_words(fills))))})


def _in_words(fills: Sequence[Fill]) -> str:
    named = [_one_in_words(fill) for fill in fills[:EXECUTIONS_NAMED_MAX]]
    if len(fills) > EXECUTIONS_NAMED_MAX:
        named.append(f"and {len(fills) - EXECUTIONS_NAMED_MAX} more")
    return ", ".join(named)


def _one_in_words(fill: Fill) -> str:
    words = f"{fill.fill_id} {fill.quantity:f} at {fill.price:f}"
    return words if fill.kind is FillKind.NEW else f"{fill.kind.value} {words}"
