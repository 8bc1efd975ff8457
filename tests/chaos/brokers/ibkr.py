"""Interactive Brokers: class B, found by the reference that listings repeat; it asks about prices far off."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from brokergw.adapters.ibkr.capabilities import IBKR
from brokergw.ports.broker import Credentials
from brokergw.sim.dialects.ibkr import DEFAULT_ACCOUNT, IbkrOptions, serve_ibkr
from brokergw.sim.server import SimServer
from tests.chaos.broker import TICK_S, ChaosBroker, Command, Message, Way
from tests.chaos.goods import Goods, shares
from tests.chaos.history import BrokerSide, Execution, Verb

_CODE: Final = "code-of-the-trials"
_SERVER: Final = "/v1/api/iserver"
_ACCOUNT: Final = f"{_SERVER}/account/{DEFAULT_ACCOUNT}"
_ONE: Final = f"{_ACCOUNT}/order/"


class IbkrChaos(ChaosBroker):
    """A paper account behind a gateway that a person is logged in to."""

    capabilities = IBKR
    credentials = Credentials(key=DEFAULT_ACCOUNT, secret=_CODE)
    goods = Goods(
        items=shares(AAPL=231, MSFT=428, GOOGL=176, AMZN=204, META=561, NVDA=141, TSLA=338, AMD=139, KO=63, JPM=243),
        at_once=3,
    )
    ways = {  # noqa: RUF012 - the base says it is the class's
        Verb.SUBMIT: Way("POST", f"{_ACCOUNT}/orders"),
        Verb.MODIFY: Way("POST", f"{_ONE}*"),
        Verb.CANCEL: Way("DELETE", f"{_ONE}*"),
    }
    around = f"{_SERVER}/*order*"
    question = Way("POST", f"{_SERVER}/reply/*")

    @classmethod
    async def serve(cls, seed: int, now_ns: Callable[[], int]) -> SimServer:
        """Start it with money for everything."""
        return await serve_ibkr(
            options=IbkrOptions(seed=seed, now_ns=now_ns, tick_interval_s=TICK_S, cash=Decimal(10_000_000))
        )

    def settings(self) -> Mapping[str, str]:
        """Lead here, say yes to the question about far prices, and count nothing."""
        return {
            "BROKERGW_IBKR_GATEWAY_URL": f"{self.server.url}/v1/api",
            "BROKERGW_IBKR_ACCESS_CODE": _CODE,
            "BROKERGW_IBKR_CONFIRMED_QUESTIONS": "o163",
            "BROKERGW_IBKR_REQUESTS_PER_SECOND": "0",
        }

    def command_of(self, message: Message) -> Command | None:
        """Read a command; what answers a question belongs to the command that it was asked about."""
        if message.method == "POST" and message.path == f"{_ACCOUNT}/orders":
            return Command(Verb.SUBMIT, _reference(message.body))
        if message.path.startswith(_ONE) and message.method in {"POST", "DELETE"}:
            verb = Verb.MODIFY if message.method == "POST" else Verb.CANCEL
            return Command(verb, target=message.path.removeprefix(_ONE))
        return None

    def orders(self) -> tuple[BrokerSide, ...]:
        """Give every order; a changed one keeps its number."""
        brokerage = self.dialect.brokerage
        return tuple(
            BrokerSide(
                broker_order_id=str(note.number),
                client_order_id=note.reference,
                open=brokerage.order(note).is_open,
                filled=brokerage.order(note).filled_quantity,
            )
            for note in brokerage.notes.values()
        )

    def executions(self) -> tuple[Execution, ...]:
        """Give every trade."""
        return tuple(
            Execution(str(note.number), execution.quantity, execution.price)
            for note, execution in self.dialect.brokerage.trades
        )


def _reference(body: bytes) -> str:
    try:
        return str(json.loads(body)["orders"][0].get("cOID", ""))
    except (ValueError, LookupError):
        return ""
