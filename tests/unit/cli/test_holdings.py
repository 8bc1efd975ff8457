import grpc
import pytest
from brokerapi.v1 import accounts_pb2, brokers_pb2, orders_pb2, positions_pb2, trading_pb2

from tests.fixtures.command_line import CommandLine
from tests.fixtures.fake_gateway import Failure, FakeGateway


async def test_positions_are_told_and_what_is_not_known_too(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """A broker that cannot be reached is named; its positions are not taken for none."""
    held = positions_pb2.Position(account_id="acc_1", symbol="AAPL", quantity="-5", average_price="190")
    fake_gateway.answers["GetPositions"] = positions_pb2.GetPositionsResponse(positions=[held], unreachable=["acc_2"])

    typed = await command("positions", "--partial", "--account", "acc_1")

    assert typed.status == 0
    assert "-5" in typed.out
    assert "acc_2 cannot be reached" in typed.err
    request = fake_gateway.calls[0].request
    assert (request.account_ids, request.return_partial_success) == (["acc_1"], True)


async def test_all_accounts_are_asked_for_one_by_one(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """`account` without an id shows each of the caller's, over all pages."""

    def page(request: accounts_pb2.ListAccountsRequest) -> accounts_pb2.ListAccountsResponse:
        which = "acc_2" if request.page_token else "acc_1"
        token = "" if request.page_token else "next"
        summary = accounts_pb2.AccountSummary(account_id=which)
        return accounts_pb2.ListAccountsResponse(accounts=[summary], next_page_token=token)

    fake_gateway.answers["ListAccounts"] = page
    fake_gateway.answers["GetAccount"] = lambda request: accounts_pb2.GetAccountResponse(
        account=accounts_pb2.Account(summary=accounts_pb2.AccountSummary(account_id=request.account_id), equity="10.5")
    )

    typed = await command("account", "--json")

    assert [line["summary"]["account_id"] for line in typed.lines] == ["acc_1", "acc_2"]


@pytest.mark.parametrize(("code", "status"), [("UNAVAILABLE", 5), ("INTERNAL", 1), ("PERMISSION_DENIED", 3)])
async def test_a_read_that_fails_tells_how(
    fake_gateway: FakeGateway, command: CommandLine, code: str, status: int
) -> None:
    """Away is 5, a bug of the gateway is 1, a refusal is 3."""
    fake_gateway.fail("GetPositions", *[Failure(grpc.StatusCode[code], "SOME_REASON")] * 20)

    assert (await command("positions", "--timeout", "0.6")).status == status


async def test_flatten_tells_what_is_left(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """A position that could not be closed makes the status 4 and is named."""
    left = positions_pb2.Residual(account_id="acc_1", symbol="GME", reason="MARKET_CLOSED", description="halted")
    fake_gateway.answers["Flatten"] = positions_pb2.FlattenResponse(
        orders=[orders_pb2.Order(order_id="ord_7")], residuals=[left]
    )

    typed = await command("flatten", "--account", "acc_1", "--symbol", "GME")

    assert typed.status == 4
    assert "ord_7" in typed.out
    assert "MARKET_CLOSED" in typed.out


async def test_the_panic_button_asks_first(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """A no sends nothing; a yes, or --yes, does."""
    declined = await command("close-all", stdin="n\n")
    assert declined.status == 130
    assert fake_gateway.calls == []

    assert (await command("close-all", stdin="y\n")).status == 0
    assert (await command("close-all", "--yes", "--json")).lines[0]["replayed"] is False
    assert [call.method for call in fake_gateway.calls] == ["CloseAll", "CloseAll"]


async def test_the_capability_matrix_is_told(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Enum names come short, several to a cell."""
    asset = brokers_pb2.AssetCapability(
        asset_class=trading_pb2.ASSET_CLASS_STOCK,
        order_types=[trading_pb2.ORDER_TYPE_MARKET, trading_pb2.ORDER_TYPE_LIMIT],
    )
    mock = brokers_pb2.Broker(broker="mock", assets=[asset], environments=[trading_pb2.ENVIRONMENT_MOCK])
    fake_gateway.answers["ListBrokers"] = brokers_pb2.ListBrokersResponse(brokers=[mock])
    fake_gateway.answers["GetBroker"] = brokers_pb2.GetBrokerResponse(broker=mock)

    assert "MARKET, LIMIT" in (await command("brokers")).out
    assert (await command("brokers", "mock", "--json")).lines[0]["broker"] == "mock"
