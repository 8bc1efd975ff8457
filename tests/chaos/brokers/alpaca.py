"""Alpaca: class A, found by the client order id."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from brokergw.adapters.alpaca.capabilities import ALPACA
from brokergw.ports.broker import Credentials
from brokergw.sim.dialects.alpaca import DEFAULT_KEY, DEFAULT_SECRET, AlpacaOptions, serve_alpaca
from brokergw.sim.server import SimServer
from tests.chaos.broker import TICK_S, ChaosBroker, Command, Message, Way
from tests.chaos.goods import Goods, Item
from tests.chaos.history import BrokerSide, Execution, Verb

_ORDERS: Final = "/v2/orders"
_LIVES: Final = frozenset({"new", "accepted", "pending_new", "partially_filled", "pending_cancel", "held"})
_VERBS: Final = {"POST": Verb.SUBMIT, "PATCH": Verb.MODIFY, "DELETE": Verb.CANCEL}


class AlpacaChaos(ChaosBroker):
    """A paper account."""

    capabilities = ALPACA
    credentials = Credentials(key=DEFAULT_KEY, secret=DEFAULT_SECRET)
    goods = Goods(items=(Item(symbol="AAPL", resting=(10, 30), crumb=Decimal("0.01")),))
    ways = {  # noqa: RUF012 - the base says it is the class's
        Verb.SUBMIT: Way("POST", _ORDERS),
        Verb.MODIFY: Way("PATCH", f"{_ORDERS}/*"),
        Verb.CANCEL: Way("DELETE", f"{_ORDERS}/*"),
    }
    around = f"{_ORDERS}*"

    @classmethod
    async def serve(cls, seed: int, now_ns: Callable[[], int]) -> SimServer:
        """Start it with money for everything."""
        return await serve_alpaca(
            options=AlpacaOptions(seed=seed, now_ns=now_ns, tick_interval_s=TICK_S, cash=Decimal(10_000_000))
        )

    def settings(self) -> Mapping[str, str]:
        """Lead both APIs here, and count nothing."""
        return {
            "BROKERGW_ALPACA_PAPER_URL": self.server.url,
            "BROKERGW_ALPACA_DATA_URL": self.server.url,
            "BROKERGW_ALPACA_REQUESTS_PER_MINUTE": "0",
        }

    def command_of(self, message: Message) -> Command | None:
        """Read a command by its path."""
        verb = _VERBS.get(message.method)
        if verb is None or not message.path.startswith(_ORDERS):
            return None
        name = _client_order_id(message.body) if verb is Verb.SUBMIT else ""
        return Command(verb, name, message.path.removeprefix(_ORDERS).strip("/"))

    def orders(self) -> tuple[BrokerSide, ...]:
        """Give every order, each generation by itself."""
        (account,) = self.dialect.state()["accounts"]
        return tuple(
            BrokerSide(
                broker_order_id=order["id"],
                client_order_id=order["client_order_id"],
                open=order["status"] in _LIVES,
                filled=Decimal(order["filled_qty"]),
                replaces=order["replaces"] or "",
            )
            for order in account["orders"]
        )

    def executions(self) -> tuple[Execution, ...]:
        """Give every execution."""
        return tuple(
            Execution(note.execution.order_id, note.execution.quantity, note.execution.price)
            for room in self.dialect.brokerage.rooms.values()
            for note in room.fills
        )


def _client_order_id(body: bytes) -> str:
    try:
        return str(json.loads(body).get("client_order_id", ""))
    except ValueError:
        return ""
