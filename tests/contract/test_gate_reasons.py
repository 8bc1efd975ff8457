"""Every reason of every gate, over a real channel, from a whole gateway."""

import pytest
from brokerapi.v1 import orders_pb2

from brokergw.model.errors import Reason
from brokergw.rpc.wire.reasons_gates import AUTHORITY, EXPOSURE, INSTRUMENT, SANITY
from tests.contract import gate_cases_before as before
from tests.contract import gate_cases_behind as behind
from tests.contract.gate_case import Case
from tests.fixtures.edge import KEY, refused
from tests.fixtures.gate_world import MakeGateWorld

CASES = (*before.AUTHORITY, *before.INSTRUMENT, *behind.SANITY, *behind.EXPOSURE)
PUBLISHED = {*AUTHORITY, *INSTRUMENT, *SANITY, *EXPOSURE}


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case}" for number, case in enumerate(CASES)])
async def test_a_gates_reason_reaches_the_caller(case: Case, make_gate_world: MakeGateWorld) -> None:
    """The caller reads reason, code, what became of the order, which key comes next, and what was compared.

    Nothing reaches the broker. A gate's denial is on record and stays the key's answer; what could not be judged leaves
    no trace under the key.
    """
    world = await make_gate_world(**case.world)
    if case.before is not None:
        await case.before(world)
    sent = len(world.broker.sent)
    request = world.submission(call=case.call, **case.order)
    refusal = await refused(world.send(request))
    assert refusal.reason == case.reason.value
    assert (refusal.code, refusal.metadata["retry"]) == case.answer
    assert refusal.effect == "NONE"
    assert refusal.metadata.get("gate", "") == case.gate
    assert {name: refusal.metadata.get(name) for name in case.facts} == case.facts
    assert len(world.broker.sent) == sent
    again = await refused(world.send(request))
    if not case.gate:
        assert "order_id" not in refusal.metadata
        assert again.reason == refusal.reason
        return
    (first, *_) = refusal.details["PreconditionFailure"].violations
    assert (first.type, bool(first.subject), bool(first.description)) == (case.reason.value, True, True)
    wanted = orders_pb2.GetOrderRequest(order_id=refusal.metadata["order_id"])
    order = (await world.orders.GetOrder(wanted, metadata=KEY)).order
    assert (order.state, order.reject_reason) == (orders_pb2.ORDER_STATE_DENIED, case.reason.value)
    assert (again.reason, again.metadata["order_id"]) == (refusal.reason, order.order_id)


def test_every_published_reason_of_a_gate_is_provoked() -> None:
    """A client never waits for a refusal that cannot come, and none comes that nobody has tried."""
    tried = {case.reason for case in CASES}
    assert tried == PUBLISHED | {Reason.PRICE_OFF_TICK, Reason.QUANTITY_OFF_STEP}
