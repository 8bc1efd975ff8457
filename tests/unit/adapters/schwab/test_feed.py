"""The feed's judgement: what one look at the records tells, and what becomes of the link when it tells nothing."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from brokergw.adapters.schwab.config import SchwabConfig
from brokergw.adapters.schwab.errors import unavailable
from brokergw.adapters.schwab.feed import _rings, _Subscription, _Tick
from brokergw.adapters.schwab.generations import Generations
from brokergw.adapters.schwab.mapping import readings
from brokergw.adapters.schwab.streamer import Streamer
from brokergw.model.errors import Reason
from brokergw.model.lifecycle import State
from brokergw.model.outcome import FeedDown, FeedUp, OrderReport
from brokergw.transport.rows import Row
from brokergw.transport.websocket import Frame, LinkLost, LinkOpened
from tests.fixtures.alpaca_wire import StillClock
from tests.fixtures.schwab_wire import row

D = Decimal
AWAY = unavailable(Reason.BROKER_UNREACHABLE, "away")
RING = Frame(json.dumps({"data": [{"service": "ACCT_ACTIVITY", "content": [{"1": "", "2": "OrderCreated"}]}]}))


@dataclass
class Records:
    """The account's orders as the next look finds them, and how often it was looked."""

    rows: list[Row] | Exception = field(default_factory=list)
    looks: int = 0
    generations: Generations = field(default_factory=Generations)
    dropped: list[str] = field(default_factory=list)
    unclear_frames: list[str] = field(default_factory=list)

    async def recent(self, since_ns: int | None = None) -> list[Row]:
        self.looks += 1
        if isinstance(self.rows, Exception):
            raise self.rows
        return self.rows

    def drop(self, why: str) -> None:
        self.dropped.append(why)

    def unclear(self, words: str) -> None:
        self.unclear_frames.append(words)

    account_number = "12345678"


def listening(records: Records, since_ns: int = 0) -> _Subscription:
    """Listen to a stream over records that a test writes."""
    return _Subscription(records, records, StillClock(), SchwabConfig(), since_ns)  # type: ignore[arg-type]


def rings(records: Records, frame: Frame) -> bool:
    """Let the streamer hear a frame."""
    return _rings(frame, Streamer(records, records), records)  # type: ignore[arg-type]


def told(events: list[Any]) -> list[tuple[State, Decimal, Decimal | None]]:
    """Give the state, the total and the execution of each report."""
    reports = [event for event in events if isinstance(event, OrderReport)]
    return [(r.order.state, r.order.cum_quantity, None if r.fill is None else r.fill.quantity) for r in reports]


async def test_what_is_missed_is_told_before_the_feed_is_up() -> None:
    """Executions one by one with their totals, then the order, then FeedUp; and never again what has not changed."""
    records = Records([row("order_partly_filled")])
    feed = listening(records)
    events = await feed.on([LinkOpened()])
    assert told(events) == [
        (State.PARTIAL, D(3), D(3)),
        (State.PARTIAL, D(4), D(1)),
        (State.PARTIAL, D(4), None),
    ]
    assert isinstance(events[-1], FeedUp)
    assert all(event.replayed for event in events if isinstance(event, OrderReport))
    assert await feed.on([_Tick()]) == []


async def test_several_rings_are_one_look() -> None:
    """A trade rings several times; whatever waits is answered by one look."""
    records = Records()
    feed = listening(records)
    await feed.on([LinkOpened()])
    records.rows = [row("order_working")]
    assert told(await feed.on([_Tick(), _Tick()])) == [(State.WORKING, D(0), None)]
    assert records.looks == 2


async def test_what_was_told_to_another_listener_is_not_told_again() -> None:
    """An order that ended before the time asked for is left out; the same one that changed since is told."""
    ended = row("order_canceled")
    late_ns = 1_900_000_000 * 10**9
    assert told(await listening(Records([ended]), late_ns).on([LinkOpened()])) == []
    assert told(await listening(Records([ended])).on([LinkOpened()]))[-1] == (State.CANCELED, D(4), None)


async def test_executions_that_lag_are_told_when_they_come() -> None:
    """R9: until its executions show, an order is told as it was before them; then each counts once."""
    records = Records([row("order_partly_filled", orderActivityCollection=None)])
    feed = listening(records)
    assert told(await feed.on([LinkOpened()])) == [(State.WORKING, D(0), None)]
    records.rows = [row("order_partly_filled")]
    assert [quantity for _, _, quantity in told(await feed.on([_Tick()]))] == [D(3), D(1), None]


async def test_one_row_that_cannot_be_read_silences_no_other() -> None:
    """An order with a word that nobody documented is left out, and the others are told."""
    records = Records([row("order_working", status="BRAND_NEW", orderId=1), row("order_working")])
    assert told(await listening(records).on([LinkOpened()])) == [(State.WORKING, D(0), None)]


async def test_without_a_back_fill_the_feed_is_not_up() -> None:
    """A link whose back-fill fails is given up, and nothing says that the feed is up."""
    records = Records(AWAY)
    assert await listening(records).on([LinkOpened()]) == []
    assert len(records.dropped) == 1


@pytest.mark.parametrize(("looks", "dropped"), [(2, 0), (3, 1)])
async def test_records_that_cannot_be_read_for_long_end_the_link(looks: int, dropped: int) -> None:
    """Below three failed looks the feed stays up, at the third it is given up."""
    records = Records()
    feed = listening(records)
    await feed.on([LinkOpened()])
    records.rows = AWAY
    for _ in range(looks):
        assert await feed.on([_Tick()]) == []
    assert len(records.dropped) == dropped


async def test_a_look_that_succeeds_forgives_those_before() -> None:
    """Failures count in a row only."""
    records = Records()
    feed = listening(records)
    await feed.on([LinkOpened()])
    answers: list[list[Row] | Exception] = [AWAY, AWAY, [], AWAY, AWAY]
    for records.rows in answers:
        await feed.on([_Tick()])
    assert records.dropped == []


async def test_while_the_stream_is_away_the_records_are_read_all_the_same() -> None:
    """Down is told once for one reason; what happens meanwhile is told as a back-fill, without FeedUp."""
    records = Records()
    feed = listening(records)
    await feed.on([LinkOpened()])
    assert await feed.on([LinkLost("cut")]) == [FeedDown("cut")]
    assert await feed.on([LinkLost("cut")]) == []
    records.rows = [row("order_working")]
    (report,) = await feed.on([_Tick()])
    assert isinstance(report, OrderReport)
    assert report.replayed


def test_the_streamers_own_end_drops_the_link() -> None:
    """Another connection of the user takes the place of this one: the link is given up and tried again."""
    records = Records()
    assert not rings(records, Frame(json.dumps({"response": [{"content": {"code": 12}}]})))
    assert "code 12" in records.dropped[0]


def test_a_ring_is_one_about_the_account_or_one_that_nobody_understands() -> None:
    """What happens in the account rings, and so does what makes no sense; a heartbeat does not."""
    records = Records()
    assert rings(records, RING)
    assert rings(records, Frame("{"))
    assert not rings(records, Frame(json.dumps({"notify": [{"heartbeat": "1"}]})))
    assert records.dropped == []


async def test_what_stands_as_it_was_read_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look lists all that was entered since the oldest open order, and only what changed in it is read."""
    read: list[Any] = []

    def counting(one: Row, links: Any) -> Any:
        read.append(one.get("orderId"))
        return readings(one, links)

    monkeypatch.setattr("brokergw.adapters.schwab.feed.readings", counting)
    records = Records([row("order_working", orderId=1), row("order_working", orderId=2)])
    feed = listening(records)
    await feed.on([LinkOpened()])
    records.rows = [row("order_working", orderId=1), row("order_working", orderId=2, status="CANCELED")]
    read.clear()
    assert told(await feed.on([_Tick()])) == [(State.CANCELED, D(0), None)]
    assert read == [2]


async def test_a_successor_that_is_found_later_is_told() -> None:
    """Whose place an order took is no part of its row, and a row that stands is read again when that is known."""
    records = Records([row("order_partly_filled", orderId=1), row("order_working", orderId=2)])
    feed = listening(records)
    await feed.on([LinkOpened()])
    assert await feed.on([_Tick()]) == []
    records.generations.link("1", "2")
    (first,) = [event for event in await feed.on([_Tick()]) if isinstance(event, OrderReport)]
    assert (first.order.broker_order_id, first.order.replaced_by) == ("1", "2")
