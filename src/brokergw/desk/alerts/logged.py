"""An alert as a line of the log: always written, whatever other channels there are."""

from typing import Final

import structlog

from brokergw.model.alerts import Alert, Severity

log = structlog.get_logger(__name__)

_LEVELS: Final = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "critical"}


class LoggedAlerts:
    """Implements `ports.notifier.Notifier` with the log alone."""

    def notify(self, alert: Alert) -> None:
        """Write the alert's line."""
        write_line(alert)


def write_line(alert: Alert, alert_id: str = "") -> None:
    """Write an alert into the log."""
    write = getattr(log, _LEVELS[alert.severity])
    write(
        alert.message,
        alert=alert.kind.value,
        alert_id=alert_id,
        subject=alert.subject,
        user_id=alert.user_id,
        facts=dict(alert.facts),
    )
