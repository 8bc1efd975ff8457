"""The worlds before cTrader: commands, answers and events on one websocket, and ids that nobody keeps unique.

What goes wrong with a request goes wrong in the dialect, which answers, cuts or stays silent by request; what
the network adds is delay, outages that cut every socket, and processes whose sockets die with them.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from brokergw.adapters.ctrader import CtraderBroker, CtraderConfig
from brokergw.model.terms import TimeInForce
from brokergw.ports.broker import AdapterFactory, Credentials
from brokergw.ports.clock import Clock
from brokergw.sim.dialects.ctrader import (
    DEFAULT_CLIENT_ID,
    DEFAULT_CLIENT_SECRET,
    DEFAULT_TOKEN,
    CtraderDialect,
    CtraderOptions,
)
from brokergw.sim.dialects.ctrader.enums import Status
from brokergw.sim.dialects.ctrader.shapes import order as row_of
from brokergw.sim.faults import FaultName, Faults
from brokergw.sim.journal import WireEntry, WireJournal
from brokergw.transport.http import Http
from tests.simulation.broker import Draw, Sight, SimBroker, around
from tests.simulation.virtual import wall_ns

_COMMAND: Final = re.compile(r'"payloadType": ?(2106|2108|2109)\b')
"""NewOrderReq, CancelOrderReq, AmendOrderReq."""

_STATUS: Final = {
    Status.FILLED: "filled",
    Status.CANCELLED: "canceled",
    Status.EXPIRED: "expired",
    Status.REJECTED: "rejected",
}
_PRICES: Final = {
    "AAPL.US": (Decimal("231.50"), Decimal(1)),
    "MSFT.US": (Decimal("428.30"), Decimal(1)),
    "KO.US": (Decimal("63.40"), Decimal(1)),
}


class SimCtrader(SimBroker):
    """A demo account. Absence takes a minute of complete lists to be proved there."""

    name = "ctrader"
    rests_max = 30
    questions_suffer = 0.2
    road_faults: Sequence[FaultName] = (
        FaultName.LATENCY,
        FaultName.CONNECTION_RESET,
        FaultName.ERROR_BEFORE,
        FaultName.RATE_LIMITED,
        FaultName.LOST_REPLY,
        FaultName.ERROR_AFTER,
        FaultName.HANGING_REPLY,
        FaultName.GARBLED_REPLY,
    )

    command_verbs: Sequence[str] = ("NEW", "CHANGE", "END")

    def dialect(self, seed: int, faults: Faults, wire: WireJournal) -> CtraderDialect:
        """Make the dialect, on virtual time."""
        options = CtraderOptions(
            seed=seed, cash=Decimal(1_000_000), now_ns=wall_ns, sleep=asyncio.sleep, tick_interval_s=None
        )
        return CtraderDialect(options, faults, wire)

    def factory(self, clock: Clock, http: Http) -> AdapterFactory:
        """Make the adapter's factory; the dialect counts no requests, so neither does it."""
        config = CtraderConfig.at("ws://ctrader.simulated/")
        return CtraderBroker(clock, replace(config, requests_per_second=None, history_per_second=None))

    def credentials(self) -> Credentials:
        """Give the simulator's own application and token."""
        return Credentials(client_id=DEFAULT_CLIENT_ID, client_secret=DEFAULT_CLIENT_SECRET, access_token=DEFAULT_TOKEN)

    def drawing(self) -> Draw:
        """Give what draws the orders of one world."""
        return around(_PRICES, TimeInForce.GTC)

    def is_command(self, method: str, path: str) -> bool:
        """Tell whether a frame, given in place of a path, is about an order."""
        return method == "WS" and _COMMAND.search(path) is not None

    def sent_as(self, entry: WireEntry) -> str:
        """Give the client order id of a NewOrderReq."""
        if entry.path != "/NewOrderReq":
            return ""
        mark: str = json.loads(entry.body)["clientOrderId"]
        return mark

    def see(self, dialect: Any) -> Sight:
        """Read the account's orders by their ids, which outlive every change."""
        (account,) = dialect.brokerage.accounts.values()
        orders, executions = [], {}
        for note in account.notes.values():
            row = row_of(note)
            done = sum((each.execution.quantity for each in account.deals if each.note is note), Decimal(0))
            name = str(note.order_id)
            status = _STATUS.get(Status(row["orderStatus"]), "partially_filled" if done else "new")
            orders.append(
                {
                    "id": name,
                    "client_order_id": note.client_order_id,
                    "replaces": None,
                    "status": status,
                    "filled_qty": str(done),
                }
            )
            if done:
                executions[name] = done
        return Sight(orders, executions)
