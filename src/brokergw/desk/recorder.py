"""Writing an order's next version: against the version that was read, again when it had moved on meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from brokergw.desk.book import OrderBook
from brokergw.desk.results import Positions
from brokergw.desk.transitions import fill_events, fill_rows, order_event
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.ids import fill_id
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import BrokerFill
from brokergw.model.quick import quick
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Commit, CommitResult, Committed, Decision, FillKnown, Journal, LeaseLost, Stale
from brokergw.ports.leases import Lease, LeaseGone

_TRIES_MAX: Final = 8
_JOURNAL_AWAY_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_AWAY: Final = frozenset({Reason.JOURNAL_UNAVAILABLE, Reason.JOURNAL_OUTCOME_UNKNOWN})
_FILLS_REMEMBERED_MAX: Final = 50_000


log = structlog.get_logger(__name__)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One order's next version and what goes on the record with it.

    `order` is None when only fills are new. `decide` gives the key's decision for the version that was written.
    """

    order: Order | None
    fills: tuple[BrokerFill, ...] = ()
    inserts: tuple[Order, ...] = ()
    decision: Decision | None = None
    audit: tuple[AuditRow, ...] = ()
    origin: Origin = Origin.LIVE
    event_time_ns: int | None = None


@quick
@dataclass(frozen=True, slots=True)
class Written:
    """The order as it stands on the record, and how far the account's log reached then."""

    order: Order
    positions: Positions = field(default_factory=dict)


class Recorder:
    """The only writer of order versions after the first."""

    def __init__(self, journal: Journal, book: OrderBook, clock: Clock) -> None:
        self._journal = journal
        self._book = book
        self._clock = clock
        self._fills_known: dict[str, None] = {}

    async def write(
        self, order: Order, step_from: Callable[[Order], Step | None], *, guard: Lease | None = None
    ) -> Written:
        """Write what `step_from` makes of the order as it stands; None from it means that nothing is new.

        Background work names the lease that it is done under as `guard`; raises LeaseGone when that was lost.
        """
        for _ in range(_TRIES_MAX):
            step = step_from(order)
            if step is None:
                return Written(order)
            fills = self._unknown(order, step.fills)
            if step.order is None and not fills and step.decision is None:
                return Written(order)
            unit = self._unit(order, step, fills, guard)
            result = await self._commit(unit)
            if isinstance(result, Committed):
                return self._written(order, step, unit, result)
            order = await self._after_refusal(order, result)
        raise GatewayError(Reason.INTERNAL_ERROR, "the order kept changing", order_id=order.order_id)

    async def _commit(self, unit: Commit) -> CommitResult:
        """Commit, again and again while the journal is away: what the broker has said must not be lost.

        After a commit of unknown outcome the next try meets its own version, and is told that it is stale.
        """
        for delay in _JOURNAL_AWAY_S:
            try:
                return await self._journal.commit(unit)
            except GatewayError as error:
                if error.reason not in _AWAY:
                    raise
                log.error("a broker's answer waits for the journal", reason=error.reason.value)  # noqa: TRY400
                await self._clock.sleep(delay)
        return await self._journal.commit(unit)

    def knows(self, order: Order, fill: BrokerFill) -> bool:
        """Tell whether an execution was written lately; a fill that is not known here may be on the record still."""
        return fill_id(order.broker, order.account_id, fill.execution_id) in self._fills_known

    def _unknown(self, order: Order, fills: Sequence[BrokerFill]) -> tuple[BrokerFill, ...]:
        return tuple(fill for fill in fills if not self.knows(order, fill))

    def _unit(self, before: Order, step: Step, fills: tuple[BrokerFill, ...], guard: Lease | None) -> Commit:
        now = self._clock.now_ns()
        event_time = step.event_time_ns or now
        after = step.order or before
        rows = fill_rows(before, after, fills, now)
        events = [order_event(order, step.origin, event_time, now) for order in step.inserts]
        if step.order is not None:
            events.insert(0, order_event(step.order, step.origin, event_time, now))
        for row, fill in zip(rows, fills, strict=True):
            events.extend(fill_events(row, fill.position_quantity, step.origin))
        return Commit(
            guard=guard,
            inserts=step.inserts,
            updates=(step.order,) if step.order is not None else (),
            fills=rows,
            events=tuple(events),
            audit=step.audit,
            decision=step.decision,
        )

    def _written(self, before: Order, step: Step, unit: Commit, result: Committed) -> Written:
        order = step.order or before
        for written in (order, *step.inserts):
            self._book.remember(written)
        for fill in unit.fills:
            self._know(fill.fill_id)
        sequence = max((event.sequence for event in result.events), default=0)
        return Written(order, {order.account_id: sequence} if sequence else {})

    async def _after_refusal(self, order: Order, result: object) -> Order:
        """Learn from a refusal what the next try must start from."""
        match result:
            case Stale(order=current):
                self._book.remember(current)
                return current
            case FillKnown(fill_id=known):
                self._know(known)
                return order
            case LeaseLost(connection_id=connection_id):
                raise LeaseGone(connection_id)
            case _:
                # Only a leg can collide here: the feed was faster and has adopted it already.
                current_order = await self._journal.order(order.order_id)
                if current_order is None:
                    raise GatewayError(Reason.INTERNAL_ERROR, "an order vanished from the record")
                return current_order

    def _know(self, known: str) -> None:
        self._fills_known[known] = None
        if len(self._fills_known) > _FILLS_REMEMBERED_MAX:
            del self._fills_known[next(iter(self._fills_known))]
