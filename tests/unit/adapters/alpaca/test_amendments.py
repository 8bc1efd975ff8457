from decimal import Decimal
from typing import Any

import pytest

from brokergw.adapters.alpaca.stream import report_of
from brokergw.model.order import FillKind
from brokergw.transport.rows import Unusable
from brokergw.transport.told import Told
from tests.fixtures.alpaca_wire import sample

FILL = sample("ws_fill")["data"]


def amendment(event: str, **more: Any) -> dict[str, Any]:
    """Make an event about the execution of the sample, as Alpaca's event streams for brokers word it."""
    order = FILL["order"] | {"status": "canceled", "filled_qty": "0", "filled_avg_price": None}
    facts = {"event": event, "execution_id": "bust-1", "previous_execution_id": FILL["execution_id"], "order": order}
    return {**FILL, **facts, **more}


def test_an_amendment_refers_to_the_execution_that_the_stream_told() -> None:
    """Alpaca's own name of an execution leads to the identity that stream and history share."""
    told = Told()
    fill = report_of(FILL, told).fill
    bust = report_of(amendment("trade_bust"), told).fill
    assert fill is not None
    assert bust is not None
    assert (bust.kind, bust.refers_to_execution_id) == (FillKind.BUST, fill.execution_id)
    assert (bust.execution_id, bust.quantity, bust.price) == ("bust-1", fill.quantity, fill.price)
    again = report_of(
        amendment("trade_correct", previous_execution_id="bust-1", execution_id="c-2", qty="1"), told
    ).fill
    assert again is not None
    assert (again.kind, again.refers_to_execution_id, again.quantity) == (FillKind.CORRECTION, "bust-1", Decimal(1))


def test_an_amendment_of_an_unknown_name_is_told_with_its_size() -> None:
    """After a restart the name means nothing any more; price and quantity are left to find the execution by."""
    bust = report_of(amendment("trade_bust"), Told()).fill
    assert bust is not None
    assert (bust.refers_to_execution_id, bust.quantity) == ("", Decimal(FILL["qty"]))
    with pytest.raises(Unusable):
        report_of(amendment("trade_bust", qty=None, price=None), Told())


def test_memory_takes_an_order_back_that_a_bust_brought_to_life() -> None:
    """An order that had filled and works again is asked for after the next loss of the stream."""
    told = Told()
    assert told.news(report_of(FILL, told))
    assert told.open_ids == set()
    live = FILL["order"] | {"status": "new", "filled_qty": "0"}
    assert told.news(report_of(amendment("trade_bust", order=live), told))
    assert told.open_ids == {live["id"]}
