"""How a broker's refusal ends an order."""

import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Outcome, Rejected
from brokergw.model.terms import OrderTerms
from tests.fixtures.scripted_broker import Bench, broker_order, report


@pytest.mark.parametrize("name", ["b-77", ""])
async def test_the_brokers_record_of_a_refused_order_is_no_strangers(bench: Bench, name: str) -> None:
    """A broker that numbers an order before it refuses it may tell of it later: it is ours, and there once."""

    async def refuse(client_order_id: str, terms: OrderTerms) -> Outcome:
        kept = broker_order("", terms, State.REJECTED_BY_BROKER, broker_order_id="b-77")
        return Rejected("INSUFFICIENT_FUNDS", "", "too little", kept if name else None)

    bench.broker.submit = refuse
    with pytest.raises(GatewayError) as caught:
        await bench.submit(bench.order())
    assert caught.value.reason is Reason.BROKER_REJECTED
    (order,) = bench.journal.by_id.values()
    assert (order.state, order.reject_reason) == (State.REJECTED_BY_BROKER, "INSUFFICIENT_FUNDS")
    assert order.broker_order_ids == ((name,) if name else ())
    await bench.tell(report(broker_order("", order.terms, State.REJECTED_BY_BROKER, broker_order_id="b-77")))
    await bench.clock.pass_time(60)
    assert [each.external for each in bench.journal.by_id.values()] == ([False] if name else [False, True])
