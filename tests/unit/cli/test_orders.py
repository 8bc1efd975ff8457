from typing import Any

import grpc
import pytest
from brokerapi.v1 import accounts_pb2, orders_pb2, trading_pb2
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from tests.fixtures.command_line import CommandLine
from tests.fixtures.fake_gateway import API_KEY, Failure, FakeGateway

KEY = "018f4e8c-7d3a-7b52-9c41-0f6f5f4f3a21"
TERMS = ("--symbol", "AAPL", "--quantity", "10")
SUBMIT = ("orders", "submit", *TERMS, "--side", "buy", "--account", "acc_1")


def order(state: str = "WORKING", **fields: Any) -> orders_pb2.Order:
    """Make an order in a state."""
    spec = orders_pb2.OrderSpec(
        symbol="AAPL", side=trading_pb2.SIDE_BUY, type=trading_pb2.ORDER_TYPE_LIMIT, quantity="10", limit_price="190.5"
    )
    return orders_pb2.Order(
        order_id="ord_1",
        account_id="acc_1",
        spec=spec,
        state=orders_pb2.OrderState.Value(f"ORDER_STATE_{state}"),
        **fields,
    )


async def test_a_submit_says_what_was_typed(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Every option of `orders submit` reaches its field of the contract."""
    fake_gateway.answers["SubmitOrder"] = orders_pb2.SubmitOrderResponse(order=order())

    typed = await command(
        *SUBMIT,
        *("--type", "stop-limit", "--tif", "gtd", "--limit-price", "190.50", "--stop-price", "189"),
        *("--expire-time", "2030-01-02T03:04:05", "--extended-hours", "--take-profit", "200", "--stop-loss", "180"),
        *("--client-order-id", "mine", "--idempotency-key", KEY),
    )

    assert typed.status == 0
    assert "ord_1" in typed.out
    (call,) = fake_gateway.calls
    request = call.request
    assert (request.idempotency_key, request.account_id, request.client_order_id) == (KEY, "acc_1", "mine")
    spec = request.order
    assert (spec.symbol, spec.side, spec.quantity) == ("AAPL", trading_pb2.SIDE_BUY, "10")
    assert (spec.type, spec.limit_price, spec.stop_price) == (trading_pb2.ORDER_TYPE_STOP_LIMIT, "190.50", "189")
    assert spec.time_in_force == trading_pb2.TIME_IN_FORCE_GTD
    assert spec.expire_time.ToJsonString() == "2030-01-02T03:04:05Z"
    assert spec.extended_hours
    assert spec.order_class == trading_pb2.ORDER_CLASS_BRACKET
    assert (spec.take_profit.limit_price, spec.stop_loss.stop_price) == ("200", "180")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("WORKING", 0),
        ("FILLED", 0),
        ("REJECTED", 3),
        ("DENIED", 3),
        ("NOT_PLACED", 3),
        ("IN_DOUBT", 4),
        ("SUBMITTED", 4),
    ],
)
async def test_the_status_tells_what_became_of_the_order(
    fake_gateway: FakeGateway, command: CommandLine, state: str, status: int
) -> None:
    """0 placed, 3 nothing placed, 4 not known."""
    fake_gateway.answers["SubmitOrder"] = orders_pb2.SubmitOrderResponse(order=order(state))

    assert (await command(*SUBMIT)).status == status


async def test_an_unknown_outcome_names_the_key_that_finds_out(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Status 4 comes with the command to type next."""
    fake_gateway.fail(
        "SubmitOrder", *[Failure(grpc.StatusCode.INTERNAL, "INTERNAL_ERROR", "POSSIBLE", "SAME_KEY")] * 50
    )

    typed = await command(*SUBMIT, "--timeout", "0.7", "--idempotency-key", KEY)

    assert typed.status == 4
    assert f"--idempotency-key {KEY}" in typed.err


async def test_a_refusal_is_readable(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """The reason, every failed check, the bad field and the effect are told, and the status is 3."""
    denied = error_details_pb2.PreconditionFailure()
    denied.violations.add(type="INSUFFICIENT_BUYING_POWER", subject="acc_1", description="needs 10, has 5")
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="order.limit_price", description="off the tick")
    fake_gateway.fail(
        "SubmitOrder",
        Failure(
            grpc.StatusCode.FAILED_PRECONDITION,
            "INSUFFICIENT_BUYING_POWER",
            "NONE",
            "NEW_KEY",
            message="not enough",
            details=(denied, bad),
        ),
    )

    typed = await command(*SUBMIT)

    assert typed.status == 3
    assert typed.out == ""
    for words in ("INSUFFICIENT_BUYING_POWER: not enough", "needs 10, has 5", "order.limit_price: off the tick"):
        assert words in typed.err
    assert "Nothing was placed." in typed.err


async def test_json_is_the_contracts_own(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """`--json` prints protobuf's JSON with the names of the .proto, one object a line."""
    fake_gateway.answers["SubmitOrder"] = orders_pb2.SubmitOrderResponse(order=order(), replayed=True)

    (line,) = (await command(*SUBMIT, "--json")).lines

    assert line["order"]["order_id"] == "ord_1"
    assert line["order"]["state"] == "ORDER_STATE_WORKING"
    assert line["order"]["spec"]["limit_price"] == "190.5"
    assert line["replayed"] is True


async def test_a_failure_in_json_goes_to_stderr_whole(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """A script reads reason, effect and retry without parsing text."""
    import json

    fake_gateway.fail("GetOrder", Failure(grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND"))

    typed = await command("orders", "get", "ord_9", "--json")

    assert typed.status == 3
    error = json.loads(typed.err)["error"]
    assert (error["code"], error["reason"], error["order_effect"]) == ("NOT_FOUND", "ORDER_NOT_FOUND", "NONE")


@pytest.mark.parametrize(
    "words",
    [
        ("orders", "submit", *TERMS, "--side", "hold", "--account", "acc_1"),
        ("orders", "submit", *TERMS, "--account", "acc_1"),
        (*SUBMIT, "--notional", "5"),
        (*SUBMIT, "--tif", "soon"),
        ("orders", "modify", "ord_1"),
        ("orders", "list", "--limit", "0"),
        ("orders", "list", "--status", "half-open"),
        ("orders",),
        ("orders", "destroy"),
    ],
    ids=" ".join,
)
async def test_a_wrong_command_line_sends_nothing(
    fake_gateway: FakeGateway, command: CommandLine, words: tuple[str, ...]
) -> None:
    """What cannot be said is told with status 2."""
    typed = await command(*words)

    assert typed.status == 2
    assert fake_gateway.calls == []


async def test_without_a_key_nothing_is_tried(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """A missing API key is a wrong command line."""
    typed = await command("orders", "list", BROKERGW_API_KEY="")

    assert typed.status == 2
    assert "BROKERGW_API_KEY" in typed.err


@pytest.mark.parametrize("words", [SUBMIT, ("orders", "list")], ids=["submit", "list"])
async def test_a_gateway_that_is_not_there_is_status_5(command: CommandLine, words: tuple[str, ...]) -> None:
    """Not reached means that nothing was sent, for a mutation too."""
    typed = await command(*words, "--timeout", "0.3", BROKERGW_TARGET="127.0.0.1:1")

    assert typed.status == 5
    assert "127.0.0.1:1" in typed.err


async def test_a_refused_key_is_status_5_and_not_shown(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """UNAUTHENTICATED is told without the key."""
    fake_gateway.fail("SubmitOrder", Failure(grpc.StatusCode.UNAUTHENTICATED, "API_KEY_REVOKED"))

    typed = await command(*SUBMIT)

    assert typed.status == 5
    assert API_KEY not in typed.out + typed.err


async def test_a_key_never_goes_readable_over_the_network(command: CommandLine) -> None:
    """Another machine needs TLS, or the word that plaintext is safe."""
    typed = await command("orders", "list", "--target", "gateway.example:50051")

    assert typed.status == 2
    assert "--tls" in typed.err


async def test_modify_and_cancel_act_on_what_was_seen(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """The etag and the changes arrive; what is not given is not set."""
    fake_gateway.answers["ModifyOrder"] = orders_pb2.ModifyOrderResponse(order=order())
    fake_gateway.answers["CancelOrder"] = orders_pb2.CancelOrderResponse(order=order("PENDING_CANCEL"))

    assert (await command("orders", "modify", "ord_1", "--quantity", "20", "--etag", '"3"')).status == 0
    assert (await command("orders", "cancel", "ord_1")).status == 0

    changed, cancelled = (call.request for call in fake_gateway.calls)
    assert (changed.order_id, changed.quantity, changed.etag) == ("ord_1", "20", '"3"')
    assert not changed.HasField("limit_price")
    assert cancelled.order_id == "ord_1"


async def test_cancel_all_is_only_done_when_every_cancel_was_taken(
    fake_gateway: FakeGateway, command: CommandLine
) -> None:
    """One order that the broker did not let go makes the status 4 and is named."""
    results = [
        orders_pb2.CancelResult(order=order("PENDING_CANCEL"), accepted=True),
        orders_pb2.CancelResult(order=order(), accepted=False, reason="CANCEL_REFUSED"),
    ]
    fake_gateway.answers["CancelAllOrders"] = orders_pb2.CancelAllOrdersResponse(results=results)

    typed = await command("orders", "cancel-all", "--account", "acc_1", "--symbol", "AAPL")

    assert typed.status == 4
    assert "CANCEL_REFUSED" in typed.out


@pytest.mark.parametrize(("accounts", "status"), [(["acc_7"], 0), ([], 2), (["acc_7", "acc_8"], 2)])
async def test_the_only_account_need_not_be_said(
    fake_gateway: FakeGateway, command: CommandLine, accounts: list[str], status: int
) -> None:
    """One account is meant when there is one; several are named, and nothing is sent."""
    mine = [accounts_pb2.AccountSummary(account_id=each) for each in accounts]
    fake_gateway.answers["ListAccounts"] = accounts_pb2.ListAccountsResponse(accounts=mine)
    fake_gateway.answers["SubmitOrder"] = orders_pb2.SubmitOrderResponse(order=order())

    typed = await command("orders", "submit", *TERMS, "--side", "buy")

    assert typed.status == status
    sent = [call.request.account_id for call in fake_gateway.seen("SubmitOrder")]
    assert sent == (accounts if status == 0 else [])
    named = [each for each in accounts if each in typed.err]
    assert named == (accounts if status == 2 else [])


async def test_a_list_goes_through_its_pages_up_to_the_limit(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Pages are fetched until there are enough."""

    def page(request: Any) -> orders_pb2.ListOrdersResponse:
        return orders_pb2.ListOrdersResponse(orders=[order()] * 2, next_page_token=request.page_token + "x")

    fake_gateway.answers["ListOrders"] = page

    typed = await command("orders", "list", "--limit", "5", "--status", "open", "--account", "acc_1", "--json")

    assert len(typed.lines) == 5
    assert [call.request.page_token for call in fake_gateway.calls] == ["", "x", "xx"]
    assert fake_gateway.calls[0].request.status == orders_pb2.ORDER_STATUS_FILTER_OPEN


async def test_an_order_is_found_by_its_own_name_too(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """With --account the id is the client's."""
    fake_gateway.answers["GetOrder"] = orders_pb2.GetOrderResponse(order=order(average_price="190.4"))

    typed = await command("orders", "get", "mine", "--account", "acc_1")

    assert "at 190.4" in typed.out
    request = fake_gateway.calls[0].request
    assert (request.order_id, request.account_id, request.client_order_id) == ("", "acc_1", "mine")
