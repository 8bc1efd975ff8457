"""The same worlds before a broker that hears no id of ours: Schwab, whose orders are known by their content alone.

Two orders alike are for a person there, so every order of these worlds has a size of its own, which marks it.
"""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any, Final

from brokergw.adapters.schwab import SchwabBroker, SchwabConfig
from brokergw.desk.live.live import Live
from brokergw.model.account import Connection, Environment
from brokergw.model.commands import SubmitOrder
from brokergw.model.modes import Standing
from brokergw.model.order import Order
from brokergw.ports.broker import AdapterFactory, Credentials
from brokergw.ports.clock import Clock
from brokergw.sim.dialects.schwab import DEFAULT_NUMBER, DEFAULT_TOKEN, SchwabDialect, SchwabOptions
from brokergw.sim.faults import Faults
from brokergw.sim.journal import WireEntry, WireJournal
from brokergw.transport.http import Http
from tests.fixtures.memory_modes import live_in_memory
from tests.simulation.broker import Draw, Sight, SimBroker, traded
from tests.simulation.plan import draw_order
from tests.simulation.virtual import START_NS, wall_ns

_STATUS: Final = {"REPLACED": "replaced", "PENDING_ACTIVATION": "accepted"}
_ENDED: Final = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED"})


class SimSchwab(SimBroker):
    """A live account at Schwab, which has no paper ones. A doubt lasts three minutes at least there."""

    name = "schwab"
    rests_max = 60

    def dialect(self, seed: int, faults: Faults, wire: WireJournal) -> SchwabDialect:
        """Make the dialect, on virtual time."""
        options = SchwabOptions(seed=seed, now_ns=wall_ns, sleep=asyncio.sleep, tick_interval_s=None)
        dialect = SchwabDialect(options, faults, wire)
        dialect.brokerage.stream_url = "ws://schwab.simulated/ws"
        return dialect

    def factory(self, clock: Clock, http: Http) -> AdapterFactory:
        """Make the adapter's factory."""
        config = replace(SchwabConfig.at("http://schwab.simulated"), queries_per_minute=None, orders_per_minute=None)
        return SchwabBroker(clock, config, http=http)

    def credentials(self) -> Credentials:
        """Give the simulator's own token."""
        return Credentials(access_token=DEFAULT_TOKEN)

    def connection(self) -> Connection:
        """Make a connection to a live account."""
        label = f"Live ****{DEFAULT_NUMBER[-4:]}"
        return replace(super().connection(), environment=Environment.LIVE, account_label=label, key_last_four="")

    def way_to_live(self, clock: Clock) -> Live:
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

    def drawing(self) -> Draw:
        """Give what draws orders of which each has a size of its own, larger than any change asks for."""
        sizes = count(101)

        def draw(random: Random, key: str) -> SubmitOrder:
            order = draw_order(random, key)
            return replace(order, terms=replace(order.terms, quantity=Decimal(next(sizes))))

        return draw

    def mark_of(self, order: Order) -> str:
        """Give the size that an order is first sent with."""
        return str(order.terms.quantity)

    def sent_as(self, entry: WireEntry) -> str:
        """Give the size of a new order."""
        if entry.method != "POST" or not entry.path.endswith("/orders"):
            return ""
        (leg,) = json.loads(entry.body)["orderLegCollection"]
        return str(leg["quantity"])

    def see(self, dialect: Any) -> Sight:
        """Read the account's entries; what generations before had filled counts for the last."""
        room = dialect.brokerage.rooms[DEFAULT_NUMBER]
        by_order = traded(dialect, room.number)
        orders, executions = [], {}
        for entry in room.entries.values():
            row = dialect.brokerage.row(room, entry)
            filled = Decimal(str(row["filledQuantity"]))
            orders.append(
                {
                    "id": str(entry.number),
                    "client_order_id": f"none {entry.number}",
                    "replaces": None,
                    "symbol": row["orderLegCollection"][0]["instrument"]["symbol"],
                    "status": _word(row["status"], filled),
                    "filled_qty": str(filled + entry.inherited),
                }
            )
            if entry.order_id in by_order:
                executions[str(entry.number)] = by_order[entry.order_id]
        return Sight(orders, executions)


def _word(status: str, filled: Decimal) -> str:
    if status in _ENDED:
        return status.lower()
    return _STATUS.get(status, "partially_filled" if filled else "new")
