"""An order at Binance whose answer is lost, settled by the gateway that comes after: by its client order id, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from brokergw.app.build import Gateway
from brokergw.app.demo_keyed import KEYED
from brokergw.app.keys import add_key, request_of
from brokergw.app.settings import Settings
from brokergw.client import Client
from brokergw.client.messages import words
from brokergw.sim.dialects.binance import BinanceDialect, BinanceOptions, serve_binance
from brokergw.sim.dialects.binance.listings import Kind
from brokergw.sim.faults import Fault, FaultName
from tests.fixtures.gateway_here import gateway_here

BROKERS = {each.broker: each for each in KEYED}


@asynccontextmanager
async def gateway_at(url: str, directory: Path, broker: str) -> AsyncIterator[tuple[Gateway, str]]:
    """Run a gateway on a directory's database."""
    settings = Settings(
        listen="127.0.0.1:0",
        metrics_listen="",
        data_dir=directory,
        database_url="",
        initial_mode="PAPER",
        **BROKERS[broker].settings(url),
    )
    async with gateway_here(settings) as running:
        yield running


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("broker", "symbol", "path", "kind"),
    [
        ("binance", "ETH/USDT", "/api/v3/order", Kind.SPOT),
        ("binance-futures", "ETH/USDT:PERP", "/fapi/v1/order", Kind.FUTURES),
    ],
)
async def test_an_order_in_doubt_is_settled_after_a_restart(
    broker: str, symbol: str, path: str, kind: Kind, tmp_path: Path
) -> None:
    """A market order was taken, its answer and its events are lost, and only another process can look it up: once."""
    scenery = BROKERS[broker]
    async with await serve_binance(options=BinanceOptions(cash=Decimal(1_000_000))) as sim:
        assert isinstance(sim.dialect, BinanceDialect)
        async with gateway_at(sim.url, tmp_path, broker) as (gateway, target):
            _, key = await add_key(gateway.store, gateway.secrets, "u", request_of("strategy", (), 1))
            async with Client(target, key) as client:
                connection = await client.create_connection(broker, "PAPER", key=scenery.key, secret=scenery.secret)
                sim.faults.arm(Fault(name=FaultName.LOST_REPLY, method="POST", path=path))
                away = sim.faults.arm(Fault(name=FaultName.ERROR_BEFORE, method="GET", path=path, count=None))
                sim.faults.arm(Fault(name=FaultName.DROPPED_EVENTS, count=None))
                sent = await client.submit(
                    connection.account_id, symbol=symbol, side="BUY", quantity="0.5", type="MARKET", time_in_force="GTC"
                )
                assert words(sent.order, "state") == "IN_DOUBT"
        sim.faults.disarm(away.fault_id)
        async with gateway_at(sim.url, tmp_path, broker) as (_, target), Client(target, key) as client:
            async with asyncio.timeout(40):
                while words(order := await client.get_order(sent.order.order_id), "state") != "FILLED":
                    await asyncio.sleep(0.05)
            assert Decimal(order.cum_quantity) == Decimal("0.5")
        room = sim.dialect.brokerage.room(kind, scenery.key)
        assert len(room.generations) == 1
        assert len(sim.journal.select(method="POST", path=path)) == 1
