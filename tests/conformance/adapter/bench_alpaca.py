"""Alpaca on the bench: the adapter against the Alpaca simulator, over real sockets in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from brokergw.adapters.alpaca import AlpacaBroker, AlpacaConfig, AlpacaConnection
from brokergw.model.account import Environment
from brokergw.sim.dialects.alpaca import AlpacaDialect, AlpacaOptions, serve_alpaca
from brokergw.sim.dialects.alpaca.room import Room
from brokergw.sim.server import SimServer
from tests.conformance.adapter.bench import IMPATIENT, LINK, TIMEOUTS, Ability, Ail, Bench, Saying
from tests.conformance.adapter.bench_sim import SimBench, exam_link, held_at

KEY: Final = "PKEXAMKEY0001"
SECRET: Final = "exam-secret-never-shown"


class AlpacaBench(SimBench):
    """One account at a simulator that ticks only when a card says so."""

    name = "alpaca"
    abilities = frozenset(Ability)
    environment = Environment.PAPER
    commands = "/v2/*"
    orders = "/v2/orders"
    handshake = held_at("/stream")
    secrets = (KEY, SECRET)
    throwing_away = frozenset({401, 429})
    says = MappingProxyType(
        {
            Ail.REVOKED_TOKEN: (
                Saying(status=401, body='{"message": "unauthorized."}'),
                Saying(status=401, body="<html><body>401 Authorization Required</body></html>"),
                Saying(status=403, body='{"message": "forbidden."}'),
            ),
            Ail.RATE_LIMITED: (
                Saying(status=429, body='{"code":42910000,"message":"rate limit exceeded"}', retry_after_s=30),
            ),
            Ail.MAINTENANCE: (
                Saying(status=503, body="<html><body>503 Service Temporarily Unavailable</body></html>"),
                Saying(status=503, retry_after_s=600),
            ),
            Ail.MARKET_CLOSED: (
                Saying(
                    status=422,
                    body='{"code":42210000,"message":"options market orders are only allowed during market hours"}',
                ),
            ),
        }
    )
    spared = MappingProxyType(
        {
            Ail.EXPIRED_TOKEN: "its keys have no end",
            Ail.COMPETING_SESSION: "it knows no sessions",
            Ail.BANNED: "it bans no address",
        }
    )

    def __init__(self, server: SimServer, budgeted: SimServer) -> None:
        assert isinstance(server.dialect, AlpacaDialect)
        super().__init__(server)
        self._dialect = server.dialect
        # A budget of its own would make cards with many orders wait; the broker's headers set it where it counts.
        config = replace(
            AlpacaConfig.at(server.url, link=LINK, timeouts=TIMEOUTS),
            requests_per_minute=None,
            data_requests_per_minute=None,
        )
        self.factory = self._broker = AlpacaBroker(self.clock, config)
        self._budgeted = AlpacaBroker(self.clock, AlpacaConfig.at(budgeted.url))
        self._unreachable = AlpacaBroker(self.clock, AlpacaConfig.at("http://127.0.0.1:1", timeouts=TIMEOUTS))

    def open(self) -> AlpacaConnection:
        """Open the exam's account."""
        return self._broker.open(exam_link(Environment.PAPER, key=KEY, secret=SECRET))

    def open_with_wrong_keys(self) -> AlpacaConnection:
        """Open a connection with a secret that is not the account's."""
        return self._broker.open(exam_link(Environment.PAPER, key=KEY, secret="exam-secret-that-is-wrong"))

    def open_unreachable(self) -> AlpacaConnection:
        """Open a connection to a port where nobody listens."""
        return self._unreachable.open(exam_link(Environment.PAPER, key=KEY, secret=SECRET))

    def open_with_budget(self) -> AlpacaConnection:
        """Open the account of a simulator that counts requests."""
        return self._budgeted.open(exam_link(Environment.PAPER, key=KEY, secret=SECRET))

    def open_behind(self, port: int) -> AlpacaConnection:
        """Open the exam's account through another port."""
        config = AlpacaConfig.at(f"http://127.0.0.1:{port}", link=IMPATIENT, timeouts=TIMEOUTS)
        return AlpacaBroker(self.clock, config).open(exam_link(Environment.PAPER, key=KEY, secret=SECRET))

    def at_broker(self, client_order_id: str) -> int:
        """Count the exchange's orders of an id, and the spreads that the simulator works itself."""
        orders = self._dialect.exchange.orders(self._room.account_id)
        spread = self._dialect.brokerage.combos.find(self._room, client_order_id)
        return sum(order.client_order_id == client_order_id for order in orders) + (spread is not None)

    def orders_at_broker(self) -> int:
        """Count the exchange's orders."""
        return len(self._dialect.exchange.orders(self._room.account_id))

    @property
    def _room(self) -> Room:
        return next(room for room in self._dialect.brokerage.rooms.values() if room.key_id == KEY)


@asynccontextmanager
async def alpaca_bench() -> AsyncIterator[Bench]:
    """Set two simulators up: one that counts requests, and one that does not."""
    options = AlpacaOptions(keys={KEY: SECRET}, tick_interval_s=None)
    async with (
        await serve_alpaca(options=options) as server,
        await serve_alpaca(options=replace(options, rate_limit_per_minute=200)) as budgeted,
    ):
        yield AlpacaBench(server, budgeted)
