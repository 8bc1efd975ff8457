"""How far a user may trade: nothing real, a broker's paper, or live money; and the steps that live money takes.

A mode is the highest environment that orders may go to. Live is never a stored fact alone: it holds while every step
to it does, so whatever takes a step back ends it at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Final, Self

from brokergw.model.account import Environment

_RANK: Final = {Environment.MOCK: 0, Environment.PAPER: 1, Environment.LIVE: 2}


def above(mode: Environment, other: Environment) -> bool:
    """Tell whether a mode reaches further than another."""
    return _RANK[mode] > _RANK[other]


def lower(mode: Environment, other: Environment) -> Environment:
    """Give the one of two modes that reaches less far."""
    return other if _RANK[mode] > _RANK[other] else mode


@unique
class LiveStep(StrEnum):
    """The steps to live trading, in the order in which a user takes them.

    GRANT: an administrator's leave. RISK_ACKNOWLEDGEMENT: of the present risk text. MFA: a confirmed authenticator.
    PAPER_HISTORY: enough paper trading on record, where it is asked for. ESCALATION: EscalateToLive since all of those.
    BINDING: the order's account or strategy is bound to less.
    """

    GRANT = "GRANT"
    RISK_ACKNOWLEDGEMENT = "RISK_ACKNOWLEDGEMENT"
    MFA = "MFA"
    PAPER_HISTORY = "PAPER_HISTORY"
    ESCALATION = "ESCALATION"
    BINDING = "BINDING"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeBinding:
    """The most that orders of an account, of a strategy, or of one in the other may reach; empty is any."""

    account_id: str = ""
    strategy_id: str = ""
    mode: Environment
    set_time_ns: int

    @property
    def place(self) -> tuple[str, str]:
        """What is bound."""
        return (self.account_id, self.strategy_id)


@dataclass(frozen=True, slots=True)
class PaperHistory:
    """What a user has traded on paper: orders that filled, and UTC days on which any did."""

    orders: int
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A user's word that a version of the risk text was read; `text_hash` is the SHA-256 of what was shown."""

    version: str
    text_hash: str
    time_ns: int
    key_id: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything that decides how far a user may trade.

    `mode` is None until it was chosen. `live_risk_version` is the risk text under which live was taken up, empty when
    it was not. `acknowledged` are versions of the risk text, `code_time_ns` is when a code was last taken.
    """

    user_id: str
    mode: Environment | None = None
    grant_by: str = ""
    grant_time_ns: int | None = None
    live_risk_version: str = ""
    bindings: tuple[ModeBinding, ...] = ()
    acknowledged: tuple[str, ...] = ()
    mfa_confirmed: bool = False
    mfa_locked: bool = False
    code_time_ns: int | None = None

    def steps_before(self, risk_version: str) -> tuple[LiveStep, ...]:
        """List the steps to live that are open, up to the escalation itself; paper history apart."""
        return tuple(self._open(risk_version))

    def open_steps(self, risk_version: str) -> tuple[LiveStep, ...]:
        """List every step to live that is open; empty means that the user trades live."""
        steps = self.steps_before(risk_version)
        taken_up = self.mode is Environment.LIVE and self.live_risk_version == risk_version
        return steps if taken_up else (*steps, LiveStep.ESCALATION)

    def reach(self, risk_version: str, initial: Environment) -> Environment:
        """Give the mode that holds for the user: the chosen one, and live only while every step holds."""
        mode = self.mode or initial
        return Environment.PAPER if mode is Environment.LIVE and self.open_steps(risk_version) else mode

    def bound(self, account_id: str, strategy_id: str) -> Environment | None:
        """Give what an order's account and strategy are bound to; None where they are not.

        A binding of both goes before one of either; of one for the account and one for the strategy the lower holds.
        """
        if not self.bindings:
            return None
        by_place = {each.place: each.mode for each in self.bindings}
        exact = by_place.get((account_id, strategy_id))
        if exact is not None:
            return exact
        account = by_place.get((account_id, ""))
        strategy = by_place.get(("", strategy_id)) if strategy_id else None
        if account is None or strategy is None:
            return account or strategy
        return lower(account, strategy)

    def bind(self, binding: ModeBinding) -> Self:
        """Give the standing with a binding, in place of one for the same."""
        return replace(self, bindings=(*self._unbound(binding.place), binding))

    def unbind(self, place: tuple[str, str]) -> Self:
        """Give the standing without a binding."""
        return replace(self, bindings=tuple(self._unbound(place)))

    def without_live(self) -> Self:
        """Give the standing after live has ended: what was live, bindings too, is paper and must be escalated anew."""
        paper = Environment.PAPER
        return replace(
            self,
            mode=paper if self.mode is Environment.LIVE else self.mode,
            live_risk_version="",
            bindings=tuple(
                replace(each, mode=paper) if each.mode is Environment.LIVE else each for each in self.bindings
            ),
        )

    def _unbound(self, place: tuple[str, str]) -> Iterator[ModeBinding]:
        return (each for each in self.bindings if each.place != place)

    def _open(self, risk_version: str) -> Iterator[LiveStep]:
        if self.grant_time_ns is None:
            yield LiveStep.GRANT
        if risk_version not in self.acknowledged:
            yield LiveStep.RISK_ACKNOWLEDGEMENT
        if not self.mfa_confirmed:
            yield LiveStep.MFA
