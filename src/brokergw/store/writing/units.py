"""One unit of work, made ready for the writer: everything that can be encoded before the transaction is."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import EventDraft
from brokergw.model.order import Fill, Order
from brokergw.ports.journal import Commit
from brokergw.store.encoding.codec import payload_to_text
from brokergw.store.encoding.rows import Row, audit_row, claim_row, fill_row, order_row, user_of_audit_row

_log = logging.getLogger(__name__)


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

    def users(self) -> Iterator[str]:
        """Give every user whose rows the unit touches, some of them more than once."""
        unit = self.unit
        for order in (*unit.inserts, *unit.updates):
            yield order.user_id
        for fill in unit.fills:
            yield fill.user_id
        if unit.claim is not None:
            yield unit.claim.scope.user_id
        if unit.decision is not None:
            yield unit.decision.scope.user_id
        if unit.user_id:
            yield unit.user_id
        yield from map(user_of_audit_row, self.audit)


class InvariantBroken(GatewayError):
    """A unit would break a rule that the record lives by: a fault of whoever made it. Nothing of it is written."""

    def __init__(self, rule: str, about: Order | Fill) -> None:
        _log.error("order %s: %s", about.order_id, rule)
        super().__init__(Reason.INTERNAL_ERROR, rule, order_id=about.order_id)


def prepare(unit: Commit) -> PreparedUnit:
    """Encode a unit; raises InvariantBroken when an order changes in it and no event of the unit says so, or an
    execution is put on record of which no audit row tells.
    """
    _require_told(unit)
    if unit.fills:
        _require_audited(unit)
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


def _require_told(unit: Commit) -> None:
    told = {(each.payload.order_id, each.payload.version) for each in unit.events if isinstance(each.payload, Order)}
    for order in (*unit.inserts, *unit.updates):
        if (order.order_id, order.version) not in told:
            raise InvariantBroken("an order changes and no event tells of it", order)


def _require_audited(unit: Commit) -> None:
    audited = {row.order_id for row in unit.audit}
    for fill in unit.fills:
        if fill.order_id not in audited:
            raise InvariantBroken("an execution goes on record and no audit row tells of its order", fill)


def _payload(event: EventDraft) -> tuple[str, str]:
    payload = event.payload
    order_id = payload.order_id if isinstance(payload, Order | Fill) else ""
    return order_id, payload_to_text(payload)
