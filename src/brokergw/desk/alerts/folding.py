"""The same alert again within a while is one alert: a storm of them must not bury the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from brokergw.model.alerts import Alert, AlertKind, Severity

WITHIN_S: Final = 60.0
"""How long an alert stands for those like it."""

_ENDS: Final = {AlertKind.HALTED: AlertKind.RESUMED, AlertKind.RESUMED: AlertKind.HALTED}

_Likeness: TypeAlias = tuple[AlertKind, str, Severity]


@dataclass(slots=True)
class _Told:
    until: float
    newest: Alert
    repeats: int = 0


class Folding:
    """Remembers what has been told lately. Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._told: dict[_Likeness, _Told] = {}

    def is_new(self, alert: Alert, now: float) -> bool:
        """Tell whether an alert is to be told now; one that is not is counted for `over`, which is called first.

        What is worse than before is new, and so is a halt after a resumption, and a resumption after a halt.
        """
        opposite = _ENDS.get(alert.kind)
        if opposite is not None:
            for severity in Severity:
                self._told.pop((opposite, alert.subject, severity), None)
        key = (alert.kind, alert.subject, alert.severity)
        told = self._told.get(key)
        if told is None or now >= told.until:
            self._told[key] = _Told(now + WITHIN_S, alert)
            return True
        told.newest, told.repeats = alert, told.repeats + 1
        return False

    def over(self, now: float) -> Sequence[tuple[Alert, int]]:
        """Give the newest of each alert that was repeated and whose while is over, and how often it was
        raised in all; forgets them.
        """
        ended = [key for key, told in self._told.items() if now >= told.until]
        gone = [self._told.pop(key) for key in ended]
        return [(told.newest, told.repeats + 1) for told in gone if told.repeats]
