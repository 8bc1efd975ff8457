"""The same worlds before a broker that hears no id of ours: Schwab, whose orders are known by their content alone.

Two orders alike are for a person there, so every order of these worlds has a size of its own.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import Random
from typing import Final
from unittest import mock

from brokergw.adapters.schwab import SchwabBroker, SchwabConfig
from brokergw.desk.live.live import Live
from brokergw.model.account import Connection, Environment
from brokergw.model.commands import SubmitOrder
from brokergw.model.modes import Standing
from brokergw.ports.broker import AdapterFactory, Credentials
from brokergw.ports.clock import Clock
from brokergw.sim.dialects.schwab import DEFAULT_NUMBER, DEFAULT_TOKEN, SchwabDialect, SchwabOptions
from brokergw.transport.http import Http
from tests.fixtures.memory_modes import live_in_memory
from tests.simulation import clients
from tests.simulation.history import History
from tests.simulation.plan import ACCOUNT, draw_order
from tests.simulation.process import USER, Process
from tests.simulation.virtual import START_NS, wall_ns
from tests.simulation.world import World, simulate, traded

_STATUS: Final = {"REPLACED": "replaced", "PENDING_ACTIVATION": "accepted"}
_ENDED: Final = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED"})


class SchwabWorld(World):
    """One seed's world before Schwab. A doubt lasts three minutes at least there, so it comes to rest later."""

    rests_max = 60

    def _open_broker(self, seed: int) -> SchwabDialect:
        options = SchwabOptions(seed=seed, now_ns=wall_ns, sleep=asyncio.sleep, tick_interval_s=None)
        dialect = SchwabDialect(options, self._faults, self._wire)
        dialect.brokerage.stream_url = "ws://schwab.simulated/ws"
        return dialect

    def _make_process(self, name: str) -> Process:
        return Process(name, self._database, self.network, self._switch, broker=_schwab, way_to_live=_live)

    def _connection(self) -> tuple[Connection, Credentials]:
        connection = Connection(
            connection_id="con_simulation",
            user_id=USER,
            broker="schwab",
            environment=Environment.LIVE,
            account_id=ACCOUNT,
            account_label=f"Live ****{DEFAULT_NUMBER[-4:]}",
            has_key=True,
            key_last_four="",
            create_time_ns=START_NS,
        )
        return connection, Credentials(access_token=DEFAULT_TOKEN)

    def _see_broker(self, history: History) -> None:
        room = self._dialect.brokerage.rooms[DEFAULT_NUMBER]
        executions = traded(self._dialect, room.number)
        history.executions = {}
        history.broker_orders = []
        for entry in room.entries.values():
            row = self._dialect.brokerage.row(room, entry)
            filled = Decimal(str(row["filledQuantity"]))
            history.broker_orders.append(
                {
                    "id": str(entry.number),
                    "client_order_id": f"none {entry.number}",
                    "replaces": None,
                    "status": _word(row["status"], filled),
                    "filled_qty": str(filled + entry.inherited),
                }
            )
            if entry.order_id in executions:
                history.executions[str(entry.number)] = executions[entry.order_id]


def strangers(history: History) -> list[str]:
    """Name the orders that the record has for somebody else's: nobody but the gateway trades in these worlds."""
    return [f"{order.order_id} is taken for a stranger's" for order in history.orders if order.external]


def simulate_schwab(seed: int, template: Path, folder: Path) -> History:
    """Run one seed's world before Schwab."""
    with _every_order_unlike():
        return simulate(seed, template, folder, SchwabWorld)


@contextmanager
def _every_order_unlike() -> Iterator[None]:
    sizes = count(101)

    def draw(random: Random, key: str = "") -> SubmitOrder:
        order = draw_order(random, key)
        return replace(order, terms=replace(order.terms, quantity=Decimal(next(sizes))))

    with mock.patch.object(clients, "draw_order", draw):
        yield


def _word(status: str, filled: Decimal) -> str:
    if status in _ENDED:
        return status.lower()
    return _STATUS.get(status, "partially_filled" if filled else "new")


def _schwab(clock: Clock, http: Http) -> AdapterFactory:
    config = replace(SchwabConfig.at("http://schwab.simulated"), queries_per_minute=None, orders_per_minute=None)
    return SchwabBroker(clock, config, http=http)


def _live(clock: Clock) -> Live:
    """Let the user trade live money: every step is taken, and a code was shown just now."""
    live = live_in_memory(clock)

    async def standing(user_id: str) -> Standing:
        version = live.text.version
        return Standing(
            user_id=user_id,
            mode=Environment.LIVE,
            grant_by="a test",
            grant_time_ns=START_NS,
            live_risk_version=version,
            acknowledged=(version,),
            mfa_confirmed=True,
            code_time_ns=clock.now_ns(),
        )

    live.standings.of = standing  # type: ignore[method-assign]
    return live
