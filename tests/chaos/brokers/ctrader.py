"""cTrader: class B, found by the client order id that listings repeat; commands and events share one websocket."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MethodType
from typing import Final

from brokergw.adapters.ctrader.capabilities import CTRADER
from brokergw.ports.broker import Credentials
from brokergw.sim.dialects.ctrader import (
    DEFAULT_CLIENT_ID,
    DEFAULT_CLIENT_SECRET,
    DEFAULT_TOKEN,
    DEMO_ACCOUNT,
    CtraderOptions,
    serve_ctrader,
)
from brokergw.sim.dialects.ctrader.accounts import Account
from brokergw.sim.journal import WireJournal
from brokergw.sim.server import SimServer
from tests.chaos.broker import TICK_S, ChaosBroker, Command, Message, Way
from tests.chaos.goods import Goods, Item
from tests.chaos.history import BrokerSide, Execution, Verb

_VERBS: Final = {
    "/NewOrderReq": Verb.SUBMIT,
    "/AmendOrderReq": Verb.MODIFY,
    "/CancelOrderReq": Verb.CANCEL,
}
_METHODS: Final = {Verb.SUBMIT: "NEW", Verb.MODIFY: "CHANGE", Verb.CANCEL: "END"}


def _share(symbol: str, price: int) -> Item:
    return Item(symbol=symbol, resting=(5 * price, 12 * price), tick=Decimal("0.01"))


def _currency(symbol: str) -> Item:
    thousand = Decimal(1000)
    return Item(symbol=symbol, resting=(5000, 12_000), tick=Decimal("0.00001"), lot=thousand, crumb=thousand)


class CtraderChaos(ChaosBroker):
    """A demo account."""

    capabilities = CTRADER
    credentials = Credentials(
        client_id=DEFAULT_CLIENT_ID, client_secret=DEFAULT_CLIENT_SECRET, access_token=DEFAULT_TOKEN
    )
    goods = Goods(
        items=(
            _share("AAPL.US", 231),
            _share("MSFT.US", 428),
            _currency("EUR/USD"),
            _share("KO.US", 63),
            _share("F.US", 11),
            _currency("GBP/USD"),
        ),
        at_once=2,
        market_life="IOC",
        resting_life="GTC",
    )
    ways = {verb: Way(_METHODS[verb], path) for path, verb in _VERBS.items()}  # noqa: RUF012 - the base says so
    around = "/*Order*Req"

    @classmethod
    async def serve(cls, seed: int, now_ns: Callable[[], int]) -> SimServer:
        """Start it with money for everything."""
        return await serve_ctrader(
            options=CtraderOptions(seed=seed, now_ns=now_ns, tick_interval_s=TICK_S, cash=Decimal(10_000_000))
        )

    def settings(self) -> Mapping[str, str]:
        """Lead here, and count nothing."""
        return {
            "BROKERGW_CTRADER_PAPER_URL": self.server.url,
            "BROKERGW_CTRADER_REQUESTS_PER_SECOND": "0",
            "BROKERGW_CTRADER_HISTORY_PER_SECOND": "0",
        }

    def command_of(self, message: Message) -> Command | None:
        """Read a command by its name."""
        verb = _VERBS.get(message.path)
        if verb is None:
            return None
        body = json.loads(message.body)
        return Command(verb, body.get("clientOrderId", ""), str(body.get("orderId", "")))

    def orders(self) -> tuple[BrokerSide, ...]:
        """Give every order; a changed one keeps its id."""
        return tuple(
            BrokerSide(
                broker_order_id=str(note.order_id),
                client_order_id=note.client_order_id,
                open=note.shot is not None and note.shot.is_open,
                filled=note.shot.filled_quantity if note.shot is not None else Decimal(0),
            )
            for note in self._account.notes.values()
        )

    def executions(self) -> tuple[Execution, ...]:
        """Give every deal."""
        return tuple(
            Execution(str(deal.note.order_id), deal.execution.quantity, deal.execution.price)
            for deal in self._account.deals
        )

    @property
    def _account(self) -> Account:
        account: Account = self.dialect.brokerage.accounts[DEMO_ACCOUNT.ctid]
        return account

    def _post_witness(self) -> None:
        """Look when a frame is noted, which is before it is acted on."""
        journal = self.server.journal
        note = journal.note

        def noted(own: WireJournal, method: str, path: str, body: bytes) -> None:
            note(method, path, body)
            entry = own.select(after=own.arrived - 1)[-1]
            self.witness(entry, entry.faults)

        journal.note = MethodType(noted, journal)  # type: ignore[method-assign]
