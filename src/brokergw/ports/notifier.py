"""Telling people."""

from typing import Protocol

from brokergw.model.alerts import Alert


class Notifier(Protocol):
    """Where alerts go."""

    def notify(self, alert: Alert) -> None:
        """Hand an alert over; returns at once and never raises. It is delivered within two seconds, or tried again."""
        ...
