"""What every endpoint shares: the exchange, the accounts behind the logins, their numbers, and what is told of them."""

import asyncio
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import EventKind, Exchange, ExchangeEvent, ExchangeOrder, Execution, Listing
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderClass, Side
from brokergw.sim.dialects.schwab import activity, rows
from brokergw.sim.dialects.schwab.options import SchwabOptions
from brokergw.sim.dialects.schwab.room import ZERO, Budget, Entry, Room
from brokergw.sim.dialects.schwab.shapes import (
    JsonObject,
    account_hash,
    broker_symbol,
    instrument,
    number,
    stable_number,
    stamp,
)
from brokergw.sim.dialects.schwab.stream import Feed
from brokergw.sim.dialects.schwab.terms import Wanted, WantedLeg
from brokergw.sim.faults import Faults
from brokergw.sim.hours import Doors, NewYorkHours
from brokergw.sim.wire import Entry as Movement

_TRADED: Final = frozenset({AssetClass.STOCK, AssetClass.ETF, AssetClass.OPTION})


class Brokerage:
    """Accounts and orders over one exchange."""

    def __init__(self, options: SchwabOptions, faults: Faults) -> None:
        self.options = options
        self.faults = faults
        self.now_ns = options.now_ns
        self.stream_url = ""
        self.hours = NewYorkHours(Doors.OPEN if options.always_open else Doors.HOURS)
        # Each life forgets the one before, so no id may come back: whoever trades here keeps a record of them.
        self.exchange = Exchange(
            seed=options.seed, now_ns=options.now_ns, sessions=self.hours, id_salt=str(options.now_ns())
        )
        self.rooms = {
            number: self._open(login, number) for login, numbers in options.logins.items() for number in numbers
        }
        self.by_hash = {room.hash: room for room in self.rooms.values()}
        self.feeds = {login: Feed(faults) for login in options.logins}
        self.budgets = {login: Budget(options.queries_per_minute) for login in options.logins}
        traded = [each for each in self.exchange.listings() if each.asset_class in _TRADED]
        self._listings = {broker_symbol(listing.symbol): listing for listing in traded}
        # Ids rise by one, and no life of a simulator gives those of an earlier one again.
        self._next = options.now_ns() // 1_000_000
        self._waiting: list[ExchangeEvent] | None = None
        self._legs: dict[int, WantedLeg] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.exchange.listen(self._hear)

    def listing(self, symbol: str) -> Listing | None:
        """Find a listing by Schwab's name for it."""
        return self._listings.get(symbol)

    def position(self, room: Room, symbol: str) -> Decimal:
        """Give the signed quantity that an account holds."""
        return next((held.quantity for held in self.exchange.positions(room.number) if held.symbol == symbol), ZERO)

    def next_number(self) -> int:
        """Take the next order id."""
        self._next += 1
        return self._next

    def enter(self, room: Room, wanted: Wanted) -> Entry:
        """Place an order, with the exits of its group; raises Refused."""
        assert wanted.ticket is not None
        self._waiting = []
        try:
            order = self.exchange.submit(room.number, wanted.ticket)
            top = self._number_group(room, wanted, order)
        finally:
            events, self._waiting = self._waiting, None
            for event in events:
                self._hear(event)
        return top

    def change(self, room: Room, old: Entry, wanted: Wanted, changes: dict[str, Any]) -> Entry:
        """Put a new generation in an open order's place; raises Refused."""
        before = self.exchange.order(room.number, old.order_id)
        assert before is not None
        self._waiting = []
        try:
            order = self.exchange.replace(room.number, old.order_id, **changes)
            new = self._list(room, order, wanted.legs[0], session=wanted.session, parent=old.parent)
            new.inherited = before.filled_quantity
            new.children, old.children = old.children, []
            for child in new.children:
                room.entries[child].parent = new.number
            if old.parent:
                family = room.entries[old.parent].children
                family[family.index(old.number)] = new.number
                old.parent = 0
            self.tell(room, activity.changed(new.number, room.number, old.number))
        finally:
            events, self._waiting = self._waiting, None
            for event in events:
                self._hear(event)
        return new

    def _number_group(self, room: Room, wanted: Wanted, order: ExchangeOrder) -> Entry:
        """Number an order and its exits: each number is one above the last, a pair's node before its orders."""
        leg = wanted.legs[0]
        found = (self.exchange.order(room.number, leg_id) for leg_id in order.leg_ids)
        exits = [each for each in found if each is not None]
        if order.order_class is OrderClass.OCO:
            node = self._node(room, wanted.session)
            for each in (order, *exits):
                self._child(room, node, each, leg, wanted.session)
            return node
        top = self._list(room, order, leg, session=wanted.session)
        parent = self._node(room, wanted.session, top) if len(exits) == 2 else top
        exit_leg = WantedLeg(leg.listing, wanted.exit_instruction, order.side.opposite, leg.quantity)
        for each in exits:
            self._child(room, parent, each, exit_leg, wanted.session)
        return top

    def _node(self, room: Room, session: str, parent: Entry | None = None) -> Entry:
        node = Entry(self.next_number(), self.now_ns(), session, parent=0 if parent is None else parent.number)
        room.entries[node.number] = node
        if parent is not None:
            parent.children.append(node.number)
        return node

    def _child(self, room: Room, parent: Entry, order: ExchangeOrder, leg: WantedLeg, session: str) -> None:
        child = self._list(room, order, leg, session=session, parent=parent.number)
        parent.children.append(child.number)

    def _list(self, room: Room, order: ExchangeOrder, leg: WantedLeg, *, session: str, parent: int = 0) -> Entry:
        entry = Entry(self.next_number(), order.create_time_ns, session, order.order_id, leg.instruction, parent)
        room.entries[entry.number] = entry
        room.by_order[order.order_id] = entry.number
        self._legs[entry.number] = leg
        return entry

    def row(self, room: Room, entry: Entry) -> JsonObject:
        """Write an order with its children."""
        if entry.refused is not None:
            return entry.refused
        if entry.spread is not None:
            return rows.spread_row(room, entry, entry.spread)
        if not entry.order_id:
            shape: JsonObject = {
                "orderStrategyType": "OCO",
                "orderId": entry.number,
                "cancelable": True,
                "editable": False,
                "accountNumber": int(room.number),
            }
        else:
            order = self.order_of(room, entry)
            executions = self.exchange.executions_of(room.number, entry.order_id)
            shape = rows.single_row(room, entry, order, self._legs[entry.number], executions)
        if entry.children:
            shape["childOrderStrategies"] = [self.row(room, room.entries[child]) for child in entry.children]
        return shape

    def order_of(self, room: Room, entry: Entry) -> ExchangeOrder:
        """Give the exchange's order of an entry that is one."""
        order = self.exchange.order(room.number, entry.order_id)
        assert order is not None, "an order stays on the exchange's books"
        return order

    def later(self, seconds: float, act: Any) -> None:
        """Do something after a while."""

        async def wait() -> None:
            await self.options.sleep(seconds)
            act()

        task = asyncio.create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Drop what was to happen later."""
        for task in self._tasks:
            task.cancel()

    def tell(self, room: Room, messages: list[tuple[str, JsonObject]]) -> None:
        """Put messages on the stream of an account's login."""
        feed = self.feeds[room.login]
        for kind, document in messages:
            feed.publish(room.number, kind, document, self.now_ns())

    def move(self, movement: Movement) -> JsonObject:
        """Move an account without an order; a line of its history tells of it where the movement names one."""
        room = self.rooms.get(movement.key_id or next(iter(self.rooms)))
        if room is None:
            raise ValueError("key_id must be the number of an account here")
        if movement.symbol:
            self.exchange.adjust(room.number, movement.symbol, movement.quantity)
        cash = self.exchange.pay(room.number, movement.money)
        if movement.activity:
            told = movement.quantity if movement.told_quantity is None else movement.told_quantity
            items = []
            if movement.symbol and (listing := self.exchange.listing(movement.symbol)) is not None:
                items = [{"instrument": instrument(listing), "amount": number(told), "cost": 0.0}]
            self.note(room, movement.activity, movement.money, items, self.now_ns())
        return {"cash": str(cash), "quantity": str(self.position(room, movement.symbol))}

    def note(
        self, room: Room, kind: str, money: Decimal, items: list[JsonObject], time_ns: int, order: int = 0
    ) -> None:
        """Write a line of an account's history down."""
        row: JsonObject = {
            "activityId": stable_number("transaction", room.number, str(len(room.transactions))),
            "time": stamp(time_ns),
            "accountNumber": room.number,
            "type": kind,
            "status": "VALID",
            "subAccount": "MARGIN",
            "tradeDate": stamp(time_ns),
            "netAmount": number(money),
            "transferItems": items,
        }
        if order:
            row["orderId"] = order
        room.transactions.append((time_ns, row))

    def note_trade(self, room: Room, execution: Execution, order: int, listing: Listing) -> None:
        """Write the line of a trade down."""
        signed = execution.quantity if execution.side is Side.BUY else -execution.quantity
        cost = -signed * execution.price * listing.contract_size
        item = {
            "instrument": instrument(listing),
            "amount": number(signed),
            "cost": number(cost),
            "price": number(execution.price),
            "positionEffect": "OPENING",
        }
        self.note(room, "TRADE", cost, [item], execution.time_ns, order)

    def _hear(self, event: ExchangeEvent) -> None:
        if self._waiting is not None:
            self._waiting.append(event)
            return
        order = event.order
        room = self.rooms[order.account_id]
        named = room.by_order.get(order.order_id)
        if named is None:
            return
        entry = room.entries[named]
        if event.execution is not None:
            listing = self.exchange.listing(order.symbol)
            assert listing is not None
            self.note_trade(room, event.execution, named, listing)
            left = order.leaves_quantity
            total = order.filled_quantity - entry.inherited
            self.tell(room, activity.executed(named, room.number, event.execution, total, left))
        elif event.kind in activity.CREATED:
            self.tell(room, activity.created(named, room.number, event.time_ns, self.row(room, entry)))
        elif event.kind in {EventKind.CANCELED, EventKind.EXPIRED, EventKind.REJECTED}:
            room.canceling.discard(named)
            self.tell(room, activity.ended(event.kind, named, room.number, event.time_ns, order.canceled_quantity))

    def _open(self, login: str, account_number: str) -> Room:
        options = self.options
        self.exchange.open_account(
            account_number, cash=options.cash, multiplier=options.multiplier, shorting=options.shorting
        )
        room = Room(account_number, account_hash(account_number), login, Budget(options.orders_per_minute))
        self.note(room, "CASH_RECEIPT", options.cash, [], self.now_ns())
        return room
