"""alpaca-py, unchanged but for its base URL, hears trade updates from the simulator."""

import queue
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from tests.fixtures.sim import SimHandle

with warnings.catch_warnings():
    # alpaca-py 0.44 still uses the old interface of websockets, which warns once, when it is imported.
    warnings.filterwarnings("ignore", message="websockets.legacy is deprecated", category=DeprecationWarning)
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide, OrderStatus, TimeInForce
    from alpaca.trading.models import TradeUpdate
    from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest, ReplaceOrderRequest
    from alpaca.trading.stream import TradingStream

BUY, DAY = OrderSide.BUY, TimeInForce.DAY


class Ears:
    """What an SDK stream has heard."""

    def __init__(self) -> None:
        self._heard: queue.Queue[TradeUpdate] = queue.Queue()

    async def hear(self, update: TradeUpdate) -> None:
        """Take one update from the SDK."""
        self._heard.put(update)

    def next(self) -> TradeUpdate:
        """Give the next update, waiting for it."""
        return self._heard.get(timeout=10)

    def events(self, count: int) -> list[str]:
        """Give the names of the next updates."""
        return [self.next().event for _ in range(count)]


@contextmanager
def listening(sim: SimHandle) -> Iterator[Ears]:
    """Run the SDK's stream in a thread, as its own `run` does."""
    ears = Ears()
    stream = TradingStream(sim.key_id, sim.secret_key, url_override=sim.stream_url)
    stream.subscribe_trade_updates(ears.hear)
    thread = threading.Thread(target=stream.run, name="alpaca-py-stream", daemon=True)
    thread.start()
    try:
        _wait_until_listening(sim)
        yield ears
    finally:
        stream.stop()
        # The SDK looks at its stop flag after each message or every five seconds, so a last message hurries it.
        _rouse(sim)
        thread.join(10)
        assert not thread.is_alive()


def _wait_until_listening(sim: SimHandle) -> None:
    for _ in range(500):
        messages = [entry["body"]["action"] for entry in sim.journal(method="WS", path="/stream")]
        if messages[-1:] == ["listen"]:
            return
        threading.Event().wait(0.01)
    pytest.fail("the SDK did not subscribe")


def _rouse(sim: SimHandle) -> None:
    client(sim).submit_order(MarketOrderRequest(symbol="KO", qty=1, side=BUY, time_in_force=DAY))


def client(sim: SimHandle) -> TradingClient:
    """The SDK's REST client."""
    return TradingClient(sim.key_id, sim.secret_key, url_override=sim.url)


def test_a_fill_is_heard_with_its_execution(alpaca_sim_thread: SimHandle) -> None:
    """A market order is heard as pending_new, new and fill; the fill carries price, quantity and position."""
    sim = alpaca_sim_thread
    sim.control("POST", "price", {"symbol": "AAPL", "price": "200"})
    with listening(sim) as ears:
        order: Any = client(sim).submit_order(MarketOrderRequest(symbol="AAPL", qty=3, side=BUY, time_in_force=DAY))
        assert ears.events(2) == ["pending_new", "new"]
        fill = ears.next()
        assert (fill.event, fill.order.id, fill.order.status) == ("fill", order.id, OrderStatus.FILLED)
        assert (fill.price, fill.qty, fill.position_qty) == (200.02, 3.0, 3.0)
        assert fill.execution_id is not None


def test_a_large_order_fills_in_parts(alpaca_sim_thread: SimHandle) -> None:
    """What exceeds the size at the best price is filled in parts, each with its own execution id."""
    sim = alpaca_sim_thread
    with listening(sim) as ears:
        client(sim).submit_order(MarketOrderRequest(symbol="F", qty=12_000, side=BUY, time_in_force=DAY))
        assert ears.events(2) == ["pending_new", "new"]
        fills = [ears.next() for _ in range(3)]
        assert [fill.event for fill in fills] == ["partial_fill", "partial_fill", "fill"]
        assert [fill.qty for fill in fills] == [5000.0, 5000.0, 2000.0]
        assert Decimal(str(fills[-1].order.filled_qty)) == 12_000
        assert len({fill.execution_id for fill in fills}) == 3


def test_a_replace_and_a_cancel_are_heard(alpaca_sim_thread: SimHandle) -> None:
    """Replacing is heard on the old order and the new one; canceling ends the new one."""
    sim = alpaca_sim_thread
    trading = client(sim)
    with listening(sim) as ears:
        old: Any = trading.submit_order(
            LimitOrderRequest(symbol="AAPL", qty=1, side=BUY, time_in_force=DAY, limit_price=100)
        )
        assert ears.events(2) == ["pending_new", "new"]
        new: Any = trading.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=101))
        heard = {(update.event, update.order.id) for update in (ears.next() for _ in range(3))}
        assert heard == {("pending_replace", old.id), ("replaced", old.id), ("new", new.id)}
        trading.cancel_order_by_id(new.id)
        canceled = ears.next()
        assert (canceled.event, canceled.order.id, canceled.order.status) == ("canceled", new.id, OrderStatus.CANCELED)


def test_the_stream_comes_back_after_it_was_cut(alpaca_sim_thread: SimHandle) -> None:
    """The SDK reconnects to a simulator that dropped it, and hears again."""
    sim = alpaca_sim_thread
    with listening(sim) as ears:
        before = len(sim.journal(method="WS", path="/stream"))
        sim.control("POST", "stream/drop")
        for _ in range(500):
            if len(sim.journal(method="WS", path="/stream")) >= before + 2:
                break
            threading.Event().wait(0.02)
        client(sim).submit_order(MarketOrderRequest(symbol="AAPL", qty=1, side=BUY, time_in_force=DAY))
        assert ears.events(3) == ["pending_new", "new", "fill"]
