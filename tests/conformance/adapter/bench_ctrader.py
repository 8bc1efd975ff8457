"""cTrader on the bench: the adapter against the cTrader simulator, JSON over a real websocket in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from brokergw.adapters.ctrader import CtraderBroker, CtraderConfig, CtraderConnection
from brokergw.model.account import Environment
from brokergw.model.instrument import AssetClass
from brokergw.model.remedy import Remedy
from brokergw.model.terms import Side, TimeInForce
from brokergw.ports.broker import BrokerAdapter, BrokerLink
from brokergw.sim.dialects.ctrader import DEMO_ACCOUNT, CtraderOptions, CtraderServer, Token, serve_ctrader
from brokergw.sim.dialects.ctrader.accounts import Account, Note
from brokergw.sim.dialects.ctrader.enums import Life, OrderKind
from brokergw.sim.dialects.ctrader.symbols import BY_NAME
from brokergw.sim.faults import Fault, FaultName
from brokergw.transport.websocket import LinkPolicy
from tests.conformance.adapter.bench import IMPATIENT, Ability, Ail, Bench, Saying
from tests.conformance.adapter.bench_sim import SimBench, exam_link, held_at

CLIENT_ID: Final = "exam-application"
CLIENT_SECRET: Final = "exam-application-secret"
TOKEN: Final = "exam-token-never-shown"
WRONG: Final = "exam-secret-that-is-wrong"
_VERBS: Final = {"POST": "NEW", "PATCH": "CHANGE", "DELETE": "END", "GET": "ASK"}
_LINK: Final = LinkPolicy(open_s=1.0, backoff_first_s=0.02, backoff_max_s=0.05, stable_s=1e6, mute_s=30.0)


class CtraderBench(SimBench):
    """One hedged account at a simulator that ticks only when a card says so."""

    name = "ctrader"
    abilities = frozenset(
        {Ability.CREDENTIALS, Ability.NETWORK, Ability.STREAM_LOSS, Ability.COST, Ability.HOLDS, Ability.LENDING}
    )
    environment = Environment.PAPER
    handshake = held_at("/")
    main = AssetClass.CFD
    market_time = TimeInForce.IOC
    fraction = "0.25"
    quantity_step = Decimal("0.01")
    ticks = {"100": "0.01", "0.5": "0.01"}  # noqa: RUF012 - the base says it is the class's
    stock = "AAPL.US"
    deep = "F.US"
    whole_only = "OCGN.US"
    halted = "HALT.US"
    secrets = (CLIENT_SECRET, TOKEN)
    renewal = Remedy.AUTHORIZE_AGAIN
    says = MappingProxyType(
        {
            Ail.EXPIRED_TOKEN: (Saying(body="OA_AUTH_TOKEN_EXPIRED"),),
            Ail.REVOKED_TOKEN: (Saying(body="CH_ACCESS_TOKEN_INVALID: Access token is invalid"),),
            Ail.RATE_LIMITED: (Saying(status=429, retry_after_s=30),),
            Ail.MAINTENANCE: (
                Saying(body="CANT_ROUTE_REQUEST"),
                Saying(body="SERVER_IS_UNDER_MAINTENANCE", retry_after_s=600),
            ),
            Ail.MARKET_CLOSED: (Saying(body="MARKET_CLOSED: Market is closed"), Saying(body="SYMBOL_HAS_HOLIDAY")),
        }
    )
    spared = MappingProxyType(
        {
            Ail.COMPETING_SESSION: "several sessions may live side by side",
            Ail.BANNED: "it speaks no HTTP",
        }
    )

    def __init__(self, server: CtraderServer) -> None:
        super().__init__(server)
        self._dialect = server.dialect
        self._opened: list[CtraderConnection] = []
        config = CtraderConfig(
            paper_url=server.url,
            live_url=server.url,
            requests_per_second=None,
            history_per_second=None,
            answer_s=2.0,
            link=_LINK,
        )
        self.factory = self._broker = CtraderBroker(self.clock, config)
        self._unreachable = CtraderBroker(self.clock, CtraderConfig.at("ws://127.0.0.1:1", link=_LINK))

    def open(self) -> CtraderConnection:
        """Open the exam's account."""
        self._opened.append(self._broker.open(_login(TOKEN)))
        return self._opened[-1]

    def open_with_wrong_keys(self) -> CtraderConnection:
        """Open a connection with a token that opens nothing."""
        return self._broker.open(_login(WRONG))

    def open_unreachable(self) -> CtraderConnection:
        """Open a connection to a port where nobody listens."""
        return self._unreachable.open(_login(TOKEN))

    def commands_of(self, method: str) -> Fault:
        """Name the requests that stand for an HTTP method."""
        return Fault(name=FaultName.ERROR_BEFORE, method=_VERBS[method])

    def open_behind(self, port: int) -> CtraderConnection:
        """Open the exam's account through another port."""
        config = CtraderConfig.at(f"ws://127.0.0.1:{port}", link=IMPATIENT, answer_s=1.0)
        return CtraderBroker(self.clock, config).open(_login(TOKEN))

    def say(self, saying: Saying, *, orders: bool = False) -> None:
        """Answer every request but the application's own with a code; a spent budget has a message of its own."""
        name = FaultName.RATE_LIMITED if saying.status == 429 else FaultName.ERROR_BEFORE
        seconds = None if saying.retry_after_s is None else float(saying.retry_after_s)
        for path in ("/NewOrderReq",) if orders else ("/AccountAuthReq", "/[B-UW-Z]*"):
            self._server.faults.arm(Fault(name=name, path=path, count=None, answer=saying.body, seconds=seconds))

    def at_broker(self, client_order_id: str) -> int:
        """Count the account's orders of an id."""
        return sum(note.client_order_id == client_order_id for note in self._account.notes.values())

    def orders_at_broker(self) -> int:
        """Count the account's orders."""
        return len(self._account.notes)

    def sent(self) -> int:
        """Count the new orders in the wire journal."""
        return len(self._server.journal.select(method="NEW"))

    async def cut_stream(self) -> None:
        """Cut every connection, and wait until the adapter has noticed: its orders go the same way."""
        await self._dialect.drop_streams()
        while any(broker.up for broker in self._opened):
            await asyncio.sleep(0)

    async def trade_meanwhile(self, _: BrokerAdapter, quantity: str, cancelled_id: str) -> str:
        """Trade at the broker itself, as the account's owner may from a terminal."""
        account, brokerage = self._account, self._dialect.brokerage
        now_ms = brokerage.now_ms()
        note = Note(
            order_id=brokerage.next_id(),
            symbol=BY_NAME[self.stock],
            side=Side.BUY,
            kind=OrderKind.MARKET,
            life=Life.IMMEDIATE_OR_CANCEL,
            position_id=0,
            quantity=Decimal(quantity),
            opened_ms=now_ms,
            changed_ms=now_ms,
        )
        brokerage.submit(account, note, None)
        brokerage.cancel(account, account.notes[int(cancelled_id)], None)
        return str(note.order_id)

    @property
    def _account(self) -> Account:
        return self._dialect.brokerage.accounts[DEMO_ACCOUNT.ctid]


@asynccontextmanager
async def ctrader_bench() -> AsyncIterator[Bench]:
    """Set a simulator up."""
    options = CtraderOptions(
        applications={CLIENT_ID: CLIENT_SECRET},
        tokens={TOKEN: Token(accounts=(DEMO_ACCOUNT.ctid,))},
        tick_interval_s=None,
    )
    async with await serve_ctrader(options=options) as server:
        yield CtraderBench(server)


def _login(token: str) -> BrokerLink:
    return exam_link(Environment.PAPER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, access_token=token)
