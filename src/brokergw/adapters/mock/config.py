"""How the mock broker behaves."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MockConfig:
    """Settings of the room; the defaults trade around the clock, at once, and remember nothing after the process.

    `seed` fixes prices, ids and which orders `reject_rate` (0 to 1) refuses. `latency_s` passes before each call
    takes effect. New accounts get `starting_cash`. `fee_rate` is the share of a trade's money it costs, and an order
    can trade from `settle_delay_s` after it was accepted. Resting orders meet the market every `tick_interval_s`.
    With a `journal_path` accounts outlive the process. `always_open` False keeps New York's hours.
    """

    seed: int = 1
    latency_s: float = 0.0
    reject_rate: float = 0.0
    journal_path: Path | None = None
    starting_cash: Decimal = Decimal(100_000)
    multiplier: Decimal = Decimal(4)
    shorting: bool = True
    fee_rate: Decimal = Decimal(0)
    settle_delay_s: float = 0.0
    tick_interval_s: float = 0.25
    refuse_wash_trades: bool = False
    always_open: bool = True

    def __post_init__(self) -> None:
        """Refuse what could not work."""
        if not 0 <= self.reject_rate <= 1:
            raise ValueError("reject_rate must lie between 0 and 1")
        if self.latency_s < 0 or self.settle_delay_s < 0 or self.tick_interval_s <= 0:
            raise ValueError("latency and settle delay must not be negative, the tick interval must be above zero")
        if self.multiplier < 1 or self.starting_cash < 0 or self.fee_rate < 0:
            raise ValueError("multiplier must be at least 1, cash and fee rate must not be negative")
