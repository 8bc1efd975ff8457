"""cTrader's clock, by the times of its prices."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from brokergw.adapters.ctrader.messages import Kind
from brokergw.adapters.ctrader.payloads import Message
from brokergw.adapters.ctrader.session import Session
from brokergw.adapters.ctrader.spots import Spots
from brokergw.transport.heard_clock import HeardClock
from tests.fixtures.clock import FakeClock


@pytest.mark.parametrize(
    ("told_ms", "apart_s"),
    [(-3_600_000, 0.0), (0, 0.0), (1_999, 1.999), (2_000, 2.0), (2_001, 2.001), (None, None)],
    ids=str,
)
def test_a_price_of_the_future_shows_that_our_clock_is_behind(
    still_clock: FakeClock, told_ms: int | None, apart_s: float | None
) -> None:
    """Two seconds of them do; a price that is old shows nothing, and one without a time neither."""
    heard = HeardClock(still_clock)
    hearers: list[Callable[[Message], None]] = []
    session = SimpleNamespace(heard_clock=heard, hear=hearers.append, on_fresh_link=lambda _: None)
    Spots(cast("Session", session), still_clock, wait_s=1.0)
    for _ in range(2):
        time = {} if told_ms is None else {"timestamp": still_clock.now_ns() // 1_000_000 + told_ms}
        hearers[0](Message(Kind.SPOT_EVENT, {"symbolId": 1, "bid": 108123, "ask": 108125, **time}))
        still_clock.advance(1)
    assert heard.apart_s() == apart_s
