"""Binance on the bench: spot and futures against the Binance simulator, over real sockets in this process."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from brokergw.adapters.binance import BinanceBroker, BinanceConfig, BinanceConnection, Product
from brokergw.model.account import Environment
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import TimeInForce
from brokergw.ports.broker import BrokerLink
from brokergw.sim.dialects.binance import BinanceDialect, BinanceOptions, serve_binance
from brokergw.sim.dialects.binance.listings import Kind, listed_as
from brokergw.sim.dialects.binance.room import Room
from brokergw.sim.server import SimServer
from tests.conformance.adapter.bench import IMPATIENT, LINK, TIMEOUTS, Ability, Ail, Bench, Saying
from tests.conformance.adapter.bench_sim import SimBench, exam_link, held_at

KEY: Final = "BINANCEEXAMKEY0001"
SECRET: Final = "exam-secret-never-shown"
BUDGET: Final = 200
_WIRE: Final = frozenset(
    {
        Ability.CREDENTIALS,
        Ability.NETWORK,
        Ability.STREAM_LOSS,
        Ability.BUDGET,
        Ability.STATUSES,
        Ability.TIME,
        Ability.UNIQUE_IDS,
    }
)


_SAYS: Final = {
    Ail.REVOKED_TOKEN: (
        Saying(status=401, body='{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'),
        Saying(status=400, body='{"code":-2014,"msg":"API-key format invalid."}'),
    ),
    Ail.RATE_LIMITED: (
        Saying(status=429, body='{"code":-1003,"msg":"Too much request weight used."}', retry_after_s=30),
    ),
    Ail.BANNED: (
        Saying(status=418, body='{"code":-1003,"msg":"Way too much request weight used."}', retry_after_s=30),
    ),
    Ail.MAINTENANCE: (
        Saying(status=503, body='{"code":-1001,"msg":"Service Unavailable."}'),
        Saying(status=503, retry_after_s=600),
    ),
}
_SPARED: Final = {
    Ail.EXPIRED_TOKEN: "its keys have no end",
    Ail.COMPETING_SESSION: "it knows no sessions",
    Ail.MARKET_CLOSED: "its perpetual contracts always trade",
}


class Memory:
    """What a gateway has on record: the symbol of whatever was ever sent."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol

    async def symbol_of(self, client_order_id: str) -> str:
        """Give the bench's main symbol, which every order that another process sent is about."""
        return self._symbol

    async def symbols(self) -> tuple[str, ...]:
        """Give the symbols with orders."""
        return (self._symbol,)

    async def generations(self, _: str) -> tuple[str, ...]:
        """Know no order by Binance's id."""
        return ()

    async def unnamed(self) -> tuple[str, ...]:
        """Wait for no order."""
        return ()


class BinanceBench(SimBench):
    """One account at a simulator that ticks only when a card says so."""

    environment = Environment.PAPER
    secrets = (KEY, SECRET)
    throwing_away = frozenset({401, 418, 429})
    says: Mapping[Ail, Sequence[Saying]] = MappingProxyType(_SAYS)
    spared: Mapping[Ail, str] = MappingProxyType(_SPARED)
    money = Decimal(1_000_000)
    currency = "USDT"
    fraction = "0.123"
    ticks = {"100": "0.01", "0.5": "0.01"}  # noqa: RUF012 - the base says it is the class's
    quantity_step = Decimal("0.001")
    indivisible = "INVALID_QUANTITY"
    market_time = TimeInForce.GTC
    closes_by = "POST"
    account_weight = 20
    product: Product
    kind: Kind

    def __init__(self, server: SimServer, budgeted: SimServer) -> None:
        assert isinstance(server.dialect, BinanceDialect)
        super().__init__(server)
        self._dialect = server.dialect
        own = BinanceConfig.spot() if self.product is Product.SPOT else BinanceConfig.futures()
        # A budget of its own would make cards with many orders wait; the broker's headers set it where it counts.
        config = replace(own, weight_per_minute=None, orders_10s=None, orders_long=None)
        self.factory = self._broker = BinanceBroker(self.clock, config.at(server.url, link=LINK, timeouts=TIMEOUTS))
        self._budgeted = BinanceBroker(self.clock, replace(own, weight_per_minute=BUDGET).at(budgeted.url))
        self._unreachable = BinanceBroker(self.clock, config.at("http://127.0.0.1:1", timeouts=TIMEOUTS))

    def open(self) -> BinanceConnection:
        """Open the exam's account."""
        return self._broker.open(self._link(SECRET))

    def open_with_wrong_keys(self) -> BinanceConnection:
        """Open a connection with a secret that is not the key's."""
        return self._broker.open(self._link("exam-secret-that-is-wrong"))

    def open_unreachable(self) -> BinanceConnection:
        """Open a connection to a port where nobody listens."""
        return self._unreachable.open(self._link(SECRET))

    def open_with_budget(self) -> BinanceConnection:
        """Open the account of a simulator that counts requests."""
        return self._budgeted.open(self._link(SECRET))

    def open_behind(self, port: int) -> BinanceConnection:
        """Open the exam's account through another port."""
        own = BinanceConfig.spot() if self.product is Product.SPOT else BinanceConfig.futures()
        config = own.at(f"http://127.0.0.1:{port}", link=IMPATIENT, timeouts=TIMEOUTS)
        return BinanceBroker(self.clock, config).open(self._link(SECRET))

    def pin(self, symbol: str, price: Decimal) -> None:
        """Hold a price."""
        self._dialect.exchange.set_price(listed_as(self.kind, _wire(symbol)), price)

    def at_broker(self, client_order_id: str) -> int:
        """Count the orders that were ever made under an id."""
        return self._room.placed.get(client_order_id, 0)

    def orders_at_broker(self) -> int:
        """Count the account's orders."""
        return len(self._room.generations)

    def forgive(self) -> None:
        """Forget bans."""
        self._broker.forgive()

    @property
    def _room(self) -> Room:
        return self._dialect.brokerage.room(self.kind, KEY)

    def _link(self, secret: str) -> BrokerLink:
        return replace(exam_link(Environment.PAPER, key=KEY, secret=secret), record=Memory(self.stock))


class SpotBench(BinanceBench):
    """The spot account."""

    name = "binance"
    abilities = _WIRE | {Ability.CASH, Ability.HOLDS}
    product = Product.SPOT
    kind = Kind.SPOT
    main = AssetClass.CRYPTO
    stock = "BNB/USDT"
    deep = "XRP/USDT"
    whole_only = "DOGE/USDT"
    halted = "HALT/USDT"
    closed = "MARKET_CLOSED"
    crypto = "BTC/USDT"
    commands = "/api/v3/*"
    orders = "/api/v3/order"
    handshake = held_at("/ws-api/v3")
    says = MappingProxyType(
        {**_SAYS, Ail.MARKET_CLOSED: (Saying(status=400, body='{"code":-2010,"msg":"Market is closed."}'),)}
    )


class FuturesBench(BinanceBench):
    """The futures account."""

    name = "binance-futures"
    abilities = _WIRE | {Ability.COST}
    product = Product.FUTURES
    kind = Kind.FUTURES
    main = AssetClass.FUTURE
    stock = "BNB/USDT:PERP"
    deep = "XRP/USDT:PERP"
    whole_only = "DOGE/USDT:PERP"
    halted = "HALT/USDT:PERP"
    commands = "/fapi/v1/*"
    orders = "/fapi/v1/order"
    handshake = held_at("/private/stream")


@asynccontextmanager
async def spot_bench() -> AsyncIterator[Bench]:
    """Set spot up."""
    async with _simulators() as servers:
        yield SpotBench(*servers)


@asynccontextmanager
async def futures_bench() -> AsyncIterator[Bench]:
    """Set futures up."""
    async with _simulators() as servers:
        yield FuturesBench(*servers)


@asynccontextmanager
async def _simulators() -> AsyncIterator[tuple[SimServer, SimServer]]:
    """Start two simulators: one that counts no requests, and one that does."""
    options = BinanceOptions(keys={KEY: SECRET}, cash=BinanceBench.money, tick_interval_s=None, orders_open_max=1000)
    counting = replace(options, spot_weight=BUDGET, futures_weight=BUDGET)
    async with await serve_binance(options=options) as server, await serve_binance(options=counting) as budgeted:
        yield server, budgeted


def _wire(symbol: str) -> str:
    return symbol.removesuffix(":PERP").replace("/", "")
