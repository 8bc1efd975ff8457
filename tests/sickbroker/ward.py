"""A gateway with an account at a broker that can be made sick, and one at a broker that stays well."""

import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from brokergw.client import Client
from brokergw.client.messages import words
from brokergw.client.terms import OrderTerms
from tests.fixtures.bare_client import BareClient
from tests.fixtures.gateway_process import GatewayProcess
from tests.fixtures.oauth_world import visit
from tests.fixtures.phone import Phone
from tests.fixtures.sim import SimHandle, sim_in_process
from tests.sickbroker.brokers import BROKERS, CLIENT_ID, CLIENT_SECRET, Broker
from tests.sickbroker.moods import MOODS, Kind
from tests.sickbroker.sick_process import SickProcess

_REST_AT: Final = Decimal("0.97")
_HEALTHY_S: Final = 20.0
_SERVING: Final = (sys.executable, "-m", "tests.sickbroker.serving")


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
    asked: Counter[str] = field(default_factory=Counter)
    """What the callers have asked of the sick broker, by kind."""

    def make_sick(self, mood: str) -> int:
        """Let the broker be sick, or well with an empty name; gives how many a redirect has led astray so far.

        A mood of answers shows on a websocket that carries everything when it is opened, so that it is cut.
        """
        return self.proxy.be(mood, cut=bool(mood and self.sick.broker.frames) and MOODS[mood].kind is Kind.ANSWER)

    async def health(self) -> tuple[str, str]:
        """Tell how the sick broker's connection is said to fare, and why."""
        connection = await self.client.get_connection(self.sick.connection_id)
        return words(connection, "health"), connection.health_detail

    async def healthy(self) -> None:
        """Wait until the sick broker's connection fares well, and its stream is there: a flood is not over at once."""
        async with asyncio.timeout(_HEALTHY_S):
            while not self.proxy.streams() or (await self.health())[0] != "HEALTHY":
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
    sick_broker, well_broker = BROKERS[sick], BROKERS["binance-futures" if sick == "alpaca" else "alpaca"]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sickbroker-")))
        sims = [
            stack.enter_context(sim_in_process(*each.sim_arguments, dialect=each.dialect))
            for each in (sick_broker, well_broker)
        ]
        proxy = stack.enter_context(SickProcess())
        proxy.stand_before(urlsplit(sims[0].url).port or 0, sick_broker.frames)
        settings = {
            "BROKERGW_ABSENCE_QUARANTINE_S": "5",
            **sick_broker.settings(proxy.url),
            **well_broker.settings(sims[1].url),
        }
        gateway = GatewayProcess(directory, settings, _SERVING)
        gateway.start()
        stack.callback(gateway.stop)
        key = gateway.api_key()
        async with (
            Client(gateway.target, key, timeout_s=30) as client,
            BareClient(gateway.target, key) as bare,
        ):
            beds = []
            if "LIVE" in {sick_broker.login, well_broker.login}:
                await _come_to_live(client, gateway)
            for broker, sim in zip((sick_broker, well_broker), sims, strict=True):
                beds.append(Bed(broker, sim, *await _connected(client, broker)))
            ward = Ward(gateway, proxy, client, bare, beds[0], beds[1])
            await ward.healthy()
            yield ward


async def _connected(client: Client, broker: Broker) -> tuple[str, str]:
    """Connect the user to a broker, by keys or by a login; gives the connection and the account."""
    if not broker.login:
        made = await client.create_connection(broker.name, "PAPER", key=broker.key, secret=broker.secret)
    else:
        begun = await client.begin_oauth(broker.name, broker.login, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        told = await visit(begun.authorization_url)
        made = await client.complete_oauth(broker.name, told.get("state", begun.state), code=told["code"])
    return made.connection_id, made.account_id


async def _come_to_live(client: Client, gateway: GatewayProcess) -> None:
    """Walk the user's way to live money, which some brokers have nothing else than."""
    root = gateway.api_key("root", "--role", "ADMIN", "--scope", "admin.read", "--scope", "admin.write")
    async with Client(gateway.target, root) as admin:
        await admin.grant_live_trading("alice")
    await client.acknowledge_risk((await client.get_risk_text()).version)
    phone = Phone((await client.enroll_mfa()).secret)
    await client.confirm_mfa(phone.code())
    await client.escalate_to_live(phone.code())
