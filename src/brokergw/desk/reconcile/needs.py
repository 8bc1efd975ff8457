"""What a comparison needs of those who stop trading."""

from typing import Protocol

from brokergw.model.trading import HaltCause, TradingScope, TradingState


class Switch(Protocol):
    """Stops trading in a scope, and lets it go on."""

    async def halt(self, scope: TradingScope, cause: HaltCause, state: TradingState, reason: str, by: str) -> object:
        """Stop a scope for a cause, durably and in every process."""
        ...

    async def resume(self, scope: TradingScope, cause: HaltCause, reason: str, by: str) -> object:
        """Lift the halt of a scope for a cause; raises HALT_NOT_FOUND where there is none."""
        ...
