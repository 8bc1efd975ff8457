"""Schwab behind the broker port: canonical terms in, canonical terms out."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from brokergw.adapters.schwab import records
from brokergw.adapters.schwab.api import Api
from brokergw.adapters.schwab.capabilities import SCHWAB
from brokergw.adapters.schwab.commands import Commands
from brokergw.adapters.schwab.config import SchwabConfig
from brokergw.adapters.schwab.errors import FAILURES, unavailable, understood
from brokergw.adapters.schwab.executions import reports
from brokergw.adapters.schwab.feed import OrderFeed
from brokergw.adapters.schwab.listing import Listing, held_by, is_open
from brokergw.adapters.schwab.mapping import readings
from brokergw.adapters.schwab.session import Session
from brokergw.adapters.schwab.streamer import Streamer
from brokergw.model.account import AccountState, Position, Transaction
from brokergw.model.capability import Capabilities
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.instrument import Instrument, Quote
from brokergw.model.outcome import (
    Absent,
    BrokerEvent,
    BrokerOrder,
    Budget,
    Found,
    Inconclusive,
    Lookup,
    OrderReport,
    Outcome,
)
from brokergw.model.terms import OrderTerms
from brokergw.ports.broker import BrokerLink, Change
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport.http import Http
from brokergw.transport.rows import Row

_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
_ROWS_MAX: Final = 3_000


class SchwabBroker:
    """Opens connections to Schwab that share one pool of sockets (an AdapterFactory)."""

    def __init__(self, clock: Clock, config: SchwabConfig | None = None, *, http: Http | None = None) -> None:
        self._clock = clock
        self._config = config or SchwabConfig()
        self._http = http or Http(timeouts=self._config.timeouts)

    @property
    def capabilities(self) -> Capabilities:
        """What Schwab can do."""
        return SCHWAB

    def open(self, link: BrokerLink) -> "SchwabConnection":
        """Make an adapter for a connection; raises CONNECTION_NOT_USABLE without a login, or for any but LIVE."""
        FAILURES.check_environment(link.environment, SCHWAB)
        return SchwabConnection(link, self._config, self._http, self._clock)


class SchwabConnection:
    """One Schwab account (a BrokerAdapter)."""

    def __init__(self, link: BrokerLink, config: SchwabConfig, http: Http, clock: Clock) -> None:
        config = config.for_link(link)
        self._session = Session(link, config, http, clock)
        self._api = Api(self._session, "" if link.credentials is None else link.credentials.get("account_number", ""))
        self._clock = clock
        self._listing = Listing(self._api, config, clock, link.record)
        self._commands = Commands(self._api, self._session, self._listing, config, clock)
        self._feed = OrderFeed(self._listing, Streamer(self._api, self._session), config, clock)

    @property
    def capabilities(self) -> Capabilities:
        """What Schwab can do."""
        return SCHWAB

    async def authenticate(self) -> AccountState:
        """Prove the login and give the account; raises BROKER_CREDENTIALS_REFUSED when it is refused."""
        return await self.get_account()

    async def ping(self) -> None:
        """Ask for the account without its positions."""
        await self._api.account(positions=False)

    async def disconnect(self) -> None:
        """End the streams and send nothing any more."""
        self._feed.close()
        await self._session.close()

    async def get_account(self) -> AccountState:
        """Ask for the account."""
        row = await self._api.account(positions=False)
        with understood():
            return records.account(row, self._clock.now_ns())

    async def get_positions(self) -> Sequence[Position]:
        """Ask for every position, and for the open orders, which alone tell what they hold of one."""
        row = await self._api.account(positions=True)
        rows = await self._listing.recent()
        with understood():
            groups = [readings(each, self._listing.generations) for each in rows]
            now = self._clock.now_ns()
            found = [(each, records.position(each, Decimal(0), now)) for each in records.position_rows(row)]
            return [
                records.position(each, held_by(groups, plain.symbol, plain.quantity), now)
                for each, plain in found
                if plain.quantity
            ]

    async def get_position(self, symbol: str) -> Position | None:
        """Ask for one position: Schwab only gives all of them."""
        return next((held for held in await self.get_positions() if held.symbol == symbol), None)

    async def get_open_orders(self) -> Sequence[BrokerOrder]:
        """Ask for every open order, exits as rows of their own beside being legs of their entry."""
        found = self._listing.read(await self._listing.recent())
        return [each.order for each in found if is_open(each)]

    async def get_order(self, order_id: str) -> Lookup:
        """Look an order up by Schwab's id; one that was replaced says by which, once that is known."""
        try:
            await self._listing.primed()
            order = await self._commands.shown(order_id)
        except GatewayError as error:
            return Inconclusive(error.message)
        return Absent() if order is None else Found(order.order)

    async def find_order(self, client_order_id: str) -> Lookup:  # noqa: ARG002 - nobody at Schwab ever heard of it
        """Tell that Schwab knows no ids of ours; whoever searches one of our orders does so by content."""
        return Inconclusive("Schwab keeps no client order ids")

    async def submit_order(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Send one order, once, and read back what became of it."""
        return await self._commands.submit(permit, terms)

    async def modify_order(self, permit: Permit, order_id: str, change: Change) -> Outcome:
        """Put a new order in an order's place; Accepted carries the new generation."""
        return await self._commands.modify(permit, order_id, change)

    async def cancel_order(self, order_id: str) -> Outcome:
        """Ask for a cancel; an order that has ended is refused with ORDER_NOT_OPEN."""
        return await self._commands.cancel(order_id)

    async def cancel_all(self) -> Outcome:
        """Ask for the cancel of every open order, one by one: Schwab has no word for all."""
        return await self._commands.cancel_all()

    async def flatten(self, symbol: str) -> Outcome:
        """Close one position by a market order; NOT_FOUND where there is none, and nothing is closed over orders."""
        return await self._commands.flatten(symbol)

    async def close_all(self) -> Outcome:
        """Cancel every order and close every position, one by one."""
        return await self._commands.close_all()

    def subscribe(self, since_ns: int) -> AsyncGenerator[BrokerEvent, None]:
        """Tell what happens to orders; see `feed`."""
        return self._feed.events(since_ns)

    async def order_history(self, since_ns: int, until_ns: int) -> Sequence[BrokerOrder]:
        """Give orders entered from the second of `since_ns` until before `until_ns`, oldest first, exits too."""
        since_ns = since_ns // _SECOND_NS * _SECOND_NS
        earliest = self._clock.now_ns() - 364 * _DAY_NS
        rows = await self._listing.between(max(since_ns, earliest), max(until_ns, earliest))
        found = [each.order for each in self._listing.read(rows)]
        return [order for order in found if since_ns <= order.submit_time_ns < until_ns]

    async def fills_of(self, order: BrokerOrder) -> Sequence[OrderReport]:
        """Give the executions of one order and of its generations before, oldest first."""
        await self._listing.primed()
        told: list[OrderReport] = []
        for order_id in self._listing.generations.chain(order.broker_order_id):
            reading = await self._commands.shown(order_id)
            if reading is None:
                raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, "an order that was there is not there any more")
            carried = self._listing.generations.carried(order_id)
            told += reports(reading.order, reading.fills, carried.quantity, carried.value)
        return [replace(report, replayed=True) for report in told]

    async def transactions(self, since_ns: int, until_ns: int, *, trades: bool = True) -> Sequence[Transaction]:
        """Give the account's history in a span of time, newest first; a sold quantity is negative."""
        kinds = [kind for kind in records.KINDS if trades or kind != "TRADE"]
        earliest = self._clock.now_ns() - 364 * _DAY_NS
        rows = await self._transactions(max(since_ns, earliest), max(until_ns, earliest), kinds)
        with understood():
            found = {line.transaction_id: line for line in map(records.transaction, rows)}
            wanted = [line for line in found.values() if line.time_ns + _SECOND_NS > since_ns]
            return sorted(wanted, key=lambda line: line.time_ns, reverse=True)

    async def _transactions(self, since_ns: int, until_ns: int, kinds: Sequence[str]) -> list[Row]:
        rows = await self._api.transactions(since_ns, until_ns, kinds)
        middle = (since_ns + until_ns) // 2 // _SECOND_NS * _SECOND_NS
        if len(rows) < _ROWS_MAX:
            return rows
        if not since_ns < middle < until_ns:
            raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, "more happened in a second than one list can have")
        return [
            *await self._transactions(middle, until_ns, kinds),
            *await self._transactions(since_ns, middle, kinds),
        ]

    async def get_quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        """Ask for the latest quotes of shares, funds and contracts."""
        rows = await self._api.quotes(symbols)
        with understood():
            return [records.quote(symbol, rows[symbol]) for symbol in symbols if symbol in rows]

    async def get_instrument(self, symbol: str) -> Instrument | None:
        """Describe what can be traded, by the reference data beside its quote."""
        rows = await self._api.quotes([symbol])
        with understood():
            return records.instrument(symbol, rows[symbol]) if symbol in rows else None

    def budget(self) -> Budget:
        """Tell nothing: Schwab's answers say nothing of its budgets."""
        return self._session.budget()

    def clock_apart_s(self) -> float | None:
        """Tell how far the broker's clock is from ours, by what its answers say."""
        return self._session.heard.apart_s()
