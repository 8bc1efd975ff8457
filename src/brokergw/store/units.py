"""One unit of work, made ready for the writer: everything that can be encoded before the transaction is."""

from dataclasses import dataclass

from brokergw.model.events import EventDraft
from brokergw.model.order import Fill, Order
from brokergw.ports.journal import Commit
from brokergw.store.codec import payload_to_text
from brokergw.store.rows import Row, audit_row, claim_row, fill_row, order_row


@dataclass(slots=True)
class PreparedUnit:
    """A unit and its rows; `payloads` are an order id (or empty) and a JSON text for each event."""

    unit: Commit
    claim: Row | None
    inserts: list[Row]
    updates: list[Row]
    fills: list[Row]
    payloads: list[tuple[str, str]]
    audit: list[Row]
    decision: Row | None


def prepare(unit: Commit) -> PreparedUnit:
    """Encode a unit."""
    decision = unit.decision
    return PreparedUnit(
        unit=unit,
        claim=None if unit.claim is None else claim_row(unit.claim),
        inserts=[order_row(order) for order in unit.inserts],
        updates=[order_row(order) for order in unit.updates],
        fills=[fill_row(fill) for fill in unit.fills],
        payloads=[_payload(event) for event in unit.events],
        audit=[audit_row(row) for row in unit.audit],
        decision=None
        if decision is None
        else (decision.scope.user_id, decision.scope.method, decision.scope.key, decision.text, decision.time_ns),
    )


def _payload(event: EventDraft) -> tuple[str, str]:
    payload = event.payload
    order_id = payload.order_id if isinstance(payload, Order | Fill) else ""
    return order_id, payload_to_text(payload)
