"""A strategy whose orders the broker keeps refusing is stopped: it is looping, and the next refusal may be a ban.

Each process counts the refusals that it hears itself. Orders that name no strategy are counted together, by user and
broker.
"""

import asyncio
from collections import deque
from typing import Final

import structlog

from brokergw.desk.halts.standing import Standing
from brokergw.desk.halts.switch import Switch
from brokergw.model.errors import GatewayError
from brokergw.model.order import Order
from brokergw.model.trading import HaltCause, ScopeKind, TradingScope, TradingState
from brokergw.ports.clock import Clock

REFUSALS_MAX: Final = 10
WITHIN_S: Final = 60.0

_GATEWAY: Final = "gateway"
_COUNTED_MAX: Final = 10_000

log = structlog.get_logger(__name__)


class RejectStorms:
    """Counts refusals, and halts at the tenth within a minute."""

    def __init__(self, switch: Switch, standing: Standing, clock: Clock) -> None:
        self._switch = switch
        self._standing = standing
        self._clock = clock
        self._refused: dict[TradingScope, deque[float]] = {}
        self._halting: dict[TradingScope, asyncio.Task[None]] = {}

    def refused(self, order: Order) -> None:
        """Count an order that the broker has refused."""
        scope = _scope(order)
        now = self._clock.monotonic()
        if scope not in self._refused and len(self._refused) >= _COUNTED_MAX:
            self._refused = {each: times for each, times in self._refused.items() if now - times[-1] < WITHIN_S}
        times = self._refused.setdefault(scope, deque(maxlen=REFUSALS_MAX))
        times.append(now)
        if len(times) < REFUSALS_MAX or now - times[0] >= WITHIN_S or scope in self._halting:
            return
        if any((halt.scope, halt.cause) == (scope, HaltCause.REJECT_STORM) for halt in self._standing.all()):
            return
        times.clear()
        task = asyncio.create_task(self._halt(scope, order.reject_reason), name=f"halt {scope.key}")
        self._halting[scope] = task
        task.add_done_callback(lambda _: self._halting.pop(scope, None))

    async def _halt(self, scope: TradingScope, latest: str) -> None:
        reason = (
            f"the broker refused {REFUSALS_MAX} orders within {WITHIN_S:g} s, the last one for {latest or 'no reason'}"
        )
        try:
            await self._switch.halt(scope, HaltCause.REJECT_STORM, TradingState.HALTED, reason, _GATEWAY)
        except GatewayError as error:
            log.error("a storm of refusals could not be halted", scope=scope.key, reason=error.reason.value)  # noqa: TRY400 - the reason says it all


def _scope(order: Order) -> TradingScope:
    if order.strategy_id:
        return TradingScope(ScopeKind.STRATEGY, (order.user_id, order.strategy_id))
    return TradingScope(ScopeKind.USER_BROKER, (order.user_id, order.broker))
