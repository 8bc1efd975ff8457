"""Interactive Brokers on the bench: the adapter against the simulated gateway, over real sockets in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from brokergw.adapters.ibkr import IbkrBroker, IbkrConfig, IbkrConnection
from brokergw.model.account import Environment
from brokergw.model.remedy import Remedy
from brokergw.sim.dialects.ibkr import DEFAULT_ACCOUNT, IbkrDialect, IbkrOptions, serve_ibkr
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.server import SimServer
from tests.conformance.adapter.bench import IMPATIENT, LINK, TIMEOUTS, Ability, Ail, Bench, Saying
from tests.conformance.adapter.bench_sim import SimBench, exam_link, held_at

CODE: Final = "exam-code-never-shown"
_PATHS: Final = {
    "POST": "/v1/api/iserver/account/*/orders",
    "DELETE": "/v1/api/iserver/account/*/order/*",
    "GET": "/v1/api/iserver/account/orders",
}


def config(url: str) -> IbkrConfig:
    """Point the adapter at a simulator, without the broker's paces: cards with many orders would wait for them."""
    return IbkrConfig(
        gateway_url=f"{url}/v1/api",
        access_code=CODE,
        per_second=None,
        list_every_s=0.0,
        poll_s=0.2,
        penalty_s=1.0,
        again_s=0.0,
        pause_s=0.01,
        timeouts=TIMEOUTS,
        link=LINK,
    )


class IbkrBench(SimBench):
    """One account at a gateway that ticks only when a card says so, and asks no questions."""

    name = "ibkr"
    abilities = frozenset(Ability) - {Ability.BUDGET}
    environment = Environment.PAPER
    handshake = held_at("/v1/api/ws")
    secrets = (CODE,)
    throwing_away = frozenset({401, 429})
    renewal = Remedy.LOG_IN
    says = MappingProxyType(
        {
            Ail.EXPIRED_TOKEN: (Saying(status=401), Saying(status=401, body="Unauthorized")),
            Ail.COMPETING_SESSION: (Saying(),),
            Ail.RATE_LIMITED: (Saying(status=429, body='{"error":"too many requests"}', retry_after_s=30),),
            Ail.MAINTENANCE: (
                Saying(status=503, body='{"error":"Service Unavailable","statusCode":503}'),
                Saying(status=503, retry_after_s=600),
            ),
            Ail.MARKET_CLOSED: (Saying(status=200, body='{"error":"The exchange is closed."}'),),
        }
    )
    spared = MappingProxyType(
        {
            Ail.REVOKED_TOKEN: "a login there ends, and is not taken back",
            Ail.BANNED: "it bans with a 429",
        }
    )
    closes_by = "POST"
    quantity_step = Decimal(1)

    def __init__(self, server: SimServer) -> None:
        assert isinstance(server.dialect, IbkrDialect)
        super().__init__(server)
        self._dialect = server.dialect
        self.factory = self._broker = IbkrBroker(self.clock, config(server.url))
        self._unreachable = IbkrBroker(self.clock, config("http://127.0.0.1:1"))

    def open(self) -> IbkrConnection:
        """Open the exam's account."""
        return self._broker.open(exam_link(Environment.PAPER, key=DEFAULT_ACCOUNT, secret=CODE))

    def open_with_wrong_keys(self) -> IbkrConnection:
        """Open a connection with a code that is not the gateway's."""
        return self._broker.open(exam_link(Environment.PAPER, key=DEFAULT_ACCOUNT, secret="exam-secret-that-is-wrong"))

    def open_unreachable(self) -> IbkrConnection:
        """Open a connection to a port where nobody listens."""
        return self._unreachable.open(exam_link(Environment.PAPER, key=DEFAULT_ACCOUNT, secret=CODE))

    def commands_of(self, method: str) -> Fault:
        """Name the one path that a method is about here: orders, one order, or the list of orders."""
        return Fault(name=FaultName.ERROR_BEFORE, method=method, path=_PATHS[method])

    def open_behind(self, port: int) -> IbkrConnection:
        """Open the exam's account through another port."""
        behind = replace(config(f"http://127.0.0.1:{port}"), link=IMPATIENT)
        return IbkrBroker(self.clock, behind).open(exam_link(Environment.PAPER, key=DEFAULT_ACCOUNT, secret=CODE))

    def say(self, saying: Saying, *, orders: bool = False) -> None:
        """Let somebody log in elsewhere, where there is no answer to give."""
        if saying.status:
            super().say(saying, orders=orders)
        else:
            self._dialect.session.elsewhere()

    def recover(self) -> None:
        """Let the session elsewhere end, too."""
        super().recover()
        self._dialect.session.init()

    def at_broker(self, client_order_id: str) -> int:
        """Count the broker's orders of a reference."""
        return sum(note.reference == client_order_id for note in self._dialect.brokerage.notes.values())

    def orders_at_broker(self) -> int:
        """Count the broker's orders."""
        return len(self._dialect.brokerage.notes)

    def sent(self) -> int:
        """Count the orders in the wire journal."""
        entries = self._server.journal.select(method="POST", path="/v1/api/iserver/account/")
        return sum(entry.path.endswith("/orders") for entry in entries)


@asynccontextmanager
async def ibkr_bench() -> AsyncIterator[Bench]:
    """Set a simulator up."""
    options = IbkrOptions(tick_interval_s=None, asks=frozenset())
    async with await serve_ibkr(options=options) as server:
        yield IbkrBench(server)
