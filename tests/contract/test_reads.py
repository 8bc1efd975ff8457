"""Reads over a real channel: each reaches its query and shows what it gives."""

from brokerapi.v1 import (
    accounts_pb2,
    brokers_pb2,
    connections_pb2,
    fills_pb2,
    market_data_pb2,
    orders_pb2,
    positions_pb2,
    quotas_pb2,
    trading_pb2,
)
from google.protobuf.timestamp_pb2 import Timestamp

from tests.fixtures.edge import KEY, Edge, a_submit, refused
from tests.fixtures.edge_samples import ACCOUNT, an_order


async def test_orders_are_read_by_either_id(edge: Edge) -> None:
    """GetOrder takes the gateway's id, or the account with the client's own."""
    by_id = await edge.orders.GetOrder(orders_pb2.GetOrderRequest(order_id="ord_1"), metadata=KEY)
    by_own = await edge.orders.GetOrder(
        orders_pb2.GetOrderRequest(account_id=ACCOUNT, client_order_id="mine"), metadata=KEY
    )
    assert by_id.order.order_id == "ord_1"
    assert by_own.order.client_order_id == "mine"


async def test_lists_page_until_the_end(edge: Edge) -> None:
    """Following next_page_token gives every order once, newest first, and an empty token on the last page."""
    edge.desk.orders = {f"ord_{n}": an_order(order_id=f"ord_{n}") for n in range(1, 8)}
    seen: list[str] = []
    request = orders_pb2.ListOrdersRequest(page_size=3, status=orders_pb2.ORDER_STATUS_FILTER_OPEN)
    while True:
        page = await edge.orders.ListOrders(request, metadata=KEY)
        seen += [order.order_id for order in page.orders]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
        request.page_size = 2
    assert seen == [f"ord_{n}" for n in range(7, 0, -1)]
    query = edge.desk.seen[0][2]
    assert (query.open_only, query.user_id, query.limit) == (True, "ann", 4)


async def test_whole_lists_page_too(edge: Edge) -> None:
    """Accounts and transactions, which come whole, are cut into pages by the last id seen."""
    seen: list[str] = []
    request = accounts_pb2.ListAccountsRequest(page_size=2)
    while True:
        page = await edge.accounts.ListAccounts(request, metadata=KEY)
        seen += [account.account_id for account in page.accounts]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == ["acc_0", "acc_1", "acc_2"]
    history = await edge.accounts.ListTransactions(
        accounts_pb2.ListTransactionsRequest(account_id=ACCOUNT, page_size=2), metadata=KEY
    )
    assert [line.transaction_id for line in history.transactions] == ["t0", "t1"]
    _, _, (_, since_ns, until_ns) = edge.desk.seen[-1]
    assert until_ns - since_ns == 30 * 86_400 * 10**9


async def test_a_read_waits_for_the_cursor_of_a_write(edge: Edge) -> None:
    """min_cursor takes the cursor of a mutation's answer, and the desk waits for its positions."""
    cursor = (await edge.orders.SubmitOrder(a_submit(), metadata=KEY)).cursor
    await edge.orders.GetOrder(orders_pb2.GetOrderRequest(order_id="ord_1", min_cursor=cursor), metadata=KEY)
    await edge.orders.ListOrders(orders_pb2.ListOrdersRequest(min_cursor=cursor), metadata=KEY)
    await edge.fills.ListFills(fills_pb2.ListFillsRequest(min_cursor=cursor), metadata=KEY)
    assert [what for verb, _, what in edge.desk.seen if verb == "wait_for"] == [{ACCOUNT: 1}] * 3
    bad = orders_pb2.GetOrderRequest(order_id="ord_1", min_cursor="zzz")
    assert (await refused(edge.orders.GetOrder(bad, metadata=KEY))).reason == "CURSOR_INVALID"


async def test_the_events_of_an_order_carry_cursors(edge: Edge) -> None:
    """ListOrderEvents gives each version with its place on the record."""
    order_id = (await edge.orders.SubmitOrder(a_submit(), metadata=KEY)).order.order_id
    answer = await edge.orders.ListOrderEvents(orders_pb2.ListOrderEventsRequest(order_id=order_id), metadata=KEY)
    (event,) = answer.events
    assert (event.header.sequence, event.header.origin) == (1, trading_pb2.ORIGIN_LIVE)
    assert event.header.cursor
    assert event.order.order_id == order_id


async def test_fills_are_listed_whole(edge: Edge) -> None:
    """A fill shows its totals, fees and times."""
    request = fills_pb2.ListFillsRequest(order_id="ord_1", since_time=Timestamp(seconds=5))
    (fill,) = (await edge.fills.ListFills(request, metadata=KEY)).fills
    assert (fill.quantity, fill.price, fill.leaves_quantity, fill.fees[0].amount) == ("4", "187.4", "6", "0.01")
    assert edge.desk.seen[-1][2] == ((), "ord_1", 5 * 10**9, "", 101)


async def test_positions_show_only_what_is_known(edge: Edge) -> None:
    """A value that the broker does not give is unset, not zero; an unreachable account is named when asked for."""
    answer = await edge.positions.GetPositions(
        positions_pb2.GetPositionsRequest(return_partial_success=True), metadata=KEY
    )
    (position,) = answer.positions
    assert (position.quantity, position.average_price) == ("4", "187.4")
    assert not position.HasField("market_value")
    assert list(answer.unreachable) == ["acc_far"]


async def test_an_account_is_shown_with_its_balances(edge: Edge) -> None:
    """GetAccount shows money as decimals and the number masked."""
    answer = await edge.accounts.GetAccount(accounts_pb2.GetAccountRequest(account_id=ACCOUNT), metadata=KEY)
    assert (answer.account.equity, answer.account.cash, answer.account.multiplier) == ("100000", "99250.4", "2")
    assert answer.account.balances[0].locked == "1"
    assert answer.account.summary.label == "mock ••6789"


async def test_the_capability_matrix_is_shown(edge: Edge) -> None:
    """ListBrokers and GetBroker show types, times in force and features; PingBroker how long it took."""
    (row,) = (await edge.brokers.ListBrokers(brokers_pb2.ListBrokersRequest(), metadata=KEY)).brokers
    assert [asset.asset_class for asset in row.assets] == [
        trading_pb2.ASSET_CLASS_STOCK,
        trading_pb2.ASSET_CLASS_CRYPTO,
    ]
    assert len(row.assets[0].order_types) == 5
    assert list(row.features) == ["FRACTIONAL", "MODIFY"]
    assert not row.HasField("requests_per_minute")
    assert (await edge.brokers.GetBroker(brokers_pb2.GetBrokerRequest(broker="mock"), metadata=KEY)).broker == row
    pong = await edge.brokers.PingBroker(brokers_pb2.PingBrokerRequest(connection_id="con_1"), metadata=KEY)
    assert (pong.broker, pong.round_trip.ToMicroseconds()) == ("mock", 12_500)


async def test_market_data_is_shown(edge: Edge) -> None:
    """Quotes leave unset what the broker does not show; instruments show their grid."""
    request = market_data_pb2.GetQuotesRequest(account_id=ACCOUNT, symbols=["A", "B", "A"])
    quotes = (await edge.market_data.GetQuotes(request, metadata=KEY)).quotes
    assert [(q.symbol, q.bid_price) for q in quotes] == [("A", "1.5"), ("B", "1.5")]
    assert not quotes[0].HasField("ask_price")
    answer = await edge.market_data.GetInstrument(
        market_data_pb2.GetInstrumentRequest(account_id=ACCOUNT, symbol="AAPL"), metadata=KEY
    )
    assert [(band.price_from, band.tick) for band in answer.instrument.tick_bands] == [("0", "0.0001"), ("1", "0.01")]


async def test_connections_come_in_with_a_secret_and_go_out_without(edge: Edge) -> None:
    """No connection call gives a secret back; a refusal by the broker in a test is an answer."""
    request = connections_pb2.CreateConnectionRequest(
        broker="alpaca",
        environment=trading_pb2.ENVIRONMENT_PAPER,
        api_key=connections_pb2.ApiKeyCredentials(key="AKEY", secret="very-secret-indeed"),
    )
    created = await edge.connections.CreateConnection(request, metadata=KEY)
    credentials = edge.desk.seen[-1][2][2]
    assert (credentials.key, credentials.secret) == ("AKEY", "very-secret-indeed")
    assert "very-secret" not in str(created)
    assert "very-secret" not in str(edge.book.rows)
    listed = await edge.connections.ListConnections(connections_pb2.ListConnectionsRequest(), metadata=KEY)
    assert listed.connections[0].health == connections_pb2.CONNECTION_HEALTH_HEALTHY
    tested = await edge.connections.TestConnection(
        connections_pb2.TestConnectionRequest(connection_id="con_1"), metadata=KEY
    )
    assert (tested.authenticated, tested.reason) == (False, "BROKER_CREDENTIALS_REFUSED")
    revoked = await edge.connections.RevokeConnection(
        connections_pb2.RevokeConnectionRequest(connection_id="con_1"), metadata=KEY
    )
    assert revoked.connection.HasField("revoke_time")
    actions = [row.action.rpartition("/")[2] for row in edge.book.rows]
    assert actions == ["CreateConnection", "TestConnection", "RevokeConnection"]


async def test_quotas_show_what_is_left(edge: Edge) -> None:
    """GetQuota shows the caller's budgets, what they were charged, and the broker's own; it costs nothing."""
    await edge.orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=KEY)
    answer = await edge.quotas.GetQuota(quotas_pb2.GetQuotaRequest(), metadata=KEY)
    assert {quota.name: (quota.limit, quota.remaining) for quota in answer.quotas} == {
        "orders": (3_000, 3_000),
        "reads": (12_000, 11_995),
        "connections": (60, 60),
        "streams": (100, 100),
        "client_connections": (100, 99),
    }
    assert [quota.HasField("interval") for quota in answer.quotas] == [True, True, True, False, False]
    assert (answer.brokers[0].limit, answer.brokers[0].remaining) == (200, 150)
