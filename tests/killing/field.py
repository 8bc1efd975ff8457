"""Three replicas on a PostgreSQL of their own, in front of the Alpaca simulator; all of it can be frozen."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import psycopg
from brokerapi.v1 import admin_pb2_grpc, halts_pb2

from brokergw.app.clock import SystemClock
from brokergw.store.ledger.halting import HALT_LOCK
from brokergw.store.open import open_store
from tests.chaos.brokers.alpaca import AlpacaChaos
from tests.chaos.postgresql import PostgresqlServer, open_directory
from tests.chaos.prepared import SECRETS, populate, settings_of
from tests.fixtures.bare_client import BareClient
from tests.fixtures.gateway_process import GatewayProcess, settings_for_sim
from tests.fixtures.sim import SimHandle, sim_in_process
from tests.fixtures.two_roles import served
from tests.killing.gateway import read_notes
from tests.killing.keepers import Keepers, enrol_keepers
from tests.killing.storm import SYMBOLS
from tests.killing.storm_process import StormProcess
from tests.killing.witness_process import WitnessProcess

REPLICAS: Final = 3
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - names there have a random part, and only tests use them
_CALL_S: Final = 10
_HOLDERS: Final = (
    b"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock'"
    b" AND classid = %s::bigint AND objid = %s::bigint"
)

_HOLDER: Final = "SELECT instance_id FROM leases JOIN broker_accounts USING (connection_id) WHERE account_id = %s"


@dataclass
class Field:
    """Everything of a run.

    The replicas reach the broker through the witness, and `switches` reach the replicas through it; nothing but the
    switch is called over these. `clients` go straight to the replicas.
    """

    server: PostgresqlServer
    sim: SimHandle
    witness: WitnessProcess
    replicas: tuple[GatewayProcess, ...]
    account: str
    api_key: str
    keepers: Keepers
    clients: list[BareClient] = field(default_factory=list)
    switches: list[BareClient] = field(default_factory=list)
    notes_read: list[int] = field(default_factory=lambda: [0] * REPLICAS)

    async def storm(self, rate: int, seed: int) -> StormProcess:
        """Begin a storm over all replicas."""
        targets = [replica.target for replica in self.replicas]
        return await StormProcess.start(
            account=self.account, api_key=self.api_key, targets=targets, prices=self.prices(), rate=rate, seed=seed
        )

    def prices(self) -> dict[str, float]:
        """Ask the broker what the symbols cost."""
        quotes = self.sim.ask("GET", f"/v2/stocks/quotes/latest?symbols={','.join(SYMBOLS)}")["quotes"]
        return {symbol: float(quotes[symbol]["bp"]) for symbol in SYMBOLS}

    def freeze_database(self) -> None:
        """Stop every process of the server."""
        for pid in self._database_pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw_database(self) -> None:
        """Let them go on."""
        for pid in reversed(self._database_pids()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def freeze_sender(self, replica: GatewayProcess) -> bool:
        """Stop a replica while its writer is inside a transaction that permits sends; tells whether that worked out."""
        async with await psycopg.AsyncConnection.connect(self.server.url, autocommit=True) as watching:
            for _ in range(400):
                if not await _holders(watching):
                    await asyncio.sleep(0.0005)
                    continue
                replica.freeze()
                first = await _holders(watching)
                await asyncio.sleep(0.03)
                if first & await _holders(watching):
                    return True
                replica.thaw()
                await asyncio.sleep(0.005)
        return False

    async def read_by_broker(self) -> list[int]:
        """Give the Unix nanoseconds at which the simulator's event loop came to each order since the journal began."""
        entries: list[dict[str, Any]] = []
        for method in ("POST", "PATCH"):
            entries += await asyncio.to_thread(self.sim.journal, method=method, path="/v2/orders")
        return [each["time_ns"] for each in entries]

    def let_out(self) -> dict[str, int]:
        """Give when each order's permit was spent, by its id at the broker, since this was last asked."""
        found: dict[str, int] = {}
        for number, replica in enumerate(self.replicas):
            if not notes_of(replica.directory).exists():
                continue
            fresh = read_notes(notes_of(replica.directory), self.notes_read[number])
            self.notes_read[number] += len(fresh)
            found.update(fresh)
        return found

    def resting(self) -> list[str]:
        """List what the broker has open."""
        return [each["id"] for each in self.sim.ask("GET", "/v2/orders?status=open&limit=500")]

    def all_orders(self) -> list[dict[str, Any]]:
        """List the newest orders of the broker, ended ones too."""
        found: list[dict[str, Any]] = self.sim.ask("GET", "/v2/orders?status=all&limit=500&direction=desc")
        return found

    def positions(self) -> dict[str, str]:
        """Give what is held at the broker, by symbol."""
        return {each["symbol"]: each["qty"] for each in self.sim.ask("GET", "/v2/positions")}

    async def holder(self) -> int:
        """Wait until a replica holds the connection, and give its number."""
        while True:
            async with await psycopg.AsyncConnection.connect(self.server.url, autocommit=True) as connection:
                row = await (await connection.execute(_HOLDER, (self.account,))).fetchone()
            for number, replica in enumerate(self.replicas):
                if row is not None and f'"instance_id": "{row[0]}"' in replica.log():
                    return number
            await asyncio.sleep(0.05)

    def kill_process(self, number: int) -> dict[str, int]:
        """End a replica at once; gives what it and the others have let out, since its notes go with its next life."""
        self.replicas[number].kill()
        noted = self.let_out()
        self.notes_read[number] = 0
        notes_of(self.replicas[number].directory).unlink()
        return noted

    def revive(self, number: int) -> None:
        """Start it again where it was."""
        replica = self.replicas[number]
        replica.settings = {**replica.settings, "BROKERGW_LISTEN": replica.target}
        replica.start()

    async def kill(self, number: int, *, flatten: bool = False, seen: bool = True) -> halts_pb2.SetKillSwitchResponse:
        """Throw the switch at a replica; `seen` by the witness."""
        request = halts_pb2.SetKillSwitchRequest(
            scope=halts_pb2.HaltScope(kind=halts_pb2.HALT_SCOPE_KIND_PLATFORM),
            state=halts_pb2.TRADING_STATE_HALTED,
            reason="a round of the proof",
            flatten=flatten,
        )
        client = (self.switches if seen else self.clients)[number]
        stub = admin_pb2_grpc.AdminServiceStub(client.channel)
        return await stub.SetKillSwitch(request, metadata=client.identity, timeout=_CALL_S)

    async def show(self, number: int) -> halts_pb2.GetKillSwitchResponse:
        """Ask a replica how far the sweep is."""
        client = self.clients[number]
        stub = admin_pb2_grpc.AdminServiceStub(client.channel)
        return await stub.GetKillSwitch(halts_pb2.GetKillSwitchRequest(), metadata=client.identity, timeout=_CALL_S)

    async def lift_all(self, number: int) -> None:
        """Let trading go on, as people do: each halt with a reason, its epoch, and a code that was not used before."""
        stub = admin_pb2_grpc.AdminServiceStub(self.clients[number].channel)
        for halt in (await self.show(number)).halts:
            identity, code = self.keepers.code()
            request = halts_pb2.ClearKillSwitchRequest(
                scope=halt.scope, cause=halt.cause, epoch=halt.epoch, reason="the next round", mfa_code=code
            )
            await stub.ClearKillSwitch(request, metadata=identity, timeout=_CALL_S)

    def thaw_all(self) -> None:
        """Let everything go on that may stand still."""
        self.thaw_database()
        for replica in self.replicas:
            if replica.process is not None:
                replica.thaw()

    async def standing(self) -> list[tuple[str, str]]:
        """List the halts that are in the database."""
        async with await psycopg.AsyncConnection.connect(self.server.url, autocommit=True) as connection:
            return await (await connection.execute(b"SELECT scope, cause FROM trading_halts")).fetchall()

    def _database_pids(self) -> list[int]:
        assert self.server._process is not None
        main = self.server._process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        # The one that makes new processes first, so that none is missed.
        return [main, *map(int, children)]


async def _holders(watching: psycopg.AsyncConnection[Any]) -> set[int]:
    return {
        pid
        for (pid,) in await (await watching.execute(_HOLDERS, (HALT_LOCK >> 32, HALT_LOCK & 0xFFFF_FFFF))).fetchall()
    }


def notes_of(directory: Path) -> Path:
    """Name the file in which a replica notes the permits that are spent.

    In memory where the machine has files in memory: a page that is being written to a disk holds up whoever notes on
    it, between a permit and its first byte.
    """
    return _IN_MEMORY / f"{directory.parent.name}-{directory.name}" if _IN_MEMORY.is_dir() else directory / "let-out"


@asynccontextmanager
async def open_field(*, hasty: bool = False) -> AsyncIterator[Field]:
    """Start everything, and end it."""
    with open_directory() as directory, sim_in_process() as sim:
        sim.control("POST", "entry", {"money": 900_000_000, "activity": "CSD"})
        server = PostgresqlServer(directory / "cluster")
        await server.make()
        await server.start()
        witness = await WitnessProcess.start()
        account, api_key = await populate(served(server.url), directory, AlpacaChaos, owner_url=server.url)
        store = open_store(served(server.url), clock=SystemClock(), credentials_key=bytes(range(32)))
        async with store:
            keepers = await enrol_keepers(store, settings_of(directory))
        replicas = await _replicas(directory, server, sim, witness, hasty=hasty)
        made = Field(server, sim, witness, replicas, account, api_key, keepers)
        try:
            await asyncio.gather(*(asyncio.to_thread(replica.start) for replica in replicas))
            made.clients = [BareClient(replica.target, api_key) for replica in replicas]
            for replica in replicas:
                host, _, port = replica.target.rpartition(":")
                switch = BareClient(f"127.0.0.1:{await witness.relay(host, int(port), broker=False)}", api_key)
                await switch.channel.channel_ready()
                made.switches.append(switch)
            yield made
        finally:
            for client in (*made.clients, *made.switches):
                await client.channel.close()
            made.thaw_all()
            for replica in replicas:
                await asyncio.to_thread(replica.stop)
                notes_of(replica.directory).unlink(missing_ok=True)
            await witness.stop()
            await server.kill()


async def _replicas(
    directory: Path, server: PostgresqlServer, sim: SimHandle, witness: WitnessProcess, *, hasty: bool
) -> tuple[GatewayProcess, ...]:
    host, _, port = sim.url.removeprefix("http://").rpartition(":")
    url = f"http://127.0.0.1:{await witness.relay(host, int(port), broker=True)}"
    settings = {**settings_for_sim(replace(sim, url=url)), **SECRETS, "BROKERGW_DATABASE_URL": served(server.url)}
    replicas = []
    for number in range(REPLICAS):
        own = directory / f"replica-{number}"
        own.mkdir()
        command = (sys.executable, "-m", "tests.killing.gateway", str(notes_of(own)), *(["hasty"] if hasty else []))
        replicas.append(GatewayProcess(own, settings, command))
    return tuple(replicas)
