"""An account's trades: found by order, id and time, at a cost that does not grow with those that are long over."""

import sys
from collections.abc import Callable
from decimal import Decimal
from types import FrameType
from typing import Any

import pytest

from brokergw.exchange import Execution
from brokergw.model.terms import Side
from brokergw.sim.dialects.binance.trades import Trades
from tests.unit.sim.binance.test_dialect import Desk

_ORDER = {"side": "BUY", "type": "MARKET", "quantity": "0.001"}
_FUTURES = {**_ORDER, "symbol": "BTCUSDT", "newOrderRespType": "RESULT"}
_SPOT = {**_ORDER, "symbol": "BTCUSDT", "newOrderRespType": "FULL"}


def _trades(*times_ms: int) -> Trades:
    """Note a trade of an order of its own at each time."""
    trades = Trades()
    for number, time_ms in enumerate(times_ms):
        execution = Execution(
            execution_id=f"e{number}", order_id=f"o{number}", account_id="a", symbol="BTCUSDT", side=Side.BUY,
            quantity=Decimal(1), price=Decimal(1), fee=Decimal(0), time_ns=time_ms * 1_000_000 + 999_999,
            position_quantity=Decimal(1),
        )  # fmt: skip
        trades.note(number, execution, Decimal(0), maker=False)
    return trades


@pytest.mark.parametrize(("start", "end", "expected"), [(9, 30, [0, 1, 2]), (10, 29, [0, 1]), (11, 30, [1, 2])])
def test_a_span_of_time_includes_both_its_ends(start: int, end: int, expected: list[int]) -> None:
    """A trade at the first millisecond is of the span, as is one at the last, and one beside it is not."""
    assert [row.number for row in _trades(10, 20, 30).select(start_ms=start, end_ms=end)] == expected


def test_a_clock_that_steps_back_hides_no_trade() -> None:
    """A trade before a later one with an earlier time is found by its own time."""
    trades = _trades(10, 50, 20, 60)
    assert [row.number for row in trades.select(start_ms=20, end_ms=60)] == [1, 2, 3]
    assert [row.number for row in trades.select(start_ms=51, end_ms=99)] == [3]


@pytest.mark.parametrize(("first", "expected"), [(0, [0, 1]), (1000, [0, 1]), (1001, [1]), (1002, [])])
def test_ids_count_from_the_first_one_on(first: int, expected: list[int]) -> None:
    """The id that is asked for is among those that are given."""
    assert [row.number for row in _trades(10, 20).select(first_id=first, start_ms=0, end_ms=99)] == expected


def test_an_orders_trades_are_those_of_no_other() -> None:
    """By its number an order has its own trades, within the span and from the id on as all others."""
    trades = _trades(10, 20)
    assert [row.trade_id for row in trades.select(number=1, start_ms=0, end_ms=99)] == [1001]
    assert not list(trades.select(number=1, start_ms=21, end_ms=99))
    assert not list(trades.select(number=0, first_id=1001, start_ms=0, end_ms=99))
    assert not list(trades.select(number=2, start_ms=0, end_ms=99))


def _lines_run(work: Callable[[], Any]) -> int:
    """Count the lines of Python that some work takes."""
    lines = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(former)
    return lines


@pytest.mark.parametrize(
    ("prefix", "order", "asked"),
    [
        ("/fapi/v1", _FUTURES, ("/fapi/v1/userTrades", "/fapi/v3/account", "/fapi/v3/positionRisk", "/fapi/v1/order")),
        ("/api/v3", _SPOT, ("/api/v3/myTrades", "/api/v3/account", "/api/v3/order")),
    ],
)
def test_what_is_asked_for_each_order_costs_the_same_after_many(
    prefix: str, order: dict[str, str], asked: tuple[str, ...]
) -> None:
    """An order, its trades, the account and its positions take no more work when hundreds of orders are over."""
    desk = Desk(orders_10s=None)
    desk.dialect.exchange.set_price("BTCUSDT", Decimal(97_000))

    def round_() -> None:
        desk.clock.now += 1_000_000_000
        status, answer = desk.ask("POST", f"{prefix}/order", order)
        assert status == 200
        for path in asked:
            one = {"symbol": "BTCUSDT", "orderId": str(answer["orderId"])} if path.endswith(("rades", "rder")) else {}
            assert desk.ask("GET", path, one)[0] == 200, path
        since = str(desk.clock.now // 1_000_000)
        assert desk.ask("GET", asked[0], {"symbol": "BTCUSDT", "startTime": since})[0] == 200
        if prefix == "/fapi/v1":
            assert desk.ask("GET", "/fapi/v1/income", {"startTime": since})[0] == 200

    round_()
    few = _lines_run(round_)
    for _ in range(300):
        round_()
    assert _lines_run(round_) <= few * 1.05
