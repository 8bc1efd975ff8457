"""Schwab: class C. It hears no id of ours, so an order is known again by its content alone: here by its quantity, of
which every order of the load has one of its own. Live only, so that the user walks the whole way to live first.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from brokergw.adapters.schwab.capabilities import SCHWAB
from brokergw.model.account import Environment
from brokergw.ports.broker import Credentials
from brokergw.sim.dialects.schwab import DEFAULT_NUMBER, DEFAULT_TOKEN, SchwabOptions, serve_schwab
from brokergw.sim.dialects.schwab.room import Entry, Room
from brokergw.sim.faults import FaultName
from brokergw.sim.server import SimServer
from brokergw.sim.wire import WireRequest
from tests.chaos.broker import TICK_S, ChaosBroker, Command, Message, Way
from tests.chaos.goods import Goods, shares
from tests.chaos.history import BrokerSide, Execution, Verb

_ORDERS: Final = "/trader/v1/accounts/*/orders"
_VERBS: Final = {"POST": Verb.SUBMIT, "PUT": Verb.MODIFY, "DELETE": Verb.CANCEL}


class SchwabChaos(ChaosBroker):
    """A live account, whose broker is on this machine."""

    capabilities = SCHWAB
    environment = Environment.LIVE
    credentials = Credentials(access_token=DEFAULT_TOKEN)
    goods = Goods(
        items=shares(
            AAPL=231,
            MSFT=428,
            GOOGL=176,
            AMZN=204,
            META=561,
            NVDA=141,
            TSLA=338,
            AMD=139,
            KO=63,
            JPM=243,
            F=11,
            SPY=590,
        ),
        at_once=3,
        unlike=True,
    )
    ways = {  # noqa: RUF012 - the base says it is the class's
        Verb.SUBMIT: Way("POST", _ORDERS),
        Verb.MODIFY: Way("PUT", f"{_ORDERS}/*"),
        Verb.CANCEL: Way("DELETE", f"{_ORDERS}/*"),
    }
    around = f"{_ORDERS}*"

    @classmethod
    async def serve(cls, seed: int, now_ns: Callable[[], int]) -> SimServer:
        """Start it with money for everything."""
        return await serve_schwab(
            options=SchwabOptions(seed=seed, now_ns=now_ns, tick_interval_s=TICK_S, cash=Decimal(10_000_000))
        )

    def settings(self) -> Mapping[str, str]:
        """Lead both APIs here, and count nothing."""
        return {
            "BROKERGW_SCHWAB_URL": self.server.url,
            "BROKERGW_SCHWAB_DATA_URL": self.server.url,
            "BROKERGW_SCHWAB_QUERIES_PER_MINUTE": "0",
            "BROKERGW_SCHWAB_ORDERS_PER_MINUTE": "0",
        }

    def command_of(self, message: Message) -> Command | None:
        """Read a command; a submit's name is that of the order on record with its content."""
        verb = _VERBS.get(message.method)
        _, found, target = message.path.partition("/orders")
        if verb is None or not found:
            return None
        return Command(verb, self._name_in(message.body) if verb is Verb.SUBMIT else "", target.strip("/"))

    def orders(self) -> tuple[BrokerSide, ...]:
        """Give every order, each generation by itself, under the name of the order that the first one was."""
        return tuple(self._order(entry) for entry in self._room.entries.values())

    def _order(self, entry: Entry) -> BrokerSide:
        room = self._room
        if entry.refused is not None:
            leg = entry.refused["orderLegCollection"][0]
            name = self.record.named(leg["instrument"]["symbol"], Decimal(str(leg["quantity"])))
            return BrokerSide(broker_order_id=str(entry.number), client_order_id=name, open=False, filled=Decimal(0))
        order = self.dialect.brokerage.order_of(room, entry)
        first = order
        while first.replaces:
            first = self.dialect.exchange.order(room.number, first.replaces)
        return BrokerSide(
            broker_order_id=str(entry.number),
            client_order_id=self.record.named(first.symbol, first.quantity),
            open=order.is_open,
            filled=order.filled_quantity,
            replaces=str(room.by_order[order.replaces]) if order.replaces else "",
            outside=entry.number in self._outside,
            entered_ns=entry.entered_ns,
        )

    def executions(self) -> tuple[Execution, ...]:
        """Give every execution."""
        room, exchange = self._room, self.dialect.exchange
        return tuple(
            Execution(str(number), execution.quantity, execution.price)
            for order_id, number in room.by_order.items()
            for execution in exchange.executions_of(room.number, order_id)
        )

    def enter_twin(self) -> None:
        """Repeat the last order whose reply was lost, past the journal and the witness."""
        arrived = self.server.journal.select(method="POST", path="/trader/v1/accounts/")
        *_, last = (entry for entry in arrived if FaultName.LOST_REPLY in entry.faults)
        before = set(self._room.entries)
        headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
        reply = self.dialect.answer(WireRequest("POST", last.path, {}, headers, last.body))
        assert reply.status == 201, reply.body
        self._outside |= set(self._room.entries) - before
        self.ambiguous.add(self._name_in(last.body))

    def _name_in(self, body: bytes) -> str:
        try:
            leg = json.loads(body, parse_float=Decimal)["orderLegCollection"][0]
        except (ValueError, LookupError):
            return ""
        return self.record.named(leg["instrument"]["symbol"], Decimal(leg["quantity"]))

    @property
    def _room(self) -> Room:
        room: Room = self.dialect.brokerage.rooms[DEFAULT_NUMBER]
        return room

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._outside: set[int] = set()
