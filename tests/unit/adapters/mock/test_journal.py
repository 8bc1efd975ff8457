"""The mock broker's memory."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokergw.adapters.mock import MockBroker, MockConfig, MockConnection
from brokergw.adapters.mock import journal as journal_module
from brokergw.adapters.mock.journal import JournalUnusable
from brokergw.exchange import ExchangeState
from brokergw.model.account import Environment
from brokergw.model.outcome import Accepted, Found, Unknown
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import BrokerLink, Change
from tests.fixtures.clock import FakeClock
from tests.fixtures.permits import permit

LINK = BrokerLink(connection_id="con", account_id="acc_1", environment=Environment.MOCK, credentials=None)
Opener = Callable[[], MockBroker]

VICTIM = """
import asyncio, sys, time
from decimal import Decimal
from pathlib import Path
from brokergw.adapters.mock import MockBroker, MockConfig
from brokergw.model.account import Environment
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import BrokerLink
from tests.fixtures.permits import permit

class Clock:
    def now_ns(self): return time.time_ns()
    def monotonic(self): return time.monotonic()
    async def sleep(self, seconds): await asyncio.sleep(seconds)

async def main():
    broker = MockBroker(clock=Clock(), config=MockConfig(journal_path=Path(sys.argv[1])))
    mock = broker.open(
        BrokerLink(connection_id="con", account_id="acc_1", environment=Environment.MOCK, credentials=None)
    )
    for count in range(1_000_000):
        side = Side.SELL if count % 3 == 2 else Side.BUY
        terms = OrderTerms(symbol="F", side=side, type=OrderType.MARKET, time_in_force=TimeInForce.DAY,
                           quantity=Decimal(1 + count % 2))
        answer = await mock.submit_order(permit(f"c{count}"), terms)
        print(f"c{count}", answer.order.broker_order_id, answer.order.cum_quantity, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the journal's place, in a folder that does not exist yet."""
    return tmp_path / "data" / "mock.journal"


@pytest.fixture
def reopen(path: Path, still_clock: FakeClock) -> Opener:
    """Give a maker of brokers that remember in one file."""
    return lambda: MockBroker(clock=still_clock, config=MockConfig(journal_path=path))


def terms(quantity: int, side: Side = Side.BUY, **more: Any) -> OrderTerms:
    """Write the terms of a market order."""
    values: dict[str, Any] = {"type": OrderType.MARKET, "time_in_force": TimeInForce.GTC, "symbol": "AAPL"} | more
    return OrderTerms(side=side, quantity=Decimal(quantity), **values)


def read(path: Path) -> bytes:
    """Give a file's content."""
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    """Set a file's content."""
    path.write_bytes(content)


def size_of(path: Path) -> int:
    """Give a file's size."""
    return path.stat().st_size


async def trade(broker: MockBroker, mock: MockConnection, clock: FakeClock) -> None:
    """Do a bit of everything."""
    broker.exchange.set_price("AAPL", Decimal(200))
    limit: dict[str, Any] = {"type": OrderType.LIMIT}
    exits: dict[str, Any] = {
        "order_class": OrderClass.BRACKET,
        "take_profit_limit_price": Decimal(220),
        "stop_loss_stop_price": Decimal(180),
    }
    await mock.submit_order(permit("plain"), terms(20))
    await mock.submit_order(permit("bracket"), terms(10, **exits))
    await mock.submit_order(permit("waiting"), terms(10, limit_price=Decimal(150), **(limit | exits)))
    await mock.submit_order(
        permit("trail"), terms(5, Side.SELL, type=OrderType.TRAILING_STOP, trail_percent=Decimal("1.5"))
    )
    changed = await mock.submit_order(permit("old"), terms(3, limit_price=Decimal(150), **limit))
    assert isinstance(changed, Accepted)
    assert changed.order is not None
    await mock.modify_order(permit("new"), changed.order.broker_order_id, Change(quantity=Decimal(4)))
    gone = await mock.submit_order(permit("gone"), terms(3, limit_price=Decimal(150), **limit))
    assert isinstance(gone, Accepted)
    assert gone.order is not None
    await mock.cancel_order(gone.order.broker_order_id)
    await mock.submit_order(
        permit("money"),
        OrderTerms(
            symbol="BTC/USD", side=Side.BUY, type=OrderType.MARKET, time_in_force=TimeInForce.GTC, notional=Decimal(777)
        ),
    )
    await mock.submit_order(
        permit("brief"), terms(1, limit_price=Decimal(150), **(limit | {"time_in_force": TimeInForce.DAY}))
    )
    clock.advance(17 * 3600)
    await clock.pass_time(1)
    broker.exchange.set_price("AAPL", Decimal(210))
    await clock.pass_time(1)


def kill(broker: MockBroker) -> ExchangeState:
    """Let a broker go as a killed process does: nothing is flushed or closed but by the system."""
    assert broker._journal is not None
    os.close(broker._journal._file)
    os.close(broker._journal._lock)
    return broker.exchange.state()


async def test_a_killed_broker_comes_back_exactly(reopen: Opener, still_clock: FakeClock) -> None:
    """Orders of every state, their ids, executions, positions and cash are the same in the next process."""
    broker = reopen()
    mock = broker.open(LINK)
    await trade(broker, mock, still_clock)
    state, account, positions = kill(broker), await mock.get_account(), await mock.get_positions()
    assert len(state.orders) > 10
    await mock.disconnect()
    again = reopen()
    assert again.exchange.state() == state
    again.exchange.set_price("AAPL", Decimal(210))
    mock = again.open(LINK)
    assert await mock.get_account() == account
    assert await mock.get_positions() == positions
    again.close()


async def test_a_recovered_broker_goes_on(reopen: Opener, still_clock: FakeClock) -> None:
    """After recovery exits still exclude each other, trails still trail, and client order ids are still taken."""
    broker = reopen()
    mock = broker.open(LINK)
    await trade(broker, mock, still_clock)
    await mock.disconnect()
    kill(broker)
    broker = reopen()
    mock = broker.open(LINK)
    broker.exchange.set_price("AAPL", Decimal(221))
    broker.exchange.tick()
    broker.exchange.set_price("AAPL", Decimal(217))
    broker.exchange.tick()
    states = {order.client_order_id: order.state.value for order in await mock.order_history(0, 1 << 62)}
    bracket = await mock.find_order("bracket")
    assert isinstance(bracket, Found)
    found = [await mock.get_order(leg.broker_order_id) for leg in bracket.order.legs]
    assert [leg.order.state.value for leg in found if isinstance(leg, Found)] == ["FILLED", "CANCELED"]
    assert states["trail"] == "FILLED"
    assert not isinstance(await mock.submit_order(permit("plain"), terms(1)), Accepted)
    broker.close()


async def test_each_life_adds_to_the_last(reopen: Opener) -> None:
    """Ids never repeat over several lives, and nothing of an earlier one is lost."""
    ids = []
    for life in range(4):
        broker = reopen()
        answer = await broker.open(LINK).submit_order(permit(f"life-{life}"), terms(1))
        assert isinstance(answer, Accepted)
        ids += [answer.order and answer.order.broker_order_id, answer.fills[0].execution_id]
        kill(broker)
    assert len(set(ids)) == 8
    broker = reopen()
    assert [position.quantity for position in await broker.open(LINK).get_positions()] == [4]
    broker.close()


async def test_a_torn_last_line_is_dropped(reopen: Opener, path: Path) -> None:
    """At whatever byte the last line is torn, everything before it comes back, and the file can be written again."""
    broker = reopen()
    mock = broker.open(LINK)
    await mock.submit_order(permit("1"), terms(1))
    before = broker.exchange.state()
    whole = size_of(path)
    await mock.submit_order(permit("2"), terms(1))
    kill(broker)
    content = read(path)
    for size in range(whole, len(content), 37):
        write(path, content[:size])
        broker = reopen()
        assert broker.exchange.state() == before
        assert isinstance(await broker.open(LINK).submit_order(permit("2"), terms(1)), Accepted)
        kill(broker)
        broker = reopen()
        assert len(broker.exchange.state().orders) == 2
        broker.close()


async def test_a_damaged_file_is_not_guessed_at(reopen: Opener, path: Path) -> None:
    """Damage before the last line, or a file of another kind, is an error and leaves the file alone."""
    broker = reopen()
    mock = broker.open(LINK)
    for count in range(3):
        await mock.submit_order(permit(str(count)), terms(1))
    broker.close()
    lines = read(path).splitlines(keepends=True)
    for damaged in ([lines[0], b"{]\n", *lines[2:]], [lines[0], *lines[2:]], [b'{"format":"other"}\n', *lines[1:]]):
        write(path, b"".join(damaged))
        with pytest.raises(JournalUnusable):
            reopen()
        assert read(path) == b"".join(damaged)


def test_one_process_at_a_time(reopen: Opener) -> None:
    """A journal in use cannot be opened, and can be after it was closed."""
    broker = reopen()
    with pytest.raises(JournalUnusable, match="in use"):
        reopen()
    broker.close()
    reopen().close()


async def test_opening_drops_superseded_rows(reopen: Opener, path: Path, still_clock: FakeClock) -> None:
    """A file with many changes to one order is rewritten with its last state only."""
    broker = reopen()
    mock = broker.open(LINK)
    await trade(broker, mock, still_clock)
    for price in range(211, 260):
        broker.exchange.set_price("AAPL", Decimal(price))
        broker.exchange.tick()
        broker.keep()
    await mock.disconnect()
    state, before = broker.exchange.state(), size_of(path)
    broker.close()
    broker = reopen()
    assert broker.exchange.state() == state
    broker.close()
    assert size_of(path) < before
    assert [len(json.loads(line)) for line in read(path).splitlines()[1:]] == [4]
    assert [child.name for child in path.parent.iterdir() if child.name.endswith(".new")] == []


async def test_a_failed_write_is_in_doubt_and_made_good(reopen: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full a command is Unknown; what was half written is completed by the next, and all is there."""
    broker = reopen()
    mock = broker.open(LINK)
    really_write, budget = os.write, [40]

    def scarce(file: int, content: bytes) -> int:
        if not budget[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        size = min(budget[0], len(content))
        budget[0] -= size
        return really_write(file, content[:size])

    monkeypatch.setattr(os, "write", scarce)
    assert isinstance(await mock.submit_order(permit("1"), terms(1)), Unknown)
    budget[0] = 1 << 30
    assert isinstance(await mock.submit_order(permit("2"), terms(1)), Accepted)
    state = kill(broker)
    again = reopen()
    assert again.exchange.state() == state
    again.close()


def test_an_order_that_was_answered_survives_kill_9(path: Path, still_clock: FakeClock) -> None:
    """A process killed in mid-trade loses no order it had answered, and its books balance in the next one."""
    source = Path(journal_module.__file__).parents[3]
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(source)},
        text=True,
    )
    assert victim.stdout is not None
    lines = [victim.stdout.readline() for _ in range(300)]
    victim.send_signal(signal.SIGKILL)
    lines += victim.stdout.readlines()
    victim.wait(10)
    victim.stdout.close()
    answered = [line.split() for line in lines if line.endswith("\n")]
    assert len(answered) >= 300
    broker = MockBroker(clock=still_clock, config=MockConfig(journal_path=path))
    for client_order_id, order_id, filled in answered:
        order = broker.exchange.order_by_client_id("acc_1", client_order_id)
        assert order is not None
        assert (order.order_id, order.filled_quantity) == (order_id, Decimal(filled))
    total = sum(e.quantity if e.side is Side.BUY else -e.quantity for e in broker.exchange.executions("acc_1"))
    assert [holding.quantity for holding in broker.exchange.positions("acc_1")] == [total]
    broker.close()
