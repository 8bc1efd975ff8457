"""What several answers, executions and look-ups come to."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.lifecycle import State
from brokergw.model.outcome import (
    Absent,
    Accepted,
    BrokerFill,
    BrokerOrder,
    Found,
    Inconclusive,
    Lookup,
    NotSent,
    Outcome,
    Rejected,
    Unknown,
)
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.transport.outcomes import earlier, looked_up, taken, taken_with, together
from tests.fixtures.scripted_broker import broker_order

TERMS = OrderTerms(
    symbol="AAPL", side=Side.BUY, type=OrderType.MARKET, time_in_force=TimeInForce.DAY, quantity=Decimal(10)
)
AWAY = GatewayError(Reason.BROKER_UNREACHABLE, "away")
GONE, REFUSED = Rejected("NOT_FOUND"), Rejected("MARKET_CLOSED", "7", "closed")
BUSY, OPEN = NotSent("busy", 1.0), Unknown("no answer")


def order(cum: int) -> BrokerOrder:
    """Make an order that has executed some."""
    state = State.PARTIAL if cum else State.WORKING
    return replace(broker_order("c-1", TERMS, state), cum_quantity=Decimal(cum), average_price=Decimal(1))


def fill(quantity: int) -> BrokerFill:
    """Make one execution."""
    return BrokerFill(execution_id=f"x-{quantity}", quantity=Decimal(quantity), price=Decimal(1), trade_time_ns=1)


@pytest.mark.parametrize(("told", "whole"), [((2,), False), ((2, 1), True), ((2, 2), False), ((), False)])
async def test_an_order_is_given_with_all_of_its_executions_or_none(told: tuple[int, ...], *, whole: bool) -> None:
    """Executions short of the total, or above it, leave the order as it was before them."""
    fills = tuple(fill(each) for each in told)

    async def asked() -> Sequence[BrokerFill]:
        return fills

    for given in (taken(order(3), fills), await taken_with(order(3), asked)):
        assert given.order is not None
        assert (given.fills, given.order.cum_quantity) == ((fills, Decimal(3)) if whole else ((), Decimal(0)))
        assert given.order.state is (State.PARTIAL if whole else State.ACKED)


async def test_executions_are_asked_for_only_where_there_are_some() -> None:
    """Most orders are answered before any; and where they cannot be told, the order is given without them."""

    async def fails() -> Sequence[BrokerFill]:
        raise AWAY

    assert await taken_with(order(0), fails) == Accepted(order(0))
    assert await taken_with(order(3), fails) == taken(order(3))


@pytest.mark.parametrize(
    ("answer", "lookup"), [(order(0), Found(order(0))), (None, Absent()), (AWAY, Inconclusive("away"))], ids=type
)
async def test_a_look_up_that_fails_says_nothing(answer: BrokerOrder | GatewayError | None, lookup: Lookup) -> None:
    """Only an answer finds an order, or proves that there is none."""

    async def asked() -> BrokerOrder | None:
        if isinstance(answer, GatewayError):
            raise answer
        return answer

    assert await looked_up(asked()) == lookup
    found = earlier(lookup, "Acme")
    assert found == answer if isinstance(lookup, Found) else isinstance(found, Unknown)


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ([], Accepted()),
        ([Accepted(), GONE], Accepted()),
        ([GONE], Accepted()),
        ([REFUSED], REFUSED),
        ([REFUSED, REFUSED], REFUSED),
        ([BUSY, BUSY], BUSY),
        ([OPEN], OPEN),
        ([BUSY, REFUSED], Unknown("2 of 2 were not done: busy")),
        ([Accepted(), BUSY], Unknown("1 of 2 were not done: busy")),
        ([GONE, REFUSED], Unknown("1 of 2 were not done: MARKET_CLOSED closed")),
        ([Accepted(), OPEN], Unknown("1 of 2 were not done: no answer")),
    ],
)
def test_many_commands_have_one_outcome(outcomes: list[Outcome], whole: Outcome) -> None:
    """All done is done, all refused alike is refused, and a part of each is unknown: only a look tells what is left."""
    assert together(outcomes, {"NOT_FOUND"}) == whole


def test_nothing_is_gone_unless_it_is_said() -> None:
    """What a broker refuses is refused, where no reason stands for having ended."""
    assert together([GONE]) == GONE
