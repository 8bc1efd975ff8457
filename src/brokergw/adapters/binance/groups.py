"""The order lists of one account: each order that leads one is told as a group, with its exits as legs.

What a list is made of never changes, so it is asked for once. How its orders stand does: a query asks for those that
its own answer lacks, the stream goes by what it has told before.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from brokergw.adapters.binance import lists, spot
from brokergw.adapters.binance.api import Api
from brokergw.adapters.binance.errors import unavailable, understood
from brokergw.adapters.binance.lists import Composition
from brokergw.adapters.binance.symbols import OrderId, SymbolBook
from brokergw.model.errors import Reason
from brokergw.model.outcome import BrokerOrder
from brokergw.transport.rows import Row

_KEPT: Final = 20_000
_OPEN: Final = "/api/v3/openOrderList"
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Groups:
    """Knows the lists of one account at spot."""

    def __init__(self, api: Api, symbols: SymbolBook) -> None:
        self._api = api
        self._symbols = symbols
        self._known: OrderedDict[int, Composition] = OrderedDict()
        self._seen: OrderedDict[str, BrokerOrder] = OrderedDict()

    def learn(self, row: Row) -> Composition:
        """Take in what a list is made of; raises Unusable."""
        found = lists.composition(row)
        _keep(self._known, found.list_id, found)
        return found

    async def grouped(self, rows: Iterable[Row], orders: Sequence[BrokerOrder]) -> list[BrokerOrder]:
        """Tell the orders of some rows, as queries gave them, with those that lead a list as groups."""
        listed = {
            order.broker_order_id: found
            for row, order in zip(rows, orders, strict=True)
            if (found := lists.list_id(row)) is not None
        }
        if not listed:
            return list(orders)
        await self._learn_all(set(listed.values()))
        at_hand = {order.broker_order_id: order for order in orders if order.broker_order_id in listed}
        for order_id, order in at_hand.items():
            _keep(self._seen, order_id, order)
        return [
            order
            if order.broker_order_id not in listed
            else await self._whole(self._known[listed[order.broker_order_id]], order, at_hand)
            for order in orders
        ]

    async def heard(self, list_id: int, order: BrokerOrder) -> BrokerOrder:
        """Tell an order of a list as the stream reported it; its exits as they were last seen."""
        await self._learn_all({list_id})
        _keep(self._seen, order.broker_order_id, order)
        return await self._whole(self._known[list_id], order, self._seen)

    async def members(self, listed: Composition) -> list[BrokerOrder]:
        """Ask for every order of a list."""
        rows = [await self._row(listed, number) for number in listed.numbers]
        return await self.grouped(rows, await self._read(rows))

    async def _learn_all(self, list_ids: set[int]) -> None:
        unknown = list_ids - self._known.keys()
        if len(unknown) > 1:
            rows = await self._api.rows(_OPEN, 6)
            with understood():
                for row in rows:
                    self.learn(row)
        for each in sorted(list_ids - self._known.keys()):
            found = await self._api.optional(lists.get(each))
            if found is None:
                raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, "an order names an order list that does not exist")
            with understood():
                self.learn(found)

    async def _whole(self, listed: Composition, order: BrokerOrder, at_hand: Mapping[str, BrokerOrder]) -> BrokerOrder:
        leads = lists.leads(listed, order)
        named = replace(order, client_order_id=listed.name_of(order, leads=leads))
        if not leads:
            return named
        others = [
            str(OrderId(listed.symbol, number))
            for number in listed.numbers
            if str(OrderId(listed.symbol, number)) != order.broker_order_id
        ]
        exits = [at_hand.get(each) or await self._ask(listed, each) for each in others]
        return lists.joined(
            listed, named, [replace(each, client_order_id=listed.name_of(each, leads=False)) for each in exits]
        )

    async def _ask(self, listed: Composition, order_id: str) -> BrokerOrder:
        row = await self._row(listed, int(order_id.rpartition(":")[2]))
        (order,) = await self._read([row])
        _keep(self._seen, order_id, order)
        return order

    async def _row(self, listed: Composition, number: int) -> Row:
        row = await self._api.optional(spot.get(OrderId(listed.symbol, number)))
        if row is None:
            raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, "an order list names an order that does not exist")
        return row

    async def _read(self, rows: Sequence[Row]) -> list[BrokerOrder]:
        with understood():
            names = await self._symbols.canonical((str(row.get("symbol")) for row in rows), self._api.exchange_info)
            return [spot.order(row, names) for row in rows]


def _keep(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _KEPT:
        kept.popitem(last=False)
