"""What every send asks in the very step that lets its first byte out, and what is on its way past that step."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from brokergw.desk.halts.clearance import Clearance
from brokergw.desk.halts.standing import Standing
from brokergw.desk.halts.waiting import within
from brokergw.model.order import Order
from brokergw.model.trading import Halt, TradingScope, TradingState, scopes_of
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Admission
from brokergw.ports.permit import Permit

NOT_CLEARED: Final = "whether trading is halted cannot be told at the moment"


class _Sending:
    """One send from its admission to its answer: on the list for as long as its block runs."""

    __slots__ = ("_all", "order", "over", "permit")

    def __init__(self, order: Order, permit: Permit, all_of_them: "set[_Sending]") -> None:
        self.order = order
        self.permit = permit
        self.over: asyncio.Future[None] | None = None
        self._all = all_of_them

    def __enter__(self) -> None:
        self._all.add(self)

    def __exit__(self, *_: object) -> None:
        self._all.discard(self)
        if self.over is not None and not self.over.done():
            self.over.set_result(None)


class Latch:
    """Says no at the last moment. The check takes about a microsecond while nothing is halted."""

    def __init__(self, standing: Standing, clearance: Clearance, clock: Clock) -> None:
        self._standing = standing
        self._clearance = clearance
        self._clock = clock
        self._sending: set[_Sending] = set()

    def stopped(self, order: Order, admission: Admission) -> Callable[[], str]:
        """Give what a permit asks: why nothing of the order may leave, or an empty text."""
        standing, clearance = self._standing, self._clearance

        def why() -> str:
            if not clearance.valid:
                return NOT_CLEARED
            if standing.free or admission.closing:
                return ""
            halt = standing.binding(order_scopes(order))
            return "" if halt is None or passes(halt, reduces=admission.reduces) else words(halt)

        return why

    def halt_of(self, order: Order, admission: Admission) -> Halt | None:
        """Find the halt that keeps an order from being sent."""
        halt = self._standing.binding(order_scopes(order))
        return None if halt is None or admission.closing or passes(halt, reduces=admission.reduces) else halt

    def sending(self, order: Order, permit: Permit) -> AbstractContextManager[None]:
        """Say that an order is being sent, for as long as the block runs: until its answer is here."""
        return _Sending(order, permit, self._sending)

    async def quiet(self, timeout_s: float) -> bool:
        """Wait, at most so long, until what has left in the scope of any halt has been answered."""
        waiting: list[asyncio.Future[None]] = []
        for each in self._sending:
            if each.permit.spent and self._standing.binding(order_scopes(each.order)) is not None:
                each.over = each.over or asyncio.get_running_loop().create_future()
                waiting.append(each.over)
        return await within(self._clock, timeout_s, waiting)


def passes(halt: Halt, *, reduces: bool) -> bool:
    """Tell whether an order that does or does not reduce a position may pass a halt."""
    return halt.state is TradingState.REDUCE_ONLY and reduces


def words(halt: Halt) -> str:
    """Say of a halt what a person must know."""
    state = "halted" if halt.state is TradingState.HALTED else "reduce-only"
    return f"{halt.scope.key} is {state} ({halt.cause}): {halt.reason}"


def order_scopes(order: Order) -> tuple[TradingScope, ...]:
    """List the scopes of an order, with the symbol of each of its legs."""
    return scopes_of(
        user_id=order.user_id,
        broker=order.broker,
        account_id=order.account_id,
        strategy_id=order.strategy_id,
        symbols=order.terms.symbols,
    )
