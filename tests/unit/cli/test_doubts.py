"""The operators' verbs of `brokergw orders`."""

import json

import grpc
from brokerapi.v1 import operations_pb2, orders_pb2
from google.protobuf.duration_pb2 import Duration

from tests.fixtures.command_line import CommandLine
from tests.fixtures.fake_gateway import Failure, FakeGateway

EVIDENCE = ("--evidence", "seen on the broker's own site")


def a_page(*order_ids: str, token: str = "") -> operations_pb2.ListOrdersInDoubtResponse:
    """Make a page of orders in an operator's hands."""
    state = orders_pb2.ORDER_STATE_MANUAL_REVIEW
    return operations_pb2.ListOrdersInDoubtResponse(
        orders=[
            operations_pb2.OrderInDoubt(
                order=orders_pb2.Order(order_id=order_id, state=state, etag='"4"'),
                user_id="bob",
                age=Duration(seconds=95),
                evidence="2 orders may be this one",
            )
            for order_id in order_ids
        ],
        next_page_token=token,
    )


async def test_the_list_shows_all_pages(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Whose order, how old, what is known; a line of JSON each when asked for."""
    pages = [a_page("ord_1", token="next"), a_page("ord_2")]
    fake_gateway.answers["ListOrdersInDoubt"] = lambda request: pages[1 if request.page_token else 0]
    typed = await command("orders", "in-doubt")
    assert typed.status == 0
    assert all(word in typed.out for word in ("ord_1", "ord_2", "bob", "95 s"))
    as_json = await command("orders", "in-doubt", "--json")
    assert [json.loads(line)["order"]["order_id"] for line in as_json.out.splitlines()] == ["ord_1", "ord_2"]


async def test_a_verdict_says_what_was_typed(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """The verdict goes with the etag of the order as it is listed, or with the one that was given."""
    fake_gateway.answers["ListOrdersInDoubt"] = a_page("ord_1")
    typed = await command("orders", "settle", "ord_1", "--placed", "b-7", "--override-mismatch", *EVIDENCE)
    assert typed.status == 0
    request = fake_gateway.seen("SettleOrder")[0].request
    assert (request.order_id, request.etag, request.placed_as) == ("ord_1", '"4"', "b-7")
    assert (request.override_mismatch, request.evidence) == (True, EVIDENCE[1])

    await command("orders", "settle", "ord_1", "--not-placed", "--etag", '"3"', *EVIDENCE)
    request = fake_gateway.seen("SettleOrder")[1].request
    assert (request.WhichOneof("verdict"), request.not_placed, request.etag) == ("not_placed", True, '"3"')


async def test_a_verdict_is_one_of_two(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Neither, both, or an order that is not in doubt is a wrong command line, and nothing is sent."""
    fake_gateway.answers["ListOrdersInDoubt"] = a_page("ord_1")
    for wrong in (("ord_1",), ("ord_1", "--placed", "b-7", "--not-placed"), ("ord_9", "--not-placed")):
        assert (await command("orders", "settle", *wrong, *EVIDENCE)).status == 2
    assert fake_gateway.seen("SettleOrder") == []


async def test_a_refuted_verdict_ends_with_the_status_of_a_refusal(
    fake_gateway: FakeGateway, command: CommandLine
) -> None:
    """What speaks against the verdict is shown."""
    failure = Failure(
        grpc.StatusCode.FAILED_PRECONDITION, "VERDICT_REFUTED", retry="NEW_KEY", message="the broker does not know it"
    )
    fake_gateway.fail("SettleOrder", failure)
    typed = await command("orders", "settle", "ord_1", "--placed", "b-7", "--etag", '"4"', *EVIDENCE)
    assert typed.status == 3
    assert "does not know it" in typed.err
