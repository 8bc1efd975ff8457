"""How far brokers' clocks are from ours, as a metric: an alert stands on it before orders are refused for it."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge

from brokergw.desk.hours.broker_clocks import Place, apart_by_place
from brokergw.desk.session import Session


class ClockGauge:
    """Shows what this process has heard, by broker and environment; nothing where it has heard nothing lately."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._shown: set[Place] = set()
        self._gauge = Gauge(
            "brokergw_broker_clock_apart_seconds",
            "How far this process's clock and a broker's are apart at least.",
            ("broker", "environment"),
            registry=registry,
        )

    def look(self, sessions: Iterable[Session]) -> None:
        """Show what is known now."""
        known = apart_by_place(sessions)
        for broker, environment in self._shown - known.keys():
            self._gauge.remove(broker, environment.value)
        for (broker, environment), seconds in known.items():
            self._gauge.labels(broker, environment.value).set(seconds)
        self._shown = set(known)
