"""The worlds before Interactive Brokers: one gateway session for all processes, questions, ids repeated in lists."""

import asyncio
import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from brokergw.adapters.ibkr import IbkrBroker, IbkrConfig
from brokergw.model.terms import TimeInForce
from brokergw.ports.broker import AdapterFactory, Credentials
from brokergw.ports.clock import Clock
from brokergw.sim.dialects.ibkr import DEFAULT_ACCOUNT, IbkrDialect, IbkrOptions
from brokergw.sim.faults import Faults
from brokergw.sim.journal import WireEntry, WireJournal
from brokergw.transport.http import Http
from tests.simulation.broker import Draw, Sight, SimBroker, around
from tests.simulation.virtual import wall_ns

_PENALTY_S: Final = 3.0
_CODE: Final = "simulated-access-code"
_ORDERS: Final = re.compile(r"/v1/api/iserver/account/[^/]+/orders")
_PRICES: Final = {
    "AAPL": (Decimal("231.50"), Decimal(1)),
    "MSFT": (Decimal("428.30"), Decimal(1)),
    "TSLA": (Decimal("338.70"), Decimal(1)),
}
_STATUS: Final = {"Filled": "filled", "Cancelled": "canceled", "Inactive": "rejected"}


class SimIbkr(SimBroker):
    """A paper account behind a Client Portal gateway. Absence takes a minute of complete lists to be proved there."""

    name = "ibkr"
    rests_max = 30
    questions_suffer = 0.2

    def dialect(self, seed: int, faults: Faults, wire: WireJournal) -> IbkrDialect:
        """Make the dialect, on virtual time."""
        options = IbkrOptions(seed=seed, now_ns=wall_ns, sleep=asyncio.sleep, tick_interval_s=None)
        return IbkrDialect(options, faults, wire)

    def factory(self, clock: Clock, http: Http) -> AdapterFactory:
        """Make the adapter's factory; the dialect counts no requests, so neither does it.

        After a 429 it waits for seconds instead of ten minutes, or a world would be over before it asks again.
        """
        config = IbkrConfig(
            gateway_url="http://ibkr.simulated/v1/api",
            access_code=_CODE,
            confirmed=frozenset({"o163"}),
            penalty_s=_PENALTY_S,
        )
        return IbkrBroker(clock, replace(config, per_second=None), http=http)

    def credentials(self) -> Credentials:
        """Give the account's id and the gateway's access code."""
        return Credentials(key=DEFAULT_ACCOUNT, secret=_CODE)

    def drawing(self) -> Draw:
        """Give what draws the orders of one world."""
        return around(_PRICES, TimeInForce.DAY)

    def is_command(self, method: str, path: str) -> bool:
        """Tell whether a request is about an order, or answers a question about one."""
        return super().is_command(method, path) or "/iserver/reply/" in path

    def sent_as(self, entry: WireEntry) -> str:
        """Give the reference of a ticket; what a question's answer then places is the same ticket."""
        if entry.method != "POST" or not _ORDERS.fullmatch(entry.path):
            return ""
        (ticket,) = json.loads(entry.body)["orders"]
        mark: str = ticket["cOID"]
        return mark

    def see(self, dialect: Any) -> Sight:
        """Read the account's orders by their numbers, which outlive every change."""
        brokerage = dialect.brokerage
        orders, executions = [], {}
        for note in brokerage.notes.values():
            order = brokerage.order(note)
            filled = order.filled_quantity
            orders.append(
                {
                    "id": str(note.number),
                    "client_order_id": note.reference,
                    "replaces": None,
                    "status": _STATUS.get(brokerage.row(note)["status"], "partially_filled" if filled else "new"),
                    "filled_qty": str(filled),
                }
            )
            if note.executions:
                executions[str(note.number)] = sum((each.quantity for each in note.executions), filled * 0)
        return Sight(orders, executions)
