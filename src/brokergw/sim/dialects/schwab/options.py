"""How a Schwab simulator is set up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from brokergw.sim.oauth import AuthorizationServer

DEFAULT_LOGIN: Final = "simulated-login"
DEFAULT_NUMBER: Final = "12345678"
DEFAULT_TOKEN: Final = "I0.simulated-access-token"  # noqa: S105 - the public token of a make-believe broker


@dataclass(frozen=True, slots=True, kw_only=True)
class SchwabOptions:
    """Settings of one simulator.

    `logins` maps each login to the numbers of the accounts that it has linked; every account is one of its own with
    `cash` US dollars. `tokens` maps bearer tokens to logins, and `authorization` gives out more of them on the same
    port. `queries_per_minute` bounds everything but orders by login, `orders_per_minute` orders by account; None is
    unlimited. `rows_max` is the most rows of one list of orders. `tick_interval_s` None leaves ticking to the control
    plane.
    """

    logins: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {DEFAULT_LOGIN: (DEFAULT_NUMBER,)})
    tokens: Mapping[str, str] = field(default_factory=lambda: {DEFAULT_TOKEN: DEFAULT_LOGIN}, repr=False)
    authorization: AuthorizationServer | None = None
    seed: int = 20_240_102
    cash: Decimal = Decimal(100_000)
    multiplier: Decimal = Decimal(4)
    shorting: bool = True
    always_open: bool = True
    queries_per_minute: int | None = None
    orders_per_minute: int | None = None
    rows_max: int = 3_000
    heartbeat_s: float = 5.0
    tick_interval_s: float | None = 0.1
    journal_capacity: int = 50_000
    journal_file: Path | None = None
    now_ns: Callable[[], int] = time.time_ns
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.tokens.values()) - set(self.logins)):
            raise ValueError(f"a token belongs to the unknown login {unknown[0]}")
        numbers = [number for numbers in self.logins.values() for number in numbers]
        if len(set(numbers)) != len(numbers) or not all(number.isdecimal() for number in numbers):
            raise ValueError("account numbers are digits, and each is given once")
        if self.tick_interval_s is not None and self.tick_interval_s <= 0:
            raise ValueError("tick_interval_s must be above 0, or None for no ticking")
