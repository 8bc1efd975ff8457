"""Writing an order's next version: against the version that was read, again when it had moved on meanwhile.

Totals are counted here and nowhere else: whatever a broker's answer says an order has filled, its record says what the
executions on record come to. What the broker has told beyond that is owed, and asked for.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Final

import structlog

from brokergw.desk.alerts.logged import LoggedAlerts
from brokergw.desk.record.book import OrderBook
from brokergw.desk.record.counting import counted, owes
from brokergw.desk.record.endings import born_late, out_of_doubt
from brokergw.desk.record.tally import Tally, execution_of
from brokergw.desk.record.telling import told_of
from brokergw.desk.record.transitions import executions_of, fill_events, fill_rows, merge, order_event
from brokergw.desk.results import Positions
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.errors import RECORD_AWAY, GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.ids import fill_id
from brokergw.model.lifecycle import may_move
from brokergw.model.order import Fill, Order, Origin
from brokergw.model.outcome import BrokerFill, BrokerOrder
from brokergw.model.quick import quick
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Commit, CommitResult, Committed, Decision, FillKnown, Journal, LeaseLost, Stale
from brokergw.ports.leases import Lease, LeaseGone
from brokergw.ports.notifier import Notifier

_TRIES_MAX: Final = 8
_JOURNAL_AWAY_S: Final = (0.05, 0.2, 0.5, 1.0)
_JOURNAL_LONG_AWAY_S: Final = 2.0
_JOURNAL_LONG_AWAY_TRIES: Final = 30
_FILLS_REMEMBERED_MAX: Final = 50_000
_TALLIES_REMEMBERED_MAX: Final = 20_000
_CLAIMS_REMEMBERED_MAX: Final = 1_000
_FILLS_PAGE: Final = 500


log = structlog.get_logger(__name__)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One order's next version and what goes on the record with it.

    `order` is None when only fills are new. `told` is the broker's own word, where the step comes from one. `decide`
    gives the key's decision for the version that was written.
    """

    order: Order | None
    fills: tuple[BrokerFill, ...] = ()
    told: BrokerOrder | None = None
    inserts: tuple[Order, ...] = ()
    decision: Decision | None = None
    audit: tuple[AuditRow, ...] = ()
    origin: Origin = Origin.LIVE
    event_time_ns: int | None = None


@quick
@dataclass(frozen=True, slots=True)
class Written:
    """The order as it stands on the record, how far the account's log reached then, and whether fills are owed."""

    order: Order
    positions: Positions = field(default_factory=dict)
    owed: bool = False


class Recorder:
    """The only writer of order versions after the first."""

    def __init__(self, journal: Journal, book: OrderBook, clock: Clock, notifier: Notifier | None = None) -> None:
        self._notifier = notifier or LoggedAlerts()
        self._journal = journal
        self._book = book
        self._clock = clock
        self._fills_known: dict[str, None] = {}
        self._tallies: OrderedDict[str, Tally] = OrderedDict()
        self._claims: OrderedDict[str, BrokerOrder] = OrderedDict()
        self._on_owed: Callable[[Order], None] = lambda _: None

    def on_owed(self, listener: Callable[[Order], None]) -> None:
        """Call a function with an order of which the broker has told more than the executions on record come to."""
        self._on_owed = listener

    async def write(
        self,
        order: Order,
        step_from: Callable[[Order], Step | None],
        *,
        guard: Lease | None = None,
        away: Callable[[], Awaitable[None]] | None = None,
    ) -> Written:
        """Write what `step_from` makes of the order as it stands; None from it means that nothing is new.

        Background work names the lease that it is done under as `guard`; raises LeaseGone when that was lost. `away` is
        awaited whenever the journal turns out to be away, before the next try.
        """
        for _ in range(_TRIES_MAX):
            step = step_from(order)
            if step is None:
                return Written(order)
            fills = self._unknown(order, step.fills)
            if step.order is None and not fills and step.decision is None and not step.audit:
                return Written(order)
            tally, after, owed = self._at_hand(order), step.order, False
            if fills or (after is not None and after.cum_quantity != order.cum_quantity):
                tally = tally or Tally(order.version, await self._fills(order))
                fills = tuple(fill for fill in fills if _name(order, fill) not in tally)
                after, owed = self._counted(order, step, fills, tally)
            if owed:
                self._on_owed(order)
            if after is None and not fills and not step.inserts and step.decision is None and not step.audit:
                return Written(order, owed=owed)
            unit = self._unit(order, after, step, fills, tally, guard)
            result = await self._commit(unit, away)
            if isinstance(result, Committed):
                return self._written(order, after or order, unit, tally, result, owed=owed)
            order = await self._after_refusal(order, result)
        raise GatewayError(Reason.INTERNAL_ERROR, "the order kept changing", order_id=order.order_id)

    def _counted(
        self, before: Order, step: Step, fills: Sequence[BrokerFill], tally: Tally
    ) -> tuple[Order | None, bool]:
        """Give the next version with its executions counted, None where nothing is new; and whether some are owed."""
        if step.order is None and not fills:
            return None, False
        after = step.order or before.next(self._clock.now_ns())
        totals = tally.with_more(executions_of(before, fills))
        owed = owes(before, after, totals)
        if owed and step.told is not None:
            self._claim(before.order_id, step.told)
        final = counted(before, after, totals, step.told)
        final = self._with_claim(before, final)
        if fills:
            return final, owed
        same = final.changed(version=before.version, update_time_ns=before.update_time_ns) == before
        return (None if same else final), owed

    def _claim(self, order_id: str, told: BrokerOrder) -> None:
        """Keep the newest word of the broker that waits for its executions."""
        known = self._claims.get(order_id)
        if known is None or known.update_time_ns <= told.update_time_ns:
            self._claims[order_id] = told
            if len(self._claims) > _CLAIMS_REMEMBERED_MAX:
                self._claims.popitem(last=False)

    def _with_claim(self, before: Order, order: Order) -> Order:
        """Believe what the broker said earlier, once the executions that it spoke of are all here."""
        claim = self._claims.get(order.order_id)
        if claim is None or claim.cum_quantity != order.cum_quantity:
            return order
        del self._claims[order.order_id]
        merged = merge(order, claim, order.update_time_ns)
        if merged is None or not (merged.state is before.state or may_move(before.state, merged.state)):
            return order
        return merged.changed(version=order.version)

    def _at_hand(self, order: Order) -> Tally | None:
        """Give the tally of an order as it stands, where this process wrote its last version."""
        tally = self._tallies.get(order.order_id)
        if tally is not None and tally.version == order.version:
            return tally
        # An order begins without executions, one that was adopted too: they come with its later versions.
        return Tally(order.version) if order.version == 1 else None

    async def _fills(self, order: Order) -> list[Fill]:
        found: list[Fill] = []
        last = ""
        while True:
            page = await self._journal.fills(
                order.user_id, (order.account_id,), order_id=order.order_id, after_fill_id=last, limit=_FILLS_PAGE
            )
            found.extend(page)
            if len(page) < _FILLS_PAGE:
                return found
            last = page[-1].fill_id

    async def _commit(self, unit: Commit, away: Callable[[], Awaitable[None]] | None) -> CommitResult:
        """Commit, again and again while the journal is away: what the broker has said must not be lost.

        After a commit whose reply was lost, the next try may meet its own version; then it was durable all along.
        """
        lost = False
        for delay in chain(_JOURNAL_AWAY_S, repeat(_JOURNAL_LONG_AWAY_S, _JOURNAL_LONG_AWAY_TRIES)):
            try:
                result = await self._journal.commit(unit)
            except GatewayError as error:
                if error.reason not in RECORD_AWAY:
                    raise
                lost = lost or error.reason is Reason.JOURNAL_OUTCOME_UNKNOWN
                log.error("a broker's answer waits for the journal", reason=error.reason.value)  # noqa: TRY400
                if away is not None:
                    await away()
                await self._clock.sleep(delay)
                continue
            if lost and not isinstance(result, Committed) and await self._stands(unit):
                return Committed(())
            return result
        return await self._journal.commit(unit)

    async def _stands(self, unit: Commit) -> bool:
        """Tell whether a unit is on the record already, by the very version that it writes."""
        for order in unit.updates:
            current = await self._journal.order(only(order.user_id), order.order_id)
            if current is None or (current.version, current.update_time_ns) != (order.version, order.update_time_ns):
                return False
        return bool(unit.updates)

    def knows(self, order: Order, fill: BrokerFill) -> bool:
        """Tell whether an execution was written lately; a fill that is not known here may be on the record still."""
        return _name(order, fill) in self._fills_known

    def _unknown(self, order: Order, fills: Sequence[BrokerFill]) -> tuple[BrokerFill, ...]:
        return tuple(fill for fill in fills if not self.knows(order, fill))

    def _unit(
        self,
        before: Order,
        after: Order | None,
        step: Step,
        fills: tuple[BrokerFill, ...],
        tally: Tally | None,
        guard: Lease | None,
    ) -> Commit:
        now = self._clock.now_ns()
        event_time = step.event_time_ns or now
        rows = fill_rows(after or before, fills, tally, now) if tally is not None else ()
        events = [order_event(order, step.origin, event_time, now) for order in step.inserts]
        if after is not None:
            events.insert(0, order_event(after, step.origin, event_time, now))
        for row, fill in zip(rows, fills, strict=True):
            events.extend(fill_events(row, fill.position_quantity, step.origin))
        unit = Commit(
            guard=guard,
            inserts=step.inserts,
            updates=(after,) if after is not None else (),
            fills=rows,
            events=tuple(events),
            audit=told_of(step.audit, before, after, rows, step.origin, now),
            decision=step.decision,
        )
        return unit if after is None else _with_ending(unit, before, after, now)

    def _written(
        self, before: Order, order: Order, unit: Commit, tally: Tally | None, result: Committed, *, owed: bool
    ) -> Written:
        if born_late(before, order):
            self._notifier.notify(_born_late(before, order))
        for written in (order, *unit.inserts):
            self._book.remember(written)
        for fill in unit.fills:
            self._know(fill.fill_id)
        if tally is not None:
            self._keep(tally, order, unit.fills)
        sequence = max((event.sequence for event in result.events), default=0)
        return Written(order, {order.account_id: sequence} if sequence else {}, owed)

    def _keep(self, tally: Tally, order: Order, fills: Sequence[Fill]) -> None:
        tally.add({fill.fill_id: execution_of(fill) for fill in fills})
        for fill in fills:
            if tally.unexplained(fill.fill_id):
                log.error("an amended execution is not on record", order_id=fill.order_id, fill_id=fill.fill_id)
        tally.version = order.version
        self._tallies[order.order_id] = tally
        self._tallies.move_to_end(order.order_id)
        if len(self._tallies) > _TALLIES_REMEMBERED_MAX:
            self._tallies.popitem(last=False)

    async def _after_refusal(self, order: Order, result: object) -> Order:
        """Learn from a refusal what the next try must start from."""
        self._tallies.pop(order.order_id, None)
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
                current_order = await self._journal.order(only(order.user_id), order.order_id)
                if current_order is None:
                    raise GatewayError(Reason.INTERNAL_ERROR, "an order vanished from the record")
                return current_order

    def _know(self, known: str) -> None:
        self._fills_known[known] = None
        if len(self._fills_known) > _FILLS_REMEMBERED_MAX:
            del self._fills_known[next(iter(self._fills_known))]


def _born_late(before: Order, after: Order) -> Alert:
    return Alert(
        kind=AlertKind.ORDER_BORN_LATE,
        severity=Severity.CRITICAL,
        subject=after.order_id,
        message="an order that was proved absent lives at the broker after all",
        time_ns=after.update_time_ns,
        user_id=after.user_id,
        facts=(
            ("account_id", after.account_id),
            ("symbol", after.terms.symbol),
            ("was", before.state.value),
            ("state", after.state.value),
        ),
    )


def _with_ending(unit: Commit, before: Order, after: Order, now_ns: int) -> Commit:
    """Add what ends a doubt to what is written, where the broker's word ends one."""
    ending = out_of_doubt(before, after, now_ns)
    if ending is None:
        return unit
    return replace(unit, audit=(*unit.audit, ending.audit), decision=unit.decision or ending.decision)


def _name(order: Order, fill: BrokerFill) -> str:
    return fill_id(order.broker, order.account_id, fill.execution_id)
