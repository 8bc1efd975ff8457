"""Schwab on the bench: the adapter against the Schwab simulator, over real sockets in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from brokergw.adapters.schwab import SchwabBroker, SchwabConfig, SchwabConnection
from brokergw.model.account import Environment
from brokergw.model.outcome import Outcome
from brokergw.model.remedy import Remedy
from brokergw.model.terms import OrderTerms
from brokergw.ports.permit import Permit
from brokergw.sim.dialects.schwab import DEFAULT_LOGIN, DEFAULT_NUMBER, SchwabDialect, SchwabOptions, serve_schwab
from brokergw.sim.dialects.schwab.room import Room
from brokergw.sim.server import SimServer
from tests.conformance.adapter.bench import IMPATIENT, LINK, TIMEOUTS, Ability, Ail, Bench, Saying
from tests.conformance.adapter.bench_sim import SimBench, exam_link, held_at

TOKEN: Final = "I0.exam-access-token-never-shown"


class _Named(SchwabConnection):
    """A connection whose bench knows what each client order id came to: nothing of it goes over the wire."""

    def watch(self, room: Room, made: dict[str, int]) -> None:
        """Count the orders that come to be while one is sent."""
        self._room, self._made = room, made

    async def submit_order(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Send one order."""
        before = living(self._room)
        try:
            return await super().submit_order(permit, terms)
        finally:
            name = permit.client_order_id
            self._made[name] = self._made.get(name, 0) + living(self._room) - before


def living(room: Room) -> int:
    """Count the orders that stand at the top of lists, refused ones and replaced ones apart."""
    return sum(entry.refused is None for entry in room.tops())


class SchwabBench(SimBench):
    """One account at a simulator that ticks only when a card says so."""

    name = "schwab"
    abilities = frozenset(Ability) - {Ability.BUDGET, Ability.UNIQUE_IDS}
    environment = Environment.LIVE
    commands = "/trader/v1/*"
    orders = "/trader/v1/accounts"
    handshake = held_at("/ws")
    missing = "9999999999999"
    entry_step_s = 1.1
    closes_by = "POST"
    quantity_step = Decimal(1)
    secrets = (TOKEN,)
    throwing_away = frozenset({429})
    renewal = Remedy.AUTHORIZE_AGAIN
    says = MappingProxyType(
        {
            Ail.EXPIRED_TOKEN: (Saying(status=401, body='{"message":"Client not authorized"}'),),
            Ail.REVOKED_TOKEN: (
                Saying(
                    status=401,
                    body='{"errors":[{"status":401,"title":"Unauthorized","detail":"Client not authorized"}]}',
                ),
            ),
            Ail.RATE_LIMITED: (Saying(status=429, body='{"message":"Too many requests"}', retry_after_s=30),),
            Ail.MAINTENANCE: (
                Saying(status=503, body="upstream is not available"),
                Saying(status=503, retry_after_s=600),
            ),
        }
    )
    spared = MappingProxyType(
        {
            Ail.COMPETING_SESSION: "it knows no sessions",
            Ail.BANNED: "it bans no address",
            Ail.MARKET_CLOSED: "it takes orders at any hour, for the session that they are good in",
        }
    )

    def __init__(self, server: SimServer) -> None:
        assert isinstance(server.dialect, SchwabDialect)
        super().__init__(server)
        self._dialect = server.dialect
        self._made: dict[str, int] = {}
        # A budget of its own would make cards with many orders wait; a look is due soon, since nobody waits for long.
        self._config = replace(
            SchwabConfig.at(server.url, link=LINK, timeouts=TIMEOUTS),
            queries_per_minute=None,
            orders_per_minute=None,
            poll_s=0.5,
        )
        self.factory = self._broker = SchwabBroker(self.clock, self._config)
        self._unreachable = SchwabBroker(self.clock, SchwabConfig.at("http://127.0.0.1:1", timeouts=TIMEOUTS))

    def open(self) -> SchwabConnection:
        """Open the exam's account."""
        connection = _Named(
            exam_link(Environment.LIVE, access_token=TOKEN), self._config, self._broker._http, self.clock
        )
        connection.watch(self._room, self._made)
        return connection

    def open_with_wrong_keys(self) -> SchwabConnection:
        """Open a connection with a token that opens nothing."""
        return self._broker.open(exam_link(Environment.LIVE, access_token="exam-secret-that-is-wrong"))

    def open_unreachable(self) -> SchwabConnection:
        """Open a connection to a port where nobody listens."""
        return self._unreachable.open(exam_link(Environment.LIVE, access_token=TOKEN))

    def open_behind(self, port: int) -> SchwabConnection:
        """Open the exam's account through another port, its streamer too."""
        self._dialect.brokerage.stream_url = f"ws://127.0.0.1:{port}{self._dialect.stream_path}"
        config = SchwabConfig.at(f"http://127.0.0.1:{port}", link=IMPATIENT, timeouts=TIMEOUTS)
        return SchwabBroker(self.clock, replace(config, poll_s=0.5)).open(
            exam_link(Environment.LIVE, access_token=TOKEN)
        )

    def at_broker(self, client_order_id: str) -> int:
        """Count the orders that came to be when an id was sent."""
        return self._made.get(client_order_id, 0)

    def orders_at_broker(self) -> int:
        """Count the orders that were taken."""
        return living(self._room)

    @property
    def _room(self) -> Room:
        return self._dialect.brokerage.rooms[DEFAULT_NUMBER]


@asynccontextmanager
async def schwab_bench() -> AsyncIterator[Bench]:
    """Set a simulator up."""
    options = SchwabOptions(tokens={TOKEN: DEFAULT_LOGIN}, tick_interval_s=None)
    async with await serve_schwab(options=options) as server:
        yield SchwabBench(server)
