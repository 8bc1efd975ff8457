"""A desk without a book of halts: nothing is ever halted there, and whoever tries is told so."""

from collections.abc import Callable, Sequence

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.trading import Halt, HaltCause, TradingScope
from brokergw.ports.halts import Finding, HaltWish, News, Sweep


class NoHaltBook:
    """Implements `ports.halts.HaltBook` for a desk that was given none."""

    shared = False

    async def open(self, listener: Callable[[News], None]) -> News:  # noqa: ARG002 - nothing ever changes
        """Nothing stands."""
        return News(asked_at=0.0, epoch=0, halts=())

    async def place(self, wish: HaltWish) -> tuple[Halt, News]:  # noqa: ARG002 - whatever it is
        """Refuse."""
        raise _none()

    async def lift(self, scope: TradingScope, cause: HaltCause, *, epoch: int | None, audit: AuditRow) -> News:  # noqa: ARG002 - whatever it is
        """Refuse."""
        raise _none()

    async def confirm(self, epoch: int) -> None:
        """Nobody asks."""

    async def unconfirmed(self, epoch: int) -> frozenset[str]:  # noqa: ARG002 - there is nobody else
        """There is nobody else."""
        return frozenset()

    async def fence(self, instance_ids: frozenset[str]) -> None:
        """There is nobody else."""

    async def sweeps(self) -> Sequence[Sweep]:
        """There are none."""
        return ()

    async def report(self, finding: Finding) -> None:
        """Nobody asks."""

    async def findings(self) -> Sequence[Finding]:
        """There are none."""
        return ()

    async def close(self) -> None:
        """Nothing is open."""


def _none() -> GatewayError:
    return GatewayError(Reason.JOURNAL_UNAVAILABLE, "this desk keeps no halts")
