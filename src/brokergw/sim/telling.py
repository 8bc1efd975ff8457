"""Events told to whoever listens, as the faults of the stream let them through."""

from collections.abc import Callable
from typing import Generic, TypeVar

from brokergw.sim.faults import FaultName, Faults

_Item = TypeVar("_Item")


class Teller(Generic[_Item]):
    """Tells the events of one stream by `send`; `cut` ends it."""

    def __init__(self, faults: Faults, send: Callable[[_Item], None], cut: Callable[[], object]) -> None:
        self._faults = faults
        self._send = send
        self._cut = cut
        self._late: list[_Item] = []

    def tell(self, event: str, item: _Item) -> None:
        """Tell an event of some name: once, twice, later, not at all, or the stream ends instead."""
        faults = self._faults
        if not faults:
            self._send(item)
        elif faults.strike_event(FaultName.DROPPED_STREAM, event):
            self._cut()
        elif faults.strike_event(FaultName.DROPPED_EVENTS, event):
            return
        elif faults.strike_event(FaultName.REORDERED_EVENTS, event):
            self._late.append(item)
        else:
            self._send(item)
            if faults.strike_event(FaultName.DUPLICATE_EVENTS, event):
                self._send(item)
            self.release()

    def release(self) -> None:
        """Tell what was held back to come late."""
        late, self._late = self._late, []
        for item in late:
            self._send(item)
