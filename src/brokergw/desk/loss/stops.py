"""What stopping a user needs of those who stop trading."""

from collections.abc import Iterable
from typing import Protocol

from brokergw.model.trading import Halt, HaltCause, TradingScope, TradingState


class Switch(Protocol):
    """Stops trading in a scope, and lets it go on."""

    async def halt(self, scope: TradingScope, cause: HaltCause, state: TradingState, reason: str, by: str) -> object:
        """Stop a scope for a cause, durably and in every process."""
        ...

    async def resume(self, scope: TradingScope, cause: HaltCause, reason: str, by: str) -> object:
        """Clear the halt of a scope for a cause; raises HALT_NOT_FOUND."""
        ...


class Standing(Protocol):
    """Which halts stand."""

    def all(self) -> Iterable[Halt]:
        """Give every halt that stands."""
        ...
