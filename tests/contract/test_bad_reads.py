"""Bad input to everything but SubmitOrder."""

from typing import Any

import grpc
import pytest
from brokerapi.v1 import (
    accounts_pb2,
    brokers_pb2,
    connections_pb2,
    fills_pb2,
    market_data_pb2,
    orders_pb2,
    positions_pb2,
    streams_pb2,
)
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tests.fixtures.edge import KEY, UUID, Edge, numbered, refused

UNARY: list[tuple[str, str, Any, list[str]]] = [
    ("orders", "ModifyOrder", orders_pb2.ModifyOrderRequest(idempotency_key=UUID, order_id="o"), ["quantity"]),
    (
        "orders",
        "ModifyOrder",
        orders_pb2.ModifyOrderRequest(idempotency_key=UUID, quantity="0", trail="x"),
        ["quantity", "trail", "order_id"],
    ),
    ("orders", "CancelOrder", orders_pb2.CancelOrderRequest(order_id="o"), ["idempotency_key"]),
    ("orders", "CancelOrder", orders_pb2.CancelOrderRequest(idempotency_key=UUID), ["order_id"]),
    ("orders", "CancelAllOrders", orders_pb2.CancelAllOrdersRequest(idempotency_key=UUID), ["account_id"]),
    ("orders", "GetOrder", orders_pb2.GetOrderRequest(), ["order_id"]),
    ("orders", "GetOrder", orders_pb2.GetOrderRequest(order_id="o", client_order_id="c"), ["order_id"]),
    ("orders", "GetOrder", orders_pb2.GetOrderRequest(client_order_id="c"), ["account_id"]),
    ("orders", "ListOrders", orders_pb2.ListOrdersRequest(page_size=-1), ["page_size"]),
    ("orders", "ListOrders", orders_pb2.ListOrdersRequest.FromString(b"\x10\x09"), ["status"]),
    ("orders", "ListOrders", orders_pb2.ListOrdersRequest(account_ids=["a", ""]), ["account_ids[1]"]),
    ("orders", "ListOrders", orders_pb2.ListOrdersRequest(account_ids=["a"] * 101), ["account_ids"]),
    (
        "orders",
        "ListOrders",
        orders_pb2.ListOrdersRequest(since_time=Timestamp(seconds=9), until_time=Timestamp(seconds=9)),
        ["until_time"],
    ),
    ("orders", "ListOrderEvents", orders_pb2.ListOrderEventsRequest(), ["order_id"]),
    ("fills", "ListFills", fills_pb2.ListFillsRequest(page_size=-5), ["page_size"]),
    ("positions", "GetPositions", positions_pb2.GetPositionsRequest(account_ids=[""]), ["account_ids[0]"]),
    ("positions", "Flatten", positions_pb2.FlattenRequest(idempotency_key=UUID), ["account_id"]),
    ("positions", "CloseAll", positions_pb2.CloseAllRequest(), ["idempotency_key"]),
    ("accounts", "GetAccount", accounts_pb2.GetAccountRequest(), ["account_id"]),
    ("accounts", "ListTransactions", accounts_pb2.ListTransactionsRequest(page_size=-1), ["account_id", "page_size"]),
    ("brokers", "GetBroker", brokers_pb2.GetBrokerRequest(), ["broker"]),
    ("brokers", "PingBroker", brokers_pb2.PingBrokerRequest(), ["connection_id"]),
    ("market_data", "GetQuotes", market_data_pb2.GetQuotesRequest(account_id="a"), ["symbols"]),
    ("market_data", "GetQuotes", market_data_pb2.GetQuotesRequest(account_id="a", symbols=["x"] * 101), ["symbols"]),
    ("market_data", "GetInstrument", market_data_pb2.GetInstrumentRequest(account_id="a"), ["symbol"]),
    (
        "connections",
        "CreateConnection",
        connections_pb2.CreateConnectionRequest(api_key=connections_pb2.ApiKeyCredentials(key="k")),
        ["broker", "environment", "api_key.secret"],
    ),
    ("connections", "GetConnection", connections_pb2.GetConnectionRequest(), ["connection_id"]),
    ("connections", "RevokeConnection", connections_pb2.RevokeConnectionRequest(), ["connection_id"]),
    ("connections", "UpdateConnection", connections_pb2.UpdateConnectionRequest(), ["connection_id", "api_key"]),
    (
        "connections",
        "UpdateConnection",
        connections_pb2.UpdateConnectionRequest(
            connection_id="con_1", api_key=connections_pb2.ApiKeyCredentials(secret="s"), label="a\nb"
        ),
        ["api_key.key", "label"],
    ),
]


@pytest.mark.parametrize(("service", "method", "request_", "fields"), UNARY, ids=numbered(UNARY, 1))
async def test_bad_fields_are_named(edge: Edge, service: str, method: str, request_: Any, fields: list[str]) -> None:
    """Every method names the fields that break a rule, and the desk is not asked."""
    refusal = await refused(getattr(getattr(edge, service), method)(request_, metadata=KEY))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields == fields
    assert refusal.effect == "NONE"
    assert edge.desk.seen == []


STREAMS: list[tuple[Any, str]] = [
    ({"heartbeat_interval": Duration(seconds=61)}, "heartbeat_interval"),
    ({"heartbeat_interval": Duration(nanos=5)}, "heartbeat_interval"),
    ({"start": streams_pb2.StreamStart(from_now=False)}, "start.from_now"),
    ({"start": streams_pb2.StreamStart(snapshot=False)}, "start.snapshot"),
    ({"start": streams_pb2.StreamStart(cursor="")}, "start.cursor"),
    ({"start": streams_pb2.StreamStart(since_time=Timestamp(nanos=-1))}, "start.since_time"),
    ({"symbols": ["A", "B C"]}, "symbols[1]"),
]


@pytest.mark.parametrize(("changes", "field"), STREAMS, ids=numbered(STREAMS, 1))
async def test_a_bad_subscription_is_refused(edge: Edge, changes: dict[str, Any], field: str) -> None:
    """A stream that is asked for wrongly never opens."""
    stream: Any = edge.fills.SubscribeFills(fills_pb2.SubscribeFillsRequest(**changes), metadata=KEY)
    refusal = await refused(stream.read())
    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
    assert edge.desk.seen == []


async def test_what_is_missing_is_not_found(edge: Edge) -> None:
    """Orders, connections and brokers that are not the caller's are NOT_FOUND, with what was looked for."""
    cases: list[tuple[Any, str, str]] = [
        (edge.orders.GetOrder(orders_pb2.GetOrderRequest(order_id="ord_9"), metadata=KEY), "ORDER_NOT_FOUND", "ord_9"),
        (edge.brokers.GetBroker(brokers_pb2.GetBrokerRequest(broker="x"), metadata=KEY), "BROKER_NOT_FOUND", "x"),
        (
            edge.connections.GetConnection(connections_pb2.GetConnectionRequest(connection_id="con_9"), metadata=KEY),
            "CONNECTION_NOT_FOUND",
            "con_9",
        ),
    ]
    for call, reason, name in cases:
        refusal = await refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, reason)
        assert refusal.details["ResourceInfo"].resource_name == name


async def test_tokens_of_others_are_refused(edge: Edge) -> None:
    """A page token is bound to its list and owner; a made-up or foreign one is refused."""
    answer = await edge.accounts.ListAccounts(accounts_pb2.ListAccountsRequest(page_size=1), metadata=KEY)
    token = answer.next_page_token
    foreign = (("x-api-key", "brk_other"),)
    for page_token, metadata in (("nonsense", KEY), (token, foreign), (token[:-1] + "A", KEY)):
        request = accounts_pb2.ListAccountsRequest(page_size=1, page_token=page_token)
        refusal = await refused(edge.accounts.ListAccounts(request, metadata=metadata))
        assert (refusal.reason, refusal.fields) == ("PAGE_TOKEN_INVALID", ["page_token"])
    changed = orders_pb2.ListOrdersRequest(page_token=token)
    assert (await refused(edge.orders.ListOrders(changed, metadata=KEY))).reason == "PAGE_TOKEN_INVALID"
