"""How a Binance simulator is set up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

DEFAULT_KEY: Final = "BINANCESIMULATORKEY"
DEFAULT_SECRET: Final = "binance-simulator-secret"  # noqa: S105 - the public key pair of a make-believe broker


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceOptions:
    """Settings of one simulator.

    `keys` maps API keys to HMAC secrets, `public_keys` API keys to Ed25519 public keys in PEM; each key has a spot
    account and a futures account of its own, both with `cash` USDT, and `leverage` for every contract at first.
    `fee_rate` is taken of every trade's money. `spot_weight` and `futures_weight` are request weights an address may
    spend in a minute (Binance: 6000 and 2400), `orders_10s` the orders an account may send in ten seconds (Binance: 50
    and 300); None counts nothing and sends no headers. `orders_open_max` is the filter MAX_NUM_ORDERS.
    `clock_offset_ms` is how far the simulator's clock is ahead. `listen_keys_on_spot` answers the listen keys that
    Binance switched off for spot on 2026-02-20 as they were before.
    `tick_interval_s` None leaves ticking to the control plane.
    """

    keys: Mapping[str, str] = field(default_factory=lambda: {DEFAULT_KEY: DEFAULT_SECRET}, repr=False)
    public_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    seed: int = 20_240_102
    cash: Decimal = Decimal(100_000)
    leverage: int = 20
    fee_rate: Decimal = Decimal(0)
    spot_weight: int | None = None
    futures_weight: int | None = None
    orders_10s: int | None = None
    orders_open_max: int = 200
    clock_offset_ms: int = 0
    listen_keys_on_spot: bool = False
    tick_interval_s: float | None = 0.1
    journal_capacity: int = 50_000
    journal_file: Path | None = None
    now_ns: Callable[[], int] = time.time_ns
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        for name in ("spot_weight", "futures_weight", "orders_10s"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ValueError(f"{name} must be at least 1, or None for no limit")
        if self.tick_interval_s is not None and self.tick_interval_s <= 0:
            raise ValueError("tick_interval_s must be above 0, or None for no ticking")
        if not 1 <= self.leverage <= 125:
            raise ValueError("leverage must be between 1 and 125")
