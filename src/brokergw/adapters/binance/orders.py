"""An account's orders: found, listed, and told in our names, with conditional orders and their children as one.

Binance finds nothing without a symbol. What this process has sent it remembers; beyond that the gateway's record knows
which symbol a client order id was for, and which symbols an account has traded. An order whose symbol nobody knows is
looked for among the open ones, and is then at most not seen, never absent.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from brokergw.adapters.binance import futures, lists, spot
from brokergw.adapters.binance.api import Api
from brokergw.adapters.binance.config import Product
from brokergw.adapters.binance.errors import unavailable, understood
from brokergw.adapters.binance.groups import Groups
from brokergw.adapters.binance.symbols import OrderId, SymbolBook, outward, read_id
from brokergw.model.errors import Reason
from brokergw.model.lifecycle import is_terminal
from brokergw.model.outcome import Absent, BrokerFill, BrokerOrder, Found, Inconclusive, Lookup
from brokergw.model.terms import OrderClass
from brokergw.ports.broker import OrderRecord
from brokergw.transport.rows import Row, decimal, text, whole

_Value = TypeVar("_Value")

_KEPT: Final = 50_000


class Orders:
    """Reads orders of one account."""

    def __init__(self, api: Api, product: Product, symbols: SymbolBook, record: OrderRecord | None) -> None:
        self._api = api
        self._symbols = symbols
        self._record = record
        self.groups = Groups(api, symbols)
        self.product = product
        self._wire = spot if product is Product.SPOT else futures
        self._sent: OrderedDict[str, str] = OrderedDict()
        self._names: OrderedDict[str, str] = OrderedDict()
        self._touched: set[str] = set()
        self._algos: OrderedDict[str, BrokerOrder] = OrderedDict()
        self._plain: OrderedDict[str, None] = OrderedDict()

    def sends(self, client_order_id: str, wire: str) -> None:
        """Remember what is about to be sent."""
        self._sent[client_order_id] = wire
        self._touched.add(wire)
        _forget(self._sent)

    def has_sent(self, client_order_id: str) -> bool:
        """Tell whether this process has sent an order under a client order id."""
        return client_order_id in self._sent

    def name_of(self, order_id: str) -> str:
        """Give the client order id that an order was last seen with."""
        return self._names.get(order_id, "")

    def touch(self, wire: str) -> None:
        """Remember that the account has something to do with a symbol."""
        self._touched.add(wire)

    async def wires(self) -> list[str]:
        """Give every symbol that the account has orders in or holds, as far as anybody knows."""
        found = set(self._touched)
        if self._record is not None:
            found |= {outward(symbol) for symbol in await self._record.symbols()}
        found |= await self._held()
        found |= {text(row, "symbol") for row in await self._open_rows()}
        # A symbol that was taken off the list has no list of orders any more.
        return sorted([each for each in found if await self._symbols.listed(each, self._api.exchange_info)])

    async def _held(self) -> set[str]:
        if self.product is Product.FUTURES:
            rows = await self._api.rows("/fapi/v3/positionRisk", 5)
            with understood():
                return {text(row, "symbol") for row in rows if decimal(row, "positionAmt")}
        account = await self._api.row("/api/v3/account", 20, omitZeroBalances="true")
        with understood():
            assets = [spot.held(row)[0] for row in account.get("balances") or []]
        pairs = [await self._symbols.pair_of(asset, self._api.exchange_info) for asset in assets]
        return {pair.instrument.broker_symbol for pair in pairs if pair is not None}

    async def read(self, rows: Iterable[Row]) -> list[BrokerOrder]:
        """Read rows of orders in our names; conditional ones as their own row says."""
        kept = list(rows)
        with understood():
            symbols = await self._symbols.canonical((text(row, "symbol") for row in kept), self._api.exchange_info)
            orders = [self._wire.order(row, symbols) for row in kept]
        if self.product is Product.SPOT:
            orders = await self.groups.grouped(kept, orders)
        for each in orders:
            self._note(each)
        return orders

    async def takes(self, wire: str, order_class: OrderClass) -> bool:
        """Tell whether Binance takes orders of a class in a symbol; not where it does not say so."""
        with understood():
            listed = await self._symbols.listed(wire, self._api.exchange_info)
        return listed is not None and listed.takes(order_class)

    async def symbol(self, wire: str) -> str:
        """Give our name of a symbol."""
        with understood():
            return (await self._symbols.canonical([wire], self._api.exchange_info))[wire]

    def _note(self, order: BrokerOrder) -> None:
        order_id = order.broker_order_id
        self._touched.add(order_id.partition(":")[0])
        if order.client_order_id:
            self._names[order_id] = order.client_order_id
            _forget(self._names)

    async def get(self, order_id: OrderId) -> BrokerOrder | None:
        """Look an order up by number; None when Binance does not know it."""
        row = await self._api.optional(self._wire.get(order_id))
        return None if row is None else await self._whole(row)

    async def lookup(self, written: str) -> Lookup:
        """Look an order up by our id of it."""
        order_id = read_id(written)
        if order_id is None:
            # Binance gave no such id. That it answers at all is proof that it was not only unreachable.
            await self.prove_alive()
            return Absent()
        order = await self.get(order_id)
        return Absent() if order is None else Found(order)

    async def prove_alive(self) -> None:
        """Make a cheap call that needs the key."""
        if self.product is Product.SPOT:
            await self._api.rows("/api/v3/openOrderList", 6)
        else:
            await self._api.row("/fapi/v1/accountConfig", 5)

    async def find(self, client_order_id: str) -> Lookup:
        """Look an order up by client order id, everywhere it may be."""
        wire = self._sent.get(client_order_id, "")
        if not wire and self._record is not None:
            wire = outward(await self._record.symbol_of(client_order_id))
        if not wire:
            for order in await self.open():
                if order.client_order_id == client_order_id:
                    return Found(order)
            return Inconclusive("Binance finds no order without its symbol, which is not on record")
        for request in self._wire.find(wire, client_order_id):
            row = await self._api.optional(request)
            if row is not None and lists.list_id(row) is None:
                return await self._judged(row, client_order_id)
        return await self._find_listed(client_order_id) if self.product is Product.SPOT else Absent()

    async def _find_listed(self, client_order_id: str) -> Lookup:
        """Look an order up by the list that it would belong to, for a cancel gives all its orders one new name."""
        request = lists.find(client_order_id)
        row = None if request is None else await self._api.optional(request)
        if row is None:
            return Absent()
        with understood():
            listed = self.groups.learn(row)
        for order in await self.groups.members(listed):
            if order.client_order_id == client_order_id:
                self._note(order)
                return Found(order)
        return Inconclusive("Binance answered with another order list")

    async def _judged(self, row: Row, client_order_id: str) -> Lookup:
        order = await self._whole(row)
        if order.client_order_id != client_order_id:
            return Inconclusive("Binance answered with another client order id")
        return Found(order)

    async def open(self) -> list[BrokerOrder]:
        """Give every order that may still trade, oldest first; one that was triggered under its conditional one."""
        rows = await self._open_rows()
        if self.product is Product.FUTURES:
            await self._learn_children(rows)
        orders = [self._under_algo(order) for order in await self.read(rows)]
        orders += _unlisted_exits(orders)
        return sorted(orders, key=lambda order: (order.submit_time_ns, _number(order)))

    async def _open_rows(self) -> list[Row]:
        return [row for request in self._wire.open_orders() for row in await self._api.listing(request)]

    async def between(self, since_ns: int, until_ns: int, wires: Sequence[str] | None = None) -> list[BrokerOrder]:
        """Give orders of any state placed from `since_ns` until before `until_ns`, oldest first."""
        found: dict[str, BrokerOrder] = {}
        for wire in await self.wires() if wires is None else wires:
            rows = await self._api.orders(wire, since_ns, until_ns)
            if self.product is Product.FUTURES:
                algos = await self._api.algos(wire, since_ns, until_ns)
                await self._learn_children(rows)
                for each in [await self._whole(row) for row in algos]:
                    found[each.broker_order_id] = each
            for order in await self.read(rows):
                if self.algo_of(order.broker_order_id) is None:
                    found[order.broker_order_id] = order
        return sorted(found.values(), key=lambda order: (order.submit_time_ns, _number(order)))

    async def fills(self, order: BrokerOrder) -> list[BrokerFill]:
        """Give the executions of one order, oldest first."""
        order_id = read_id(order.broker_order_id)
        if order_id is None:
            return []
        if order_id.algo:
            child = await self._child_id(order_id)
            if child is None:
                return []
            order_id = child
        rows = await self._api.trades_of(order_id.symbol, order_id.number)
        with understood():
            fills = [self._wire.trade(row)[1] for row in rows]
        return sorted(fills, key=_age)

    async def trades(
        self, since_ns: int, until_ns: int, wires: Sequence[str] | None = None
    ) -> list[tuple[str, BrokerFill, Row]]:
        """Give the account's executions in a span with the ids of their orders, oldest first."""
        found: dict[str, tuple[str, BrokerFill, Row]] = {}
        for wire in await self.wires() if wires is None else wires:
            rows = await self._api.trades(wire, since_ns, until_ns)
            with understood():
                read = [(*self._wire.trade(row), row) for row in rows]
            if self.product is Product.FUTURES:
                await self._learn_children([row for _, _, row in read])
            for order_id, fill, row in read:
                algo = self.algo_of(str(order_id))
                name = str(order_id) if algo is None else algo.broker_order_id
                found[fill.execution_id] = (name, fill, row)
        return sorted(found.values(), key=lambda each: _age(each[1]))

    def algo_of(self, order_id: str) -> BrokerOrder | None:
        """Give the conditional order whose child an order is known to be."""
        return self._algos.get(order_id)

    def child_of(self, algo_id: str) -> str | None:
        """Give the order that a conditional one is known to have become."""
        found = (child for child, algo in self._algos.items() if algo.broker_order_id == algo_id)
        return next(found, None)

    def _under_algo(self, order: BrokerOrder) -> BrokerOrder:
        algo = self.algo_of(order.broker_order_id)
        return order if algo is None else futures.joined(algo, order)

    def takes_plain(self, order_id: str) -> None:
        """Remember that an order is nobody's child."""
        self._plain[order_id] = None
        _forget(self._plain)

    def is_new(self, order_id: str) -> bool:
        """Tell whether it is not known yet if an order is a child."""
        return order_id not in self._plain and order_id not in self._algos

    async def _whole(self, row: Row) -> BrokerOrder:
        """Read one order, a conditional one together with its child."""
        (order,) = await self.read([row])
        if self.product is Product.SPOT or not futures.is_algo(row):
            return self._under_algo(order)
        child = self.learn_child(row, order)
        if child is None:
            return order
        found = await self._api.optional(futures.get(child))
        if found is None:
            raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, "a conditional order names an order that does not exist")
        (told,) = await self.read([found])
        return futures.joined(order, told)

    def learn_child(self, row: Row, algo: BrokerOrder) -> OrderId | None:
        """Remember which order a conditional one has become, if it has."""
        with understood():
            number = futures.child_of(row)
            child = None if number is None else OrderId(text(row, "symbol"), number)
        if child is not None:
            self._algos[str(child)] = algo
            _forget(self._algos)
        return child

    async def _child_id(self, algo: OrderId) -> OrderId | None:
        row = await self._api.optional(futures.get(algo))
        if row is None:
            return None
        (order,) = await self.read([row])
        return self.learn_child(row, order)

    async def _learn_children(self, rows: Iterable[Row]) -> None:
        """Find out which of some plain orders are children, once for each."""
        with understood():
            ids = [OrderId(text(row, "symbol"), whole(row, "orderId")) for row in rows if not futures.is_algo(row)]
        unknown = [each for each in ids if self.is_new(str(each))]
        for wire in sorted({each.symbol for each in unknown}):
            await self.learn_children_of(wire)
        for each in unknown:
            if str(each) not in self._algos:
                self.takes_plain(str(each))

    async def learn_children_of(self, wire: str) -> None:
        """Read which orders the conditional ones of a symbol have become."""
        rows = await self._api.rows("/fapi/v1/allAlgoOrders", 5, symbol=wire, limit="1000")
        for row, order in zip(rows, await self.read(rows), strict=True):
            self.learn_child(row, order)


def _unlisted_exits(orders: Sequence[BrokerOrder]) -> list[BrokerOrder]:
    """Give the living exits of groups that are not listed themselves."""
    known = {order.broker_order_id for order in orders}
    exits = [leg for order in orders for leg in order.legs]
    return [leg for leg in exits if leg.broker_order_id not in known and not is_terminal(leg.state)]


def _number(order: BrokerOrder) -> int:
    order_id = read_id(order.broker_order_id)
    return 0 if order_id is None else order_id.number


def _age(fill: BrokerFill) -> tuple[int, int]:
    return fill.trade_time_ns, int(fill.execution_id.rpartition(":")[2])


def _forget(kept: OrderedDict[str, _Value]) -> None:
    if len(kept) > _KEPT:
        kept.popitem(last=False)
