"""A bench: one broker's adapter, and the hands to steer the world behind it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum, auto, unique
from types import MappingProxyType
from typing import ClassVar, Final
from uuid import uuid4

from brokergw.model.account import Environment
from brokergw.model.capability import Capabilities
from brokergw.model.instrument import AssetClass
from brokergw.model.outcome import Accepted
from brokergw.model.remedy import Remedy
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import AdapterFactory, BrokerAdapter
from brokergw.transport.http import Timeouts
from brokergw.transport.websocket import LinkPolicy
from tests.fixtures.hasty import HastyClock
from tests.fixtures.permits import permit

TIMEOUTS: Final = Timeouts(connect=2.0, pool=5.0, read=1.0, total=8.0)
"""Short where an answer never comes, and long enough for a busy machine to give one that does."""

LINK: Final = LinkPolicy(backoff_first_s=0.05, backoff_max_s=0.1, stable_s=1e6)
IMPATIENT: Final = replace(LINK, open_s=1.0, heartbeat_s=0.1, mute_s=1.0)
"""For links that fall silent and shall be noticed soon."""


@unique
class Ability(Enum):
    """What a broker's world can do beyond trading; a card that needs it is not for worlds that cannot."""

    CREDENTIALS = auto()
    """Keys can be wrong."""
    NETWORK = auto()
    """There is a wire to fail between adapter and broker."""
    STREAM_LOSS = auto()
    """The order stream can be cut."""
    BUDGET = auto()
    """The broker tells its request budget."""
    UNIQUE_IDS = auto()
    """The broker refuses a client order id that was used before."""
    STATUSES = auto()
    """Answers carry an HTTP status."""
    CASH = auto()
    """What is bought is paid for from the cash; otherwise it uses margin."""
    COST = auto()
    """Positions tell what they cost."""
    HOLDS = auto()
    """Open orders that close a position hold a part of it."""
    LENDING = auto()
    """What cannot be lent cannot be sold short."""
    TIME = auto()
    """Every answer tells the broker's time."""
    TRAIL_BY_AMOUNT = auto()
    """Trails may be an amount of money."""


@unique
class Mishap(Enum):
    """What can happen, once, to the next order that is sent."""

    LOST_REPLY = auto()
    """Taken, and the connection cut instead of an answer."""
    ERROR_AFTER = auto()
    """Taken, and answered with a server error."""
    GARBLED_REPLY = auto()
    """Taken, and answered with half of a body."""
    HANGING_REPLY = auto()
    """Taken, and never answered."""
    ERROR_BEFORE = auto()
    """Not taken, and answered with a server error."""
    RESET = auto()
    """Not taken, the connection cut while sending."""
    RATE_LIMITED = auto()
    """Thrown away for want of budget."""


@unique
class Ail(Enum):
    """What can be wrong with a connection, or with the market, for as long as it lasts."""

    EXPIRED_TOKEN = auto()
    """The token, or the login, has come to its end."""
    REVOKED_TOKEN = auto()
    """The key or token was taken back."""
    COMPETING_SESSION = auto()
    """The username is in use somewhere else."""
    RATE_LIMITED = auto()
    """Too many requests: 429, with a time."""
    BANNED = auto()
    """The address is banned: 418, with a time."""
    MAINTENANCE = auto()
    """The broker is being maintained."""
    MARKET_CLOSED = auto()
    """The market of an order is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What a broker itself answers while something is wrong, by its facts; a status of 0 is a state of its world."""

    status: int = 0
    body: str = ""
    retry_after_s: int | None = None


class Bench(ABC):
    """The exam's view of one broker.

    `stock` trades in fractions and can be sold short, `deep` trades at most 5,000 a tick, `whole_only` cannot be
    divided, `halted` is known but not tradable, `option` and `spread` are contracts. Prices stand still where they
    are pinned.
    """

    name: ClassVar[str]
    abilities: ClassVar[frozenset[Ability]]
    environment: ClassVar[Environment]
    main = AssetClass.STOCK
    """The class of `stock` and its like."""
    market_time = TimeInForce.DAY
    """How long market orders live."""
    fraction = "0.123456789"
    """A quantity of `stock` that is as fine as it trades."""
    quantity_step = Decimal("1e-9")
    stock = "AAPL"
    deep = "F"
    crypto = "BTC/USD"
    whole_only = "OCGN"
    halted = "HALT"
    unknown = "ZZZZ"
    option = "AAPL270115C00230000"
    spread = ("AAPL270115C00230000", "AAPL270115P00230000")
    missing = "00000000-0000-4000-8000-000000000000"
    """The id of an order that the broker never gave out, in the form of its ids."""
    entry_step_s = 0.002
    """How far apart orders must be entered for the broker's own times to tell them apart."""
    money = Decimal(100_000)
    currency = "USD"
    indivisible = "NOT_FRACTIONABLE"
    """Why a fraction of `whole_only` is refused."""
    closed = "NOT_TRADABLE"
    """Why an order for `halted` is refused."""
    account_weight = 1
    """What asking for the account takes of the budget (BUDGET)."""
    ticks: ClassVar[dict[str, str]] = {"100": "0.01", "0.5": "0.0001"}
    """The ticks of `stock` by price."""
    secrets: tuple[str, ...] = ()
    throwing_away: frozenset[int] = frozenset()
    """The statuses that say by themselves that a command was not taken (NETWORK)."""

    says: Mapping[Ail, Sequence[Saying]] = MappingProxyType({})
    """What the broker answers, to everything or (MARKET_CLOSED) to an order (NETWORK)."""
    spared: Mapping[Ail, str] = MappingProxyType({})
    """Why it has no answer for what `says` leaves out (NETWORK)."""
    renewal = Remedy.NEW_CREDENTIALS
    """What a person does when the broker refuses the credentials."""

    closes_by = "DELETE"
    """The HTTP method that closes a position (CLOSE_POSITION, NETWORK)."""

    clock: HastyClock
    factory: AdapterFactory

    @property
    def capabilities(self) -> Capabilities:
        """What the factory claims."""
        return self.factory.capabilities

    @abstractmethod
    def open(self) -> BrokerAdapter:
        """Open the bench's account."""

    def open_with_wrong_keys(self) -> BrokerAdapter:
        """Open a connection that the broker will refuse (CREDENTIALS)."""
        raise NotImplementedError

    def open_unreachable(self) -> BrokerAdapter:
        """Open a connection to where nobody listens (NETWORK)."""
        raise NotImplementedError

    def open_with_budget(self) -> BrokerAdapter:
        """Open a connection whose broker tells a budget of 200 requests a minute (BUDGET)."""
        raise NotImplementedError

    @abstractmethod
    def pin(self, symbol: str, price: Decimal) -> None:
        """Hold a price."""

    @abstractmethod
    def tick(self) -> None:
        """Let resting orders meet the market."""

    @abstractmethod
    def at_broker(self, client_order_id: str) -> int:
        """Count the orders of a client order id that really exist at the broker."""

    @abstractmethod
    def orders_at_broker(self) -> int:
        """Count the orders that really exist at the broker."""

    def mishap(self, mishap: Mishap, *, method: str = "POST") -> None:
        """Arrange for something to happen to the next command of an HTTP method (NETWORK)."""
        raise NotImplementedError

    def answer_with(self, status: int, body: str) -> None:
        """Answer the next command, which is not taken, with a status and a body of no sense (NETWORK)."""
        raise NotImplementedError

    def open_behind(self, port: int) -> BrokerAdapter:
        """Open the account through another port of this machine, with little patience for silence (NETWORK)."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        """Where the broker listens (NETWORK)."""
        raise NotImplementedError

    def arrived(self) -> int:
        """Count the requests that have really arrived (NETWORK)."""
        raise NotImplementedError

    def say(self, saying: Saying, *, orders: bool = False) -> None:
        """Let the broker answer everything so until `recover`; or the next order only (NETWORK)."""
        raise NotImplementedError

    def recover(self) -> None:
        """Let the broker be well again (NETWORK)."""
        raise NotImplementedError

    def sent(self) -> int:
        """Count the orders that really arrived at the broker, taken or not (NETWORK)."""
        raise NotImplementedError

    def tell_time_ahead(self, seconds: float) -> None:
        """Let the broker's answers tell a time that is so much ahead of its clock, from here on (TIME)."""
        raise NotImplementedError

    async def cut_stream(self) -> None:
        """Cut the order stream, if it is open (STREAM_LOSS)."""
        raise NotImplementedError

    async def trade_meanwhile(self, broker: BrokerAdapter, quantity: str, cancelled_id: str) -> str:
        """Buy some of `stock` at market and cancel an order while the stream is down, and give the purchase's id.

        Through the adapter, unless its stream and its commands share one wire: then at the broker itself.
        """
        terms = OrderTerms(
            symbol=self.stock,
            side=Side.BUY,
            type=OrderType.MARKET,
            time_in_force=self.market_time,
            quantity=Decimal(quantity),
        )
        outcome = await broker.submit_order(permit(f"meanwhile-{uuid4().hex[:12]}"), terms)
        assert isinstance(outcome, Accepted), outcome
        assert outcome.order is not None
        assert isinstance(await broker.cancel_order(cancelled_id), Accepted)
        return outcome.order.broker_order_id

    def hold_stream(self, held: bool) -> None:  # noqa: FBT001 - a switch reads best so
        """Refuse new streams for as long as it is held (STREAM_LOSS)."""
        raise NotImplementedError

    def forgive(self) -> None:  # noqa: B027 - most brokers leave nothing to forgive
        """Let a broker that threw a command away be asked again at once (NETWORK)."""

    def repeat_events(self) -> None:
        """Tell every stream event twice from now on (STREAM_LOSS)."""
        raise NotImplementedError
