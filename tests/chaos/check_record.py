"""The record against itself."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Final

from brokergw.model.lifecycle import State, may_move
from brokergw.model.order import Order
from brokergw.store.audit.canonical import GENESIS, LEAD, row_hash
from tests.chaos.check_wire import versions
from tests.chaos.history import History
from tests.chaos.undecidable import may_be_an_operators

_UNDECIDED: Final = frozenset(
    {State.INTENT, State.SENDING, State.CONFIRM_PENDING, State.IN_DOUBT, State.PENDING_MODIFY, State.PENDING_CANCEL}
)


def sequences_have_no_gap(history: History) -> Iterator[str]:
    """The log counts every event of the account from 1."""
    for place, event in enumerate(history.record.events, start=1):
        if event.sequence != place:
            yield f"event {event.sequence} stands at place {place} of the log"
            return


def every_version_has_its_event(history: History) -> Iterator[str]:
    """I7: the log has each version of an order once, in order, along the lifecycle's edges; the last one stands."""
    told: dict[str, list[Order]] = {}
    for version in versions(history):
        told.setdefault(version.order_id, []).append(version)
    for order in history.record.orders:
        own = told.pop(order.order_id, [])
        if [version.version for version in own] != list(range(1, order.version + 1)):
            yield f"{order.order_id} stands at version {order.version}, told were {[v.version for v in own]}"
        elif own[-1].state is not order.state:
            yield f"{order.order_id} is {order.state}, told was {own[-1].state}"
        for before, after in pairwise(own):
            if before.state is not after.state and not may_move(before.state, after.state):
                yield f"{order.order_id} went from {before.state} to {after.state}"
    for order_id in told:
        yield f"events tell of {order_id}, which is not on record"


def every_admission_has_its_audit_row(history: History) -> Iterator[str]:
    """I7: whoever was let through, or denied, stands in the audit log."""
    audited = {(row.order_id, row.action) for row in history.record.audit}
    for order in history.record.orders:
        wanted = "order.denied" if order.state is State.DENIED else "order.admitted"
        if not order.external and (order.order_id, wanted) not in audited:
            yield f"{order.order_id} has no audit row {wanted}"


def every_transition_has_its_audit_row(history: History) -> Iterator[str]:
    """I7: as often as an order changed its state, somebody said so in the audit log."""
    rows = Counter(row.order_id for row in history.record.audit if row.action.startswith("order."))
    own: dict[str, list[State]] = {}
    for version in versions(history):
        own.setdefault(version.order_id, []).append(version.state)
    for order_id, states in own.items():
        moves = 1 + sum(before is not after for before, after in pairwise(states))
        if rows[order_id] < moves:
            yield f"{order_id} has {rows[order_id]} audit rows for {moves} transitions: {[s.value for s in states]}"


def every_audit_row_hangs_on_the_one_before(history: History) -> Iterator[str]:
    """O7: whatever was killed when, the rows of each chain follow one another, and are what was hashed."""
    for chain, rows in groupby(history.record.links, key=lambda row: row[0]):
        previous = GENESIS
        for number, row in enumerate(rows, start=1):
            if row[1:3] != (number, previous):
                yield f"row {row[1]} of {chain} stands at place {number}, or does not follow the one before"
                break
            if row[3] != row_hash(chain, number, previous, row[LEAD:]):
                yield f"row {number} of {chain} is not what was hashed"
                break
            previous = row[3]


def nothing_stays_undecided(history: History) -> Iterator[str]:
    """Every order whose outcome was unknown has come to an end of its doubt."""
    for order in history.record.orders:
        if order.state in _UNDECIDED:
            yield f"{order.order_id} is still {order.state}"


def doubt_ends_as_the_brokers_class_lets_it(history: History) -> Iterator[str]:
    """An order is an operator's only if its broker cannot say which of two orders it is; with a twin it always is."""
    undecidable = may_be_an_operators(history)
    for order in history.record.orders:
        name, manual = order.broker_client_order_id, order.state is State.MANUAL
        if name in history.ambiguous and not manual:
            yield f"{order.order_id} has a twin at the broker, and is {order.state}"
        if manual and name not in undecidable:
            yield f"{order.order_id} could be told apart by class {history.resolution.value}, and is {order.state}"


def ends_of_doubt(history: History) -> Iterator[str]:
    """Give the present state of every order that was in doubt at some time."""
    doubted = {version.order_id for version in versions(history) if version.state is State.IN_DOUBT}
    return (order.state.value for order in history.record.orders if order.order_id in doubted)


def subscribers_missed_nothing(history: History) -> Iterator[str]:
    """A subscriber that resumed over all crashes saw each event of its kind once, in order."""
    for stream in history.streams:
        due = [e.sequence for e in history.record.events if e.kind is stream.kind and e.sequence > stream.after]
        seen = list(stream.sequences)
        if seen != due:
            missed, more = sorted(set(due) - set(seen)), [n for n in seen if seen.count(n) > 1]
            what = f"missed {missed}, repeated {sorted(set(more))}, or changed their order"
            yield f"the {stream.kind.value} stream {what}"
        yield from (f"the {stream.kind.value} stream: {found}" for found in stream.breaks)
