"""How a simulated Client Portal gateway is set up."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

DEFAULT_ACCOUNT: Final = "DU1234567"
SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class IbkrOptions:
    """Settings of one gateway, which speaks for one user with one account.

    `logged_in` is whether the person has passed the gateway's login page. `idle_s` is how long the brokerage session
    outlives the last request, `login_s` how long a login lasts. `asks` names the questions that orders may raise.
    `paced` counts requests as the broker does (10 a second, the order and trade lists once in 5 s) and puts whoever
    exceeds that into a penalty box for `penalty_s`. `tick_interval_s` None leaves ticking to the control plane.
    """

    account_id: str = DEFAULT_ACCOUNT
    username: str = "simulated"
    paper: bool = True
    logged_in: bool = True
    idle_s: float = 360.0
    login_s: float = 86_400.0
    asks: frozenset[str] = frozenset({"o163", "o10331"})
    paced: bool = False
    penalty_s: float = 600.0
    seed: int = 20_240_102
    cash: Decimal = Decimal(100_000)
    multiplier: Decimal = Decimal(4)
    commission: Decimal = Decimal(0)
    always_open: bool = True
    tick_interval_s: float | None = 0.1
    journal_capacity: int = 50_000
    journal_file: Path | None = None
    now_ns: Callable[[], int] = time.time_ns
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        if self.tick_interval_s is not None and self.tick_interval_s <= 0:
            raise ValueError("tick_interval_s must be above 0, or None for no ticking")
        if not self.account_id.isalnum():
            raise ValueError("account_id must be letters and digits")
