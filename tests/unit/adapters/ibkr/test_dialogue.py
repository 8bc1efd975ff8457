"""The broker's questions: only those on the allow-list are answered with yes, and only while the permit holds."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import Accepted, Rejected, Unknown
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import Change
from brokergw.ports.permit import VALID_S, Permit
from brokergw.sim.faults import Fault, FaultName
from tests.fixtures.ibkr_world import IbkrWorld, ibkr_world
from tests.fixtures.permits import permit

RESTING = OrderTerms(
    symbol="AAPL",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    quantity=Decimal(1),
    limit_price=Decimal(100),
)
REPLIES = "/v1/api/iserver/reply/*"


@pytest.fixture
async def world() -> AsyncIterator[IbkrWorld]:
    """A gateway whose adapter says yes to two questions."""
    async with ibkr_world(confirmed=frozenset({"o163", "o354"})) as made:
        yield made


def replies(world: IbkrWorld) -> list[bool]:
    """Give the answers that arrived, in order."""
    entries = [each for each in world.server.journal.select(method="POST") if "/reply/" in each.path]
    return [json.loads(each.body)["confirmed"] for each in entries]


async def test_questions_on_the_list_are_confirmed(world: IbkrWorld) -> None:
    """One question after another is answered with yes, and the order is live once."""
    world.dialect.questions.ask_next("o163", "o354")
    broker = world.open()
    assert isinstance(await broker.submit_order(permit("o-1"), RESTING), Accepted)
    assert replies(world) == [True, True]
    assert len(world.dialect.brokerage.notes) == 1
    await broker.disconnect()


async def test_a_question_that_is_not_on_the_list_is_declined(world: IbkrWorld) -> None:
    """The order is refused with the question's id and words, and the broker has dropped it."""
    world.dialect.questions.ask_next("o383")
    broker = world.open()
    outcome = await broker.submit_order(permit("o-1"), RESTING)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.broker_code) == ("CONFIRMATION_REQUIRED", "o383")
    assert "Size Limit" in outcome.broker_message
    assert replies(world) == [False]
    assert world.dialect.brokerage.notes == {}
    await broker.disconnect()


async def test_one_question_too_many_declines_the_whole(world: IbkrWorld) -> None:
    """A yes to the first question binds to nothing: the second, unknown one is declined, and nothing is live."""
    world.dialect.questions.ask_next("o163", "o451")
    broker = world.open()
    assert isinstance(await broker.submit_order(permit("o-1"), RESTING), Rejected)
    assert replies(world) == [True, False]
    assert world.dialect.brokerage.notes == {}
    await broker.disconnect()


@pytest.mark.parametrize(
    ("age_s", "answers"), [(-0.001, [True]), (0.0, [True]), (0.001, [False])], ids=["below", "at", "above"]
)
async def test_a_yes_leaves_only_while_the_permit_holds(age_s: float, answers: list[bool], world: IbkrWorld) -> None:
    """An attempt that has grown too old is declined instead of confirmed; at its last moment it still may go on."""
    now = [0.0]
    old = Permit(order_id="o", attempt=1, client_order_id="o-1", granted_at=0.0, monotonic=lambda: now[0])
    world.dialect.questions.ask_next("o163")
    broker = world.open()
    ask = world.dialect.questions.before

    def slowly(*question: object) -> object:
        now[0] = VALID_S + age_s
        return ask(*question)  # type: ignore[arg-type]

    world.dialect.questions.before = slowly  # type: ignore[assignment,method-assign]
    await broker.submit_order(old, RESTING)
    assert replies(world) == answers
    await broker.disconnect()


async def test_a_halt_that_comes_while_the_broker_asks_stops_the_order(world: IbkrWorld) -> None:
    """The kill switch holds for the yes too: what was asked meanwhile is declined (T11)."""
    halted: list[GatewayError] = []
    right = Permit(
        order_id="o",
        attempt=1,
        client_order_id="o-1",
        granted_at=time.monotonic(),
        monotonic=time.monotonic,
        stopped=lambda: halted[0] if halted else None,
    )
    world.dialect.questions.ask_next("o163")
    ask = world.dialect.questions.before

    def halting(*question: object) -> object:
        halted.append(GatewayError(Reason.TRADING_HALTED, "the platform is halted"))
        return ask(*question)  # type: ignore[arg-type]

    world.dialect.questions.before = halting  # type: ignore[assignment,method-assign]
    broker = world.open()
    outcome = await broker.submit_order(right, RESTING)
    assert isinstance(outcome, Rejected)
    assert replies(world) == [False]
    assert world.dialect.brokerage.notes == {}
    await broker.disconnect()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(name=FaultName.ERROR_BEFORE, path=REPLIES, status=503),
        Fault(name=FaultName.ERROR_AFTER, path=REPLIES, status=503),
        Fault(name=FaultName.LOST_REPLY, path=REPLIES),
        Fault(name=FaultName.RATE_LIMITED, path=REPLIES),
        Fault(name=FaultName.UNAUTHORIZED, path=REPLIES),
        Fault(name=FaultName.ERROR_BEFORE, path=REPLIES, status=400, answer='{"error":"reply id not found"}'),
    ],
    ids=["not taken", "taken", "lost", "429", "401", "stale"],
)
async def test_a_yes_whose_answer_goes_wrong_is_unknown(fault: Fault, world: IbkrWorld) -> None:
    """After a yes nobody can tell whether the order is live, and it is not said twice."""
    world.server.faults.arm(fault)
    world.dialect.questions.ask_next("o163")
    broker = world.open()
    assert isinstance(await broker.submit_order(permit("o-1"), RESTING), Unknown)
    assert len([each for each in world.server.journal.select(method="POST") if "/reply/" in each.path]) == 1
    await broker.disconnect()


async def test_a_no_that_is_not_confirmed_proves_nothing(world: IbkrWorld) -> None:
    """Unless the broker says that the order was dropped, it may be there."""
    world.server.faults.arm(Fault(name=FaultName.ERROR_AFTER, path=REPLIES, status=503))
    world.dialect.questions.ask_next("o383")
    broker = world.open()
    assert isinstance(await broker.submit_order(permit("o-1"), RESTING), Unknown)
    await broker.disconnect()


async def test_orders_of_an_account_wait_for_each_others_questions(world: IbkrWorld) -> None:
    """Orders at once, over several connections, make none of each other's questions stale."""
    ask = world.dialect.questions.before

    def always(_: object, act: object) -> object:
        return ask(["o163"], act)  # type: ignore[arg-type]

    world.dialect.questions.before = always  # type: ignore[assignment,method-assign]
    one, other = world.open(), world.open()
    outcomes = await asyncio.gather(
        *(
            broker.submit_order(permit(f"{i}-{name}"), RESTING)
            for i in range(5)
            for name, broker in (("a", one), ("b", other))
        )
    )
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert len(world.dialect.brokerage.notes) == 10
    await one.disconnect()
    await other.disconnect()


async def test_a_change_is_asked_about_too(world: IbkrWorld) -> None:
    """A change that raises an unlisted question is declined, and the order stays as it was."""
    broker = world.open()
    placed = await broker.submit_order(permit("o-1"), RESTING)
    assert isinstance(placed, Accepted)
    assert placed.order is not None
    world.dialect.questions.ask_next("o10138")
    change = Change(quantity=Decimal(5))
    assert isinstance(await broker.modify_order(permit(""), placed.order.broker_order_id, change), Rejected)
    world.dialect.questions.ask_next("o163")
    changed = await broker.modify_order(permit(""), placed.order.broker_order_id, change)
    assert isinstance(changed, Accepted)
    assert changed.order is not None
    assert changed.order.terms == replace(RESTING, quantity=Decimal(5))
    await broker.disconnect()


async def test_closing_a_position_answers_no_question_that_is_not_listed(world: IbkrWorld) -> None:
    """An order against a position is asked about like any other."""
    broker = world.open()
    await broker.submit_order(permit("o-1"), replace(RESTING, type=OrderType.MARKET, limit_price=None))
    world.dialect.questions.ask_next("o10151")
    assert isinstance(await broker.flatten("AAPL"), Rejected)
    assert isinstance(await broker.flatten("AAPL"), Accepted)
    await broker.disconnect()
