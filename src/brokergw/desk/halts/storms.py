"""A strategy whose orders the broker keeps refusing is stopped: it is looping, and the next refusal may be a ban.

Each process counts the refusals that it hears itself; where others write to the record too, it counts those on record
after each of its own. Orders that name no strategy are counted together, by user and broker.
"""

import asyncio
from collections import deque
from typing import Final, Protocol

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


class Record(Protocol):
    """What is on record of refusals."""

    @property
    def shared(self) -> bool:
        """Whether other processes write to it too."""
        ...

    async def count_refused(self, user_id: str, strategy_id: str, broker: str, made_after_ns: int) -> int:
        """Count a user's orders of a strategy, or of none, that a broker (any when empty) has refused."""
        ...


class RejectStorms:
    """Counts refusals, and halts at the tenth within a minute."""

    def __init__(self, switch: Switch, standing: Standing, clock: Clock) -> None:
        self._switch = switch
        self._standing = standing
        self._clock = clock
        self._refused: dict[TradingScope, deque[float]] = {}
        self._halting: dict[TradingScope, asyncio.Task[None]] = {}
        self._record: Record | None = None
        self._counting: dict[TradingScope, asyncio.Task[None]] = {}
        self._again: dict[TradingScope, Order] = {}

    def follow(self, record: Record) -> None:
        """Count what is on record too, from here on: other processes hear of refusals that this one does not."""
        self._record = record if record.shared else None

    def refused(self, order: Order) -> None:
        """Count an order that the broker has refused."""
        scope = _scope(order)
        now = self._clock.monotonic()
        if scope not in self._refused and len(self._refused) >= _COUNTED_MAX:
            self._refused = {each: times for each, times in self._refused.items() if now - times[-1] < WITHIN_S}
        times = self._refused.setdefault(scope, deque(maxlen=REFUSALS_MAX))
        times.append(now)
        if len(times) == REFUSALS_MAX and now - times[0] < WITHIN_S:
            times.clear()
            self._stop(scope, order)
        elif self._record is not None and scope not in self._halting:
            self._look(scope, order)

    def _stop(self, scope: TradingScope, order: Order) -> None:
        if scope in self._halting or self._stands(scope):
            return
        task = asyncio.create_task(self._halt(scope, order.reject_reason), name=f"halt {scope.key}")
        self._halting[scope] = task
        task.add_done_callback(lambda _: self._halting.pop(scope, None))

    def _stands(self, scope: TradingScope) -> bool:
        return any((halt.scope, halt.cause) == (scope, HaltCause.REJECT_STORM) for halt in self._standing.all())

    def _look(self, scope: TradingScope, order: Order) -> None:
        """Count on the record, one look at a time; what is refused during a look is counted by one more after it."""
        if scope in self._counting:
            self._again[scope] = order
            return
        task = asyncio.create_task(self._count(scope, order), name=f"count refusals of {scope.key}")
        self._counting[scope] = task
        task.add_done_callback(lambda _: self._counting.pop(scope, None))

    async def _count(self, scope: TradingScope, order: Order) -> None:
        assert self._record is not None, "only a shared record is looked at"
        latest: Order | None = order
        while latest is not None:
            since_ns = self._clock.now_ns() - round(WITHIN_S * 1e9)
            broker = "" if latest.strategy_id else latest.broker
            try:
                refused = await self._record.count_refused(latest.user_id, latest.strategy_id, broker, since_ns)
            except GatewayError as error:
                log.warning("refusals on record are not counted", scope=scope.key, reason=error.reason.value)
                refused = 0
            if refused >= REFUSALS_MAX:
                self._again.pop(scope, None)
                self._stop(scope, latest)
                return
            latest = self._again.pop(scope, None)

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
