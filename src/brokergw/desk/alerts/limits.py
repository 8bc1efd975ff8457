"""Telling people of limits that are reached: once for each user, limit and trading day."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final

from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.errors import Objection, PreflightDenied, Reason
from brokergw.ports.clock import Clock
from brokergw.ports.notifier import Notifier

_TOLD_MAX: Final = 10_000


class LimitAlerts:
    """Hears of denials; `day_of` gives the trading day of a moment.

    An order that is too large by itself says nothing of its user: only what is used up already is told.
    """

    def __init__(self, notifier: Notifier, day_of: Callable[[int], str], clock: Clock) -> None:
        self._notifier = notifier
        self._day_of = day_of
        self._clock = clock
        self._day = ""
        self._told: set[tuple[str, str, str]] = set()

    def denied(self, user_id: str, strategy_id: str, denial: PreflightDenied) -> None:
        """Tell of each limit that is used up, the first time on its day."""
        for objection in denial.objections:
            if is_used_up(objection):
                self._tell(user_id, strategy_id, objection)

    def _tell(self, user_id: str, strategy_id: str, objection: Objection) -> None:
        now = self._clock.now_ns()
        day = self._day_of(now)
        if day != self._day or len(self._told) >= _TOLD_MAX:
            self._day, self._told = day, set()
        whose = strategy_id if objection.source == "STRATEGY" else ""
        key = (user_id, objection.limit_name, whose)
        if key in self._told:
            return
        self._told.add(key)
        facts = {
            "limit": objection.limit or "",
            "used": objection.used or "",
            "source": objection.source,
            "trading_day": day,
            "strategy_id": whose,
            "about": objection.subject,
        }
        lost = objection.reason is Reason.DAILY_LOSS_LIMIT_REACHED
        self._notifier.notify(
            Alert(
                kind=AlertKind.LIMIT_REACHED,
                severity=Severity.CRITICAL if lost else Severity.WARNING,
                subject=" ".join(filter(None, (user_id, whose, objection.limit_name))),
                message=f"orders are refused: {objection.description}",
                time_ns=now,
                user_id=user_id,
                facts=tuple((name, value) for name, value in facts.items() if value),
            )
        )


def is_used_up(objection: Objection) -> bool:
    """Tell whether an objection is about a limit of which nothing is left."""
    if not objection.limit_name or objection.used is None or objection.limit is None:
        return False
    try:
        return Decimal(objection.used) >= Decimal(objection.limit)
    except InvalidOperation:
        return False
