"""More orders at a broker than permits: told of, whatever else becomes of them."""

from dataclasses import replace

import pytest

from brokergw.desk.alerts.excess import is_second
from brokergw.model.alerts import AlertKind
from tests.fixtures.memory_alerts import HeardAlerts
from tests.fixtures.scripted_broker import Bench, broker_order, report
from tests.unit.desk.alerts.test_sources import bench, heard

__all__ = ["bench", "heard"]


async def test_a_second_order_under_the_id_of_one_is_told_of(bench: Bench, heard: HeardAlerts) -> None:
    """A broker that shows two orders for one permit is an alert, and the record's order stays the first."""
    order = (await bench.submit(bench.order())).order
    first = broker_order(order.broker_client_order_id, order.terms)
    await bench.tell(report(first))
    assert not heard.alerts
    await bench.tell(report(replace(first, broker_order_id="b-second")))
    assert [(alert.kind, alert.subject) for alert in heard.alerts] == [(AlertKind.EXCESS_SENDS, "b-second")]


async def test_an_order_under_an_id_of_ours_that_nobody_sent_is_told_of(bench: Bench, heard: HeardAlerts) -> None:
    """An order that bears an id as the gateway makes them, and is on no record, is an alert; a stranger's is none."""
    terms = bench.order().terms
    await bench.tell(report(broker_order("somebodys-own", terms, broker_order_id="b-1")))
    assert not heard.alerts
    await bench.tell(report(broker_order("ord-" + "0" * 32, terms, broker_order_id="b-2")))
    assert [(alert.kind, alert.subject) for alert in heard.alerts] == [(AlertKind.EXCESS_SENDS, "b-2")]


@pytest.mark.parametrize("how", ["same", "replacement", "other id"])
async def test_what_is_no_second_order_is_not_told(bench: Bench, how: str) -> None:
    """The order itself, its replacement, and a generation with an id of its own are as they should be."""
    order = (await bench.submit(bench.order())).order
    seen = broker_order(order.broker_client_order_id, order.terms)
    if how == "replacement":
        seen = replace(seen, broker_order_id="b-next", replaces=order.broker_order_id)
    if how == "other id":
        seen = replace(seen, broker_order_id="b-next", client_order_id="ord-" + "1" * 32)
    assert not is_second(order, seen)
