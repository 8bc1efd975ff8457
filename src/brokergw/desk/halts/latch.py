"""What every send asks in the very step that lets its first byte out, and what is on its way past that step."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from brokergw.desk.halts.clearance import Clearance
from brokergw.desk.halts.denial import halted, not_cleared
from brokergw.desk.halts.standing import Standing
from brokergw.desk.halts.waiting import within
from brokergw.model.errors import GatewayError
from brokergw.model.order import Order
from brokergw.model.trading import Halt, TradingScope, TradingState, scopes_of
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Admission
from brokergw.ports.permit import Permit


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

    def stopped(self, order: Order, admission: Admission) -> Callable[[], GatewayError | None]:
        """Give what a permit asks: the error that says why nothing of the order may leave, if there is one."""
        standing, clearance = self._standing, self._clearance

        def why() -> GatewayError | None:
            if not clearance.valid:
                return not_cleared(clearance)
            if standing.free or admission.closing:
                return None
            halt = standing.binding(order_scopes(order))
            return None if halt is None or passes(halt, reduces=admission.reduces) else halted(halt)

        return why

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


def order_scopes(order: Order) -> tuple[TradingScope, ...]:
    """List the scopes of an order, with the symbol of each of its legs."""
    return scopes_of(
        user_id=order.user_id,
        broker=order.broker,
        account_id=order.account_id,
        strategy_id=order.strategy_id,
        symbols=order.terms.symbols,
    )
