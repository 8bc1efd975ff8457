"""Three replicas on a PostgreSQL of their own, in front of the Alpaca simulator; all of it can be frozen."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from brokerapi.v1 import admin_pb2_grpc, halts_pb2

from brokergw.app.clock import SystemClock
from brokergw.model.errors import GatewayError
from brokergw.model.events import AuditRow
from brokergw.model.trading import HaltCause, TradingScope
from brokergw.store.halting import HALT_LOCK
from brokergw.store.open import Store, open_store
from tests.chaos.postgresql import PostgresqlServer, open_directory
from tests.chaos.prepared import SECRETS, populate
from tests.fixtures.bare_client import BareClient
from tests.fixtures.gateway_process import GatewayProcess, settings_for_sim
from tests.fixtures.sim import SimHandle, sim_in_process
from tests.killing.storm import SYMBOLS

REPLICAS: Final = 3
_ROOT: Final = Path(__file__).resolve().parents[2]
_HOLDERS: Final = (
    b"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock'"
    b" AND classid = %s::bigint AND objid = %s::bigint"
)


@dataclass
class Field:
    """Everything of a run."""

    server: PostgresqlServer
    sim: SimHandle
    replicas: tuple[GatewayProcess, ...]
    account: str
    api_key: str
    store: Store
    clients: list[BareClient] = field(default_factory=list)

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

    async def posted_since(self, time_ns: int) -> list[dict[str, Any]]:
        """List the orders and changes that arrived at the broker after a moment."""
        found = []
        for method in ("POST", "PATCH"):
            entries = await asyncio.to_thread(self.sim.journal, method=method, path="/v2/orders")
            found += [each for each in entries if each["time_ns"] > time_ns]
        return found

    def resting(self) -> list[str]:
        """List what the broker has open."""
        return [each["id"] for each in self.sim.ask("GET", "/v2/orders?status=open&limit=500")]

    async def kill(self, number: int, *, flatten: bool = False) -> halts_pb2.SetKillSwitchResponse:
        """Throw the switch at a replica."""
        request = halts_pb2.SetKillSwitchRequest(
            scope=halts_pb2.HaltScope(kind=halts_pb2.HALT_SCOPE_KIND_PLATFORM),
            state=halts_pb2.TRADING_STATE_HALTED,
            reason="a round of the proof",
            flatten=flatten,
        )
        client = self.clients[number]
        stub = admin_pb2_grpc.AdminServiceStub(client.channel)
        return await stub.SetKillSwitch(request, metadata=client.identity, timeout=10)

    async def show(self, number: int) -> halts_pb2.GetKillSwitchResponse:
        """Ask a replica how far the sweep is."""
        client = self.clients[number]
        stub = admin_pb2_grpc.AdminServiceStub(client.channel)
        return await stub.GetKillSwitch(halts_pb2.GetKillSwitchRequest(), metadata=client.identity, timeout=10)

    async def lift_all(self) -> None:
        """Let trading go on, straight in the book: a code is good once in thirty seconds, and rounds come faster."""
        audit = AuditRow(time_ns=0, request_id="", user_id="proof", key_id="", action="lift", outcome="")
        for scope, cause in await self.standing():
            with suppress(GatewayError):
                await self.store.halts.lift(TradingScope.from_key(scope), HaltCause(cause), epoch=None, audit=audit)

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


@asynccontextmanager
async def open_field() -> AsyncIterator[Field]:
    """Start everything, and end it."""
    with open_directory() as directory, sim_in_process() as sim:
        sim.control("POST", "entry", {"money": 900_000_000, "activity": "CSD"})
        server = PostgresqlServer(directory / "cluster")
        await server.make()
        await server.start()
        account, api_key = await populate(server.url, directory)
        settings = {**settings_for_sim(sim), **SECRETS, "BROKERGW_DATABASE_URL": server.url}
        replicas = []
        for number in range(REPLICAS):
            (directory / f"replica-{number}").mkdir()
            replicas.append(GatewayProcess(directory / f"replica-{number}", settings))
        store = open_store(server.url, clock=SystemClock(), credentials_key=bytes(range(32)))
        made = Field(server, sim, tuple(replicas), account, api_key, store)
        try:
            await asyncio.gather(*(asyncio.to_thread(replica.start) for replica in replicas))
            made.clients = [BareClient(replica.target, api_key) for replica in replicas]
            yield made
        finally:
            for client in made.clients:
                await client.channel.close()
            made.thaw_database()
            for replica in replicas:
                if replica.process is not None:
                    replica.thaw()
                    await asyncio.to_thread(replica.stop)
            await store.close()
            await server.kill()


class StormProcess:
    """The storm, seen from outside."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, at: Field, rate: int, seed: int) -> "StormProcess":
        """Begin."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.killing.storm",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
        )
        told = {
            "account": at.account,
            "api_key": at.api_key,
            "targets": [replica.target for replica in at.replicas],
            "rate": rate,
            "prices": at.prices(),
            "seed": seed,
        }
        assert process.stdin is not None
        process.stdin.write(json.dumps(told).encode() + b"\n")
        await process.stdin.drain()
        return cls(process)

    async def stop(self) -> dict[str, int]:
        """End it; gives what its orders came to."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        out, _ = await self._process.communicate()
        endings: dict[str, int] = json.loads(out)
        return endings
