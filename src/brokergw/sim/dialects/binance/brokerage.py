"""What every endpoint shares: the exchange, the accounts behind the keys, and orders told as stream events."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import EventKind, Exchange, ExchangeEvent, ExchangeOrder, Execution
from brokergw.sim.dialects.binance import futures_shapes, spot_shapes
from brokergw.sim.dialects.binance.budget import AddressBudget, Window
from brokergw.sim.dialects.binance.feed import Feed
from brokergw.sim.dialects.binance.listings import LISTINGS, QUOTE, Kind, base_of, kind_of, listed_as, wire_symbol
from brokergw.sim.dialects.binance.options import BinanceOptions
from brokergw.sim.dialects.binance.refusals import NO_SUCH_ORDER, ApiError
from brokergw.sim.dialects.binance.room import Income, Room
from brokergw.sim.dialects.binance.spot_shapes import JsonObject, ms, places
from brokergw.sim.dialects.binance.trades import Trade
from brokergw.sim.faults import Faults
from brokergw.sim.wire import Entry

_ENDED: Final = {EventKind.CANCELED: "CANCELED", EventKind.EXPIRED: "EXPIRED", EventKind.REJECTED: "EXPIRED"}
_AT_ONCE: Final = frozenset({"IOC", "FOK"})


class Brokerage:
    """Accounts and orders over one exchange."""

    def __init__(self, options: BinanceOptions, faults: Faults) -> None:
        self.options = options
        self.faults = faults
        self.exchange = Exchange(
            seed=options.seed,
            now_ns=options.now_ns,
            listings=LISTINGS,
            fee_rate=options.fee_rate,
            pairs_part=True,
            id_salt=str(options.now_ns()),
        )
        self.addresses = {
            Kind.SPOT: AddressBudget(Window(options.spot_weight, 60)),
            Kind.FUTURES: AddressBudget(Window(options.futures_weight, 60)),
        }
        self.rooms: dict[str, Room] = {}
        self._by_key: dict[tuple[Kind, str], Room] = {}
        for number, key in enumerate((*options.keys, *options.public_keys)):
            for kind in Kind:
                room = self._open_room(kind, key, 350_000_000 + number)
                self.rooms[room.account_id] = self._by_key[kind, key] = room
        self._tasks: set[asyncio.Task[None]] = set()
        self.exchange.listen(self._tell, every_change=True)

    def now_ns(self) -> int:
        """Give the time by Binance's own clock."""
        return self.options.now_ns() + self.options.clock_offset_ms * 1_000_000

    def now_ms(self) -> int:
        """Give it in milliseconds."""
        return ms(self.now_ns())

    def room(self, kind: Kind, key: str) -> Room:
        """Give the account of a key at a product."""
        return self._by_key[kind, key]

    def by_listen_key(self, listen_key: str) -> Room | None:
        """Give the account whose events a listen key opens."""
        found = (room for room in self.rooms.values() if listen_key and room.listen_key == listen_key)
        return next(found, None)

    def newest(self, room: Room, number: int) -> ExchangeOrder | None:
        """Give an order by its number, as its newest generation stands."""
        order_id = room.generations.get(number)
        return None if order_id is None else self.exchange.order(room.account_id, order_id)

    def executions(self, room: Room, number: int) -> Sequence[Execution]:
        """Give every execution of an order over its generations, oldest first."""
        return room.executions.get(number, ())

    def visible(self, room: Room, number: int) -> ExchangeOrder:
        """Give an order that look-ups may see; raises -2013."""
        order = self.newest(room, number)
        if order is None or not room.is_born(number, self.options.now_ns()):
            raise ApiError(*NO_SUCH_ORDER)
        return order

    def open_numbers(self, room: Room, symbol: str = "") -> list[int]:
        """Give the orders that may still trade, oldest first."""
        orders = self.exchange.open_orders(room.account_id)
        numbers = [room.numbers[each.order_id] for each in orders if symbol in {"", each.symbol}]
        return sorted(each for each in numbers if room.is_born(each, self.options.now_ns()))

    def cancel(self, room: Room, number: int, name: str) -> None:
        """Cancel an open order with its list, under the cancel's own name if it has one."""
        order_list = room.list_of(number)
        for each in [number] if order_list is None else order_list.numbers:
            order = self.newest(room, each)
            if order is None or not order.is_open:
                continue
            facts = room.facts.setdefault(each, {})
            facts["canceled"] = True
            if name:
                facts["former"] = room.names[each]
                room.call(each, name)
        self.exchange.cancel(room.account_id, room.generations[number])

    def cancel_later(self, seconds: float, room: Room, number: int, name: str) -> None:
        """Cancel an order after a while, unless it has ended by then."""

        async def cancel() -> None:
            await self.options.sleep(seconds)
            order = self.newest(room, number)
            if order is not None and order.is_open:
                self.cancel(room, number, name)

        task = asyncio.create_task(cancel())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Drop whatever was to happen later."""
        for task in self._tasks:
            task.cancel()

    def tick(self) -> None:
        """Let time pass."""
        self.exchange.tick()
        for room in self.rooms.values():
            room.feed.release()

    def balances(self, room: Room) -> list[tuple[str, Decimal, Decimal]]:
        """Give a spot account's assets with what is free and what orders lock."""
        ledger = self.exchange.account(room.account_id)
        rows = [(QUOTE, ledger.cash - ledger.reserved, ledger.reserved)]
        for holding in self.exchange.positions(room.account_id):
            listing = self.exchange.listing(holding.symbol)
            assert listing is not None, "what is held is listed"
            rows.append((base_of(listing), holding.available, holding.quantity - holding.available))
        return rows

    def enter(self, entry: Entry) -> JsonObject:
        """Move an account without an order: a spot one, or the futures one where the activity is a kind of income."""
        kind = Kind.FUTURES if entry.activity else Kind.SPOT
        key = entry.key_id or next(key for _, key in self._by_key)
        room = self._by_key.get((kind, key))
        if room is None:
            raise ValueError("key_id must be that of an account here")
        quantity = Decimal(0)
        if entry.symbol:
            quantity = self.exchange.adjust(room.account_id, entry.symbol, entry.quantity)
        cash = self.exchange.pay(room.account_id, entry.money)
        if entry.activity:
            room.incomes.append(Income(entry.activity, entry.money, self.now_ms(), wire_symbol(entry.symbol)))
        return {"cash": places(cash), "quantity": places(quantity)}

    def _tell(self, event: ExchangeEvent) -> None:
        order = event.order
        room = self.rooms[order.account_id]
        first = order.order_id not in room.numbers
        number = room.note_order(order)
        row = None
        if event.execution is not None:
            row = room.note_trade(event.execution, maker=not room.arriving)
        facts = room.facts.get(number, {})
        kind = self._kind(event, facts, first=first)
        if kind:
            (self._tell_spot if room.kind is Kind.SPOT else self._tell_futures)(room, number, event, kind, row)

    def _kind(self, event: ExchangeEvent, facts: Mapping[str, Any], *, first: bool) -> str:
        if event.execution is not None:
            return "TRADE"
        if event.kind in _ENDED:
            by_itself = event.order.time_in_force.value in _AT_ONCE or ("list" in facts and not facts.get("canceled"))
            return "EXPIRED" if by_itself else _ENDED[event.kind]
        if event.kind is EventKind.HELD:
            return "NEW" if first else ""
        if event.kind is EventKind.NEW and first:
            return "REPLACED" if event.order.replaces else "NEW"
        if event.kind is EventKind.NEW:
            return "NEW"
        return "TRIGGERED" if event.kind is EventKind.TRIGGERED else ""

    def _tell_spot(self, room: Room, number: int, event: ExchangeEvent, kind: str, row: Trade | None) -> None:
        if kind == "TRIGGERED":
            return
        former = room.facts.get(number, {}).get("former", "") if kind in {"CANCELED", "REPLACED"} else ""
        executions = self.executions(room, number)
        report = spot_shapes.report(
            room, number, event.order, executions, kind=kind, time_ns=event.time_ns, row=row, former=former
        )
        room.feed.publish(report)
        if row is not None:
            rows = [{"a": asset, "f": places(free), "l": places(locked)} for asset, free, locked in self.balances(room)]
            time_ms = ms(event.time_ns)
            room.feed.publish({"e": "outboundAccountPosition", "E": time_ms, "u": time_ms, "B": rows})
        self._tell_list(room, number, event.time_ns)

    def _tell_list(self, room: Room, number: int, time_ns: int) -> None:
        """Tell that the list of an order has begun, once it is whole, and that all of it is done."""
        order_list = room.list_of(number)
        if order_list is None or len(order_list.numbers) < order_list.size:
            return
        orders = [self.newest(room, each) for each in order_list.numbers]
        alive = any(order is not None and order.is_open for order in orders)
        shape = spot_shapes.list_status(room, order_list, time_ns, alive=alive)
        if order_list.told != shape["l"]:
            order_list.told = shape["l"]
            room.feed.publish(shape)

    def _tell_futures(self, room: Room, number: int, event: ExchangeEvent, kind: str, row: Trade | None) -> None:
        order, executions = event.order, self.executions(room, number)
        algo = futures_shapes.is_algo(order)
        if algo and (kind == "TRIGGERED" or row is None or not order.is_open):
            told = futures_shapes.algo_update(room, number, order, executions, event.time_ns)
            room.feed.publish(told)
        if kind == "TRIGGERED" or (algo and not order.triggered):
            return
        word = "AMENDMENT" if kind == "REPLACED" else kind
        room.feed.publish(
            futures_shapes.update(room, number, order, executions, kind=word, time_ns=event.time_ns, row=row)
        )

    def _open_room(self, kind: Kind, key: str, uid: int) -> Room:
        options = self.options
        account_id = f"{kind.value}:{key}"
        spot = kind is Kind.SPOT
        multiplier = Decimal(1) if spot else Decimal(options.leverage)
        self.exchange.open_account(account_id, cash=options.cash, multiplier=multiplier, shorting=not spot)
        limit = options.orders_10s
        room = Room(kind, key, account_id, uid, Feed(self.faults), Window(limit, 10))
        room.incomes.append(Income("TRANSFER", options.cash, self.now_ms()))
        return room

    def order_shape(self, room: Room, number: int, order: ExchangeOrder) -> JsonObject:
        """Write an order as a query of its product does."""
        executions = self.executions(room, number)
        if room.kind is Kind.SPOT:
            return spot_shapes.order(room, number, order, executions)
        return futures_shapes.order(room, number, order, executions, query=True)

    def symbols(self, kind: Kind) -> list[str]:
        """Give the symbols of a product, as on the wire."""
        return [wire_symbol(each.symbol) for each in LISTINGS if kind_of(each) is kind]

    def price(self, kind: Kind, symbol: str) -> Decimal:
        """Give the last price of a symbol."""
        return self.exchange.quote(listed_as(kind, symbol)).last
