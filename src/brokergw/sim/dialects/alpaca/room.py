"""One account as Alpaca keeps it beside the exchange: keys, configuration, intents, births, its place on the stream."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import ExchangeOrder, Execution
from brokergw.exchange.sessions import new_york_date
from brokergw.model.terms import Side
from brokergw.sim.dialects.alpaca.combo import Combo
from brokergw.sim.dialects.alpaca.shapes import JsonObject, cents, derived_id, text, timestamp
from brokergw.sim.dialects.alpaca.stream import Feed

_MINUTE_NS: Final = 60_000_000_000
_SECOND_NS: Final = 1_000_000_000
ZERO: Final = Decimal(0)


def default_configurations() -> dict[str, Any]:
    """Give an account's configuration as it starts."""
    return {
        "dtbp_check": "entry",
        "trade_confirm_email": "all",
        "suspend_trade": False,
        "no_shorting": False,
        "fractional_trading": True,
        "max_margin_multiplier": "4",
        "max_options_trading_level": None,
        "pdt_check": "entry",
        "ptp_no_exception_entry": False,
        "disable_overnight_trading": False,
    }


@dataclass(slots=True)
class Budget:
    """Requests per minute of the clock; `None` at the limit means unlimited."""

    limit: int | None
    minute: int = 0
    spent: int = 0

    def spend(self, now_ns: int) -> tuple[bool, dict[str, str] | None]:
        """Count a request; tells whether it is within the budget, and the headers that say so."""
        if self.limit is None:
            return True, None
        minute = now_ns // _MINUTE_NS
        if minute != self.minute:
            self.minute, self.spent = minute, 0
        within = self.spent < self.limit
        self.spent += within
        return within, {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.limit - self.spent),
            "X-RateLimit-Reset": str((minute + 1) * _MINUTE_NS // _SECOND_NS),
        }


@dataclass(frozen=True, slots=True)
class FillNote:
    """One execution with what its order had traded and left to trade right after it."""

    execution: Execution
    total: Decimal
    leaves: Decimal
    intent: str


@dataclass(slots=True)
class Room:
    """The state of one account.

    `open_ids` are the orders that may still trade, oldest first, so that nobody has to look through all of them.
    `intents` maps order ids to position intents, `births` those hidden from look-ups to the time they appear,
    `canceling` are orders whose cancellation is still under way, `shown_as` the status that open orders are shown with
    instead of their own (`show_next_as` the next one's), `samples` the equity by minute.
    """

    account_id: str
    number: str
    key_id: str
    create_time_ns: int
    budget: Budget
    feed: Feed
    configurations: dict[str, Any] = field(default_factory=default_configurations)
    positions: dict[str, Decimal] = field(default_factory=dict)
    open_ids: dict[str, None] = field(default_factory=dict)
    intents: dict[str, str] = field(default_factory=dict)
    births: dict[str, int] = field(default_factory=dict)
    canceling: set[str] = field(default_factory=set)
    shown_as: dict[str, str] = field(default_factory=dict)
    show_next_as: str = ""
    samples: dict[int, Decimal] = field(default_factory=dict)
    fills: list[FillNote] = field(default_factory=list)
    other_activities: list[tuple[int, JsonObject]] = field(default_factory=list)
    combos: dict[str, Combo] = field(default_factory=dict)

    def position(self, symbol: str) -> Decimal:
        """Give the signed quantity of a symbol."""
        return self.positions.get(symbol, ZERO)

    def infer_intent(self, side: Side, symbol: str) -> str:
        """Tell what an order of this side would do to the position as it stands."""
        position = self.position(symbol)
        if side is Side.BUY:
            return "buy_to_close" if position < 0 else "buy_to_open"
        return "sell_to_close" if position > 0 else "sell_to_open"

    def note_order(self, order: ExchangeOrder) -> bool:
        """Remember the intent of an order seen for the first time; False when it was known."""
        if order.order_id in self.intents:
            return False
        if order.parent_id or order.order_class.value == "OCO":
            intent = "buy_to_close" if order.side is Side.BUY else "sell_to_close"
        elif order.replaces in self.intents:
            intent = self.intents[order.replaces]
        else:
            intent = self.infer_intent(order.side, order.symbol)
        self.intents[order.order_id] = intent
        if self.show_next_as:
            self.shown_as[order.order_id], self.show_next_as = self.show_next_as, ""
        return True

    def amend_fill(self, execution: Execution) -> None:
        """Change the note of an execution, or drop it when nothing of it is left."""
        place = next(i for i, note in enumerate(self.fills) if note.execution.execution_id == execution.execution_id)
        if execution.quantity:
            self.fills[place] = replace(self.fills[place], execution=execution)
        else:
            del self.fills[place]

    def note_fee(self, execution: Execution, coins: Decimal, money: Decimal) -> None:
        """Write down the fee of a trade of coins."""
        self.note_activity(
            "CFEE",
            execution.time_ns,
            key=execution.execution_id,
            symbol=execution.symbol.replace("/", ""),
            qty=text(-coins),
            price=text(execution.price),
            net_amount=cents(-money),
            description=f"Coin Pair Transaction Fee (Non USD) {execution.symbol}" if coins else "Crypto fee",
        )

    def note_activity(self, kind: str, time_ns: int, *, key: str, **facts: str) -> None:
        """Write down something that is not a trade; `facts` are the row's other fields."""
        day = new_york_date(time_ns)
        row = {
            "id": f"{day:%Y%m%d}000000000::{derived_id('activity', self.account_id, kind, key)}",
            "activity_type": kind,
            "activity_sub_type": "",
            "date": day.isoformat(),
            "created_at": timestamp(time_ns),
            "net_amount": "0",
            "description": "",
            "status": "executed",
            "group_id": derived_id("group", key),
            "currency": "USD",
            **facts,
        }
        self.other_activities.append((time_ns, row))

    def is_born(self, order_id: str, now_ns: int) -> bool:
        """Tell whether look-ups may see an order yet."""
        if not self.births:
            return True
        born = self.births.get(order_id)
        if born is None:
            return True
        if born > now_ns:
            return False
        del self.births[order_id]
        return True


def account_number(key_id: str) -> str:
    """Make a paper account number out of a key id."""
    digits = str(int(derived_id("number", key_id).replace("-", ""), 16))
    return f"PA3{digits[:9]}"
