"""When and from where each credential was last used, written together every few seconds."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from brokergw.model.errors import GatewayError
from brokergw.ports.clock import Clock
from brokergw.ports.identity import Use

_EVERY_S: Final = 5.0
_WAITING_MAX: Final = 10_000

log = structlog.get_logger(__name__)


class Uses:
    """Gathers uses, so that a call waits for none to be written; a crash forgets those of the last seconds."""

    def __init__(self, write: Callable[[Mapping[str, Use]], Awaitable[None]], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._waiting: dict[str, Use] = {}

    def note(self, key_id: str, address: str) -> None:
        """Remember a use; with too many waiting, those of keys that were not noted yet are left out."""
        if key_id in self._waiting or len(self._waiting) < _WAITING_MAX:
            self._waiting[key_id] = Use(self._clock.now_ns(), address)

    async def run(self) -> None:
        """Write what waits, for ever."""
        while True:
            await self._clock.sleep(_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits; what cannot be written waits on."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            await self._write(waiting)
        except GatewayError as error:
            log.warning("when keys were last used is not on record yet", reason=error.reason.value)
            self._waiting = {**waiting, **self._waiting}
