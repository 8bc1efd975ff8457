"""The feed: by frames alone, by readings alone, and over whatever the websocket does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from brokergw.adapters.ibkr import IbkrConnection
from brokergw.adapters.ibkr.book import Book
from brokergw.adapters.ibkr.mapping import order as read_order
from brokergw.adapters.ibkr.orders import may_live
from brokergw.model.lifecycle import State
from brokergw.model.outcome import BrokerEvent, FeedDown, FeedUp, OrderReport
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.sim.faults import Fault, FaultName
from brokergw.transport.rows import Row
from tests.fixtures.ibkr_world import IbkrWorld, ibkr_world
from tests.fixtures.permits import permit

MARKET = OrderTerms(
    symbol="AAPL", side=Side.BUY, type=OrderType.MARKET, time_in_force=TimeInForce.DAY, quantity=Decimal(3)
)


class Hearing:
    """What one listener has heard."""

    def __init__(self) -> None:
        self.events: list[BrokerEvent] = []

    async def until(self, *kinds: type, count: int = 1) -> None:
        """Wait until so many events of a kind were heard."""
        async with asyncio.timeout(10):
            while sum(isinstance(event, kinds) for event in self.events) < count:
                await asyncio.sleep(0.005)

    async def filled(self, count: int) -> None:
        """Wait until so many executions were told."""
        async with asyncio.timeout(10):
            while len(self.fills()) < count:
                await asyncio.sleep(0.005)

    def fills(self) -> list[OrderReport]:
        """Give the executions told."""
        return [event for event in self.events if isinstance(event, OrderReport) and event.fill is not None]


@asynccontextmanager
async def listening(world: IbkrWorld, broker: IbkrConnection) -> AsyncIterator[Hearing]:
    """Listen in the background until the feed is up, and until the end of the block."""
    hearing = Hearing()

    async def listen() -> None:
        async for event in broker.subscribe(world.clock.now_ns()):
            hearing.events.append(event)

    task = asyncio.create_task(listen())
    await hearing.until(FeedUp)
    try:
        yield hearing
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_frames_alone_tell_an_order_and_its_trade() -> None:
    """Without a reading the websocket tells what happens: the execution, then the order as filled, each once."""
    async with ibkr_world(poll_s=3600.0) as world:
        broker = world.open()
        async with listening(world, broker) as hearing:
            before = len(world.arrived("GET", "/account/orders"))
            await broker.submit_order(permit("o-1"), MARKET)
            await hearing.filled(1)
            async with asyncio.timeout(5):
                while not any(isinstance(e, OrderReport) and e.fill is None for e in hearing.events):
                    await asyncio.sleep(0.005)
            assert len(world.arrived("GET", "/account/orders")) == before
        (fill,) = hearing.fills()
        assert fill.fill is not None
        assert (fill.fill.quantity, fill.order.state, fill.replayed) == (Decimal(3), State.FILLED, False)
        await broker.disconnect()


async def test_readings_alone_tell_what_the_websocket_swallows() -> None:
    """A websocket that stays open and says nothing loses nothing: the lists are read beside it (T8)."""
    async with ibkr_world(poll_s=0.05) as world:
        world.server.faults.arm(Fault(name=FaultName.DROPPED_EVENTS, count=None))
        broker = world.open()
        async with listening(world, broker) as hearing:
            await broker.submit_order(permit("o-1"), MARKET)
            await hearing.filled(1)
            await asyncio.sleep(0.2)
        assert len(hearing.fills()) == 1
        await broker.disconnect()


async def test_fills_are_told_while_the_websocket_is_down() -> None:
    """Between the loss of the websocket and its return the lists go on telling, and nothing is told twice."""
    async with ibkr_world(poll_s=0.05) as world:
        broker = world.open()
        async with listening(world, broker) as hearing:
            held = world.server.faults.arm(Fault(name=FaultName.ERROR_BEFORE, path="/v1/api/ws", count=None))
            await world.dialect.drop_streams()
            await hearing.until(FeedDown)
            await broker.submit_order(permit("o-1"), MARKET)
            await hearing.filled(1)
            assert not isinstance(hearing.events[-1], FeedUp)
            world.server.faults.disarm(held.fault_id)
            await hearing.until(FeedUp, count=2)
        assert len(hearing.fills()) == 1
        await broker.disconnect()


@pytest.mark.parametrize("name", [FaultName.DUPLICATE_EVENTS, FaultName.REORDERED_EVENTS])
async def test_frames_twice_or_late_are_told_once(name: FaultName) -> None:
    """However frames come, each execution is told once and the last state is the true one."""
    async with ibkr_world(poll_s=0.05) as world:
        world.server.faults.arm(Fault(name=name, count=None))
        broker = world.open()
        async with listening(world, broker) as hearing:
            for number in range(3):
                await broker.submit_order(permit(f"o-{number}"), MARKET)
                world.dialect.tick()
            await hearing.filled(3)
            await asyncio.sleep(0.2)
        assert len(hearing.fills()) == 3
        await broker.disconnect()


async def test_the_stream_is_told_that_somebody_is_there() -> None:
    """A `tic` goes out again and again, without which the websocket falls silent."""
    async with ibkr_world(tic_s=0.02) as world:
        broker = world.open()
        async with listening(world, broker):
            async with asyncio.timeout(5):
                while sum(each.body == b"tic" for each in world.server.journal.select(method="WS")) < 3:
                    await asyncio.sleep(0.01)
        await broker.disconnect()


def row(number: int, **changes: object) -> Row:
    """Make a row of the order list."""
    base: Row = {
        "orderId": number,
        "conid": 265598,
        "ticker": "AAPL",
        "secType": "STK",
        "status": "Submitted",
        "side": "BUY",
        "origOrderType": "LIMIT",
        "timeInForce": "GTC",
        "price": "100",
        "totalSize": Decimal(10),
        "filledQuantity": Decimal(0),
        "remainingQuantity": Decimal(10),
        "lastExecutionTime_r": 1_000,
    }
    return base | changes


def traded(name: str, quantity: int, reference: str = "", time_ms: int = 2_000) -> Row:
    """Make a row of the trades."""
    return {
        "execution_id": name,
        "size": Decimal(quantity),
        "price": "99.5",
        "side": "B",
        "conid": 265598,
        "trade_time_r": time_ms,
        "order_ref": reference,
    }


def tell(book: Book, *rows: Row) -> list[OrderReport]:
    """Give what is new of some rows."""
    return [report for each in rows for report in book.news(each, read_order(each, "AAPL"), replayed=False)]


def test_a_total_waits_for_its_executions() -> None:
    """An order that the list shows as filled is told with its trades, or after they were missing for long."""
    book = Book()
    filled = row(1, order_ref="a", status="Filled", filledQuantity=Decimal(10), lastExecutionTime_r=3_000)
    book.take_list([filled])
    assert tell(book, filled) == []
    book.take_trades([traded("x.1", 4, "a"), traded("x.2", 6, "a", 2_500)])
    reports = tell(book, filled)
    assert [report.order.cum_quantity for report in reports] == [4, 10, 10]
    assert [report.fill is None for report in reports] == [False, False, True]
    assert tell(book, filled) == []


def test_an_order_is_told_at_last_without_the_trades_that_never_come() -> None:
    """Trades may be out of reach; after some readings the order is told as it stands."""
    book = Book()
    filled = row(1, order_ref="a", status="Filled", filledQuantity=Decimal(10))
    book.take_list([filled])
    told = [len(tell(book, filled)) for _ in range(6)]
    assert told == [0, 0, 0, 0, 1, 0]


def test_an_older_row_changes_nothing() -> None:
    """A list that was read before a frame came does not take it back."""
    book = Book()
    new = row(1, status="Cancelled", lastExecutionTime_r=5_000)
    book.take_list([row(1)])
    assert book.take_change({"orderId": 1, "status": "Cancelled", "lastExecutionTime_r": 5_000}) == new
    assert book.take_list([row(1)]) == []
    assert book.take_list([new]) == [new]


def test_a_frame_about_an_unknown_order_waits_for_the_list() -> None:
    """A frame that carries a number and a status alone cannot be told."""
    assert Book().take_change({"orderId": 9, "status": "Filled"}) is None


def test_trades_without_a_reference_belong_to_the_one_order_that_fits() -> None:
    """An order made elsewhere has no reference; its trades are its own as long as no other order could have them."""
    book = Book()
    one = row(1, status="Filled", filledQuantity=Decimal(10))
    book.take_list([one])
    book.take_trades([traded("x.1", 10)])
    assert [report.fill is None for report in tell(book, one)] == [False, True]


def test_trades_that_two_orders_could_have_are_given_to_none() -> None:
    """Where it cannot be told whose executions they are, orders are told as they stand, without a guess."""
    book = Book()
    one = row(1, status="Filled", filledQuantity=Decimal(10))
    other = row(2, status="Filled", filledQuantity=Decimal(10))
    book.take_list([one, other])
    book.take_trades([traded("x.1", 10), traded("x.2", 10)])
    assert [report.fill for report in tell(book, one, other)] == [None, None]


def test_a_strategys_tag_on_many_orders_is_no_name() -> None:
    """People tag orders alike; trades of a tag that more than one order bears, or that exceed it, are given to none."""
    book = Book()
    one = row(1, order_ref="tag", status="Filled", filledQuantity=Decimal(10))
    book.take_list([one])
    book.take_trades([traded("x.1", 10, "tag"), traded("of yesterday", 5, "tag", 1)])
    assert [report.fill for report in tell(book, one)] == [None]


def test_what_ended_does_not_come_back() -> None:
    """After an end nothing older is told."""
    book = Book()
    ended = row(1, status="Cancelled", lastExecutionTime_r=5_000)
    book.take_list([ended])
    assert len(tell(book, ended)) == 1
    again = row(1, lastExecutionTime_r=6_000)
    book.take_list([again])
    assert tell(book, again) == []


def test_what_was_told_as_it_stands_is_not_read_again() -> None:
    """The list holds the whole day, and only what changed in it costs more than a comparison."""
    book = Book()
    ended = [row(n, order_ref=f"a{n}", status="Filled", filledQuantity=Decimal(10)) for n in (1, 2, 3)]
    book.take_trades([traded(f"x.{n}", 10, f"a{n}") for n in (1, 2, 3)])
    assert len(tell(book, *book.take_list(ended))) == 6
    assert book.take_list([dict(each) for each in ended]) == []
    changed = row(2, order_ref="a2", status="Filled", filledQuantity=Decimal(10), avgPrice="60.2")
    assert book.take_list([ended[0], changed, ended[2]]) == [changed]


def test_what_lags_is_read_until_it_is_told() -> None:
    """An order whose trades are missing is looked at each time, although its row stays the same."""
    book = Book()
    filled = row(1, order_ref="a", status="Filled", filledQuantity=Decimal(10))
    assert [len(tell(book, *book.take_list([filled]))) for _ in range(6)] == [0, 0, 0, 0, 1, 0]
    assert book.take_list([filled]) == []


def test_a_late_trade_has_its_order_read_again() -> None:
    """An order that was told without its trades is told them when they come, whatever its row says."""
    book = Book()
    filled = row(1, order_ref="a", status="Filled", filledQuantity=Decimal(10))
    for _ in range(5):
        tell(book, *book.take_list([filled]))
    assert book.take_list([filled]) == []
    assert book.take_trades([traded("x.1", 10, "a")]) == [filled]
    assert [report.fill is not None for report in tell(book, *book.take_list([filled]))] == [True]


def test_a_list_takes_back_what_a_late_frame_told() -> None:
    """A frame that came late changes an order; the row that the list had all along is then looked at again."""
    book = Book()
    working = row(1)
    assert len(tell(book, *book.take_list([working]))) == 1
    late = book.take_change({"orderId": 1, "status": "PreSubmitted"})
    assert late is not None
    assert [report.order.state for report in tell(book, late)] == [State.ACKED]
    assert [report.order.state for report in tell(book, *book.take_list([working]))] == [State.WORKING]


def test_an_order_that_changes_its_name_has_the_trades_of_the_new_one() -> None:
    """A reference that only the list knows decides whose the trades are."""
    book = Book()
    bare = row(1, status="Filled", filledQuantity=Decimal(10), lastExecutionTime_r=2_000)
    book.take_list([bare])
    named = row(1, order_ref="a", status="Filled", filledQuantity=Decimal(10), lastExecutionTime_r=2_000)
    book.take_trades([traded("x.1", 10, "a")])
    assert [report.fill is not None for report in tell(book, *book.take_list([named]))] == [True, False]


@pytest.mark.parametrize(
    ("status", "live"),
    [("Submitted", True), ("Inactive", True), ("of tomorrow", True), ("", True), ("Filled", False), ("Failed", False)],
)
def test_only_what_has_ended_for_certain_is_passed_over(status: str, *, live: bool) -> None:
    """A row with a status that is not documented may be open, so it is read, and refused."""
    assert may_live(row(1, status=status)) is live
