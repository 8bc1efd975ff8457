"""What counts as a difference, given what the record went through while the broker was asked."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.desk.reconcile.cash import cash_move
from brokergw.desk.reconcile.compare import Passage, Suspect, holdings_of, passages, suspects_of
from brokergw.model.events import EventKind, LogEvent
from brokergw.model.order import Fill, FillKind, Origin
from brokergw.model.reconciliation import Baseline
from brokergw.model.terms import Side
from tests.fixtures.books import a_position
from tests.fixtures.questions import instrument

D = Decimal


def a_fill(quantity: str, *, symbol: str = "ACME", **more: Any) -> LogEvent:
    """Make a fill's event; a negative quantity is a sale."""
    fill = Fill(
        fill_id=f"fil_{quantity}",
        order_id="ord_1",
        user_id="alice",
        account_id="acc_1",
        broker="scripted",
        client_order_id="",
        idempotency_key="",
        broker_order_id="b-1",
        execution_id="x",
        symbol=symbol,
        side=Side.BUY if D(quantity) > 0 else Side.SELL,
        quantity=abs(D(quantity)),
        price=D(50),
        cum_quantity=D(0),
        leaves_quantity=D(0),
        average_price=D(50),
        trade_time_ns=0,
        receive_time_ns=0,
        **more,
    )
    return LogEvent(
        kind=EventKind.FILL,
        account_id="acc_1",
        sequence=1,
        origin=Origin.LIVE,
        event_time_ns=0,
        receive_time_ns=0,
        publish_time_ns=0,
        payload=fill,
    )


def test_what_is_equal_is_no_difference() -> None:
    """Equal quantities agree, and nothing on either side is the same as zero."""
    way = passages({"ACME": D(10), "GONE": D(0)}, [])
    assert suspects_of(way, {"ACME": D("10.0"), "NONE": D(0)}) == {}


@pytest.mark.parametrize(
    ("record", "broker"), [("10", "9"), ("10", "11"), ("10", "0"), ("0", "1"), ("5", "-5"), ("0.000000001", "0")]
)
def test_any_difference_is_one(record: str, broker: str) -> None:
    """However small, above or below, on one side only or of another sign: it is seen, with both figures."""
    way = passages({"ACME": D(record)}, [])
    found = suspects_of(way, {"ACME": D(broker)})
    assert found == {"ACME": Suspect("ACME", D(record), D(broker))}
    assert found["ACME"].excess == D(broker) - D(record)


@pytest.mark.parametrize("shown", ["3", "5", "1"])
def test_a_fill_during_the_look_is_no_difference(shown: str) -> None:
    """R8: an answer from before, between or after the fills that were recorded meanwhile agrees."""
    way = passages({"ACME": D(1)}, [a_fill("2"), a_fill("-4")])
    assert way["ACME"] == Passage((D(3), D(5), D(1)))
    assert suspects_of(way, {"ACME": D(shown)}) == {}


def test_a_figure_that_the_record_jumped_over_is_a_difference() -> None:
    """R8: lying between two quantities of the record is not the same as being one of them."""
    way = passages({"ACME": D(4)}, [a_fill("4")])
    assert set(suspects_of(way, {"ACME": D(2)})) == {"ACME"}


def test_the_way_is_by_symbol() -> None:
    """A fill of one symbol excuses no difference of another."""
    way = passages({"ACME": D(4), "OTHER": D(1)}, [a_fill("4")])
    assert set(suspects_of(way, {"ACME": D(0), "OTHER": D(0)})) == {"OTHER"}


def test_a_busted_fill_makes_the_way_unclear() -> None:
    """R8: after a correction or a bust the quantities before it are not known, and nothing is concluded from them."""
    way = passages({"ACME": D(0)}, [a_fill("4", kind=FillKind.BUST)])
    assert not way["ACME"].clear


def test_both_legs_are_netted_and_told() -> None:
    """R12: of a symbol held long and short at once the net and the doubly held part are both told."""
    held = holdings_of([a_position("ACME", "7"), a_position("ACME", "-3"), a_position("OTHER", "-2")])
    assert held.net == {"ACME": D(4), "OTHER": D(-2)}
    assert held.legs == {"ACME": D(3)}


@given(st.integers(-50, 50), st.lists(st.integers(-9, 9).filter(bool), max_size=12), st.data())
def test_every_moment_of_the_way_agrees(start: int, moves: list[int], data: st.DataObject) -> None:
    """R8: whatever moment between question and reply the broker shows, a true broker never differs."""
    moments = [start]
    for move in moves:
        moments.append(moments[-1] + move)
    way = passages({"ACME": D(moments[-1])}, [a_fill(str(move)) for move in moves])
    shown = data.draw(st.sampled_from(moments))
    assert suspects_of(way, {"ACME": D(shown)} if shown else {}) == {}


class AnyStock:
    """Stands in for a session that knows every symbol."""

    async def instrument(self, symbol: str) -> Any:
        """Describe a share."""
        return instrument(symbol=symbol)


async def test_early_fills_may_have_been_in_the_cash_already() -> None:
    """Each fill within five seconds of the baseline may have been counted or not, in their order; later ones are."""
    baseline = Baseline(as_of_ns=0, cash=D(0), currency="USD", sequence=0)
    early, at_the_end = a_fill("2"), a_fill("-1")
    late = replace(a_fill("4"), receive_time_ns=5_000_000_000)
    move = await cash_move(AnyStock(), baseline, [early, at_the_end, late])  # type: ignore[arg-type]
    assert move is not None
    assert move.sums == (D(-250), D(-150), D(-200))


async def test_a_storm_of_early_fills_is_looked_at_once_each() -> None:
    """What a fill costs is worked out once, however many came right after the baseline: the event loop waits for it."""
    counted: list[int] = []

    class Noticed(list[LogEvent]):
        """Fills that tell how often somebody went through them, or took a part of them."""

        def __iter__(self) -> Iterator[LogEvent]:
            counted.append(len(self))
            return super().__iter__()

        def __getitem__(self, which: Any) -> Any:
            part = super().__getitem__(which)
            counted.append(len(part) if isinstance(which, slice) else 1)
            return part

    baseline = Baseline(as_of_ns=0, cash=D(0), currency="USD", sequence=0)
    storm = Noticed([a_fill("1")] * 1_000)
    move = await cash_move(AnyStock(), baseline, storm)  # type: ignore[arg-type]
    assert move is not None
    assert len(move.sums) == 1_001
    assert sum(counted) <= 5_000
