"""Invariants of whatever the desk commits, watched over a day's work."""

import asyncio
import uuid

from brokergw.model.commands import CancelOrder
from brokergw.model.errors import GatewayError
from brokergw.model.events import EventKind
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, Found, NotSent, Outcome, Rejected, Unknown
from brokergw.model.terms import OrderTerms
from brokergw.ports.journal import Commit, CommitResult, Committed
from tests.fixtures.scripted_broker import Bench, broker_order, filled, report


def watch(bench: Bench) -> list[str]:
    """Note each commit in which a version has no event, or a transition no audit row; gives the notes."""
    commit, known, notes = bench.journal.commit, dict[str, State](), list[str]()

    async def noting(unit: Commit) -> CommitResult:
        told = {(e.payload.order_id, e.payload.version) for e in unit.events if isinstance(e.payload, Order)}
        audited = {row.order_id for row in unit.audit}
        found = []
        for order in (*unit.inserts, *unit.updates):
            if (order.order_id, order.version) not in told:
                found.append(f"no event: {known.get(order.order_id)} to {order.state}")
            if known.get(order.order_id) is not order.state and order.order_id not in audited:
                found.append(f"no audit row: {known.get(order.order_id)} to {order.state}")
        assert all(event.kind is not EventKind.ORDER or isinstance(event.payload, Order) for event in unit.events)
        result = await commit(unit)
        if isinstance(result, Committed):
            notes.extend(found)
            known.update({order.order_id: order.state for order in (*unit.inserts, *unit.updates)})
        return result

    bench.journal.commit = noting  # type: ignore[method-assign]
    return notes


async def test_each_transition_has_its_event_and_its_audit_row_in_its_commit(bench: Bench) -> None:
    """I7: whoever moves an order, caller, answer, stream or look-up, says so in the same commit."""
    notes = watch(bench)
    outcomes: list[Outcome] = [Unknown("lost"), Rejected("NO", "403", "no"), NotSent("refused")]

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        return outcomes.pop() if outcomes else Accepted(broker_order(client_id, terms))

    bench.broker.submit = submit
    again = bench.order()
    for command in (again, bench.order(), bench.order(), again):
        try:
            await bench.submit(command)
        except GatewayError:
            continue
    lost = bench.broker.sent[2]
    bench.broker.find = lambda _: Found(broker_order(*lost))
    await bench.clock.pass_time(1)
    working = (await bench.submit(bench.order())).order
    client_id, terms = bench.broker.sent[-1]
    await bench.desk.cancel(bench.caller, CancelOrder(idempotency_key=str(uuid.uuid4()), order_id=working.order_id))
    await bench.tell(report(*filled(client_id, terms)), report(*filled("made-elsewhere", terms, "x2")))
    bench.broker.buying_power = type(bench.broker.buying_power)(1)
    try:
        await bench.submit(bench.order())
    except GatewayError:
        await asyncio.sleep(0.2)
    states = {order.state for order in bench.journal.by_id.values()}
    assert states >= {State.WORKING, State.REJECTED_BY_BROKER, State.FILLED, State.DENIED}
    assert notes == []
