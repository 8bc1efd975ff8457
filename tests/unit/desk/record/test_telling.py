from dataclasses import replace
from typing import Any

import pytest

from brokergw.desk.record.telling import EXECUTIONS_NAMED_MAX, told_of
from brokergw.desk.telling import own_audit
from brokergw.model.lifecycle import State
from brokergw.model.order import Fill, FillKind, Order, Origin
from brokergw.model.outcome import BrokerFill
from tests.conformance.store.making import START_NS, a_fill, an_order
from tests.fixtures.scripted_broker import Bench, D, broker_order, report

NOW = START_NS + 9


def partly(**more: Any) -> tuple[Order, Order]:
    """Give an order in two versions, both of them partly filled."""
    order = an_order(state=State.PARTIAL)
    return order, order.next(NOW, **more)


def some_fills(order: Order, number: int) -> list[Fill]:
    """Make executions of an order."""
    return [a_fill(order, f"e{n}", quantity=D("0.10")) for n in range(number)]


def test_an_execution_that_changes_no_state_has_its_row() -> None:
    """The row names it, whose it is and what the order stands at."""
    before, after = partly()
    (fill,) = some_fills(after, 1)
    (row,) = told_of((), before, after, [fill], Origin.LIVE, NOW)
    assert (row.action, row.outcome, row.reason) == ("order.reported", "PARTIAL", "")
    assert (row.user_id, row.account_id, row.order_id) == (after.user_id, after.account_id, after.order_id)
    assert row.detail == f"{fill.fill_id} 0.10 at 190.2"


def test_what_changes_nothing_that_counts_has_none() -> None:
    """A version without another state and without an execution leaves no row; another state does."""
    before, after = partly(broker_order_ids=("b1",))
    assert told_of((), before, after, [], Origin.LIVE, NOW) == ()
    assert told_of((), before, None, [], Origin.LIVE, NOW) == ()
    (row,) = told_of((), before, after.next(NOW, state=State.CANCELED), [], Origin.RECONCILED, NOW)
    assert (row.action, row.outcome, row.detail) == ("order.reconciled", "CANCELED", "")


def test_an_amended_execution_is_the_reason() -> None:
    """A bust or a correction is the row's reason, and stands beside the execution that it is."""
    before, after = partly()
    new, bust = some_fills(after, 2)
    bust = replace(bust, kind=FillKind.BUST)
    (row,) = told_of((), before, after, [new, bust], Origin.REPLAYED, NOW)
    assert (row.action, row.reason) == ("order.replayed", "BUST")
    assert row.detail.endswith(f", BUST {bust.fill_id} 0.10 at 190.2")


def test_a_steps_own_row_names_its_executions() -> None:
    """What a caller's step put on record keeps its words, and only its first row names the executions behind them."""
    before, after = partly()
    (fill,) = some_fills(after, 1)
    own = tuple(own_audit(after, NOW, "order.settled", detail=detail) for detail in ("seen at 14:03", "more"))
    first, second = told_of(own, before, after, [fill], Origin.LIVE, NOW)
    assert (first.detail, second.detail) == (f"seen at 14:03; {fill.fill_id} 0.10 at 190.2", "more")
    assert told_of(own, before, after, [], Origin.LIVE, NOW) == own


@pytest.mark.parametrize(
    ("number", "named", "end"),
    [
        (EXECUTIONS_NAMED_MAX - 1, EXECUTIONS_NAMED_MAX - 1, "at 190.2"),
        (EXECUTIONS_NAMED_MAX, EXECUTIONS_NAMED_MAX, "at 190.2"),
        (EXECUTIONS_NAMED_MAX + 1, EXECUTIONS_NAMED_MAX, ", and 1 more"),
    ],
)
def test_a_row_names_so_many_executions(number: int, named: int, end: str) -> None:
    """Executions told at once are named up to a number, and the rest is counted."""
    before, after = partly()
    (row,) = told_of((), before, after, some_fills(after, number), Origin.LIVE, NOW)
    assert (row.detail.count("fil_"), row.detail.endswith(end)) == (named, True)


async def test_each_partial_fill_of_a_stream_leaves_a_row(bench: Bench) -> None:
    """The first execution moves the order to PARTIAL and the second leaves it there: both are in the audit."""
    order = (await bench.submit(bench.order(quantity=D(10)))).order
    for number, total in ((1, D(4)), (2, D(7))):
        more: dict[str, Any] = {"cum_quantity": total, "average_price": D(50)}
        seen = broker_order(*bench.broker.sent[0], state=State.PARTIAL, **more)
        quantity = D(4) if number == 1 else D(3)
        fill = BrokerFill(execution_id=f"x{number}", quantity=quantity, price=D(50), trade_time_ns=number)
        await bench.tell(report(seen, fill))
    rows = [row for row in bench.journal.audit if row.order_id == order.order_id and "fil_" in row.detail]
    assert [(row.action, row.outcome, row.detail.split(" ", 1)[1]) for row in rows] == [
        ("order.reported", "PARTIAL", "4 at 50"),
        ("order.reported", "PARTIAL", "3 at 50"),
    ]
