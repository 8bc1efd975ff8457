"""The worlds before Alpaca: a broker that refuses a client order id it has seen, and finds orders by it."""

import asyncio
import json
from typing import Any

from brokergw.adapters.alpaca.adapter import AlpacaBroker
from brokergw.adapters.alpaca.config import AlpacaConfig
from brokergw.ports.broker import AdapterFactory, Credentials
from brokergw.ports.clock import Clock
from brokergw.sim.dialects.alpaca.app import AlpacaDialect
from brokergw.sim.dialects.alpaca.options import DEFAULT_KEY, DEFAULT_SECRET, AlpacaOptions
from brokergw.sim.faults import Faults
from brokergw.sim.journal import WireEntry, WireJournal
from brokergw.transport.http import Http
from tests.simulation.broker import Draw, Sight, SimBroker, traded
from tests.simulation.plan import draw_order
from tests.simulation.virtual import wall_ns


class SimAlpaca(SimBroker):
    """Alpaca's paper account."""

    name = "alpaca"

    def dialect(self, seed: int, faults: Faults, wire: WireJournal) -> AlpacaDialect:
        """Make the dialect, on virtual time."""
        options = AlpacaOptions(seed=seed, now_ns=wall_ns, sleep=asyncio.sleep, tick_interval_s=None)
        return AlpacaDialect(options, faults, wire)

    def factory(self, clock: Clock, http: Http) -> AdapterFactory:
        """Make the adapter's factory."""
        return AlpacaBroker(clock, AlpacaConfig.at("http://alpaca.simulated"), http=http)

    def credentials(self) -> Credentials:
        """Give the simulator's own key."""
        return Credentials(key=DEFAULT_KEY, secret=DEFAULT_SECRET)

    def drawing(self) -> Draw:
        """Give what draws the orders of one world."""
        return draw_order

    def sent_as(self, entry: WireEntry) -> str:
        """Give the client order id of a POST to the orders."""
        if (entry.method, entry.path) != ("POST", "/v2/orders"):
            return ""
        mark: str = json.loads(entry.body)["client_order_id"]
        return mark

    def see(self, dialect: Any) -> Sight:
        """Take the control plane's word, which the judge has its words from."""
        (account,) = dialect.state()["accounts"]
        return Sight(account["orders"], traded(dialect, account["account_id"]))
