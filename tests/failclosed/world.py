"""One gateway process with its database, a simulated broker, and a client of bare stubs that measures each call."""

import asyncio
import base64
import itertools
import subprocess
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
from brokerapi.v1 import orders_pb2, trading_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from brokergw.store.check import upgrade_tables
from tests.chaos.postgresql import PostgresqlServer, open_directory
from tests.failclosed.troubles import Trouble, on_postgresql, on_sqlite, small_disk
from tests.fixtures.bare_client import BareClient, error_info
from tests.fixtures.gateway_process import _BROKERGW, GatewayProcess, settings_for_sim
from tests.fixtures.sim import SimHandle, sim_in_process
from tests.fixtures.two_roles import served

DATABASES: Final = ("sqlite", "postgresql")
_SECRETS: Final = {
    name: base64.b64encode(bytes([number]) * 32).decode()
    for number, name in enumerate(("BROKERGW_SIGNING_KEY", "CREDENTIALS_ENCRYPTION_KEY"), start=1)
}
_DEADLINE_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Told:
    """How one call ended: `reason` and `effect` are empty for one that went through."""

    method: str
    took_s: float
    code: str
    reason: str = ""
    effect: str = ""
    answer: Any = None
    request: Any = None

    @property
    def well(self) -> bool:
        """Whether it went through."""
        return self.code == "OK"


@dataclass
class World:
    """Everything that a round needs. Each order has a quantity of its own, by which the broker's wire tells it."""

    gateway: GatewayProcess
    sim: SimHandle
    troubles: Mapping[str, Trouble]
    api_key: str
    url: str
    account: str = ""
    client: BareClient | None = None
    asked: list[orders_pb2.Order] = field(default_factory=list)
    quantities: "itertools.count[int]" = field(default_factory=lambda: itertools.count(101))

    @property
    def bare(self) -> BareClient:
        """The client of the running gateway."""
        assert self.client is not None
        return self.client

    async def connect(self) -> None:
        """Open a client of the gateway as it runs now, and wait until it serves and is ready."""
        if self.client is not None:
            await self.client.channel.close()
        self.client = BareClient(self.gateway.target, self.api_key)
        await self.until_ready()

    async def until_ready(self, *, ready: bool = True, within_s: float = 20.0) -> float:
        """Wait until the health service says so; gives how long that took."""
        stub: Any = health_pb2_grpc.HealthStub(self.bare.channel)
        began = time.monotonic()
        wanted = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        while (await stub.Check(health_pb2.HealthCheckRequest(), timeout=5, wait_for_ready=True)).status != wanted:
            assert time.monotonic() - began < within_s, f"health was not {ready} within {within_s} s"
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    async def call(self, method: Callable[..., Awaitable[Any]], name: str, request: Any) -> Told:
        """Make one call and measure it."""
        began = time.monotonic()
        try:
            answer = await method(request, metadata=self.bare.identity, timeout=_DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            info = error_info(error)
            effect = info.metadata.get("order_effect", "")
            return Told(name, time.monotonic() - began, error.code().name, info.reason, effect, None, request)
        return Told(name, time.monotonic() - began, "OK", answer=answer, request=request)

    async def submit(self, request: orders_pb2.SubmitOrderRequest | None = None) -> Told:
        """Place an order that rests far below the market."""
        return await self.call(self.bare.orders.SubmitOrder, "SubmitOrder", request or self.order())

    async def cancel(self, order_id: str, key: str = "") -> Told:
        """Ask for a cancel."""
        request = orders_pb2.CancelOrderRequest(order_id=order_id, idempotency_key=key or str(uuid.uuid4()))
        return await self.call(self.bare.orders.CancelOrder, "CancelOrder", request)

    async def cancel_all(self) -> Told:
        """Ask for the cancel of everything."""
        request = orders_pb2.CancelAllOrdersRequest(account_id=self.account, idempotency_key=str(uuid.uuid4()))
        return await self.call(self.bare.orders.CancelAllOrders, "CancelAllOrders", request)

    async def modify(self, order_id: str) -> Told:
        """Change a limit."""
        request = orders_pb2.ModifyOrderRequest(
            order_id=order_id, idempotency_key=str(uuid.uuid4()), limit_price="49.5"
        )
        return await self.call(self.bare.orders.ModifyOrder, "ModifyOrder", request)

    async def get(self, order_id: str) -> Told:
        """Read an order."""
        return await self.call(self.bare.orders.GetOrder, "GetOrder", orders_pb2.GetOrderRequest(order_id=order_id))

    async def list(self) -> Told:
        """Read a page of orders."""
        return await self.call(self.bare.orders.ListOrders, "ListOrders", orders_pb2.ListOrdersRequest())

    def order(self) -> orders_pb2.SubmitOrderRequest:
        """Make a request with a fresh key and a quantity that no other order has."""
        return orders_pb2.SubmitOrderRequest(
            account_id=self.account,
            idempotency_key=str(uuid.uuid4()),
            order=orders_pb2.OrderSpec(
                symbol="AAPL",
                side=trading_pb2.SIDE_BUY,
                quantity=str(next(self.quantities)),
                type=trading_pb2.ORDER_TYPE_LIMIT,
                limit_price="1",
                time_in_force=trading_pb2.TIME_IN_FORCE_GTC,
            ),
        )

    def placed(self) -> dict[str, int]:
        """Count, by quantity, the orders that have arrived at the broker."""
        counts: dict[str, int] = {}
        for entry in self.sim.journal(method="POST", path="/v2/orders"):
            quantity = str(entry["body"]["qty"])
            counts[quantity] = counts.get(quantity, 0) + 1
        return counts

    def cancelled(self) -> set[str]:
        """Give the broker's ids of the orders whose cancel has arrived there."""
        return {entry["path"].rpartition("/")[2] for entry in self.sim.journal(method="DELETE")}

    def audit_is_whole(self) -> str:
        """Verify the audit log by the command line; gives what it found, empty when nothing."""
        made = subprocess.run(
            [_BROKERGW, "audit", "verify"],
            env=self.gateway.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return "" if made.returncode == 0 else made.stdout + made.stderr

    def metrics(self) -> str:
        """Read the metrics, which need no record."""
        with urllib.request.urlopen(self.gateway.metrics_url, timeout=5) as answer:  # noqa: S310 - loopback
            text: str = answer.read().decode()
        return text


@asynccontextmanager
async def open_world(database: str) -> AsyncIterator[World]:
    """Start a database, a simulator and a gateway."""
    with open_directory() as directory, sim_in_process() as sim:
        for name in ("gateway", "disk"):
            (directory / name).mkdir()
        if database == "sqlite":
            with small_disk(directory / "disk") as small:
                path = directory / "disk" / "gateway.db"
                async with _served(directory, sim, f"sqlite:///{path}", on_sqlite(path, small_disk=small)) as world:
                    yield world
            return
        server = PostgresqlServer(directory / "cluster")
        await server.make()
        await server.start()
        try:
            await asyncio.to_thread(upgrade_tables, served(server.url), server.url)
            async with _served(directory, sim, served(server.url), on_postgresql(server)) as world:
                yield world
        finally:
            await server.kill()


@asynccontextmanager
async def _served(directory: Path, sim: SimHandle, url: str, troubles: Mapping[str, Trouble]) -> AsyncIterator[World]:
    settings = {
        **settings_for_sim(sim),
        **_SECRETS,
        "BROKERGW_DATABASE_URL": url,
        "BROKERGW_DATA_DIR": str(directory / "disk" / "data"),
    }
    gateway = GatewayProcess(directory / "gateway", settings)
    await asyncio.to_thread(gateway.start)
    try:
        key = await asyncio.to_thread(gateway.api_key)
        world = World(gateway, sim, troubles, key, url)
        await world.connect()
        world.account = await world.bare.connect_alpaca(sim)
        yield world
        await world.bare.channel.close()
    finally:
        await asyncio.to_thread(gateway.stop)
