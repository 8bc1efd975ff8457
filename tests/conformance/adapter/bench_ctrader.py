"""cTrader on the bench: the adapter against the cTrader simulator, JSON over a real websocket in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

from brokergw.adapters.ctrader import CtraderBroker, CtraderConfig, CtraderConnection
from brokergw.model.account import Environment
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import Side, TimeInForce
from brokergw.ports.broker import BrokerAdapter, BrokerLink, Credentials
from brokergw.sim.dialects.ctrader import DEMO_ACCOUNT, CtraderOptions, CtraderServer, Token, serve_ctrader
from brokergw.sim.dialects.ctrader.accounts import Account, Note
from brokergw.sim.dialects.ctrader.enums import Life, OrderKind
from brokergw.sim.dialects.ctrader.symbols import BY_NAME
from brokergw.sim.faults import Fault, FaultName
from brokergw.transport.websocket import LinkPolicy
from tests.conformance.adapter.bench import Ability, Bench, Mishap
from tests.fixtures.hasty import HastyClock

CLIENT_ID: Final = "exam-application"
CLIENT_SECRET: Final = "exam-application-secret"
TOKEN: Final = "exam-token-never-shown"
WRONG: Final = "exam-secret-that-is-wrong"
_FAULTS: Final = {
    Mishap.LOST_REPLY: FaultName.LOST_REPLY,
    Mishap.ERROR_AFTER: FaultName.ERROR_AFTER,
    Mishap.GARBLED_REPLY: FaultName.GARBLED_REPLY,
    Mishap.HANGING_REPLY: FaultName.HANGING_REPLY,
    Mishap.ERROR_BEFORE: FaultName.ERROR_BEFORE,
    Mishap.RESET: FaultName.CONNECTION_RESET,
    Mishap.RATE_LIMITED: FaultName.RATE_LIMITED,
}
_VERBS: Final = {"POST": "NEW", "PATCH": "CHANGE", "DELETE": "END", "GET": "ASK"}
_LINK: Final = LinkPolicy(open_s=1.0, backoff_first_s=0.02, backoff_max_s=0.05, stable_s=1e6, mute_s=30.0)


class CtraderBench(Bench):
    """One hedged account at a simulator that ticks only when a card says so."""

    name = "ctrader"
    abilities = frozenset(
        {Ability.CREDENTIALS, Ability.NETWORK, Ability.STREAM_LOSS, Ability.COST, Ability.HOLDS, Ability.LENDING}
    )
    environment = Environment.PAPER
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

    def __init__(self, server: CtraderServer) -> None:
        self.clock = HastyClock()
        self._server = server
        self._dialect = server.dialect
        self._opened: list[CtraderConnection] = []
        self._held = ""
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
        self._opened.append(self._broker.open(_link(TOKEN)))
        return self._opened[-1]

    def open_with_wrong_keys(self) -> CtraderConnection:
        """Open a connection with a token that opens nothing."""
        return self._broker.open(_link(WRONG))

    def open_unreachable(self) -> CtraderConnection:
        """Open a connection to a port where nobody listens."""
        return self._unreachable.open(_link(TOKEN))

    def pin(self, symbol: str, price: Decimal) -> None:
        """Hold a price."""
        self._dialect.exchange.set_price(symbol, price)

    def tick(self) -> None:
        """Let resting orders meet the market."""
        self._dialect.tick()

    def at_broker(self, client_order_id: str) -> int:
        """Count the account's orders of an id."""
        return sum(note.client_order_id == client_order_id for note in self._account.notes.values())

    def orders_at_broker(self) -> int:
        """Count the account's orders."""
        return len(self._account.notes)

    def mishap(self, mishap: Mishap, *, method: str = "POST") -> None:
        """Arm a fault for the next request of a verb."""
        self._server.faults.arm(Fault(name=_FAULTS[mishap], method=_VERBS[method]))

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

    def hold_stream(self, held: bool) -> None:  # noqa: FBT001 - a switch reads best so
        """Answer websocket handshakes with an error for as long as it is held."""
        if held:
            fault = Fault(name=FaultName.ERROR_BEFORE, method="GET", path="/", count=None)
            self._held = self._server.faults.arm(fault).fault_id
        elif self._held:
            self._server.faults.disarm(self._held)

    def repeat_events(self) -> None:
        """Tell each event twice."""
        self._server.faults.arm(Fault(name=FaultName.DUPLICATE_EVENTS, count=None))

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


def _link(token: str) -> BrokerLink:
    return BrokerLink(
        connection_id="con_exam",
        account_id="acc_exam",
        environment=Environment.PAPER,
        credentials=Credentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, access_token=token),
    )
