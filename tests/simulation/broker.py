"""What a world needs of the broker that it trades at: dialect and adapter, its orders, and what it has at the end."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, Final, TypeAlias

from brokergw.desk.live.live import Live
from brokergw.model.account import Connection, Environment
from brokergw.model.commands import SubmitOrder
from brokergw.model.order import Order
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import AdapterFactory, Credentials
from brokergw.ports.clock import Clock
from brokergw.sim.faults import FaultName, Faults
from brokergw.sim.journal import WireEntry, WireJournal
from brokergw.transport.http import Http
from tests.fixtures.memory_modes import live_in_memory
from tests.simulation.plan import ACCOUNT, draw_key
from tests.simulation.virtual import START_NS

USER: Final = "usr_simulation"
_LIMITS: Final = tuple(map(Decimal, ("0.5", "0.92", "0.97", "1.03", "2")))

Draw: TypeAlias = Callable[[Random, str], SubmitOrder]
"""Draws an order under a key, or under a key of its own where that is empty."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the broker has at the end, in the judge's words: its orders, and what each of them traded."""

    orders: list[dict[str, Any]]
    executions: dict[str, Decimal]


class SimBroker(ABC):
    """One broker."""

    name: str
    rests_max = 9
    """How often a world is given time to come to rest."""

    questions_suffer = 1.0
    """How much goes wrong with requests that are no commands: less where an order takes many, or none would leave."""

    road_faults: Sequence[FaultName] = ()
    """What goes wrong on the way to a broker that takes commands over its websocket, by the dialect's own faults."""

    command_verbs: Sequence[str] = ()
    """The methods that such a dialect's journal and faults know commands by."""

    @abstractmethod
    def dialect(self, seed: int, faults: Faults, wire: WireJournal) -> Any:
        """Make the dialect, on virtual time."""

    @abstractmethod
    def factory(self, clock: Clock, http: Http) -> AdapterFactory:
        """Make the adapter's factory."""

    @abstractmethod
    def credentials(self) -> Credentials:
        """Give what the account is opened with."""

    @abstractmethod
    def see(self, dialect: Any) -> Sight:
        """Look into the broker's own books."""

    @abstractmethod
    def sent_as(self, entry: WireEntry) -> str:
        """Give the mark of the new order that a request brought; empty when it brought none."""

    @abstractmethod
    def drawing(self) -> Draw:
        """Give what draws the orders of one world."""

    def is_command(self, method: str, path: str) -> bool:
        """Tell whether a request is about an order and no question: more goes wrong on its way than on others'."""
        return method in {"POST", "PUT", "PATCH", "DELETE"} and "order" in path.lower()

    def mark_of(self, order: Order) -> str:
        """Give the mark that an order goes to the broker under: the client order id."""
        return order.broker_client_order_id

    def changed_quantity(self, random: Random) -> Decimal:
        """Draw the quantity that an order is changed to."""
        return Decimal(random.randint(1, 30))

    def way_to_live(self, clock: Clock) -> Live:
        """Give how far the user may trade: on paper."""
        return live_in_memory(clock)

    def connection(self) -> Connection:
        """Make the connection that the world trades on."""
        return Connection(
            connection_id="con_simulation",
            user_id=USER,
            broker=self.name,
            environment=Environment.PAPER,
            account_id=ACCOUNT,
            account_label="Paper ****0001",
            has_key=True,
            key_last_four=self.credentials().key_last_four,
            create_time_ns=START_NS,
        )


def traded(dialect: Any, account_id: str) -> dict[str, Decimal]:
    """Sum up what each order traded on the exchange, by the exchange's own ids."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for execution in dialect.exchange.executions(account_id):
        sums[execution.order_id] += execution.quantity
    return sums


def around(prices: Mapping[str, tuple[Decimal, Decimal]], time_in_force: TimeInForce) -> Draw:
    """Draw orders for symbols with a price and a least quantity: some fill at once, some rest, some are refused."""
    symbols = list(prices)

    def draw(random: Random, key: str) -> SubmitOrder:
        market = random.random() < 0.4
        symbol = random.choice(symbols)
        price, least = prices[symbol]
        terms = OrderTerms(
            symbol=symbol,
            side=random.choice((Side.BUY, Side.BUY, Side.SELL)),
            type=OrderType.MARKET if market else OrderType.LIMIT,
            time_in_force=time_in_force,
            quantity=least * random.randint(1, 20),
            limit_price=None if market else (price * random.choice(_LIMITS)).quantize(Decimal("0.01")),
        )
        return SubmitOrder(idempotency_key=key or draw_key(random), account_id=ACCOUNT, terms=terms)

    return draw
