"""Alpaca behind the broker port: canonical terms in, canonical terms out."""

from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence
from datetime import date
from typing import TypeAlias

from brokergw.adapters.alpaca import mapping, outcomes, records
from brokergw.adapters.alpaca.api import Api
from brokergw.adapters.alpaca.capabilities import ALPACA
from brokergw.adapters.alpaca.config import AlpacaConfig
from brokergw.adapters.alpaca.errors import FAILURES, unavailable, understood
from brokergw.adapters.alpaca.payloads import change_body, is_option, submit_body
from brokergw.adapters.alpaca.session import Session
from brokergw.adapters.alpaca.stream import OrderFeed
from brokergw.model.account import AccountState, Position, Transaction
from brokergw.model.capability import Capabilities
from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass, Instrument, Quote
from brokergw.model.lifecycle import is_terminal
from brokergw.model.outcome import (
    Accepted,
    BrokerEvent,
    BrokerFill,
    BrokerOrder,
    Budget,
    Lookup,
    OrderReport,
    Outcome,
    Rejected,
    Unknown,
)
from brokergw.model.sessions import MarketClock, MarketDay
from brokergw.model.terms import OrderClass, OrderTerms
from brokergw.ports.broker import BrokerLink, Change
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport.answers import DUPLICATE
from brokergw.transport.http import Http, Reply
from brokergw.transport.outcomes import earlier, looked_up, taken_with
from brokergw.transport.rows import Row, Unsupported

_Reading: TypeAlias = tuple[object, ...]


class AlpacaBroker:
    """Opens connections to Alpaca that share one pool of sockets (an AdapterFactory)."""

    def __init__(self, clock: Clock, config: AlpacaConfig | None = None, *, http: Http | None = None) -> None:
        self._clock = clock
        self._config = config or AlpacaConfig()
        self._http = http or Http(timeouts=self._config.timeouts)

    @property
    def capabilities(self) -> Capabilities:
        """What Alpaca can do."""
        return ALPACA

    def open(self, link: BrokerLink) -> "AlpacaConnection":
        """Make an adapter for a connection; raises CONNECTION_NOT_USABLE without credentials or for MOCK."""
        FAILURES.check_environment(link.environment, ALPACA)
        return AlpacaConnection(link, self._config, self._http, self._clock)


class AlpacaConnection:
    """One Alpaca account (a BrokerAdapter)."""

    def __init__(self, link: BrokerLink, config: AlpacaConfig, http: Http, clock: Clock) -> None:
        config = config.for_link(link)
        self._session = Session(link, config, http, clock)
        self._api = Api(self._session, config.stock_feed)
        self._clock = clock
        self._readings: dict[_Reading, BrokerOrder] = {}
        self._feed = OrderFeed(
            self._api,
            url=config.stream_url(link.environment),
            session=self._session,
            config=config,
            clock=clock,
        )

    @property
    def capabilities(self) -> Capabilities:
        """What Alpaca can do."""
        return ALPACA

    async def authenticate(self) -> AccountState:
        """Prove the keys and give the account; raises BROKER_CREDENTIALS_REFUSED when they are refused."""
        return await self.get_account()

    async def ping(self) -> None:
        """Ask for the market clock, which needs valid keys and costs Alpaca little."""
        await self._api.clock()

    async def disconnect(self) -> None:
        """End the streams and send nothing any more."""
        self._feed.close()
        await self._session.close()

    async def get_account(self) -> AccountState:
        """Ask for the account."""
        row = await self._api.account()
        with understood():
            return mapping.account(row, self._clock.now_ns())

    async def get_positions(self) -> Sequence[Position]:
        """Ask for every open position."""
        rows = await self._api.positions()
        with understood():
            return [mapping.position(row, self._clock.now_ns()) for row in rows]

    async def get_position(self, symbol: str) -> Position | None:
        """Ask for one position."""
        row = await self._api.position(symbol)
        with understood():
            return None if row is None else mapping.position(row, self._clock.now_ns())

    async def get_open_orders(self) -> Sequence[BrokerOrder]:
        """Ask for every open order, exits as rows of their own beside being legs of their entry.

        They are read page by page, and what stands as it did at the last time is not read again: with ten thousand
        orders a reading of all of them at once would hold every other call up.
        """
        found: dict[str, BrokerOrder] = {}
        readings: dict[_Reading, BrokerOrder] = {}
        async for page in self._api.open_order_pages():
            for row in page:
                reading = _reading(row)
                known = self._readings.get(reading)
                orders = [known] if known is not None else _rows([row])
                if not row.get("legs"):
                    readings[reading] = orders[0]
                found.update({order.broker_order_id: order for order in orders if _lives(order)})
        self._readings = readings
        return list(found.values())

    async def get_order(self, order_id: str) -> Lookup:
        """Look an order up by Alpaca's id."""
        return await looked_up(_order(self._api.order(order_id)))

    async def find_order(self, client_order_id: str) -> Lookup:
        """Look an order up by client order id, in any status."""
        return await looked_up(_order(self._api.order_by_client_id(client_order_id)))

    async def submit_order(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Send one order, once. A duplicate client order id is our own earlier order, if it equals ours."""
        client_order_id = permit.client_order_id
        try:
            body = submit_body(client_order_id, terms)
        except Unsupported as error:
            return FAILURES.unsupported(error)
        reply = await self._api.submit(permit, body)
        if not isinstance(reply, Reply):
            return reply
        if reply.status == 200:
            made = outcomes.of_order(reply, client_order_id=client_order_id)
            return await self._with_fills(made.order) if isinstance(made, Accepted) and made.order else made
        outcome = self._refused(reply)
        if isinstance(outcome, Rejected) and outcome.reason == DUPLICATE:
            return await self._earlier(client_order_id, terms, outcome)
        return outcome

    async def modify_order(self, permit: Permit, order_id: str, change: Change) -> Outcome:
        """Replace an order; Accepted carries the new generation, which a fill may still overtake."""
        client_order_id = permit.client_order_id
        reply = await self._api.replace(permit, order_id, change_body(client_order_id, change))
        if not isinstance(reply, Reply):
            return reply
        if reply.status == 200:
            return outcomes.of_order(reply, client_order_id=client_order_id, replaces=order_id)
        return self._refused(reply)

    async def cancel_order(self, order_id: str) -> Outcome:
        """Ask for a cancel; an order that has ended is refused with ORDER_NOT_OPEN."""
        reply = await self._api.cancel(order_id)
        if not isinstance(reply, Reply):
            return reply
        return Accepted() if reply.status == 204 else self._refused(reply)

    async def cancel_all(self) -> Outcome:
        """Ask for the cancel of every open order."""
        return self._many(await self._api.cancel_all())

    async def flatten(self, symbol: str) -> Outcome:
        """Close one position at market; NOT_FOUND where there is none."""
        reply = await self._api.close_position(symbol)
        if not isinstance(reply, Reply):
            return reply
        return outcomes.of_order(reply) if reply.status == 200 else self._refused(reply)

    async def close_all(self) -> Outcome:
        """Cancel every order and close every position at market."""
        return self._many(await self._api.close_all())

    def subscribe(self, since_ns: int) -> AsyncGenerator[BrokerEvent, None]:
        """Tell what happens to orders; see `stream`."""
        return self._feed.events(since_ns)

    async def order_history(self, since_ns: int, until_ns: int) -> Sequence[BrokerOrder]:
        """Give orders submitted from `since_ns` until before `until_ns`, oldest first, exits as rows of their own."""
        return _rows(await self._api.orders_between(since_ns, until_ns))

    async def fills_of(self, order: BrokerOrder) -> Sequence[OrderReport]:
        """Give the executions of one order, oldest first."""
        return await self._feed.fills_of(order)

    async def transactions(self, since_ns: int, until_ns: int, *, trades: bool = True) -> Sequence[Transaction]:
        """Give the account's activities in a span of time, newest first; a sold quantity is negative."""
        rows = await self._api.activities(since_ns - 1, until_ns, newest_first=True, trades=trades)
        with understood():
            return [records.transaction(row) for row in rows]

    async def get_quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        """Ask for the latest quotes of stocks, options and crypto."""
        rows = await self._api.quotes(symbols)
        with understood():
            return [records.quote(symbol, rows[symbol]) for symbol in symbols if symbol in rows]

    async def get_instrument(self, symbol: str) -> Instrument | None:
        """Describe an asset or an option contract."""
        if is_option(symbol):
            contract = await self._api.contract(symbol)
            with understood():
                return None if contract is None else records.contract(contract)
        asset = await self._api.asset(symbol)
        with understood():
            return None if asset is None else records.instrument(asset)

    async def get_market_days(self, calendar: str, first: date, last: date) -> Sequence[MarketDay]:
        """Give the days of the stock market, whose hours shares and options keep."""
        _require_new_york(calendar)
        rows = await self._api.calendar(first, last)
        with understood():
            return [records.market_day(row) for row in rows]

    async def get_market_clock(self, calendar: str) -> MarketClock:
        """Ask whether the stock market is open."""
        _require_new_york(calendar)
        row = await self._api.clock()
        with understood():
            return records.market_clock(row)

    def budget(self) -> Budget:
        """Tell the trading budget as Alpaca's headers last said."""
        return self._session.budget()

    def clock_apart_s(self) -> float | None:
        """Tell how far the broker's clock is from ours, by what its answers say."""
        return self._session.heard.apart_s()

    def _refused(self, reply: Reply) -> Outcome:
        return outcomes.of_refusal(reply, self._session.retry_after(reply))

    def _many(self, reply: Reply | Outcome) -> Outcome:
        if not isinstance(reply, Reply):
            return reply
        return outcomes.of_many(reply) if reply.status in {200, 207} else self._refused(reply)

    async def _with_fills(self, order: BrokerOrder) -> Accepted:
        async def fills() -> list[BrokerFill]:
            return [report.fill for report in await self._feed.fills_of(order) if report.fill is not None]

        return await taken_with(order, fills)

    async def _earlier(self, client_order_id: str, terms: OrderTerms, refused: Rejected) -> Outcome:
        found = earlier(await self.find_order(client_order_id), "Alpaca")
        if isinstance(found, Unknown):
            return found
        return await self._with_fills(found) if mapping.same_terms(terms, found) else refused


def _require_new_york(calendar: str) -> None:
    if calendar != ALPACA.markets[AssetClass.STOCK].calendar:
        raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, f"there is no calendar {calendar}")


def _reading(row: Row) -> _Reading:
    """Name all of an order's row that can change while its id stays."""
    return tuple(
        row.get(name) for name in ("id", "updated_at", "status", "filled_qty", "filled_avg_price", "replaced_by")
    )


async def _order(row: Awaitable[Row | None]) -> BrokerOrder | None:
    found = await row
    with understood():
        return None if found is None else mapping.order(found)


def _rows(rows: Iterable[Row]) -> list[BrokerOrder]:
    """Read orders, and behind each entry its exits; the legs of a multi-leg order are no orders of their own."""
    orders: list[BrokerOrder] = []
    with understood():
        for row in rows:
            order = mapping.order(row)
            orders.append(order)
            if order.terms.order_class is not OrderClass.MULTI_LEG:
                orders += order.legs
    return orders


def _lives(order: BrokerOrder) -> bool:
    return not is_terminal(order.state) and not order.replaced_by
