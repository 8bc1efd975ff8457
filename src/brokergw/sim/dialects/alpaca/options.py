"""How an Alpaca simulator is set up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from brokergw.sim.oauth import AuthorizationServer

DEFAULT_KEY: Final = "PKSIMULATOR"
DEFAULT_SECRET: Final = "simulator-secret"  # noqa: S105 - the public key pair of a make-believe broker


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpacaOptions:
    """Settings of one simulator.

    `keys` maps key ids to secrets; each pair is an account of its own with `cash` US dollars. `oauth_tokens` maps
    bearer tokens to key ids, and `authorization` gives out more of them on the same port. `rate_limit_per_minute` is
    the request budget of an account (Alpaca: 200), None is unlimited and sends no rate headers. `crypto_fee_bps` is
    kept of coins bought, and of the money coins are sold for.
    `tick_interval_s` None leaves ticking to the control plane. `legacy_account_fields` shows the day-trading fields
    that Alpaca removed on 2026-07-06.
    """

    keys: Mapping[str, str] = field(default_factory=lambda: {DEFAULT_KEY: DEFAULT_SECRET}, repr=False)
    oauth_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorization: AuthorizationServer | None = None
    seed: int = 20_240_102
    cash: Decimal = Decimal(100_000)
    multiplier: Decimal = Decimal(4)
    shorting: bool = True
    crypto_fee_bps: Decimal = Decimal(25)
    always_open: bool = True
    rate_limit_per_minute: int | None = None
    tick_interval_s: float | None = 0.1
    stream_connections_max: int = 1
    legacy_account_fields: bool = False
    journal_capacity: int = 50_000
    journal_file: Path | None = None
    now_ns: Callable[[], int] = time.time_ns
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.oauth_tokens.values()) - set(self.keys)):
            raise ValueError(f"an OAuth token belongs to the unknown key {unknown[0]}")
        if self.rate_limit_per_minute is not None and self.rate_limit_per_minute < 1:
            raise ValueError("rate_limit_per_minute must be at least 1, or None for no limit")
        if self.tick_interval_s is not None and self.tick_interval_s <= 0:
            raise ValueError("tick_interval_s must be above 0, or None for no ticking")
