"""Orders at a broker that could not tell them apart are kept apart."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from brokergw.desk.keys.recall import scope_of
from brokergw.desk.record.transitions import order_event
from brokergw.model.capability import ResolutionClass
from brokergw.model.errors import GatewayError, OrderEffect, PreflightDenied, Reason, Retry
from brokergw.model.lifecycle import State
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import Accepted, Outcome, Unknown
from brokergw.model.terms import OrderTerms, Side
from brokergw.model.whose import Whose
from brokergw.ports.journal import Commit, KeyClaim
from tests.fixtures.edge_samples import an_order
from tests.fixtures.scripted_broker import Bench, D, broker_order
from tests.unit.desk.in_doubt import doubtful, held, seen, stands


@pytest.mark.parametrize("way", [ResolutionClass.BY_TAG, ResolutionClass.BY_CONTENT])
async def test_nothing_joins_an_order_in_doubt_that_could_not_be_told_apart_from_it(
    bench: Bench, way: ResolutionClass
) -> None:
    """Classes B and C: while an order is in doubt, any other of its symbol is denied, whatever its side."""
    order = await doubtful(bench, way)
    for side, price in ((Side.BUY, D(50)), (Side.SELL, D(51))):
        with pytest.raises(PreflightDenied) as caught:
            await bench.submit(bench.order(side=side, limit_price=price))
        (objection,) = caught.value.objections
        assert (objection.reason, objection.observed) == (Reason.IN_DOUBT_ORDER_EXISTS, order.order_id)
    bench.broker.open_now = lambda: [seen(bench, order, client_order_id=order.broker_client_order_id)]
    bench.broker.submit = None
    await bench.clock.pass_time(160)
    assert stands(bench, order).state is State.WORKING
    assert (await bench.submit(bench.order())).order.state is State.WORKING


async def test_an_order_that_is_known_by_its_id_holds_nobody_up(bench: Bench) -> None:
    """Class A: any number may be in doubt, and others go on."""
    await doubtful(bench)
    bench.broker.submit = None
    assert (await bench.submit(bench.order())).order.state is State.WORKING


async def test_orders_of_one_side_go_one_after_the_other(bench: Bench) -> None:
    """Class C: the next one is sent when the one before is acknowledged; another symbol or side need not wait."""
    bench.broker.capabilities = replace(bench.broker.capabilities, resolution=ResolutionClass.BY_CONTENT)
    answer = asyncio.Event()
    running = 0

    async def submit(client_id: str, terms: OrderTerms) -> Outcome:
        nonlocal running
        running += terms.side is Side.BUY
        assert running <= 1
        await answer.wait()
        running -= terms.side is Side.BUY
        return Accepted(broker_order(client_id, terms))

    bench.broker.submit = submit
    bench.broker.positions = [held("ACME", D(100))]
    calls = [asyncio.create_task(bench.submit(bench.order(side=side))) for side in (*Side, Side.BUY)]
    async with asyncio.timeout(5):
        while len(bench.broker.sent) < 2:
            await asyncio.sleep(0)
    assert {terms.side for _, terms in bench.broker.sent} == set(Side)
    answer.set()
    results = await asyncio.gather(*calls)
    assert [result.order.state for result in results] == [State.WORKING] * 3


async def test_the_next_in_line_is_turned_away_when_the_one_before_ends_in_doubt(bench: Bench) -> None:
    """Class C: it had passed the gate already; nothing is recorded of it, and its key may come again."""
    bench.broker.capabilities = replace(bench.broker.capabilities, resolution=ResolutionClass.BY_CONTENT)
    answer = asyncio.Event()

    async def submit(_: str, __: OrderTerms) -> Outcome:
        await answer.wait()
        return Unknown("no reply")

    bench.broker.submit = submit
    first = asyncio.create_task(bench.submit(bench.order()))
    command = bench.order()
    second = asyncio.create_task(bench.submit(command))
    async with asyncio.timeout(5):
        while not bench.broker.sent:
            await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    answer.set()
    assert (await first).order.state is State.IN_DOUBT
    with pytest.raises(GatewayError) as caught:
        await second
    assert (caught.value.reason, caught.value.effect) == (Reason.IN_DOUBT_ORDER_EXISTS, OrderEffect.NONE)
    assert caught.value.retry is Retry.SAME_KEY
    assert len(bench.journal.by_id) == 1


async def test_two_processes_never_have_two_orders_of_a_side_on_their_way(bench: Bench) -> None:
    """Class C: who finds another process's order beside its own admission sends nothing."""
    bench.broker.capabilities = replace(bench.broker.capabilities, resolution=ResolutionClass.BY_CONTENT)

    def rival(unit: Commit) -> None:
        for order in unit.inserts:
            bench.journal.by_id["ord_rival"] = replace(order, order_id="ord_rival", sender="ins_2")

    bench.journal.before_commit = rival
    command = bench.order()
    with pytest.raises(GatewayError) as caught:
        await bench.submit(command)
    assert (caught.value.reason, caught.value.effect) == (Reason.BROKER_UNREACHABLE, OrderEffect.NONE)
    assert bench.broker.sent == []
    bench.journal.before_commit = lambda _: None
    del bench.journal.by_id["ord_rival"]
    assert (await bench.submit(command)).order.state is State.WORKING


async def test_an_order_under_the_same_key_is_no_rival(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """I4: where another process has admitted the very call meanwhile, nobody says that nothing came of it."""
    bench.broker.capabilities = replace(bench.broker.capabilities, resolution=ResolutionClass.BY_CONTENT)
    command = bench.order()
    mine = an_order(
        state=State.SENDING,
        user_id=bench.caller.user_id,
        account_id=command.account_id,
        terms=command.terms,
        idempotency_key=command.idempotency_key.upper(),
        sender="ins_2",
    )
    claim = KeyClaim(
        scope=scope_of(bench.caller, command),
        fingerprint=command.fingerprint,
        subject=mine.order_id,
        time_ns=bench.clock.now_ns(),
    )
    their_unit = Commit(
        claim=claim, inserts=(mine,), events=(order_event(mine, Origin.LIVE, mine.create_time_ns, mine.create_time_ns),)
    )
    looks: list[str] = []
    open_orders = bench.journal.open_orders

    async def after_theirs(whose: Whose, *rest: Any) -> Sequence[Order]:
        if len(looks) == 1:
            await bench.journal.commit(their_unit)
        looks.append("")
        return await open_orders(whose, *rest)

    monkeypatch.setattr(bench.journal, "open_orders", after_theirs)
    with pytest.raises(GatewayError) as caught:
        await bench.submit(command)
    assert caught.value.reason is Reason.IDEMPOTENCY_IN_PROGRESS
    assert caught.value.order_id == mine.order_id
    assert bench.broker.sent == []
