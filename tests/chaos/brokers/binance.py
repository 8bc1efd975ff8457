"""Binance's two products: class A, found by the client order id, which names one of the open orders only."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import ClassVar, Final
from urllib.parse import parse_qsl

from brokergw.adapters.binance.capabilities import FUTURES, SPOT
from brokergw.ports.broker import Credentials
from brokergw.sim.dialects.binance import DEFAULT_KEY, DEFAULT_SECRET, BinanceOptions, serve_binance
from brokergw.sim.dialects.binance.listings import Kind, listed_as, wire_symbol
from brokergw.sim.dialects.binance.room import Room
from brokergw.sim.server import SimServer
from tests.chaos.broker import TICK_S, ChaosBroker, Command, Message, Way
from tests.chaos.goods import Goods, Item
from tests.chaos.history import BrokerSide, Execution, Verb

_VERBS: Final = {"POST": Verb.SUBMIT, "PUT": Verb.MODIFY, "DELETE": Verb.CANCEL}
_PRICE: Final = Decimal(600)
"""What a coin is worth in these trials; the band around it in which orders are taken is narrow."""


class _BinanceChaos(ChaosBroker):
    credentials = Credentials(key=DEFAULT_KEY, secret=DEFAULT_SECRET)
    kind: ClassVar[Kind]
    order_path: ClassVar[str]

    @classmethod
    async def serve(cls, seed: int, now_ns: Callable[[], int]) -> SimServer:
        """Start it with money for everything, room for many orders, and a price that stands still."""
        options = BinanceOptions(
            seed=seed, now_ns=now_ns, tick_interval_s=TICK_S, cash=Decimal(10_000_000), orders_open_max=100_000
        )
        server = await serve_binance(options=options)
        server.dialect.exchange.set_price(listed_as(cls.kind, "BNBUSDT"), _PRICE)
        return server

    def settings(self) -> Mapping[str, str]:
        """Lead the testnets of both products here."""
        socket = self.server.url.replace("http", "ws", 1)
        return {
            "BROKERGW_BINANCE_PAPER_URL": self.server.url,
            "BROKERGW_BINANCE_FUTURES_PAPER_URL": self.server.url,
            "BROKERGW_BINANCE_PAPER_STREAM_URL": f"{socket}/ws-api/v3",
            "BROKERGW_BINANCE_FUTURES_PAPER_STREAM_URL": f"{socket}/private/stream",
        }

    def command_of(self, message: Message) -> Command | None:
        """Read a command, whose parameters are in the query or the body."""
        verb = _VERBS.get(message.method)
        if verb is None or message.path != self.order_path:
            return None
        sent = {**dict(parse_qsl(message.body.decode("utf-8", "replace"))), **message.query}
        if verb is Verb.SUBMIT:
            return Command(verb, sent.get("newClientOrderId", ""))
        return Command(verb, target=f"{sent.get('symbol', '')}:{sent.get('orderId', '')}")

    def orders(self) -> tuple[BrokerSide, ...]:
        """Give every order; a changed one keeps its number, and a cancelled one may be called otherwise since."""
        return tuple(self._order(number) for number in self._room.generations)

    def _order(self, number: int) -> BrokerSide:
        room = self._room
        order = self.dialect.brokerage.newest(room, number)
        return BrokerSide(
            broker_order_id=f"{wire_symbol(order.symbol)}:{number}",
            client_order_id=room.facts.get(number, {}).get("former") or room.names[number],
            open=order.is_open,
            filled=order.filled_quantity,
        )

    def executions(self) -> tuple[Execution, ...]:
        """Give every trade."""
        return tuple(
            Execution(
                f"{wire_symbol(trade.execution.symbol)}:{trade.number}", trade.execution.quantity, trade.execution.price
            )
            for trade in self._room.trades
        )

    @property
    def _room(self) -> Room:
        room: Room = self.dialect.brokerage.room(self.kind, DEFAULT_KEY)
        return room


def _coin(symbol: str) -> Item:
    lowest, highest = (int(_PRICE * part) for part in (Decimal("0.96"), Decimal("0.99")))
    return Item(symbol=symbol, resting=(lowest, highest), crumb=Decimal("0.02"))


def _ways(path: str) -> dict[Verb, Way]:
    return {verb: Way(method, path) for method, verb in _VERBS.items()}


class SpotChaos(_BinanceChaos):
    """The spot account; its orders cannot be changed."""

    capabilities = SPOT
    kind = Kind.SPOT
    order_path = "/api/v3/order"
    around = "/api/v3/*rder*"
    ways = _ways(order_path)
    goods = Goods(items=(_coin("BNB/USDT"),), market_life="GTC", resting_life="GTC", changes=False)


class FuturesChaos(_BinanceChaos):
    """The account of USDⓈ-M futures."""

    capabilities = FUTURES
    kind = Kind.FUTURES
    order_path = "/fapi/v1/order"
    around = "/fapi/v1/*rder*"
    ways = _ways(order_path)
    goods = Goods(items=(_coin("BNB/USDT:PERP"),), market_life="GTC", resting_life="GTC")
