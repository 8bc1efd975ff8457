"""A gateway with an account at a broker that can be made sick, and one at a broker that stays well."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from brokergw.client import Client
from brokergw.client.messages import words
from brokergw.client.terms import OrderTerms
from tests.fixtures.bare_client import BareClient
from tests.fixtures.gateway_process import GatewayProcess
from tests.fixtures.sim import SimHandle, sim_in_process
from tests.sickbroker.brokers import BROKERS, Broker
from tests.sickbroker.sick_process import SickProcess

_REST_AT: Final = Decimal("0.97")
_HEALTHY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Bed:
    """One broker, its simulator and the user's account there."""

    broker: Broker
    sim: SimHandle
    connection_id: str
    account_id: str

    async def resting_terms(self, client: Client) -> OrderTerms:
        """Give an order that stays open for a while: a bid a little below the market."""
        symbol = self.broker.rests["symbol"]
        (quote,) = (await client.get_quotes(self.account_id, [symbol])).quotes
        return {**self.broker.rests, "limit_price": str(int(Decimal(quote.bid_price) * _REST_AT))}


@dataclass(frozen=True, slots=True)
class Ward:
    """Everything of a run."""

    gateway: GatewayProcess
    proxy: SickProcess
    client: Client
    bare: BareClient
    sick: Bed
    well: Bed

    async def health(self) -> tuple[str, str]:
        """Tell how the sick broker's connection is said to fare, and why."""
        connection = await self.client.get_connection(self.sick.connection_id)
        return words(connection, "health"), connection.health_detail

    async def healthy(self) -> None:
        """Wait until the sick broker's connection fares well."""
        async with asyncio.timeout(_HEALTHY_S):
            while (await self.health())[0] != "HEALTHY":
                await asyncio.sleep(0.1)

    def memory_mib(self) -> float:
        """Tell how much memory the gateway has resident."""
        assert self.gateway.process is not None
        status = Path(f"/proc/{self.gateway.process.pid}/status").read_text()
        (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        return int(kib) / 1024

    def processor_s(self) -> float:
        """Tell how much time of a processor the gateway has had."""
        assert self.gateway.process is not None
        fields = Path(f"/proc/{self.gateway.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def open_ward(sick: str) -> AsyncIterator[Ward]:
    """Start everything with one broker behind the proxy, and a well one that is another."""
    sick_broker, well_broker = BROKERS[sick], BROKERS["ibkr" if sick == "alpaca" else "alpaca"]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sickbroker-")))
        sims = [stack.enter_context(sim_in_process(dialect=each.dialect)) for each in (sick_broker, well_broker)]
        proxy = stack.enter_context(SickProcess())
        proxy.stand_before(urlsplit(sims[0].url).port or 0)
        settings = {
            "BROKERGW_ABSENCE_QUARANTINE_S": "5",
            **sick_broker.settings(proxy.url),
            **well_broker.settings(sims[1].url),
        }
        gateway = GatewayProcess(directory, settings)
        gateway.start()
        stack.callback(gateway.stop)
        key = gateway.api_key()
        async with (
            Client(gateway.target, key, timeout_s=30) as client,
            BareClient(gateway.target, key) as bare,
        ):
            beds = []
            for broker, sim in zip((sick_broker, well_broker), sims, strict=True):
                made = await client.create_connection(broker.name, "PAPER", key=broker.key, secret=broker.secret)
                beds.append(Bed(broker, sim, made.connection_id, made.account_id))
            ward = Ward(gateway, proxy, client, bare, *beds)
            await ward.healthy()
            yield ward
