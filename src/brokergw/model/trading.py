"""Whether trading goes on: who or what can be halted, how strictly, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, Self
from urllib.parse import quote, unquote

from brokergw.model.quick import quick


@unique
class TradingState(StrEnum):
    """What may leave: everything, only what reduces a position (and cancels), or cancels alone."""

    ACTIVE = "ACTIVE"
    REDUCE_ONLY = "REDUCE_ONLY"
    HALTED = "HALTED"

    @property
    def severity(self) -> int:
        """How strict the state is; the strictest of several wins."""
        return _SEVERITY[self]


_SEVERITY: Final = {TradingState.ACTIVE: 0, TradingState.REDUCE_ONLY: 1, TradingState.HALTED: 2}


@unique
class HaltCause(StrEnum):
    """Why a scope does not trade freely. Each cause stands and is cleared for itself."""

    KILL_SWITCH = "KILL_SWITCH"
    OPERATOR = "OPERATOR"
    USER = "USER"
    DAILY_LOSS = "DAILY_LOSS"
    RECONCILIATION = "RECONCILIATION"
    REJECT_STORM = "REJECT_STORM"


@unique
class ScopeKind(StrEnum):
    """The kinds of things that can be halted."""

    PLATFORM = "PLATFORM"
    BROKER = "BROKER"
    USER = "USER"
    USER_BROKER = "USER_BROKER"
    ACCOUNT = "ACCOUNT"
    STRATEGY = "STRATEGY"
    SYMBOL = "SYMBOL"


@quick
@dataclass(frozen=True, slots=True)
class TradingScope:
    """One thing that can be halted; `names` are those of its kind: a broker, a user and a broker, a symbol.

    PLATFORM has none, BROKER (broker), USER (user), USER_BROKER (user, broker), ACCOUNT (account), STRATEGY (user,
    strategy), SYMBOL (symbol, for every user and broker).
    """

    kind: ScopeKind
    names: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The scope as one text, for tables and messages: `USER_BROKER/alice/alpaca`."""
        return "/".join((self.kind.value, *(quote(name, safe="") for name in self.names)))

    @classmethod
    def from_key(cls, key: str) -> Self:
        """Read a key back; raises ValueError."""
        kind, *names = key.split("/")
        return cls(ScopeKind(kind), tuple(map(unquote, names)))


PLATFORM: Final = TradingScope(ScopeKind.PLATFORM)


def scopes_of(
    *, user_id: str, broker: str, account_id: str, strategy_id: str, symbols: Iterable[str]
) -> tuple[TradingScope, ...]:
    """List every scope whose halt concerns an order of these symbols, the widest first."""
    scopes = (
        PLATFORM,
        TradingScope(ScopeKind.BROKER, (broker,)),
        TradingScope(ScopeKind.USER, (user_id,)),
        TradingScope(ScopeKind.USER_BROKER, (user_id, broker)),
        TradingScope(ScopeKind.ACCOUNT, (account_id,)),
        *(TradingScope(ScopeKind.SYMBOL, (symbol,)) for symbol in symbols),
    )
    return (*scopes, TradingScope(ScopeKind.STRATEGY, (user_id, strategy_id))) if strategy_id else scopes


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """One standing halt of a scope for one cause.

    `epoch` rises with every change of any halt, so that whoever clears one names what it has seen. `set_by` is a user
    id or the gateway's own word for a part of itself. `reason` is a person's or the gateway's sentence.
    """

    scope: TradingScope
    cause: HaltCause
    state: TradingState
    reason: str
    set_by: str
    set_time_ns: int
    epoch: int


def strictest(halts: Iterable[Halt]) -> Halt | None:
    """Give the halt that binds; of equals the one that came first."""
    return max(halts, key=lambda halt: (halt.state.severity, -halt.epoch), default=None)
