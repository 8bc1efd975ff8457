"""Cancel: the broker is asked once; the order ends when the broker says so, as cancelled or, if faster, as filled."""

from brokergw.desk.emergency.cancels import EmergencyCancels
from brokergw.desk.record.transitions import merge
from brokergw.desk.results import OrderResult
from brokergw.desk.sessions import Session
from brokergw.desk.verbs.change import Changes, Plan
from brokergw.model.commands import CancelOrder
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, Outcome
from brokergw.model.principal import Caller


class Cancel:
    """Cancels single orders."""

    def __init__(self, changes: Changes, emergency: EmergencyCancels) -> None:
        self._changes = changes
        self._emergency = emergency

    async def __call__(self, caller: Caller, command: CancelOrder) -> OrderResult:
        """Ask for a cancel, or give the answer that the key stands for; a record that is away keeps it from nothing."""
        try:
            order = await self._changes.owned(caller, command.order_id)
            return await self._changes.run(caller, command, order, _plan(command))
        except GatewayError as error:
            if not self._emergency.takes(command, error):
                raise
            return await self._emergency.cancel(caller, command, error)


def _plan(command: CancelOrder) -> Plan:
    async def send(session: Session, order: Order, granted_at: float) -> Outcome:  # noqa: ARG001 - a cancel needs no permit
        return await session.adapter.cancel_order(order.broker_order_id)

    def accepted(order: Order, outcome: Accepted, now_ns: int) -> Order | None:
        return merge(order, outcome.order, now_ns) if outcome.order is not None else None

    return Plan(
        verb="cancel",
        pending=State.PENDING_CANCEL,
        refused=Reason.CANCEL_REFUSED,
        etag=command.etag,
        send=send,
        accepted=accepted,
    )
