"""What an account may choose at a broker: leverage and margin type by symbol, and how many positions a symbol has."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from hashlib import sha256
from typing import Final

_ETAG_DIGITS: Final = 16


@unique
class MarginType(StrEnum):
    """Whether a position may lose all that the account has, or only what was set aside for it."""

    CROSS = "CROSS"
    ISOLATED = "ISOLATED"


@unique
class PositionMode(StrEnum):
    """Whether a symbol has one position, or a long and a short one beside each other."""

    ONE_WAY = "ONE_WAY"
    HEDGE = "HEDGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingSettings:
    """The settings of one symbol as of the broker's reply; `position_mode` is the account's, for all its symbols.

    `leverage_max` is the highest that the broker offers for the symbol, `notional_max` what a position may be worth at
    the present leverage, in the contract's own currency; None where the broker does not tell.
    """

    symbol: str
    leverage: int
    leverage_max: int
    margin_type: MarginType
    position_mode: PositionMode
    notional_max: Decimal | None
    as_of_ns: int

    @property
    def etag(self) -> str:
        """What changes whenever one of the settings that can be chosen does."""
        chosen = f"{self.symbol} {self.leverage} {self.margin_type} {self.position_mode}"
        return f'"{sha256(chosen.encode()).hexdigest()[:_ETAG_DIGITS]}"'

    @property
    def words(self) -> str:
        """The settings in one line, for the audit and for errors."""
        return f"leverage={self.leverage} margin_type={self.margin_type} position_mode={self.position_mode}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChoice:
    """What is to be chosen; None leaves a setting as it is."""

    leverage: int | None = None
    margin_type: MarginType | None = None
    position_mode: PositionMode | None = None

    @property
    def named(self) -> str:
        """The names of what is chosen, with blanks between them; empty for nothing."""
        names = ("position_mode", "margin_type", "leverage")
        return " ".join(name for name in names if getattr(self, name) is not None)

    def beyond(self, stands: TradingSettings) -> "SettingsChoice":
        """Give what of it is not so yet."""
        return SettingsChoice(
            leverage=None if self.leverage == stands.leverage else self.leverage,
            margin_type=None if self.margin_type is stands.margin_type else self.margin_type,
            position_mode=None if self.position_mode is stands.position_mode else self.position_mode,
        )

    def only_lowers(self, stands: TradingSettings) -> bool:
        """Tell whether it does nothing but make the leverage smaller, which puts less at risk."""
        left = self.beyond(stands)
        others = left.margin_type is not None or left.position_mode is not None
        return not others and left.leverage is not None and left.leverage < stands.leverage


NOTHING_CHOSEN: Final = SettingsChoice()
