"""The account behind the gateway: its orders by number, its trades, and who is told of them."""

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from brokergw.exchange import EventKind, Exchange, ExchangeEvent, ExchangeOrder, Execution, Ticket
from brokergw.sim.dialects.ibkr.contracts import IBKR_LISTINGS, Contract, Contracts
from brokergw.sim.dialects.ibkr.notes import OrderNote
from brokergw.sim.dialects.ibkr.options import SECOND_NS, IbkrOptions
from brokergw.sim.dialects.ibkr.session import GatewaySession
from brokergw.sim.dialects.ibkr.shapes import JsonObject, order_row, trade_row
from brokergw.sim.faults import Faults
from brokergw.sim.hours import Doors, Hours
from brokergw.sim.wire import Entry

_FIRST_NUMBER: Final = 1_000_000_000


class Brokerage:
    """One account over one exchange."""

    def __init__(self, options: IbkrOptions, faults: Faults) -> None:
        self.options = options
        self.faults = faults
        self.now_ns = options.now_ns
        self.account_id = options.account_id
        self.session = GatewaySession(options)
        self.contracts = Contracts(IBKR_LISTINGS)
        self.hours = Hours(Doors.OPEN if options.always_open else Doors.HOURS)
        self.exchange = Exchange(
            seed=options.seed,
            now_ns=options.now_ns,
            listings=IBKR_LISTINGS,
            sessions=self.hours,
            id_salt=str(options.now_ns()),
        )
        self.exchange.open_account(self.account_id, cash=options.cash, multiplier=options.multiplier)
        self.notes: dict[int, OrderNote] = {}
        self.trades: list[tuple[OrderNote, Execution]] = []
        self.on_order: Callable[[OrderNote], None] = lambda _: None
        self.on_trade: Callable[[JsonObject], None] = lambda _: None
        self._by_order: dict[str, OrderNote] = {}
        self._references: set[str] = set()
        # Each life forgets the one before, so its numbers begin where no earlier life can have come to.
        self._number = _FIRST_NUMBER + options.now_ns() // 1_000_000 % _FIRST_NUMBER
        self._owed = Decimal(0)
        self._tasks: set[asyncio.Task[None]] = set()
        self.exchange.listen(self._tell)

    def place(self, ticket: Ticket) -> OrderNote:
        """Hand a ticket to the exchange; raises Refused."""
        if ticket.client_order_id:
            self._references.add(ticket.client_order_id)
        order = self.exchange.submit(self.account_id, ticket)
        return self._by_order[order.order_id]

    def order(self, note: OrderNote) -> ExchangeOrder:
        """Give an order as it stands."""
        order = self.exchange.order(self.account_id, note.order_id)
        assert order is not None, "an order stays on the exchange's books"
        return order

    def contract(self, symbol: str) -> Contract:
        """Give the contract of a symbol that is listed."""
        return self.contracts.by_symbol[symbol]

    def note(self, number: str) -> OrderNote | None:
        """Find an order by its number."""
        return self.notes.get(int(number)) if number.isascii() and number.isdigit() else None

    def shown(self) -> Iterator[OrderNote]:
        """Give the orders that look-ups show now."""
        now = self.now_ns()
        return (note for note in self.notes.values() if note.born_ns <= now)

    def row(self, note: OrderNote) -> JsonObject:
        """Write an order's row."""
        order = self.order(note)
        return order_row(note, order, self.contract(order.symbol), self.account_id)

    def trade_rows(self, since_ns: int = 0) -> list[JsonObject]:
        """Write the trades since a time, newest first."""
        now = self.now_ns()
        return [
            self._trade(note, execution)
            for note, execution in reversed(self.trades)
            if execution.time_ns >= since_ns and note.born_ns <= now
        ]

    def later(self, seconds: float, act: Callable[[], None]) -> None:
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

    def tick(self) -> None:
        """Let time pass."""
        self.settle()
        self.exchange.tick()
        self.settle()

    def settle(self) -> None:
        """Take the commissions that are owed."""
        owed, self._owed = self._owed, Decimal(0)
        if owed:
            self.exchange.pay(self.account_id, -owed)

    def enter(self, entry: Entry) -> JsonObject:
        """Move the account without an order."""
        quantity = Decimal(0)
        if entry.symbol:
            quantity = self.exchange.adjust(self.account_id, entry.symbol, entry.quantity)
        cash = self.exchange.pay(self.account_id, entry.money)
        return {"cash": f"{cash:f}", "quantity": f"{quantity:f}"}

    def bear_later(self, note: OrderNote, seconds: float) -> None:
        """Hide an order from look-ups for a while."""
        note.born_ns = self.now_ns() + round(seconds * SECOND_NS)

    def _trade(self, note: OrderNote, execution: Execution) -> JsonObject:
        return trade_row(note, execution, self.contract(execution.symbol), self.account_id, self.options.commission)

    def _tell(self, event: ExchangeEvent) -> None:
        note = self._noted(event.order)
        if event.execution is not None:
            note.executions.append(event.execution)
            self.trades.append((note, event.execution))
            self._owed += self.options.commission
        if event.kind is EventKind.REPLACED:
            # The order lives on: its next generation is told in a moment.
            return
        if not event.order.is_open:
            note.canceling = False
        self.on_order(note)
        if event.execution is not None:
            self.on_trade(self._trade(note, event.execution))

    def _noted(self, order: ExchangeOrder) -> OrderNote:
        note = self._by_order.get(order.order_id)
        if note is None and order.replaces:
            note = self._by_order[order.order_id] = self._by_order[order.replaces]
            note.order_id = order.order_id
        if note is None:
            self._number += 1
            given = order.client_order_id in self._references
            note = OrderNote(self._number, order.order_id, order.client_order_id if given else "")
            self.notes[note.number] = self._by_order[order.order_id] = note
        return note
