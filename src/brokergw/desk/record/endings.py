"""How an order ends by a refusal, and a doubt: the next version of the order, and what goes on the record with it."""

from dataclasses import dataclass
from typing import Final

from brokergw.desk.record import decisions
from brokergw.desk.record.transitions import move
from brokergw.desk.telling import BROKER_MESSAGE_LENGTH_MAX, not_placed, own_audit
from brokergw.model.errors import Reason
from brokergw.model.events import AuditRow
from brokergw.model.lifecycle import BROKER_TRUTH, UNRESOLVED, State, is_terminal
from brokergw.model.order import Order
from brokergw.model.outcome import Rejected
from brokergw.ports.journal import Decision, KeyScope

EVIDENCE_LENGTH_MAX: Final = 1_000
_BELIEVED_ABSENT: Final = frozenset({State.RESOLVED_ABSENT, State.ABSENT})
_DOUBTED: Final = UNRESOLVED | _BELIEVED_ABSENT


def submit_scope(order: Order) -> KeyScope:
    """Name the key under which an order was submitted."""
    return KeyScope(order.user_id, "SubmitOrder", order.idempotency_key.lower())


def refused(order: Order, outcome: Rejected, now_ns: int) -> Order:
    """Give the order once its broker has refused it, under the id that the broker keeps it by, where it does."""
    known, ids = outcome.order, order.broker_order_ids
    if known is not None and known.broker_order_id not in ids:
        # Or the broker's record of it would be taken for a stranger's order.
        ids = (*ids, known.broker_order_id)
    return move(
        order,
        State.REJECTED_BY_BROKER,
        now_ns,
        rejected_by="BROKER",
        reject_reason=outcome.reason,
        broker_message=outcome.broker_message[:BROKER_MESSAGE_LENGTH_MAX],
        broker_order_ids=ids,
    )


def absent(order: Order, state: State, now_ns: int) -> tuple[Order, Decision, AuditRow]:
    """Give the order once its absence is proved, or the wait after that is over."""
    reason = Reason.ORDER_NOT_PLACED.value if is_terminal(state) else ""
    after = move(order, state, now_ns, reject_reason=reason, broker_message="")
    decision = Decision(submit_scope(order), decisions.of_error(not_placed(after)), now_ns)
    return after, decision, audit(after, now_ns, "order.absent", "the broker does not know the order")


def manual(order: Order, evidence: str, now_ns: int) -> tuple[Order, AuditRow]:
    """Give the order once the evidence points two ways; the order carries it for the operator who decides."""
    evidence = evidence[:EVIDENCE_LENGTH_MAX]
    after = move(order, State.MANUAL, now_ns, broker_message=evidence)
    return after, audit(after, now_ns, "order.manual", evidence)


def born_late(before: Order, after: Order) -> bool:
    """Tell whether the broker shows an order that was believed absent."""
    return before.state in _BELIEVED_ABSENT and after.state in BROKER_TRUTH


@dataclass(frozen=True, slots=True)
class Ending:
    """What goes on the record when a doubt ends."""

    audit: AuditRow
    decision: Decision | None


def out_of_doubt(before: Order, after: Order, now_ns: int) -> Ending | None:
    """Give what goes on the record when the broker's word ends a doubt, whoever brought it; None when none ends.

    The key answers with the order from then on, also where it had answered that there is none.
    """
    if before.state not in _DOUBTED or after.state not in BROKER_TRUTH:
        return None
    action = "order.born_late" if born_late(before, after) else "order.found"
    decision = None
    if after.idempotency_key and not after.parent_order_id:
        decision = Decision(submit_scope(after), decisions.of_order(after.order_id, after.version), now_ns)
    return Ending(audit(after, now_ns, action, f"was {before.state}"), decision)


def audit(order: Order, now_ns: int, action: str, detail: str) -> AuditRow:
    """Say what the gateway itself found out about an order."""
    return own_audit(order, now_ns, action, reason=order.reject_reason, detail=detail)
