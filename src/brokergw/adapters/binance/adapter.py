"""Binance behind the broker port: canonical terms in and out. One connection is one account of one kind."""

from collections.abc import AsyncGenerator, Sequence

from brokergw.adapters.binance.account import Account
from brokergw.adapters.binance.api import Api
from brokergw.adapters.binance.capabilities import FUTURES, SPOT
from brokergw.adapters.binance.closing import Closing
from brokergw.adapters.binance.commands import Commands
from brokergw.adapters.binance.config import BinanceConfig, Product
from brokergw.adapters.binance.errors import FAILURES, understood
from brokergw.adapters.binance.orders import Orders
from brokergw.adapters.binance.records import quote, spot_transaction, trade_transaction, transaction
from brokergw.adapters.binance.session import Address, Session
from brokergw.adapters.binance.settings import ChosenSettings
from brokergw.adapters.binance.stream import OrderFeed
from brokergw.adapters.binance.symbols import SymbolBook, outward
from brokergw.model.account import AccountState, Position, Transaction
from brokergw.model.capability import Capabilities
from brokergw.model.errors import GatewayError
from brokergw.model.instrument import Instrument, Quote
from brokergw.model.outcome import BrokerEvent, BrokerOrder, Budget, Inconclusive, Lookup, OrderReport, Outcome
from brokergw.model.terms import OrderTerms
from brokergw.model.trading_settings import MarginType, PositionMode, TradingSettings
from brokergw.ports.broker import BrokerLink, Change
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport.http import Http

_CAPABILITIES = {Product.SPOT: SPOT, Product.FUTURES: FUTURES}


class BinanceBroker:
    """Opens connections to one of Binance's products, which share sockets, request weight, bans and the broker's clock
    wherever they share an address (an AdapterFactory).
    """

    def __init__(self, clock: Clock, config: BinanceConfig, *, http: Http | None = None) -> None:
        self._clock = clock
        self._config = config
        self._http = http or Http(timeouts=config.timeouts)
        self._addresses: dict[str, tuple[Address, SymbolBook]] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What this product can do."""
        return _CAPABILITIES[self._config.product]

    def open(self, link: BrokerLink) -> "BinanceConnection":
        """Make an adapter for a connection; raises CONNECTION_NOT_USABLE without usable credentials or for MOCK."""
        FAILURES.check_environment(link.environment, self.capabilities)
        config = self._config.for_link(link)
        place = config.trading_url(link.environment)
        if place not in self._addresses:
            heard = self._http.heard_clock(place, self._clock)
            self._addresses[place] = (Address(config, self._clock, heard), SymbolBook(config.product, self._clock))
        return BinanceConnection(link, config, self._http, self._clock, *self._addresses[place])

    def forgive(self) -> None:
        """Forget every ban, which a test may do."""
        for address, _ in self._addresses.values():
            address.budget.lift()


class BinanceConnection:
    """One Binance account of one kind (a BrokerAdapter)."""

    def __init__(
        self, link: BrokerLink, config: BinanceConfig, http: Http, clock: Clock, address: Address, symbols: SymbolBook
    ) -> None:
        self._product = config.product
        self._session = Session(link, config, http, clock, address)
        self._api = Api(self._session)
        self._clock = clock
        self._symbols = symbols
        self._orders = Orders(self._api, config.product, symbols, link.record)
        self._settings = ChosenSettings(self._session, self._api, clock)
        self._account = Account(self._api, config.product, symbols, clock, self._settings)
        self._commands = Commands(self._session, self._orders, self._settings)
        self._closing = Closing(self._session, self._orders, self._account, self._commands, self._symbols, self._api)
        self._feed = OrderFeed(
            self._orders, url=config.stream_url(link.environment), session=self._session, config=config, clock=clock
        )

    @property
    def capabilities(self) -> Capabilities:
        """What this product can do."""
        return _CAPABILITIES[self._product]

    async def authenticate(self) -> AccountState:
        """Prove the keys and give the account; raises BROKER_CREDENTIALS_REFUSED when they are refused."""
        return await self.get_account()

    async def ping(self) -> None:
        """Make a call that needs valid keys and costs little."""
        await self._orders.prove_alive()

    async def disconnect(self) -> None:
        """End the streams and send nothing any more."""
        self._feed.close()
        await self._session.close()

    async def get_account(self) -> AccountState:
        """Ask for the account."""
        return await self._account.state()

    async def get_positions(self) -> Sequence[Position]:
        """Ask for every position; at spot that is every coin but the one that money is counted in."""
        return await self._account.positions()

    async def get_position(self, symbol: str) -> Position | None:
        """Ask for one position."""
        found = await self._account.positions(outward(symbol))
        return next((each for each in found if each.symbol == symbol), None)

    async def get_open_orders(self) -> Sequence[BrokerOrder]:
        """Ask for every open order."""
        return await self._orders.open()

    async def get_order(self, order_id: str) -> Lookup:
        """Look an order up by symbol and number."""
        try:
            return await self._orders.lookup(order_id)
        except GatewayError as error:
            return Inconclusive(error.message)

    async def find_order(self, client_order_id: str) -> Lookup:
        """Look an order up by client order id, in any state."""
        try:
            return await self._orders.find(client_order_id)
        except GatewayError as error:
            return Inconclusive(error.message)

    async def submit_order(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Send one order, once; see `commands`."""
        return await self._commands.submit(permit, terms)

    async def modify_order(self, permit: Permit, order_id: str, change: Change) -> Outcome:
        """Send one change; the order keeps its id."""
        return await self._commands.modify(permit, order_id, change)

    async def cancel_order(self, order_id: str) -> Outcome:
        """Send a cancel, which Binance carries out at once; an order that has ended is refused with ORDER_NOT_OPEN."""
        return await self._commands.cancel(order_id)

    async def cancel_all(self) -> Outcome:
        """Cancel every open order, each by a request of its own, so that each keeps its client order id."""
        return await self._closing.cancel_all()

    async def flatten(self, symbol: str) -> Outcome:
        """Close one position at market; NOT_FOUND where there is none."""
        return await self._closing.flatten(symbol)

    async def close_all(self) -> Outcome:
        """Cancel every order and close every position at market."""
        return await self._closing.close_all()

    def subscribe(self, since_ns: int) -> AsyncGenerator[BrokerEvent, None]:
        """Tell what happens to orders; see `stream`."""
        return self._feed.events(since_ns)

    async def order_history(self, since_ns: int, until_ns: int) -> Sequence[BrokerOrder]:
        """Give orders placed from `since_ns` until before `until_ns`, oldest first, in symbols that are known of."""
        return await self._orders.between(since_ns, until_ns)

    async def fills_of(self, order: BrokerOrder) -> Sequence[OrderReport]:
        """Give the executions of one order, oldest first."""
        return await self._feed.fills_of(order)

    async def transactions(self, since_ns: int, until_ns: int, *, trades: bool = True) -> Sequence[Transaction]:
        """Give the account's history in a span, newest first: at spot its trades, at futures its income beside them."""
        found: list[Transaction] = []
        if trades:
            rows = await self._orders.trades(since_ns, until_ns)
            names = {wire: await self._orders.symbol(wire) for wire in {each[2]["symbol"] for each in rows}}
            made = spot_transaction if self._product is Product.SPOT else trade_transaction
            with understood():
                found += [made(row, names, order_id) for order_id, _, row in rows]
        if self._product is Product.FUTURES:
            rows_of_income = await self._api.income(since_ns, until_ns)
            with understood():
                found += [each for each in map(transaction, rows_of_income) if each is not None]
        return sorted(found, key=lambda each: each.time_ns, reverse=True)

    async def get_quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        """Ask for the best bid and ask of what is listed."""
        known = [symbol for symbol in symbols if await self.get_instrument(symbol) is not None]
        if not known:
            return []
        wires = {outward(symbol): symbol for symbol in known}
        rows = await self._api.books(sorted(wires))
        with understood():
            quotes = {
                wires[row["symbol"]]: quote(row, wires[row["symbol"]], self._clock.now_ns())
                for row in rows
                if row.get("symbol") in wires
            }
        return [quotes[symbol] for symbol in known if symbol in quotes]

    async def get_instrument(self, symbol: str) -> Instrument | None:
        """Describe a pair or a contract."""
        with understood():
            found = await self._symbols.listed(outward(symbol), self._api.exchange_info)
        return found.instrument if found is not None and found.instrument.symbol == symbol else None

    def budget(self) -> Budget:
        """Tell the address's request weight as Binance's headers last said."""
        return self._session.budget()

    def clock_apart_s(self) -> float | None:
        """Tell how far the broker's clock is from ours, by what its answers say."""
        return self._session.heard.apart_s()

    async def get_trading_settings(self, symbol: str) -> TradingSettings:
        """Ask how one contract is traded (futures)."""
        return await self._settings.of(symbol)

    async def set_leverage(self, permit: Permit, symbol: str, leverage: int) -> Outcome:
        """Choose the leverage of one contract (futures)."""
        return await self._settings.set_leverage(permit, outward(symbol), leverage)

    async def set_margin_type(self, permit: Permit, symbol: str, margin_type: MarginType) -> Outcome:
        """Choose how one contract is margined (futures); what it is already counts as done."""
        return await self._settings.set_margin_type(permit, outward(symbol), margin_type)

    async def set_position_mode(self, permit: Permit, position_mode: PositionMode) -> Outcome:
        """Choose between one position a symbol and two (futures); what it is already counts as done."""
        return await self._settings.set_position_mode(permit, position_mode)
