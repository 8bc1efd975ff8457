"""The one contract of every broker adapter."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, NoReturn, Protocol, runtime_checkable

from brokergw.model.account import AccountState, Environment, Position, Transaction
from brokergw.model.capability import Capabilities
from brokergw.model.errors import GatewayError
from brokergw.model.instrument import Instrument, Quote
from brokergw.model.outcome import BrokerEvent, BrokerOrder, Budget, Lookup, Outcome
from brokergw.model.sessions import MarketClock, MarketDay
from brokergw.model.terms import OrderTerms
from brokergw.ports.permit import Permit
from brokergw.ports.secrecy import KNOWN

_SHOWN: Final = 4
_APPLICATION: Final = ("client_id", "client_secret")


class Credentials(Mapping[str, str]):
    """A user's secrets at a broker by the names of their fields, as `Credentials(key=…, secret=…)`.

    The names are `key`, `secret`, `access_token`, `refresh_token`, `client_id`, `client_secret` and what else a broker
    gives out. It cannot be changed, prints as stars, and cannot be pickled.
    """

    __slots__ = ("__weakref__", "_fields")
    _fields: Mapping[str, str]

    def __init__(self, **fields: str) -> None:
        object.__setattr__(self, "_fields", dict(fields))
        KNOWN.hold(self, fields.values())

    def __getitem__(self, field: str) -> str:
        return self._fields[field]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Credentials) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(frozenset(self._fields.items()))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("credentials cannot be changed")

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not to be written down")

    def __repr__(self) -> str:
        return "Credentials(***)"

    @property
    def key(self) -> str:
        """The id of an API key."""
        return self["key"]

    @property
    def secret(self) -> str:
        """The secret that belongs to the key."""
        return self["secret"]

    @property
    def key_last_four(self) -> str:
        """All that is ever shown of a key: its last four characters, and nothing of one that those would half tell."""
        key = self.get("key", "")
        return key[-_SHOWN:] if len(key) >= 2 * _SHOWN else ""


def application_of(credentials: Credentials | None, capabilities: Capabilities) -> Credentials | None:
    """Give what an adapter is told of the application that a connection was authorised for: nothing, as a rule."""
    if credentials is None or not capabilities.needs_application:
        return None
    return Credentials(**{name: credentials[name] for name in _APPLICATION if name in credentials})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many requests the platform lets one connection make in a minute (None: the adapter's own budget).

    `processes` is how many processes of the gateway may be making them now, this one included.
    """

    requests_per_minute: int | None = None
    processes: int = 1


def own_pace() -> Pace:
    """Leave an adapter its own budget, alone."""
    return Pace()


class AccessTokens(Protocol):
    """The access token of one connection, which changes while the connection is open."""

    async def current(self) -> str:
        """Give a token that is good by all that is known; raises BROKER_CREDENTIALS_REFUSED when a person is needed,
        BROKER_UNREACHABLE when the broker gives none at the moment.
        """
        ...

    async def after(self, refused: str) -> str:
        """Give a token other than one that the broker has just refused; raises as `current` does."""
        ...


class OrderRecord(Protocol):
    """What the gateway has on record of one account's orders, for brokers that do not tell it all by themselves."""

    async def symbol_of(self, client_order_id: str) -> str:
        """Give the symbol of the order that was sent under a client order id; empty when there is no such order."""
        ...

    async def symbols(self) -> Sequence[str]:
        """Give every symbol that the account has orders in."""
        ...

    async def generations(self, broker_order_id: str) -> Sequence[str]:
        """Give the broker's ids of the order that has this one, oldest first; empty when no order has it."""
        ...

    async def unnamed(self) -> Collection[str]:
        """Give the symbols in which the broker may have an order of ours whose id there nobody knows yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerLink:
    """What an adapter needs to speak for one connection.

    Addresses are those that the platform has set; empty leaves the adapter's own. `pace` is asked before each request,
    so that what it says holds at once. A connection that was authorised by OAuth has `tokens`; its `credentials` then
    are its application's own, and that only where the broker's capabilities say that the protocol asks for them.
    `record` is asked where the broker wants to be told what an order is about, or does not tell whose one is.
    """

    connection_id: str
    account_id: str
    environment: Environment
    credentials: Credentials | None
    trading_url: str = ""
    data_url: str = ""
    pace: Callable[[], Pace] = own_pace
    tokens: AccessTokens | None = None
    record: OrderRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change to a working order; None leaves a field as it is, `quantity` is the new total."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None


class BrokerUnavailable(GatewayError):
    """A query failed: the broker could not be reached or gave no usable answer. Never means "none"."""


class BrokerAdapter(Protocol):
    """One connection to one broker, in canonical terms.

    Commands (`submit_order`, `modify_order`, `cancel_order`, `cancel_all`, `flatten`, `close_all`) never raise for
    anything the broker or the network does: they answer with an `Outcome`, and send at most once. A command that takes
    a `Permit` spends it immediately before the first byte leaves: NotSent if it has expired, Unknown if it was spent
    before. Queries raise a `GatewayError` when they fail; an empty answer always means that the broker said so.
    `order_id` arguments are the broker's own.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this broker can do."""
        ...

    async def authenticate(self) -> AccountState:
        """Prove the credentials and give the account; raises BROKER_CREDENTIALS_REFUSED when they are refused."""
        ...

    async def ping(self) -> None:
        """Raise unless the broker answers an authenticated call."""
        ...

    async def disconnect(self) -> None:
        """Close sessions and streams; the adapter is not used afterwards."""
        ...

    async def get_account(self) -> AccountState:
        """Ask for the account, freshly."""
        ...

    async def get_positions(self) -> Sequence[Position]:
        """Ask for every open position, freshly."""
        ...

    async def get_position(self, symbol: str) -> Position | None:
        """Ask for one position, freshly; None when the broker says there is none."""
        ...

    async def get_open_orders(self) -> Sequence[BrokerOrder]:
        """Ask for every order that may still trade, all pages."""
        ...

    async def get_order(self, order_id: str) -> Lookup:
        """Look an order up by the broker's id."""
        ...

    async def find_order(self, client_order_id: str) -> Lookup:
        """Look an order up by the client order id that the gateway sent."""
        ...

    async def submit_order(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Send one order, once, under the client order id of its permit."""
        ...

    async def modify_order(self, permit: Permit, order_id: str, change: Change) -> Outcome:
        """Send one change; the permit's client order id is for the new generation where the broker makes one."""
        ...

    async def cancel_order(self, order_id: str) -> Outcome:
        """Ask for one cancel; Accepted means that the broker took the request, not that the order is gone."""
        ...

    async def cancel_all(self) -> Outcome:
        """Ask the broker to cancel every open order of the account."""
        ...

    async def flatten(self, symbol: str) -> Outcome:
        """Ask the broker itself to close one position at market."""
        ...

    async def close_all(self) -> Outcome:
        """Ask the broker itself to cancel everything and close every position at market."""
        ...

    def subscribe(self, since_ns: int) -> AsyncIterator[BrokerEvent]:
        """Tell what happens to orders, for ever, over reconnects.

        Yields FeedUp once the stream is live and everything since `since_ns` has been told; FeedDown when it is
        lost; then FeedUp again after the back-fill. Reports may repeat; the caller drops executions it knows.
        """
        ...

    async def order_history(self, since_ns: int, until_ns: int) -> Sequence[BrokerOrder]:
        """Give orders in any state submitted in a span of time, oldest first."""
        ...

    async def fills_of(self, order: BrokerOrder) -> Sequence[BrokerEvent]:
        """Give the executions of one order as reports, oldest first."""
        ...

    async def transactions(self, since_ns: int, until_ns: int, *, trades: bool = True) -> Sequence[Transaction]:
        """Give the account's history in a span of time, newest first; without its trades where they are not wanted."""
        ...

    async def get_quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        """Ask for the latest quotes; a symbol the broker has no quote for is left out."""
        ...

    async def get_instrument(self, symbol: str) -> Instrument | None:
        """Describe one instrument; None when the broker does not know it."""
        ...

    def budget(self) -> Budget:
        """Tell what is left of the broker's request budget, as last heard."""
        ...

    def clock_apart_s(self) -> float | None:
        """Tell by how many seconds at least the broker's clock and ours differ, as last heard; None where unknown."""
        ...


@runtime_checkable
class TellsHours(Protocol):
    """What a connection has besides where its broker's capabilities say that it tells the hours of a market.

    The hours of all other markets are the house calendars'.
    """

    async def get_market_days(self, calendar: str, first: date, last: date) -> Sequence[MarketDay]:
        """Give the trading days of a market in a stretch, both ends included, as this broker keeps them."""
        ...

    async def get_market_clock(self, calendar: str) -> MarketClock:
        """Ask whether a market's regular session is open now, by the broker's own clock."""
        ...


class AdapterFactory(Protocol):
    """Opens adapters for one broker: one line in the catalog."""

    @property
    def capabilities(self) -> Capabilities:
        """What this broker can do."""
        ...

    def open(self, link: BrokerLink) -> BrokerAdapter:
        """Make an adapter for a connection; opens nothing yet."""
        ...
