"""Answers that could not be recorded: kept on the disk while the journal is away, and read by the next process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.desk import Desk
from brokergw.model.capability import ResolutionClass
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Absent, Accepted, Found, Inconclusive, Lookup, Outcome, Rejected
from brokergw.model.terms import OrderTerms
from brokergw.ports.evidence import Evidence
from brokergw.ports.journal import Commit
from tests.fixtures.scripted_broker import Bench, broker_order


@dataclass
class Shelf:
    """Evidence in memory, open to the test; `broken` makes the disk fail."""

    kept: list[Evidence] = field(default_factory=list)
    seen: list[Evidence] = field(default_factory=list)
    broken: bool = False

    async def keep(self, evidence: Evidence) -> None:
        if self.broken:
            raise OSError("the disk is full")
        self.kept.append(evidence)
        self.seen.append(evidence)

    def all(self) -> tuple[Evidence, ...]:
        return tuple(self.kept)

    async def settled(self, order_id: str) -> None:
        self.kept = [each for each in self.kept if each.order_id != order_id]


@pytest.fixture
def shelf() -> Shelf:
    """An empty shelf."""
    return Shelf()


@asynccontextmanager
async def next_process(bench: Bench, shelf: Shelf) -> AsyncIterator[Desk]:
    """Run another desk on the same journal, as the next process would."""
    old = bench.desk
    desk = Desk(
        bench.journal,
        old._sessions._directory,
        {"scripted": bench.broker},
        bench.clock,
        old._gate_settings,
        old._holding._leases,
        old.live,
        evidence=shelf,
    )
    await desk.start()
    try:
        yield desk
    finally:
        await desk.stop()


async def answered_while_away(bench: Bench, shelf: Shelf, outcome: Callable[[str, OrderTerms], Outcome]) -> Order:
    """Let a broker answer while the journal is away, and the process end before it is back."""
    await bench.desk.stop()
    async with next_process(bench, shelf) as desk:
        bench = replace(bench, desk=desk)

        async def submit(client_id: str, terms: OrderTerms) -> Outcome:
            bench.journal.before_commit = away
            return outcome(client_id, terms)

        bench.broker.submit = submit
        call = asyncio.create_task(bench.submit(bench.order()))
        await bench.clock.pass_time(3)
        assert not call.done()
        for task in asyncio.all_tasks():
            if task.get_name() == "send":
                task.cancel()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    bench.journal.before_commit = lambda _: None
    (order,) = bench.journal.by_id.values()
    assert order.state is State.SENDING
    bench.journal.by_id[order.order_id] = replace(order, sender="ins_that_ended")
    return order


def away(_: Commit) -> None:
    raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "away")


def accepted(client_id: str, terms: OrderTerms) -> Outcome:
    return Accepted(broker_order(client_id, terms))


async def test_an_accepted_order_is_found_by_the_brokers_id_after_a_restart(bench: Bench, shelf: Shelf) -> None:
    """C13: the answer was kept, the process ended; the next one confirms it at the broker and sends nothing."""
    order = await answered_while_away(bench, shelf, accepted)
    assert [(each.order_id, each.attempt) for each in shelf.kept] == [(order.order_id, 1)]
    asked: list[str] = []

    def get(broker_order_id: str) -> Lookup:
        asked.append(broker_order_id)
        return Found(broker_order(*bench.broker.sent[0]))

    bench.broker.get = get
    async with next_process(bench, shelf):
        await bench.clock.pass_time(0.1)
    assert bench.journal.by_id[order.order_id].state is State.WORKING
    assert asked == [f"b-{order.broker_client_order_id}"]
    assert shelf.kept == []
    assert len(bench.broker.sent) == 1
    assert any(row.action == "order.evidence" for row in bench.journal.audit)


async def test_a_refusal_left_over_is_evidence_and_the_look_up_decides(bench: Bench, shelf: Shelf) -> None:
    """C13: an answer on the disk alone moves no order; it is put into the audit."""
    order = await answered_while_away(bench, shelf, lambda _, __: Rejected("INSUFFICIENT_FUNDS", "403", "too little"))
    bench.broker.find = lambda _: Absent()
    async with next_process(bench, shelf):
        await bench.clock.pass_time(0.1)
        assert bench.journal.by_id[order.order_id].state is State.IN_DOUBT
    (row,) = (row for row in bench.journal.audit if row.action == "order.evidence")
    assert "INSUFFICIENT_FUNDS" in row.detail
    assert shelf.kept == []


async def test_an_answer_left_over_waits_for_a_broker_that_is_away(bench: Bench, shelf: Shelf) -> None:
    """What cannot be confirmed now is asked for again, with pauses, and stays on the disk until it is."""
    order = await answered_while_away(bench, shelf, accepted)
    bench.broker.get = lambda _: Inconclusive("down")
    bench.broker.find = lambda _: Inconclusive("down")
    async with next_process(bench, shelf):
        await bench.clock.pass_time(1.0)
        assert [each.order_id for each in shelf.kept] == [order.order_id]
        bench.broker.get = lambda _: Found(broker_order(*bench.broker.sent[0]))
        await bench.clock.pass_time(10)
    assert bench.journal.by_id[order.order_id].state is State.WORKING
    assert shelf.kept == []


@pytest.mark.parametrize("outcome", ["garbage", "[]", "{}"])
async def test_evidence_that_cannot_be_read_decides_nothing(bench: Bench, shelf: Shelf, outcome: str) -> None:
    """A damaged line is put into the audit as it is; the order is looked up as any other in doubt."""
    order = await answered_while_away(bench, shelf, accepted)
    shelf.kept = [replace(each, outcome=outcome) for each in shelf.kept]
    async with next_process(bench, shelf):
        await bench.clock.pass_time(0.1)
        assert bench.journal.by_id[order.order_id].state is State.IN_DOUBT
    assert shelf.kept == []


async def test_the_broker_is_not_believed_about_another_order(bench: Bench, shelf: Shelf) -> None:
    """An order found under the id that carries another client order id is not ours."""
    order = await answered_while_away(bench, shelf, accepted)
    bench.broker.get = lambda _: Found(broker_order("somebody-else", bench.broker.sent[0][1]))
    async with next_process(bench, shelf):
        await bench.clock.pass_time(0.1)
        assert bench.journal.by_id[order.order_id].state is State.IN_DOUBT


@pytest.mark.parametrize("broken", [False, True])
async def test_an_answer_that_reached_the_record_is_forgotten_beside_it(
    bench: Bench,
    shelf: Shelf,
    broken: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    """While the journal is away the answer is on the disk; once it is recorded it is not. A full disk stops neither."""
    shelf.broken = broken
    await bench.desk.stop()
    async with next_process(bench, shelf) as desk:
        bench = replace(bench, desk=desk)

        async def submit(client_id: str, terms: OrderTerms) -> Outcome:
            bench.journal.before_commit = away
            return accepted(client_id, terms)

        bench.broker.submit = submit
        call = asyncio.create_task(bench.submit(bench.order()))
        await bench.clock.pass_time(100)
        assert len(shelf.kept) == (0 if broken else 1)
        bench.journal.before_commit = lambda _: None
        await bench.clock.pass_time(3)
        assert (await call).order.state is State.WORKING
    assert shelf.kept == []
    assert len(shelf.seen) == (0 if broken else 1)


@pytest.mark.parametrize(
    ("changes", "state"), [({}, State.WORKING), ({"quantity": Decimal(9)}, State.IN_DOUBT)], ids=str
)
async def test_an_answer_left_over_is_confirmed_by_content_where_no_id_of_ours_is_kept(
    bench: Bench, shelf: Shelf, changes: dict[str, Any], state: State
) -> None:
    """C13, class C: what the broker has under the id of its answer is ours by its terms, and by nothing else."""
    bench.broker.capabilities = replace(bench.broker.capabilities, resolution=ResolutionClass.BY_CONTENT)
    order = await answered_while_away(bench, shelf, accepted)
    _, terms = bench.broker.sent[0]
    bench.broker.get = lambda name: Found(broker_order("", replace(terms, **changes), broker_order_id=name))
    async with next_process(bench, shelf):
        await bench.clock.pass_time(0.1)
        assert bench.journal.by_id[order.order_id].state is state
