"""An account's executions in the order of their trade ids, found without going over those that nobody asks for."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Final

from brokergw.exchange import Execution

_FIRST_ID: Final = 1000


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution as the account's trade list shows it."""

    trade_id: int
    number: int
    execution: Execution
    realized: Decimal
    maker: bool

    @property
    def time_ms(self) -> int:
        """When it was, in milliseconds."""
        return self.execution.time_ns // 1_000_000


@dataclass(slots=True)
class Trades:
    """All executions of an account."""

    _rows: list[Trade] = field(default_factory=list)
    _of_orders: dict[int, list[Trade]] = field(default_factory=dict)
    _of_executions: dict[str, Trade] = field(default_factory=dict)
    _latest_ms: list[int] = field(default_factory=list)
    """The latest time up to each: clocks step back, and this never does."""

    def __iter__(self) -> Iterator[Trade]:
        return iter(self._rows)

    def note(self, number: int, execution: Execution, realized: Decimal, *, maker: bool) -> Trade:
        """Give an execution of an order its trade id."""
        trade = Trade(_FIRST_ID + len(self._rows), number, execution, realized, maker)
        self._rows.append(trade)
        self._of_orders.setdefault(number, []).append(trade)
        self._of_executions[execution.execution_id] = trade
        self._latest_ms.append(max(trade.time_ms, self._latest_ms[-1] if self._latest_ms else 0))
        return trade

    def of(self, execution: Execution) -> Trade:
        """Give the trade of an execution."""
        return self._of_executions[execution.execution_id]

    def select(
        self, *, number: int | None = None, symbol: str = "", first_id: int = 0, start_ms: int, end_ms: int
    ) -> Iterator[Trade]:
        """Give those of an order (None: of all), of a symbol, from an id on and of a span of time, oldest first."""
        for trade in self._candidates(number, first_id, start_ms):
            if (
                trade.trade_id >= first_id
                and start_ms <= trade.time_ms <= end_ms
                and symbol in {"", trade.execution.symbol}
            ):
                yield trade

    def _candidates(self, number: int | None, first_id: int, start_ms: int) -> Iterator[Trade]:
        if number is not None:
            of_order: Sequence[Trade] = self._of_orders.get(number, ())
            return iter(of_order)
        return islice(self._rows, max(0, first_id - _FIRST_ID, bisect_left(self._latest_ms, start_ms)), None)
