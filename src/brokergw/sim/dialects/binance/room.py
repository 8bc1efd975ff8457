"""One account as Binance keeps it beside the exchange: order numbers, client order ids, trades, settings, listeners.

The exchange gives each generation of an order an id of its own and never takes a client order id twice; Binance keeps
an order's number over its changes, and frees the client order id of an order that has ended. So orders go to the
exchange under the client's id with a mark that makes it unique, and the room keeps what Binance calls them.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any, Final

from brokergw.exchange import ExchangeOrder, Execution
from brokergw.model.terms import Side
from brokergw.sim.dialects.binance.budget import Window
from brokergw.sim.dialects.binance.feed import Feed
from brokergw.sim.dialects.binance.listings import Kind
from brokergw.sim.dialects.binance.trades import Trade, Trades

_MARK: Final = "#"
ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Income:
    """One line of the futures account's income that is no trade."""

    kind: str
    amount: Decimal
    time_ms: int
    symbol: str = ""


@dataclass(slots=True)
class Held:
    """A contract's position as the trades made it."""

    quantity: Decimal = ZERO
    average: Decimal = ZERO

    def take(self, execution: Execution) -> Decimal:
        """Count a trade, and give the profit that it realised."""
        change = execution.quantity if execution.side is Side.BUY else -execution.quantity
        before, after = self.quantity, self.quantity + change
        closed = min(abs(change), abs(before)) if before and (before > 0) != (change > 0) else ZERO
        realized = closed * (execution.price - self.average) * (1 if before > 0 else -1)
        if not closed:
            self.average = (self.average * before + execution.price * change) / after
        elif closed == abs(before):
            self.average = execution.price if after else ZERO
        self.quantity = after
        return realized


@dataclass(slots=True)
class OrderList:
    """Orders that were placed as one list, the leading one first; `told` is the last list status on the stream."""

    list_id: int
    kind: str
    name: str
    symbol: str
    size: int
    time_ns: int
    numbers: list[int] = field(default_factory=list)
    told: str = ""


@dataclass(slots=True)
class Room:
    """The state of one account of one kind.

    `generations` maps an order's number to the exchange's id of its newest generation, `numbers` back from any.
    `names` is what each order is called now, `by_name` the latest order that is called so. `placed` counts the orders
    ever placed under a client order id. `births` hides orders from look-ups until a time.
    `next_legs` are names and facts of the exits that the order on its way brings along.
    What trades while its order is `arriving` takes, what trades later makes.
    """

    kind: Kind
    key: str
    account_id: str
    uid: int
    feed: Feed
    orders_10s: Window
    generations: dict[int, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    by_name: dict[str, int] = field(default_factory=dict)
    placed: dict[str, int] = field(default_factory=dict)
    births: dict[int, int] = field(default_factory=dict)
    facts: dict[int, dict[str, Any]] = field(default_factory=dict)
    trades: Trades = field(default_factory=Trades)
    executions: dict[int, list[Execution]] = field(default_factory=dict)
    incomes: list[Income] = field(default_factory=list)
    held: dict[str, Held] = field(default_factory=dict)
    leverage: dict[str, int] = field(default_factory=dict)
    margin_type: dict[str, str] = field(default_factory=dict)
    shown_as: dict[int, str] = field(default_factory=dict)
    show_next_as: str = ""
    next_facts: dict[str, Any] = field(default_factory=dict)
    next_legs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    lists: dict[int, OrderList] = field(default_factory=dict)
    hedged: bool = False
    arriving: bool = False
    listen_key: str = ""
    _marks: "count[int]" = field(default_factory=lambda: count(1))
    _list_ids: "count[int]" = field(default_factory=lambda: count(1))

    def marked(self, name: str) -> str:
        """Make a client order id that the exchange has never seen."""
        return f"{name}{_MARK}{next(self._marks)}"

    def note_order(self, order: ExchangeOrder) -> int:
        """Give an order its number when it is seen for the first time; a later generation has that of the former."""
        number = self.numbers.get(order.order_id)
        if number is not None:
            return number
        former = self.numbers.get(order.replaces)
        if former is not None:
            self.numbers[order.order_id] = former
            self.generations[former] = order.order_id
            return former
        number = order.backing.sequence
        name, facts = _name(order), self.next_facts
        if order.parent_id and self.next_legs:
            given, facts = self.next_legs.pop(0)
            name = given or name
        self.numbers[order.order_id] = number
        self.generations[number] = order.order_id
        self.placed[name] = self.placed.get(name, 0) + 1
        self.call(number, name)
        if self.show_next_as:
            self.shown_as[number], self.show_next_as = self.show_next_as, ""
        if facts:
            self.facts[number] = facts
        if facts is self.next_facts:
            self.next_facts = {}
        if (order_list := self.list_of(number)) is not None:
            order_list.numbers.append(number)
        return number

    def begin_list(self, kind: str, name: str, symbol: str, size: int, time_ns: int) -> OrderList:
        """Number a new list of orders; without a name it gets one."""
        list_id = next(self._list_ids)
        made = OrderList(list_id, kind, name or f"list{self.key}{list_id}"[:36], symbol, size, time_ns)
        self.lists[list_id] = made
        return made

    def list_of(self, number: int) -> OrderList | None:
        """Give the list that an order belongs to."""
        return self.lists.get(self.facts.get(number, {}).get("list", 0))

    def call(self, number: int, name: str) -> None:
        """Call an order by a name from now on; what it was called is free again."""
        former = self.names.get(number)
        if former is not None and self.by_name.get(former) == number:
            del self.by_name[former]
        self.names[number] = name
        self.by_name[name] = number

    def note_trade(self, execution: Execution, *, maker: bool) -> Trade:
        """Give an execution its trade id."""
        realized = self.held.setdefault(execution.symbol, Held()).take(execution)
        number = self.numbers[execution.order_id]
        self.executions.setdefault(number, []).append(execution)
        return self.trades.note(number, execution, realized, maker=maker)

    def is_born(self, number: int, now_ns: int) -> bool:
        """Tell whether look-ups may see an order yet."""
        return self.births.get(number, 0) <= now_ns


def _name(order: ExchangeOrder) -> str:
    """Give the client's own id, or 22 characters of the exchange's where the client gave none."""
    name, mark, _ = order.client_order_id.partition(_MARK)
    return name if mark else name.replace("-", "")[:22]
