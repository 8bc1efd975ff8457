"""Telling a person of what a sweep has not got rid of in time."""

from typing import Final

from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.ports.halts import Finding, FindingState, Residual, Sweep
from brokergw.ports.notifier import Notifier

AFTER_S: Final = 10
"""How long a sweep may take before somebody is told: longer than a cancel that is asked for once more."""

_AFTER_NS: Final = AFTER_S * 1_000_000_000
_TOLD_MAX: Final = 10


class Leftovers:
    """Tells once of each account of a sweep; again when it had been done in between."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._told: set[tuple[str, str]] = set()

    def take(self, sweep: Sweep, finding: Finding) -> None:
        """Take note of how far a sweep has come in one account."""
        name = (finding.sweep_id, finding.account_id)
        if finding.state is FindingState.DONE:
            self._told.discard(name)
            return
        if name in self._told or finding.time_ns - sweep.begin_time_ns < _AFTER_NS:
            return
        self._told.add(name)
        self._notifier.notify(_alert(sweep, finding))


def _alert(sweep: Sweep, finding: Finding) -> Alert:
    number = len(finding.residuals)
    seconds = (finding.time_ns - sweep.begin_time_ns) // 1_000_000_000
    message = (
        f"{seconds} s after {sweep.scope.key} was halted, account {finding.account_id} is not clear: {number} left"
    )
    if finding.why:
        message += f"; its broker does not say what rests there: {finding.why}"
    return Alert(
        kind=AlertKind.NOT_CLEARED,
        severity=Severity.CRITICAL,
        subject=f"{sweep.scope.key} {finding.account_id}",
        message=message,
        time_ns=finding.time_ns,
        user_id=finding.user_id,
        facts=tuple(_fact(each) for each in finding.residuals[:_TOLD_MAX]),
    )


def _fact(residual: Residual) -> tuple[str, str]:
    what = f"order {residual.order_id or residual.broker_order_id}" if not residual.quantity else residual.quantity
    return residual.symbol, f"{what}: {residual.why}"
