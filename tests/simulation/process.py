"""One gateway process of the world: the real desk, store and adapter, mortal."""

import asyncio
from decimal import Decimal
from typing import Final

from brokergw.desk.desk import Desk
from brokergw.desk.gates.standard import GateSettings
from brokergw.desk.reconcile.schedule import ReconcileSettings
from brokergw.desk.reconcile.wiring import ReconcileNeeds
from brokergw.desk.results import Result
from brokergw.model.commands import CancelOrder, KeyedCommand, ModifyOrder, SubmitOrder
from brokergw.model.principal import Caller, Principal
from brokergw.store.connections.leases import SqlLeases
from brokergw.store.risk.reconciliations import SqlReconciliations
from brokergw.transport.http import Http
from tests.fixtures.memory_reconciliations import NotedAlerts, NotedSwitch
from tests.simulation.broker import USER, SimBroker
from tests.simulation.database import SimDatabase
from tests.simulation.life import CURRENT, Life
from tests.simulation.network import SimNetwork
from tests.simulation.virtual import VirtualClock

_COMPARED_EVERY_S: Final = 20.0
CALLER: Final = Caller(Principal(USER, "key_simulation", frozenset()), "req_simulation")


class Process:
    """A gateway, from its start to its death."""

    def __init__(
        self,
        name: str,
        database: SimDatabase,
        network: SimNetwork,
        switch: NotedSwitch,
        broker: SimBroker,
    ) -> None:
        self.life = Life(name)
        self._store = database.open(self.life)
        clock = VirtualClock(self.life)
        http = Http(transport=network.transport(self.life))
        factory = broker.factory(clock, http)
        catalog = {factory.capabilities.broker: factory}
        leases = SqlLeases(self._store.writer.run, self._store.reader, clock, name, shared=False)  # type: ignore[arg-type]
        gates, live = GateSettings(order_notional_max=Decimal(1_000_000)), broker.way_to_live(clock)
        self.desk = Desk(
            self._store.journal,
            self._store.connections,
            catalog,
            clock,
            gates,
            leases,
            live,
            reconcile=ReconcileNeeds(
                SqlReconciliations(self._store.writer.run, self._store.reader, clock),  # type: ignore[arg-type]
                switch,
                NotedAlerts(),
                ReconcileSettings(every_s=_COMPARED_EVERY_S),
            ),
        )

    async def start(self) -> None:
        """Recover, then serve; raises GatewayError while the database is away."""
        CURRENT.set(self.life)
        await self.desk.start()

    def end(self) -> None:
        """Die; the operating system closes what it held open."""
        self.life.thaw()
        self.life.end()
        self._store.close()

    async def serve(self, command: KeyedCommand) -> Result:
        """Go through the same doors as a call that came over the wire."""
        CURRENT.set(self.life)
        await self.life.go_on()
        known = await self.desk.recall(CALLER, command)
        result = known if known is not None else await self._first(command)
        # A process that dies here has done everything but answer.
        await asyncio.sleep(0.0002)
        await self.life.go_on()
        return result

    async def _first(self, command: KeyedCommand) -> Result:
        match command:
            case SubmitOrder():
                return await self.desk.submit(CALLER, await self.desk.clear(CALLER, command))  # type: ignore[arg-type]
            case ModifyOrder():
                return await self.desk.modify(CALLER, await self.desk.clear(CALLER, command))  # type: ignore[arg-type]
            case CancelOrder():
                return await self.desk.cancel(CALLER, command)
            case _:
                raise TypeError(command.method)
