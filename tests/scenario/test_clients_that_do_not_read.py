"""Clients whose HTTP/2 window is shut: what a real gateway holds for them stays within bounds, and comes back."""

import asyncio
import uuid
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

import grpc
import httpx
import pytest
from brokerapi.v1 import fills_pb2, orders_pb2, positions_pb2, quotas_pb2, quotas_pb2_grpc, streams_pb2

from tests.fixtures.bare_client import BareClient, ClientOpener
from tests.fixtures.gateway_process import GatewayProcess, GatewayStarter
from tests.fixtures.patience import until
from tests.fixtures.raw_http2 import HEADERS, INITIAL_WINDOW_SIZE, RawHttp2
from tests.scenario.load import Load

ORDERS: Final = 500
STREAMS_MAX: Final = 20
UNREAD_MAX: Final = 1_000_000
PAGES: Final = 120
GROWTH_KIB_MAX: Final = 10_000
"""What 20 streams, or answers of a million bytes, may cost. The record is over a megabyte long: held for each of 20
streams, or as so many answers of a page each, it would be several times as much."""

_PAGE: Final = orders_pb2.ListOrdersRequest(page_size=500)
_SHUT: Final = {INITIAL_WINDOW_SIZE: 0}


def _rss_kib(gateway: GatewayProcess) -> int:
    assert gateway.process is not None
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def _since_ever() -> streams_pb2.StreamStart:
    start = streams_pb2.StreamStart()
    start.since_time.FromSeconds(0)
    return start


def _port(gateway: GatewayProcess) -> int:
    return int(gateway.target.rpartition(":")[2])


def _count(shut: RawHttp2, words: bytes) -> int:
    return sum(each.kind == HEADERS and words in each.payload for each in shut.frames)


async def _given_up(gateway: GatewayProcess, method: str) -> float:
    """Tell how many streams of a method were ended as not read."""
    async with httpx.AsyncClient() as web:
        page = (await web.get(gateway.metrics_url)).text
    lines = [line for line in page.splitlines() if line.startswith("brokergw_rpc_calls_total")]
    told = [line for line in lines if f"/brokerapi.v1.{method}" in line and "SLOW_CONSUMER" in line]
    return sum(float(line.rpartition(" ")[2]) for line in told)


async def _streams_left(client: BareClient) -> int:
    answer = await quotas_pb2_grpc.QuotaServiceStub(client.channel).GetQuota(
        quotas_pb2.GetQuotaRequest(), metadata=client.identity, timeout=20
    )
    return next(quota.remaining for quota in answer.quotas if quota.name == "streams")


async def _shut_streams(gateway: GatewayProcess, client: BareClient, method: str, body: bytes, *, ends: bool) -> None:
    """Ask for streams three times over on a connection with a shut window; most are refused, and what stands is small.

    Those that `ends` says have enough to tell are given up as slow between one time and the next.
    """
    before = _rss_kib(gateway)
    async with RawHttp2.open(_port(gateway), _SHUT) as shut:
        for time in range(3):
            first = time * STREAMS_MAX
            for number in range(first, first + STREAMS_MAX):
                shut.call(2 * number + 1, f"/brokerapi.v1.{method}", body, client.identity)
            await shut.until(lambda _, first=first: _count(shut, b"streams are open") == first)  # type: ignore[misc]
            if ends:
                await until(lambda: _given_up(gateway, method), lambda seen: seen == STREAMS_MAX)
        assert await _streams_left(client) == 0
        assert _count(shut, b"streams are open") == 2 * STREAMS_MAX
        assert _rss_kib(gateway) - before < GROWTH_KIB_MAX, method
    await until(lambda: _streams_left(client), lambda seen: seen == STREAMS_MAX)


async def _shut_answers(gateway: GatewayProcess, client: BareClient, account: str) -> None:
    """Ask for large answers on such a connection: few are kept, cancels pass, and all is well once it has gone.

    As many answers that are read go before, since what it takes to make them all at once is not the question.
    """

    def ask() -> Awaitable[orders_pb2.ListOrdersResponse]:
        return client.orders.ListOrders(_PAGE, metadata=client.identity, timeout=60)

    await asyncio.gather(*(ask() for _ in range(PAGES)), return_exceptions=True)
    before = _rss_kib(gateway)
    async with RawHttp2.open(_port(gateway), _SHUT) as shut:
        for number in range(PAGES):
            body = _PAGE.SerializeToString()
            shut.call(2 * number + 1, "/brokerapi.v1.OrderService/ListOrders", body, client.identity)
        await shut.until(lambda _: _count(shut, b"not read") >= PAGES * 2 // 3)
        assert _rss_kib(gateway) - before < GROWTH_KIB_MAX
        cancel = orders_pb2.CancelAllOrdersRequest(idempotency_key=str(uuid.uuid4()), account_id=account)
        await client.orders.CancelAllOrders(cancel, metadata=client.identity, timeout=20)

    async def pages() -> int:
        try:
            answer = await ask()
        except grpc.aio.AioRpcError as refused:
            if refused.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            return 0
        return len(answer.orders)

    await until(pages, lambda seen: seen == 500)


@pytest.mark.timeout(150)
async def test_a_client_that_does_not_read_costs_bounded_memory(
    start_gateway: GatewayStarter, open_client: ClientOpener
) -> None:
    """D2: neither streams of each kind nor large answers pile up in the gateway, however often they are asked for."""
    gateway = start_gateway(
        BROKERGW_STREAMS_MAX=str(STREAMS_MAX),
        BROKERGW_STREAM_STALL_MAX_S="0.5",
        BROKERGW_USER_UNREAD_BYTES_MAX=str(UNREAD_MAX),
    )
    client = open_client(gateway, gateway.api_key())
    account = await client.mock_account()
    load = Load(account)
    load.start([client] * 8)
    async with asyncio.timeout(90):
        while len(load.acknowledged) < ORDERS:
            await asyncio.sleep(0.05)
    await load.stopped()
    page = await client.orders.ListOrders(_PAGE, metadata=client.identity, timeout=20)
    assert PAGES * page.ByteSize() > 1.5 * 1_024 * GROWTH_KIB_MAX, "too small for this test to tell anything"

    start = _since_ever()
    for method, request in {
        "OrderService/SubscribeOrders": orders_pb2.SubscribeOrdersRequest(account_ids=[account], start=start),
        "FillService/SubscribeFills": fills_pb2.SubscribeFillsRequest(account_ids=[account], start=start),
        "PositionService/SubscribePositions": positions_pb2.SubscribePositionsRequest(
            account_ids=[account], start=start
        ),
    }.items():
        await _shut_streams(gateway, client, method, request.SerializeToString(), ends=True)
    await _shut_streams(gateway, client, "ConnectionService/WatchConnections", b"", ends=False)
    await _shut_answers(gateway, client, account)
    assert "call failed" not in gateway.log()
