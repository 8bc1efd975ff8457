"""How a cTrader simulator is set up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from brokergw.sim.dialects.ctrader.enums import SCOPE_TRADE, AccountKind
from brokergw.sim.oauth import AuthorizationServer

DEFAULT_CLIENT_ID: Final = "7000_simulator"
DEFAULT_CLIENT_SECRET: Final = "simulator-app-secret"  # noqa: S105 - the public secret of a make-believe application
DEFAULT_TOKEN: Final = "simulator-access-token"  # noqa: S105 - as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One trading account: its ids, where it lives, and how its positions are kept."""

    ctid: int
    login: int
    live: bool = False
    kind: AccountKind = AccountKind.HEDGED
    broker: str = "Pepperstone - Europe"


DEMO_ACCOUNT: Final = Holder(ctid=12_345, login=5_012_345)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What an access token opens: accounts by their ctid, and whether they may be traded."""

    accounts: tuple[int, ...]
    scope: int = SCOPE_TRADE


@dataclass(frozen=True, slots=True, kw_only=True)
class CtraderOptions:
    """Settings of one simulator.

    `applications` maps client ids to secrets, `tokens` access tokens to what they open; `authorization` gives out more
    tokens on the same port, for the holder whose ctid is its client's account. A host serves one world: with `live` its
    accounts are the live ones. `requests_per_second` and `history_per_second` are the budgets of a connection (cTrader:
    50 and 5), None counts nothing. `tls` is a certificate and its key for the protobuf port, None opens none.
    """

    applications: Mapping[str, str] = field(
        default_factory=lambda: {DEFAULT_CLIENT_ID: DEFAULT_CLIENT_SECRET}, repr=False
    )
    tokens: Mapping[str, Token] = field(
        default_factory=lambda: {DEFAULT_TOKEN: Token(accounts=(DEMO_ACCOUNT.ctid,))}, repr=False
    )
    accounts: tuple[Holder, ...] = (DEMO_ACCOUNT,)
    live: bool = False
    authorization: AuthorizationServer | None = None
    seed: int = 20_240_102
    cash: Decimal = Decimal(100_000)
    leverage: int = 30
    always_open: bool = True
    requests_per_second: int | None = None
    history_per_second: int | None = None
    rows_max: int = 1_000
    tls: tuple[Path, Path] | None = None
    tick_interval_s: float | None = 0.1
    journal_capacity: int = 50_000
    journal_file: Path | None = None
    now_ns: Callable[[], int] = time.time_ns
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        known = {holder.ctid for holder in self.accounts}
        if unknown := sorted({ctid for token in self.tokens.values() for ctid in token.accounts} - known):
            raise ValueError(f"a token opens the unknown account {unknown[0]}")
        for name in ("requests_per_second", "history_per_second"):
            if (budget := getattr(self, name)) is not None and budget < 1:
                raise ValueError(f"{name} must be at least 1, or None for no limit")
        if self.tick_interval_s is not None and self.tick_interval_s <= 0:
            raise ValueError("tick_interval_s must be above 0, or None for no ticking")
