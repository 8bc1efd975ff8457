"""A feed that is whole when it is up, from what its listener is told to what its memory keeps."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.lifecycle import State
from brokergw.model.outcome import BrokerFill, BrokerOrder, FeedDown, FeedUp, OrderReport
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.transport.backfill import Missed, reports_of
from brokergw.transport.feed import Standing, Subscription
from brokergw.transport.told import Told
from tests.fixtures.hasty import HastyClock
from tests.fixtures.scripted_broker import broker_order

TERMS = OrderTerms(
    symbol="AAPL",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    quantity=Decimal(10),
    limit_price=Decimal(1),
)


def order(state: State = State.WORKING, cum: int = 0, at: int = 100, **more: Any) -> BrokerOrder:
    """Make one order as a broker tells it."""
    return replace(broker_order("c-1", TERMS, state), cum_quantity=Decimal(cum), update_time_ns=at, **more)


def report(state: State = State.WORKING, cum: int = 0, at: int = 100, **more: Any) -> OrderReport:
    """Make a report of it."""
    return OrderReport(order(state, cum, at, **more), at)


def fill(cum: int, at: int = 100) -> OrderReport:
    """Make a report of the execution that brought the order to a total."""
    executed = BrokerFill(execution_id=f"x-{cum}", quantity=Decimal(1), price=Decimal(1), trade_time_ns=at)
    return OrderReport(order(State.PARTIAL, cum, at), at, executed)


class Records:
    """A broker's records, which give one answer after another."""

    def __init__(self, *answers: Sequence[OrderReport] | GatewayError) -> None:
        self._answers = list(answers)
        self.asked: list[int] = []

    async def since(self, since_ns: int, _: Told) -> Sequence[OrderReport]:
        """Give the next answer, or fail."""
        self.asked.append(since_ns)
        return self._next()

    async def fills_of(self, _: BrokerOrder) -> Sequence[OrderReport]:
        """Likewise, for one order."""
        self.asked.append(0)
        return self._next()

    def _next(self) -> Sequence[OrderReport]:
        answer = self._answers.pop(0)
        if isinstance(answer, GatewayError):
            raise answer
        return answer


async def test_what_was_missed_is_told_before_the_feed_is_up() -> None:
    """Missed reports come first, and each once: what is told already is no news."""
    records = Records([fill(1), fill(2), fill(1)])
    subscription = Subscription(records.since, lambda _: None, HastyClock(), 7)
    assert await subscription.opened() == [fill(1), fill(2), FeedUp(7)]
    assert subscription.up
    assert subscription.heard([fill(2), fill(3)]) == [fill(3)]


async def test_a_feed_whose_records_cannot_be_read_is_not_up() -> None:
    """The link is given up with the reason, and the next one asks from the same time on."""
    dropped: list[str] = []
    records = Records(GatewayError(Reason.BROKER_UNREACHABLE, "away"), [])
    subscription = Subscription(records.since, dropped.append, HastyClock(), 7)
    assert await subscription.opened() == []
    assert (subscription.up, dropped) == (False, ["the back-fill failed: away"])
    assert await subscription.opened() == [FeedUp(7)]
    assert records.asked == [7, 7]


@pytest.mark.parametrize("ahead_ns", [-(10**9), 0, 10**15])
async def test_a_feed_is_whole_until_its_last_event_but_never_in_the_future(ahead_ns: int) -> None:
    """The next back-fill begins at the last event or where the link opened; a time to come is cut to now."""
    clock = HastyClock()
    records = Records([], [])
    subscription = Subscription(records.since, lambda _: None, clock, 7)
    before = clock.now_ns()
    await subscription.opened()
    subscription.heard([fill(1, at=clock.now_ns() + ahead_ns)])
    subscription.lost("gone")
    await subscription.opened()
    assert before <= records.asked[1] <= clock.now_ns()


def test_a_loss_is_told_once_for_each_reason() -> None:
    """The same reason again is not told again, until the feed was up in between."""
    standing = Standing()
    assert standing.fallen("a") == [FeedDown("a")]
    assert standing.fallen("a") == []
    assert standing.fallen("b") == [FeedDown("b")]
    standing.risen()
    assert standing.fallen("b") == [FeedDown("b")]


@pytest.mark.parametrize(
    ("later", "news"),
    [
        (report(), False),
        (report(at=99, cum=1), False),
        (report(at=101), True),
        (report(State.PARTIAL, cum=1), True),
        (report(State.CANCELED, at=1), True),
        (report(terms=replace(TERMS, quantity=Decimal(9))), True),
    ],
)
def test_only_what_is_newer_is_news(later: OrderReport, *, news: bool) -> None:
    """Older states are dropped; at the same time more executed, another state or other terms are news; an end is."""
    memory = Told()
    assert memory.news(report())
    assert memory.news(later) is news


def test_nothing_follows_the_end_of_an_order_but_executions() -> None:
    """A fill may overtake its cancel; money moved, so it is told whatever the order's state."""
    memory = Told()
    assert memory.news(report(State.CANCELED))
    assert not memory.news(report(at=10**9))
    assert memory.news(fill(1))
    assert not memory.news(fill(1))
    assert memory.open_ids == set()


def test_less_executed_at_the_same_time_is_no_news() -> None:
    """Two readings of one moment may come in either order; the total never goes back but by an amendment."""
    memory = Told()
    assert memory.news(report(State.PARTIAL, cum=2))
    assert not memory.news(report(State.PARTIAL, cum=1))


def test_a_replaced_order_is_not_asked_for_again() -> None:
    """A generation that was replaced is neither open nor ended: its successor is what counts."""
    memory = Told()
    assert memory.news(report(replaced_by="next"))
    assert memory.open_ids == set()


def test_memory_notices_an_order_that_stands_otherwise() -> None:
    """An order known from before differs when its state or total is another now."""
    memory = Told()
    memory.news(report())
    assert not memory.differs(order())
    assert memory.differs(order(State.CANCELED))
    assert memory.differs(order(cum=1))
    assert not Told().differs(order())
    assert memory.cum_quantity(order()) == 0


@pytest.mark.parametrize(("at", "told"), [(99, False), (100, True), (101, True)])
async def test_an_order_is_told_for_what_it_did_since(at: int, *, told: bool) -> None:
    """An order that changed before the span and stands as it was told is left out."""
    missed = Missed(order(at=at), (), whole=True)
    reports = await reports_of([missed], 100, Told(), Records().fills_of, HastyClock())
    assert bool(reports) is told


async def test_executions_that_lag_behind_their_order_are_asked_for_again() -> None:
    """An order whose total has no executions yet is asked for until they are there, and told last."""
    clock = HastyClock(factor=1e4)
    records = Records([], [fill(1)], [fill(1), fill(2)])
    missed = Missed(order(State.PARTIAL, cum=2), (), whole=False)
    reports = await reports_of([missed], 0, Told(), records.fills_of, clock)
    assert [each.fill.execution_id if each.fill else "" for each in reports] == ["x-1", "x-2", ""]
    assert clock.slept == [0.5, 1.0]


async def test_executions_that_never_come_leave_the_order_to_the_sweep() -> None:
    """After the last wait the order is told without them."""
    clock = HastyClock(factor=1e4)
    records = Records([], [], [], [])
    missed = Missed(order(State.PARTIAL, cum=2), (), whole=False)
    (told,) = await reports_of([missed], 0, Told(), records.fills_of, clock)
    assert told.fill is None
    assert told.order.cum_quantity == 2
    assert clock.slept == [0.5, 1.0, 2.0]
