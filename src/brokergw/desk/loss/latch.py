"""Stopping a user whose loss has reached its limit, until the next trading day.

What is stopped is everything that adds to a position; what makes one smaller goes on, so that nobody is caught in what
loses. It stays so over restarts, whatever the accounts gain back, until the next trading day has begun and each of
the user's accounts has been seen on it; and then too if the loss of that day is at the limit already.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import structlog

from brokergw.desk.limits.book import LimitsBook
from brokergw.desk.limits.day import TradingDays
from brokergw.desk.loss.book import LossBook
from brokergw.desk.loss.stops import Standing, Switch
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.limits import LimitSource
from brokergw.model.loss import RiskDay
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.model.trading import Halt, HaltCause, ScopeKind, TradingScope, TradingState
from brokergw.ports.clock import Clock
from brokergw.ports.notifier import Notifier

_BY: Final = "gateway:daily-loss"
_NAME: Final = "daily_loss_max"
_ACCOUNTS_TOLD_MAX: Final = 5

log = structlog.get_logger(__name__)


class LossLatch:
    """Judges users by what the book says."""

    def __init__(
        self,
        book: LossBook,
        limits: LimitsBook,
        days: TradingDays,
        switch: Switch,
        standing: Standing,
        notifier: Notifier,
        clock: Clock,
    ) -> None:
        self._book = book
        self._limits = limits
        self._days = days
        self._switch = switch
        self._standing = standing
        self._notifier = notifier
        self._clock = clock

    def reached(self, user_id: str) -> bool:
        """Tell whether a user's loss is at its limit; a limit that cannot be read stops orders, not users."""
        limits = self._limits.effective(user_id)
        cap = limits.values.daily_loss_max
        if cap is None or limits.fault is not None:
            return False
        loss = self._book.loss(user_id, self._today())
        return loss >= cap and loss > ZERO

    def stands(self, user_id: str) -> bool:
        """Tell whether a user is stopped for its loss already."""
        return self._halt_of(user_id) is not None

    async def stop(self, user_id: str) -> None:
        """Stop a user; raises GatewayError when that could not be made durable."""
        limits, day = self._limits.effective(user_id), self._today()
        cap = limits.values.daily_loss_max
        if cap is None:
            return
        loss = self._book.loss(user_id, day)
        rows = [row for row in self._book.of_user(user_id) if row.trading_day == day]
        source = limits.sources.get(_NAME, LimitSource.PLATFORM)
        facts = _facts(loss, cap, source, day, rows)
        self._notifier.notify(
            Alert(
                kind=AlertKind.LIMIT_REACHED,
                severity=Severity.CRITICAL,
                subject=f"{user_id} {_NAME}",
                message=f"a user has lost {format_decimal(loss)} today, of {format_decimal(cap)} allowed",
                time_ns=self._clock.now_ns(),
                user_id=user_id,
                facts=facts,
            )
        )
        reason = "; ".join(f"{name} {value}" for name, value in facts)
        await self._switch.halt(_scope(user_id), HaltCause.DAILY_LOSS, TradingState.REDUCE_ONLY, reason, _BY)

    async def release(self, user_id: str) -> None:
        """Let a user go on whose halt is of an earlier day, unless it has reached the limit on this one too."""
        halt, day = self._halt_of(user_id), self._today()
        if halt is None or self._days.of(halt.set_time_ns) >= day or self.reached(user_id):
            return
        rows = self._book.of_user(user_id)
        followed = self._book.followed(user_id)
        unseen = [row.account_id for row in followed if row.exposed and row.trading_day != day]
        if unseen or not rows or any(row.trading_day == day and row.crossed_time_ns is not None for row in rows):
            return
        try:
            await self._switch.resume(halt.scope, halt.cause, f"the trading day {day} has begun", _BY)
        except GatewayError as error:
            if error.reason is not Reason.HALT_NOT_FOUND:
                raise

    def _today(self) -> str:
        return self._days.of(self._clock.now_ns())

    def _halt_of(self, user_id: str) -> Halt | None:
        scope = _scope(user_id)
        halts = self._standing.all()
        return next((halt for halt in halts if halt.scope == scope and halt.cause is HaltCause.DAILY_LOSS), None)


def _scope(user_id: str) -> TradingScope:
    return TradingScope(ScopeKind.USER, (user_id,))


def _facts(
    loss: Decimal, cap: Decimal, source: LimitSource, day: str, rows: Sequence[RiskDay]
) -> tuple[tuple[str, str], ...]:
    """Give the numbers that a user was stopped by."""
    whole = [
        ("limit", f"{_NAME} {format_decimal(cap)} ({source.value})"),
        ("loss", format_decimal(loss)),
        ("trading_day", day),
    ]
    for row in sorted(rows, key=lambda row: -row.loss)[:_ACCOUNTS_TOLD_MAX]:
        numbers = {"opening": row.opening_equity, "flows": row.flows, "equity": row.equity, "fees": row.fees}
        told = ", ".join(f"{name} {format_decimal(value)}" for name, value in numbers.items())
        whole.append((f"account {row.account_id}", f"{told}, opening by {row.opening_source.value}"))
    return tuple(whole)
