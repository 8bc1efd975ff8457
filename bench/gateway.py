"""The gateway under test: `brokergw serve` with embedded defaults, and accounts to trade with."""

import json
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
from brokerapi.v1 import connections_pb2, connections_pb2_grpc, trading_pb2

from bench.processes import LoggedProcess, Process

_BROKERGW: Final = str(Path(sys.executable).with_name("brokergw"))
_UNHINDERED: Final = {
    "BROKERGW_ORDERS_PER_MINUTE": "100000000",
    "BROKERGW_INITIAL_MODE": "PAPER",
    "BROKERGW_DUPLICATE_WINDOW_S": "0",
    "BROKERGW_READS_PER_MINUTE": "100000000",
    "BROKERGW_STREAMS_MAX": "1000",
    "BROKERGW_ALPACA_REQUESTS_PER_MINUTE": "0",
}
"""One user gives all the load, so its budgets, here and at the broker, must not be what is measured."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where to trade, and the key that may."""

    account_id: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway and the key of its one user."""

    process: Process
    target: str
    api_key: str = field(repr=False)

    async def connect_mock(self) -> Account:
        """Open an account at the mock broker."""
        return await self._connect(
            connections_pb2.CreateConnectionRequest(broker="mock", environment=trading_pb2.ENVIRONMENT_MOCK)
        )

    async def connect_alpaca(self, key: str, secret: str) -> Account:
        """Connect the account behind a key pair at simulated Alpaca."""
        return await self._connect(
            connections_pb2.CreateConnectionRequest(
                broker="alpaca",
                environment=trading_pb2.ENVIRONMENT_PAPER,
                api_key=connections_pb2.ApiKeyCredentials(key=key, secret=secret),
            )
        )

    async def _connect(self, request: connections_pb2.CreateConnectionRequest) -> Account:
        async with grpc.aio.insecure_channel(self.target) as channel:
            stub = connections_pb2_grpc.ConnectionServiceStub(channel)
            metadata = (("authorization", f"Bearer {self.api_key}"),)
            made = await stub.CreateConnection(request, timeout=15, metadata=metadata)
        return Account(made.connection.account_id, self.api_key)


@asynccontextmanager
async def running_gateway(
    broker_url: str, *program: str, more: Mapping[str, str] | None = None
) -> AsyncIterator[Gateway]:
    """Serve with an empty record, in a directory that goes away with the gateway.

    `program` takes the place of the `brokergw` command; `more` are further settings.
    """
    with tempfile.TemporaryDirectory(prefix="brokergw-bench-") as folder:
        async with serving_from(Path(folder), broker_url, *program, more=more) as gateway:
            yield gateway


@asynccontextmanager
async def serving_from(
    folder: Path, broker_url: str = "", *program: str, more: Mapping[str, str] | None = None
) -> AsyncIterator[Gateway]:
    """Serve on free loopback ports with SQLite in a directory, and go on there with what it holds already."""
    settings = _UNHINDERED | {
        "BROKERGW_LISTEN": "127.0.0.1:0",
        "BROKERGW_METRICS_LISTEN": "127.0.0.1:0",
        "BROKERGW_DATA_DIR": str(folder),
        "BROKERGW_DATABASE_URL": f"sqlite:///{database_in(folder)}",
        "BROKERGW_ALPACA_PAPER_URL": broker_url,
        "BROKERGW_ALPACA_DATA_URL": broker_url,
        **(more or {}),
    }
    serve = LoggedProcess(
        "gateway",
        [*(program or (_BROKERGW,)), "serve"],
        settings,
        log=folder / "gateway.log",
        ready_word='"serving"',
    )
    async with serve:
        port = json.loads(serve.greeting)["port"]
        yield Gateway(serve, f"127.0.0.1:{port}", await _make_key(settings))


def database_in(folder: Path) -> Path:
    """Tell where a gateway's record is."""
    return folder / "gateway.db"


async def _make_key(settings: dict[str, str]) -> str:
    command = (_BROKERGW, "keys", "create", "--user", "bench", "--json")
    async with Process("keys create", command, settings) as made:
        return str(json.loads(made.greeting)["api_key"])
