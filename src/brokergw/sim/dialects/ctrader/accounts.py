"""One trading account as cTrader keeps it beside the exchange: orders with their words, deals, cash flows, balance."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any, Final

from brokergw.exchange import ExchangeOrder, Execution
from brokergw.model.terms import Side
from brokergw.sim.dialects.ctrader.enums import DEPOSIT, WITHDRAWAL, Life, OrderKind
from brokergw.sim.dialects.ctrader.options import Holder
from brokergw.sim.dialects.ctrader.positions import Closing, HeldPosition, PositionBook
from brokergw.sim.dialects.ctrader.symbols import Symbol

if TYPE_CHECKING:
    from brokergw.sim.dialects.ctrader.link import Link

_MS: Final = 1_000_000


@dataclass(slots=True)
class Note:
    """An order as its owner worded it; `shot` is the exchange's order behind it, the newest generation of it."""

    order_id: int
    symbol: Symbol
    side: Side
    kind: OrderKind
    life: Life
    position_id: int
    quantity: Decimal
    limit: Decimal | None = None
    stop: Decimal | None = None
    slippage: int | None = None
    base_price: Decimal | None = None
    expires_ms: int | None = None
    client_order_id: str = ""
    label: str = ""
    comment: str = ""
    closing: bool = False
    shot: ExchangeOrder | None = None
    opened_ms: int = 0
    changed_ms: int = 0
    born_ns: int = 0


@dataclass(frozen=True, slots=True)
class DealNote:
    """One execution of an order."""

    deal_id: int
    note: Note
    position_id: int
    execution: Execution
    whole: bool
    closing: Closing | None
    balance_cents: int

    @property
    def time_ms(self) -> int:
        """When it traded."""
        return self.execution.time_ns // _MS


@dataclass(slots=True)
class Account:
    """The state of one account; money is kept in cents."""

    holder: Holder
    account_id: str
    book: PositionBook
    balance_cents: int
    next_id: Callable[[], int]
    notes: dict[int, Note] = field(default_factory=dict)
    deals: list[DealNote] = field(default_factory=list)
    flows: list[dict[str, Any]] = field(default_factory=list)
    links: set["Link"] = field(default_factory=set)
    by_exchange_id: dict[str, Note] = field(default_factory=dict)
    version: int = 1

    def settle(self, note: Note, execution: Execution, closing: Closing | None, held: HeldPosition) -> DealNote:
        """Write a trade down, and what it closed into the balance."""
        if closing is not None:
            self.balance_cents += cents(closing.profit)
            self.version += 1
        assert note.shot is not None
        deal = DealNote(
            self.next_id(), note, held.position_id, execution, not note.shot.is_open, closing, self.balance_cents
        )
        self.deals.append(deal)
        return deal

    def pay(self, amount: Decimal, time_ns: int) -> None:
        """Take money in or out, with a line of its own."""
        change = cents(amount)
        self.balance_cents += change
        self.version += 1
        self.flows.append(
            {
                "operationType": DEPOSIT if change >= 0 else WITHDRAWAL,
                "balanceHistoryId": self.next_id(),
                "balance": self.balance_cents,
                "delta": abs(change),
                "changeBalanceTimestamp": time_ns // _MS,
                "balanceVersion": self.version,
                "moneyDigits": 2,
            }
        )


def cents(amount: Decimal) -> int:
    """Give money in whole cents."""
    return int((amount * 100).to_integral_value(ROUND_HALF_EVEN))
