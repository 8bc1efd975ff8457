"""What the desk needs of a broker where leverage, margin type and position mode can be chosen."""

from typing import Protocol, runtime_checkable

from brokergw.model.capability import Feature
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import Outcome
from brokergw.model.trading_settings import MarginType, PositionMode, TradingSettings
from brokergw.ports.broker import BrokerAdapter
from brokergw.ports.permit import Permit


@runtime_checkable
class AdjustableBroker(Protocol):
    """An adapter whose capabilities have LEVERAGE.

    The commands never raise for what the broker or the network does; each spends its permit before its first byte and
    sends at most once. What is so already is Accepted.
    """

    async def get_trading_settings(self, symbol: str) -> TradingSettings:
        """Ask for the settings of a symbol, freshly; raises a GatewayError when that fails."""
        ...

    async def set_leverage(self, permit: Permit, symbol: str, leverage: int) -> Outcome:
        """Choose the leverage of one symbol."""
        ...

    async def set_margin_type(self, permit: Permit, symbol: str, margin_type: MarginType) -> Outcome:
        """Choose how one symbol is margined."""
        ...

    async def set_position_mode(self, permit: Permit, position_mode: PositionMode) -> Outcome:
        """Choose how many positions each symbol of the account has."""
        ...


def adjustable(adapter: BrokerAdapter) -> AdjustableBroker:
    """Give an adapter's part for settings; raises UNSUPPORTED_FEATURE where the broker does not claim it."""
    if Feature.LEVERAGE not in adapter.capabilities.features or not isinstance(adapter, AdjustableBroker):
        name = adapter.capabilities.name
        raise GatewayError(
            Reason.UNSUPPORTED_FEATURE,
            f"at {name} neither leverage nor margin type nor position mode can be chosen",
            metadata={"feature": Feature.LEVERAGE.value},
        )
    return adapter
