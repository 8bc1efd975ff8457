"""Whether new orders may go to a connection's broker now; cancels always may."""

import asyncio

from brokergw.desk.breaker import Breaker
from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.clock import Clock

_COMPARE_WAIT_S = 1.0


class Readiness:
    """A broker that answers, and open orders that have been compared with it before the first new one leaves."""

    def __init__(self, clock: Clock) -> None:
        self.breaker = Breaker(clock)
        self.reconciling = False
        self._trading = False
        self._looked = asyncio.Event()

    def taken(self) -> None:
        """Say that this process has taken the connection: what others left open is to be compared.

        Where orders have left this process already, another one's death is no reason to hold the next one back.
        """
        self.reconciling = not self._trading
        if self.reconciling:
            self._looked.clear()

    def looked(self) -> None:
        """Say that a comparison has ended, well or not, so that nobody waits for it."""
        self._looked.set()

    def reconciled(self) -> None:
        """Say that the open orders have been compared since then, or need not be."""
        self.reconciling = False
        self._looked.set()

    async def comparison(self) -> None:
        """Wait for the first comparison to end, well or not."""
        await self._looked.wait()

    def require(self) -> None:
        """Raise BROKER_SESSION_DOWN unless a new order may be sent."""
        if self.reconciling:
            why = "the open orders have not been compared with the broker's since the connection was taken"
            raise _down(why, _COMPARE_WAIT_S)
        wait_s = self.breaker.wait_s()
        if wait_s > 0:
            raise _down("the broker has failed again and again, and is left alone for a moment", wait_s)
        self._trading = True


def _down(message: str, wait_s: float) -> GatewayError:
    return GatewayError(Reason.BROKER_SESSION_DOWN, message, retry_after_s=wait_s)
