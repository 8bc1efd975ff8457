"""What every endpoint shares: the exchange, the accounts behind the keys, and orders told as trade updates."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import EventKind, Exchange, ExchangeEvent, ExchangeOrder, Execution, Listing, OrderStatus
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderClass, OrderType, Side
from brokergw.sim import new_york
from brokergw.sim.dialects.alpaca.combos import Combos
from brokergw.sim.dialects.alpaca.options import AlpacaOptions
from brokergw.sim.dialects.alpaca.room import ZERO, Budget, FillNote, Room, account_number
from brokergw.sim.dialects.alpaca.shapes import (
    JsonObject,
    as_submitted,
    asset_id,
    cents,
    derived_id,
    order_shape,
    rounded,
    text,
    timestamp,
)
from brokergw.sim.dialects.alpaca.stream import Feed
from brokergw.sim.faults import Faults
from brokergw.sim.hours import Doors, NewYorkHours
from brokergw.sim.wire import Entry

_NINE_PLACES: Final = Decimal("0.000000001")
_MINUTE_NS: Final = 60_000_000_000
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_PAIRS: Final = frozenset({OrderClass.BRACKET, OrderClass.OCO})
_EVENT: Final = {
    EventKind.ACCEPTED: "accepted",
    EventKind.NEW: "new",
    EventKind.HELD: "held",
    EventKind.PARTIAL_FILL: "partial_fill",
    EventKind.FILL: "fill",
    EventKind.CANCELED: "canceled",
    EventKind.EXPIRED: "expired",
    EventKind.REPLACED: "replaced",
    EventKind.REJECTED: "rejected",
}


class Brokerage:
    """Accounts and orders over one exchange."""

    def __init__(self, options: AlpacaOptions, faults: Faults) -> None:
        self.options = options
        self.faults = faults
        self.now_ns = options.now_ns
        self.hours = NewYorkHours(Doors.OPEN if options.always_open else Doors.HOURS)
        # Each life forgets the one before, so no id may come back: whoever trades here keeps a record of them.
        self.exchange = Exchange(
            seed=options.seed,
            now_ns=options.now_ns,
            sessions=self.hours,
            refuse_wash_trades=True,
            id_salt=str(options.now_ns()),
        )
        self.combos = Combos(self.exchange, options.seed, self.now_ns, self.listing, self.tell)
        self.rooms: dict[str, Room] = {}
        self.by_key: dict[str, Room] = {}
        for key_id in options.keys:
            room = self._open_room(key_id)
            self.by_key[key_id] = self.rooms[room.account_id] = room
        self._by_asset: dict[str, Listing] = {}
        for listing in self.exchange.listings():
            for name in (listing.symbol, listing.symbol.replace("/", ""), asset_id(listing.symbol)):
                self._by_asset[name] = listing
        self._tasks: set[asyncio.Task[None]] = set()
        self.exchange.listen(self._tell)

    def listing(self, symbol_or_id: str) -> Listing | None:
        """Find a listing by symbol (`BTC/USD` or `BTCUSD`) or asset id."""
        return self._by_asset.get(symbol_or_id)

    def in_session(self, listing: Listing) -> bool:
        """Tell whether a listing trades now, in regular hours."""
        return self.hours.trades(listing, self.now_ns(), extended=False)

    def last_equity(self, room: Room) -> str:
        """Give an account's equity at the end of the last session, its opening cash when it is younger."""
        end = new_york.previous_close_ns(self.now_ns()) // _MINUTE_NS
        known = [minute for minute in room.samples if minute <= end]
        return cents(room.samples[max(known)] if known else self.options.cash)

    def previous_close(self, symbol: str) -> Decimal:
        """Give a symbol's price at the latest close."""
        return self.exchange.price_at(symbol, new_york.previous_close_ns(self.now_ns()))

    def cancel_later(self, room: Room, order_id: str, seconds: float) -> None:
        """Cancel an order after a while, unless it has ended by then."""

        async def cancel() -> None:
            await self.options.sleep(seconds)
            order = self.exchange.order(room.account_id, order_id)
            if order is not None and order.is_open:
                self.exchange.cancel(room.account_id, order_id)

        task = asyncio.create_task(cancel())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Drop what was to happen later."""
        for task in self._tasks:
            task.cancel()

    def shape(self, room: Room, order: ExchangeOrder, *, nested: bool = True) -> JsonObject:
        """Write an order; `nested` adds a group's legs, otherwise `legs` is null."""
        legs: list[JsonObject] | None = None
        if nested and order.leg_ids:
            found = (self.exchange.order(room.account_id, leg_id) for leg_id in order.leg_ids)
            legs = [self.shape(room, leg) for leg in found if leg is not None]
        shape = order_shape(
            order,
            asset_class=self._by_asset[order.symbol].asset_class,
            order_class=self._class_of(room, order),
            intent=room.intents.get(order.order_id, ""),
            legs=legs,
        )
        if order.order_id in room.canceling and order.is_open:
            shape["status"] = "pending_cancel"
        elif order.order_id in room.shown_as and order.is_open:
            shape["status"] = room.shown_as[order.order_id]
        elif self.waits(room, order):
            shape["status"] = "held"
        return shape

    def open_orders(self, room: Room, *, parents: bool = False) -> list[ExchangeOrder]:
        """Give the orders that may still trade, oldest first, on request with the ended entries of open exits."""
        found = (self.exchange.order(room.account_id, order_id) for order_id in room.open_ids)
        orders = {order.order_id: order for order in found if order is not None}
        if parents:
            missing = {order.parent_id for order in orders.values()} - orders.keys() - {""}
            entries = (self.exchange.order(room.account_id, order_id) for order_id in missing)
            orders |= {order.order_id: order for order in entries if order is not None}
        return sorted(orders.values(), key=lambda order: order.create_time_ns)

    def waits(self, room: Room, order: ExchangeOrder) -> bool:
        """Tell whether an order is shown as `held`: an exit whose entry is open, or a stop beside a working limit.

        Alpaca sends only one order of a pair to the market, the limit; the stop waits for its price.
        """
        if order.status is OrderStatus.HELD:
            return True
        if not order.parent_id or not order.is_open or order.triggered or order.filled_quantity:
            return False
        return order.type in _STOPS and self._class_of(room, order) in _PAIRS

    def _class_of(self, room: Room, order: ExchangeOrder) -> OrderClass:
        if order.parent_id:
            parent = self.exchange.order(room.account_id, order.parent_id)
            if parent is not None:
                return parent.order_class
        return order.order_class

    def tick(self) -> None:
        """Let time pass: match, sample equity, let late events go."""
        self.exchange.tick()
        for room in self.rooms.values():
            self.combos.tick(room)
            room.feed.release()
            self.sample(room)

    def sample(self, room: Room) -> None:
        """Keep the account's equity for the minute."""
        minute = self.now_ns() // _MINUTE_NS
        if minute not in room.samples:
            room.samples[minute] = self.exchange.account(room.account_id).equity

    def tell(self, room: Room, event: str, shape: Mapping[str, Any], time_ns: int, **facts: str) -> None:
        """Publish a trade update that is no execution."""
        self._publish(room, event, shape, time_ns, derived_id(str(shape["id"]), event, str(time_ns)), **facts)

    def amend(
        self, room: Room, order_id: str, execution_id: str, quantity: Decimal, price: Decimal | None
    ) -> JsonObject:
        """Bust an execution (quantity 0) or correct it, the order's latest when not named, and tell of it.

        Alpaca documents the events `trade_bust` and `trade_correct` by name; that they carry `previous_execution_id`
        beside the order, price and quantity is what its event streams for brokers do. Which of them the account
        activities show afterwards is not documented: here a busted row is gone and a corrected one is changed.
        """
        executions = self.exchange.executions_of(room.account_id, order_id)
        named = [each for each in executions if execution_id in {"", each.execution_id} and each.quantity]
        if not named:
            raise ValueError(f"order {order_id} has no such execution")
        old = named[-1]
        new = self.exchange.amend(
            room.account_id, order_id, old.execution_id, quantity=quantity, price=price or old.price
        )
        room.amend_fill(new)
        room.positions[new.symbol] = new.position_quantity
        order = self.exchange.order(room.account_id, order_id)
        assert order is not None, "an order stays on the exchange's books"
        now, shown = self.now_ns(), new if quantity else old
        if not order.is_open:
            room.open_ids.pop(order_id, None)
        self._publish(
            room,
            "trade_correct" if quantity else "trade_bust",
            self.shape(room, order),
            now,
            derived_id(old.execution_id, "amended", str(now)),
            price=text(shown.price),
            qty=text(shown.quantity),
            position_qty=rounded(new.position_quantity),
            previous_execution_id=old.execution_id,
        )
        return self.shape(room, order)

    def enter(self, entry: Entry) -> JsonObject:
        """Move an account without an order; a line of its activities tells of it where the entry names one."""
        room = self.by_key.get(entry.key_id or next(iter(self.by_key)))
        if room is None:
            raise ValueError("key_id must be that of an account here")
        if entry.symbol:
            room.positions[entry.symbol] = self.exchange.adjust(room.account_id, entry.symbol, entry.quantity)
        cash = self.exchange.pay(room.account_id, entry.money)
        if entry.activity:
            told = entry.quantity if entry.told_quantity is None else entry.told_quantity
            facts = {"net_amount": cents(entry.money)}
            if entry.symbol:
                facts |= {"symbol": entry.symbol.replace("/", ""), "qty": rounded(told)}
            now = self.now_ns()
            room.note_activity(entry.activity, now, key=f"entry {len(room.other_activities)} {now}", **facts)
        return {"cash": cents(cash), "quantity": rounded(room.position(entry.symbol))}

    def _tell(self, event: ExchangeEvent) -> None:
        order = event.order
        room = self.rooms[order.account_id]
        is_first = room.note_order(order)
        execution = event.execution
        if execution is not None:
            self._settle(room, execution)
            intent = room.intents[order.order_id]
            room.fills.append(FillNote(execution, order.filled_quantity, order.leaves_quantity, intent))
        if order.is_open:
            room.open_ids.setdefault(order.order_id)
        else:
            room.open_ids.pop(order.order_id, None)
            room.canceling.discard(order.order_id)
        name = _EVENT.get(event.kind)
        if name is None or not room.feed.listened_to:
            return
        if event.kind is EventKind.NEW and self.waits(room, order):
            if not is_first:
                return
            name = "held"
        shape = self.shape(room, order)
        if name == "new" and is_first and not order.replaces:
            self.tell(room, "pending_new", as_submitted(dict(shape)), event.time_ns)
        elif event.kind is EventKind.REPLACED:
            pending = {**shape, "status": "pending_replace", "replaced_at": None, "replaced_by": None}
            self.tell(room, "pending_replace", pending, event.time_ns)
        if execution is None:
            self.tell(room, name, shape, event.time_ns)
            return
        self._publish(
            room,
            name,
            shape,
            event.time_ns,
            execution.execution_id,
            price=text(execution.price),
            qty=text(execution.quantity),
            position_qty=rounded(room.positions[execution.symbol]),
        )

    def _settle(self, room: Room, execution: Execution) -> None:
        """Count a trade into the position; of coins a fee is kept: in coins on a buy, in money on a sale."""
        symbol, position = execution.symbol, execution.position_quantity
        rate = self.options.crypto_fee_bps / 10_000
        if rate and self._by_asset[symbol].asset_class is AssetClass.CRYPTO:
            buys = execution.side is Side.BUY
            coins = (execution.quantity * rate).quantize(_NINE_PLACES) if buys else ZERO
            money = ZERO if buys else execution.quantity * execution.price * rate
            self.exchange.take_coins(room.account_id, symbol, coins)
            self.exchange.pay(room.account_id, -money)
            room.note_fee(execution, coins, money)
            position -= coins
        room.positions[symbol] = position

    def _publish(
        self, room: Room, event: str, shape: Mapping[str, Any], time_ns: int, execution_id: str, **facts: str
    ) -> None:
        data = {
            "event": event,
            "execution_id": execution_id,
            "order": shape,
            "timestamp": timestamp(time_ns),
            **facts,
        }
        room.feed.publish(event, data)

    def _open_room(self, key_id: str) -> Room:
        options = self.options
        account_id = derived_id("account", key_id)
        self.exchange.open_account(
            account_id, cash=options.cash, multiplier=options.multiplier, shorting=options.shorting
        )
        now = self.now_ns()
        room = Room(
            account_id=account_id,
            number=account_number(key_id),
            key_id=key_id,
            create_time_ns=now,
            budget=Budget(options.rate_limit_per_minute),
            feed=Feed(self.faults),
        )
        amount = cents(options.cash)
        room.note_activity("JNLC", now, key="opening", net_amount=amount, description="Initial balance")
        room.samples[now // _MINUTE_NS] = options.cash
        room.configurations["max_margin_multiplier"] = text(options.multiplier)
        return room
