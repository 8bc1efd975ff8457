"""Interactive Brokers behind the broker port: canonical terms in, canonical terms out."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Final

from brokergw.adapters.ibkr import faults, mapping, outcomes, records, tickets
from brokergw.adapters.ibkr.api import Api
from brokergw.adapters.ibkr.book import Book
from brokergw.adapters.ibkr.capabilities import IBKR
from brokergw.adapters.ibkr.closing import Closing
from brokergw.adapters.ibkr.config import IbkrConfig
from brokergw.adapters.ibkr.contracts import Cache, Contract, Contracts
from brokergw.adapters.ibkr.dialogue import Dialogue
from brokergw.adapters.ibkr.gateway import Gateway
from brokergw.adapters.ibkr.holdings import Holdings
from brokergw.adapters.ibkr.orders import Orders
from brokergw.adapters.ibkr.outcomes import Taken
from brokergw.adapters.ibkr.session import Session
from brokergw.adapters.ibkr.stream import OrderFeed
from brokergw.model.account import AccountState, Position, Transaction
from brokergw.model.capability import Capabilities
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.instrument import Instrument, Quote
from brokergw.model.lifecycle import is_terminal
from brokergw.model.outcome import (
    Accepted,
    BrokerEvent,
    BrokerOrder,
    Budget,
    Found,
    Lookup,
    NotSent,
    OrderReport,
    Outcome,
    Rejected,
    Unknown,
)
from brokergw.model.terms import OrderTerms
from brokergw.ports.broker import BrokerLink, Change
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport.answers import DUPLICATE, NOT_FOUND
from brokergw.transport.http import Http, Reply
from brokergw.transport.outcomes import earlier, looked_up, taken
from brokergw.transport.rows import Row, Unsupported, int64, optional_text

_NO_BUDGET: Final = Budget(None, None, None)


class IbkrBroker:
    """Opens connections through Client Portal gateways (an AdapterFactory); those of one gateway share its session."""

    def __init__(self, clock: Clock, config: IbkrConfig | None = None, *, http: Http | None = None) -> None:
        self._clock = clock
        self._config = config or IbkrConfig()
        self._http = http or Http(timeouts=self._config.timeouts)
        self._gateways: dict[str, tuple[Gateway, Cache]] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What Interactive Brokers can do."""
        return IBKR

    def open(self, link: BrokerLink) -> "IbkrConnection":
        """Make an adapter for a connection; raises CONNECTION_NOT_USABLE without credentials or for MOCK."""
        faults.FAILURES.check_environment(link.environment, IBKR)
        config = self._config.for_link(link)
        gateway, cache = self._gateways.setdefault(config.base, (Gateway(config, self._http, self._clock), Cache()))
        return IbkrConnection(link, config, gateway, cache, self._clock)


class IbkrConnection:
    """One account at Interactive Brokers (a BrokerAdapter)."""

    def __init__(self, link: BrokerLink, config: IbkrConfig, gateway: Gateway, cache: Cache, clock: Clock) -> None:
        self._session = Session(link, config, gateway, clock)
        self._gateway = gateway
        self._config = config
        self._clock = clock
        self._api = Api(self._session, config, clock)
        self._contracts = Contracts(self._session, cache)
        self._orders = Orders(self._api, self._contracts)
        self._dialogue = Dialogue(self._api, config.confirmed)
        self._holdings = Holdings(self._api, self._contracts, clock)
        self._closing = Closing(self, self._contracts, self._place, clock, config.pause_s)
        self._feed = OrderFeed(self._api, self._orders, config, clock)

    @property
    def capabilities(self) -> Capabilities:
        """What Interactive Brokers can do."""
        return IBKR

    async def authenticate(self) -> AccountState:
        """Prove that the connection may use the gateway, and give the account."""
        return await self.get_account()

    async def ping(self) -> None:
        """Keep the gateway's session alive, and insist that it is ready for this account."""
        await self._session.ready()
        await self._gateway.tickle()
        await self._session.ready()

    async def disconnect(self) -> None:
        """End the streams and send nothing any more; the person's login is left alone."""
        self._feed.close()
        await self._session.close()

    async def get_account(self) -> AccountState:
        """Ask for the account."""
        ready = await self._session.ready()
        row = await self._api.summary()
        number = self._session.account
        with faults.understood():
            return mapping.account(
                row, number=number, currency=ready.accounts[number] or "USD", now_ns=self._clock.now_ns()
            )

    async def get_positions(self) -> Sequence[Position]:
        """Ask for every open position."""
        return await self._holdings.all()

    async def get_position(self, symbol: str) -> Position | None:
        """Ask for one position; the gateway gives them all at once."""
        return next((held for held in await self.get_positions() if held.symbol == symbol), None)

    async def get_open_orders(self) -> Sequence[BrokerOrder]:
        """Ask for every open order, oldest first."""
        return await self._orders.open()

    async def get_order(self, order_id: str) -> Lookup:
        """Look an order up by its number, among those of the day and the open ones."""
        return await self._look("orderId", order_id)

    async def find_order(self, client_order_id: str) -> Lookup:
        """Look an order up by the reference that we gave it, in the same list."""
        return await self._look("order_ref", client_order_id)

    async def submit_order(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Send one order, once, and answer what is asked back; a duplicate may be our own earlier order."""
        reference = permit.client_order_id
        try:
            contract = await self._tradable(terms.symbol)
            if not isinstance(contract, Contract):
                return contract
            row = self._ticket(contract, terms, reference)
        except Unsupported as error:
            return faults.FAILURES.unsupported(error)
        except GatewayError as error:
            return NotSent.by(error)
        async with self._gateway.dialogue(self._session.account):
            sent_ns = self._clock.now_ns()
            self._orders.sent(reference, sent_ns)
            ending = await self._dialogue.about(lambda: self._api.submit(permit, row), permit, reference=reference)
        if isinstance(ending, Rejected) and ending.reason == DUPLICATE:
            return await self._earlier(reference, terms, ending)
        if isinstance(ending, Taken | Unknown):
            self._holdings.sent(contract.conid, terms.side, terms.quantity)
        return outcomes.accepted(ending, terms, reference, sent_ns)

    async def modify_order(self, permit: Permit, order_id: str, change: Change) -> Outcome:
        """Send an order's whole ticket again with a change to it; the order keeps its number."""
        try:
            lookup = await self._look_up("orderId", order_id)
            if lookup is None:
                return Rejected(NOT_FOUND, broker_message="no such order is listed")
            row, order = lookup
            contract = await self._contracts.of_conid(int64(row, "conid"))
            terms = tickets.changed(order.terms, change)
            body = self._ticket(contract, terms, order.client_order_id)
        except Unsupported as error:
            return faults.FAILURES.unsupported(error)
        except GatewayError as error:
            return NotSent.by(error)
        async with self._gateway.dialogue(self._session.account):
            ending = await self._dialogue.about(
                lambda: self._api.change(permit, order_id, body), permit, order_id=order_id
            )
        if not isinstance(ending, Taken):
            return ending
        return Accepted(replace(order, terms=terms, update_time_ns=self._clock.now_ns()))

    async def cancel_order(self, order_id: str) -> Outcome:
        """Ask for a cancel; an order that has ended is refused with ORDER_NOT_OPEN."""
        tags = tickets.tags(self._kind_of(order_id), self._config.operator)
        return self._canceled(await self._api.cancel(order_id, tags), order_id)

    async def cancel_all(self) -> Outcome:
        """Ask for the cancel of every open order."""
        return self._canceled(await self._api.cancel_all(), "-1")

    async def flatten(self, symbol: str) -> Outcome:
        """Close one position at market; see `closing`."""
        return await self._closing.one(symbol)

    async def close_all(self) -> Outcome:
        """Cancel every order and close every position at market; see `closing`."""
        return await self._closing.all()

    def subscribe(self, since_ns: int) -> AsyncGenerator[BrokerEvent, None]:
        """Tell what happens to orders; see `stream`."""
        return self._feed.events(since_ns)

    async def order_history(self, since_ns: int, until_ns: int) -> Sequence[BrokerOrder]:
        """Give the orders of the trading day that were sent or traded in a span of time; older ones nobody gives.

        When an order was sent is known of our own; of another one the time of its latest change stands for it.
        """
        return [
            order for order in await self._orders.all()
            if since_ns <= order.update_time_ns + 999_999 and order.submit_time_ns < until_ns
        ]  # fmt: skip

    async def fills_of(self, order: BrokerOrder) -> Sequence[OrderReport]:
        """Give the executions of one order of the last week, oldest first."""
        if order.cum_quantity == 0 and not is_terminal(order.state):
            fresh = await self._look("orderId", order.broker_order_id)
            order = fresh.order if isinstance(fresh, Found) else order
        book = Book((await self._session.ready()).accounts[self._session.account])
        rows = book.take_list(await self._api.orders())
        book.take_trades(await self._api.trades())
        own = [row for row in rows if str(row.get("orderId")) == order.broker_order_id]
        return book.fills_of(own[0], order) if own else []

    async def transactions(self, since_ns: int, until_ns: int, *, trades: bool = True) -> Sequence[Transaction]:
        """Give the account's trades of the last week, newest first; the gateway lists no other movements of money."""
        await self._session.ready()
        if not trades:
            return []
        numbers = {optional_text(row, "order_ref"): str(row.get("orderId")) for row in await self._api.orders()}
        numbers.pop("", None)
        lines = []
        with faults.understood():
            for row in await self._api.trades():
                contract = await self._contracts.of_conid(int64(row, "conid"))
                lines.append(records.transaction(row, contract, numbers.get(optional_text(row, "order_ref"), "")))
        lines.sort(key=lambda line: line.time_ns, reverse=True)
        return [line for line in lines if since_ns <= line.time_ns < until_ns]

    async def get_quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        """Ask for the latest quotes."""
        found = {symbol: await self._contracts.of_symbol(symbol) for symbol in symbols}
        conids = {symbol: contract.conid for symbol, contract in found.items() if contract is not None}
        rows = await self._api.quotes(list(conids.values())) if conids else {}
        with faults.understood():
            return [records.quote(symbol, rows[conid]) for symbol, conid in conids.items() if conid in rows]

    async def get_instrument(self, symbol: str) -> Instrument | None:
        """Describe a contract."""
        contract = await self._contracts.of_symbol(symbol)
        return None if contract is None else records.instrument(contract, await self._contracts.rules(contract))

    def budget(self) -> Budget:
        """Tell nothing: the gateway does not say what is left."""
        return _NO_BUDGET

    def clock_apart_s(self) -> float | None:
        """Tell how far the broker's clock is from ours, by what its answers say."""
        return self._gateway.heard.apart_s()

    async def _place(self, contract: Contract, terms: OrderTerms) -> Outcome:
        """Send an order without a name of its own, once."""
        row = self._ticket(contract, terms, "")
        async with self._gateway.dialogue(self._session.account):
            ending = await self._dialogue.about(lambda: self._api.submit(None, row), None)
        if isinstance(ending, Taken | Unknown):
            self._holdings.sent(contract.conid, terms.side, terms.quantity)
        return outcomes.accepted(ending, terms, "", self._clock.now_ns())

    def _ticket(self, contract: Contract, terms: OrderTerms, reference: str) -> Row:
        return tickets.ticket(
            contract, terms, account=self._session.account, reference=reference, operator=self._config.operator
        )

    async def _tradable(self, symbol: str) -> Contract | Rejected:
        contract = await self._contracts.of_symbol(symbol)
        if contract is None:
            return Rejected("UNKNOWN_SYMBOL", broker_message="the gateway knows no one contract of that name")
        if not (await self._contracts.rules(contract)).tradable:
            return Rejected("NOT_TRADABLE", broker_message="this account may not trade the contract")
        return contract

    async def _look(self, field: str, value: str) -> Lookup:
        async def found() -> BrokerOrder | None:
            row_and_order = await self._look_up(field, value)
            return None if row_and_order is None else row_and_order[1]

        return await looked_up(found())

    async def _look_up(self, field: str, value: str) -> tuple[Row, BrokerOrder] | None:
        """Find one order in the list; raises GatewayError where several are called the same."""
        rows = [row for row in await self._api.orders() if value and str(row.get(field, "")) == value]
        if len(rows) > 1:
            raise faults.unavailable(Reason.BROKER_ANSWER_UNUSABLE, "several orders have that name")
        return (rows[0], (await self._orders.of_rows(rows))[0]) if rows else None

    def _kind_of(self, order_id: str) -> str:
        """Give the kind of an order's contract as far as it is known: those of futures are cancelled by name.

        Nothing is asked for this: a cancel must not wait.
        """
        rows = self._api.last_orders
        return next((optional_text(row, "secType") for row in rows if str(row.get("orderId")) == order_id), "")

    def _canceled(self, reply: Reply | NotSent | Unknown, order_id: str) -> Outcome:
        if not isinstance(reply, Reply):
            return reply
        outcome = outcomes.of_cancel(reply, self._gateway.retry_after(reply), order_id=order_id)
        return Accepted() if outcome is None else outcome

    async def _earlier(self, reference: str, terms: OrderTerms, refused: Rejected) -> Outcome:
        found = earlier(await self.find_order(reference), "the broker")
        if isinstance(found, Unknown):
            return found
        # Its executions are told by the stream.
        return taken(found) if mapping.same_terms(terms, found.terms) else refused
