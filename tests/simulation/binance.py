"""The worlds before Binance: spot and USDⓈ-M futures, which free a client order id once its order has ended."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs

from brokergw.adapters.binance import BinanceBroker, BinanceConfig
from brokergw.model.terms import TimeInForce
from brokergw.ports.broker import AdapterFactory, Credentials
from brokergw.ports.clock import Clock
from brokergw.sim.dialects.binance import DEFAULT_KEY, DEFAULT_SECRET, BinanceOptions
from brokergw.sim.dialects.binance.app import BinanceDialect
from brokergw.sim.dialects.binance.listings import Kind
from brokergw.sim.faults import Faults
from brokergw.sim.journal import WireEntry, WireJournal
from brokergw.transport.http import Http
from tests.simulation.broker import Draw, Sight, SimBroker, around
from tests.simulation.virtual import wall_ns

_PRICES: Final = {
    "ETH/USDT": (Decimal(3340), Decimal("0.01")),
    "BNB/USDT": (Decimal(640), Decimal("0.05")),
    "SOL/USDT": (Decimal(245), Decimal("0.1")),
}


class SimBinance(SimBroker):
    """One of an account's two products."""

    kind: Kind
    order_path: str
    suffix = ""

    def config(self) -> BinanceConfig:
        """Give the product's settings."""
        raise NotImplementedError

    def dialect(self, seed: int, faults: Faults, wire: WireJournal) -> BinanceDialect:
        """Make the dialect, on virtual time."""
        options = BinanceOptions(seed=seed, now_ns=wall_ns, sleep=asyncio.sleep, tick_interval_s=None)
        return BinanceDialect(options, faults, wire)

    def factory(self, clock: Clock, http: Http) -> AdapterFactory:
        """Make the adapter's factory; the dialect counts no requests, so neither does it."""
        config = replace(self.config(), weight_per_minute=None, orders_10s=None, orders_long=None)
        return BinanceBroker(clock, config.at("http://binance.simulated"), http=http)

    def credentials(self) -> Credentials:
        """Give the simulator's own key."""
        return Credentials(key=DEFAULT_KEY, secret=DEFAULT_SECRET)

    def drawing(self) -> Draw:
        """Give what draws the orders of one world."""
        return around({symbol + self.suffix: row for symbol, row in _PRICES.items()}, TimeInForce.GTC)

    def changed_quantity(self, random: Random) -> Decimal:
        """Draw a quantity that every symbol's step divides."""
        return Decimal(random.randint(1, 30)) / 10

    def sent_as(self, entry: WireEntry) -> str:
        """Give the client order id of a POST to the orders."""
        if (entry.method, entry.path) != ("POST", self.order_path):
            return ""
        sent = parse_qs(entry.body.decode())
        return sent["newClientOrderId"][0] if sent else entry.query["newClientOrderId"]

    def see(self, dialect: Any) -> Sight:
        """Read the account's orders by their numbers, which outlive every change."""
        brokerage = dialect.brokerage
        room = brokerage.room(self.kind, DEFAULT_KEY)
        orders, executions = [], {}
        for number in sorted(room.generations):
            shape = brokerage.order_shape(room, number, brokerage.newest(room, number))
            name = f"{shape['symbol']}:{number}"
            orders.append(
                {
                    "id": name,
                    "client_order_id": room.names[number],
                    "replaces": None,
                    "status": str(shape["status"]).lower(),
                    "filled_qty": shape["executedQty"],
                }
            )
            if done := brokerage.executions(room, number):
                executions[name] = sum((each.quantity for each in done), Decimal(0))
        return Sight(orders, executions)


class SimSpot(SimBinance):
    """The spot account."""

    name = "binance"
    kind = Kind.SPOT
    order_path = "/api/v3/order"

    def config(self) -> BinanceConfig:
        """Give spot's settings."""
        return BinanceConfig.spot()


class SimFutures(SimBinance):
    """The futures account."""

    name = "binance-futures"
    kind = Kind.FUTURES
    order_path = "/fapi/v1/order"
    suffix = ":PERP"

    def config(self) -> BinanceConfig:
        """Give futures' settings."""
        return BinanceConfig.futures()
