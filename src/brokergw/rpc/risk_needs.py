"""What the edge needs of the parts of the gateway that keep risk: limits, modes, halts, and settings at brokers."""

from collections.abc import Sequence
from typing import Protocol

from brokergw.desk.halts.states import HaltRequest, KillSwitchView, ResumeRequest, TradingStateView
from brokergw.desk.halts.switch import Halted
from brokergw.desk.limits.verbs import BrokerChange, LimitsChange, LimitsView
from brokergw.desk.live.live import ModesView
from brokergw.desk.live.mfa import Enrolment
from brokergw.desk.live.risk_text import RiskText
from brokergw.desk.verbs.trading_settings import SettingsChange
from brokergw.model.account import Connection, Environment
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.limits import ScopeLimits
from brokergw.model.principal import Caller
from brokergw.model.trading import Halt
from brokergw.model.trading_settings import TradingSettings


class LimitsFace(Protocol):
    """The desk's part for limits and broker configurations."""

    async def view(self, user_id: str, broker: str, strategy_id: str) -> LimitsView:
        """Show a user's limits; empty leaves the broker's, or the strategy's, out."""
        ...

    async def view_of_user(self, user_id: str, broker: str, strategy_id: str) -> LimitsView:
        """Show the limits of a user that may not exist."""
        ...

    async def set_limits(self, caller: Caller, change: LimitsChange) -> ScopeLimits:
        """Replace a scope's limits."""
        ...

    async def broker_configs(self) -> Sequence[BrokerConfig]:
        """List every broker's configuration."""
        ...

    async def set_broker(self, caller: Caller, change: BrokerChange) -> BrokerConfig:
        """Replace one broker's configuration."""
        ...


class LiveFace(Protocol):
    """The desk's part for modes, the risk text and the second factor."""

    @property
    def text(self) -> RiskText:
        """The present risk text."""
        ...

    async def view(self, user_id: str) -> ModesView:
        """Show how a user stands."""
        ...

    async def view_of_user(self, user_id: str) -> ModesView:
        """Show how a user stands that may not exist."""
        ...

    async def set_mode(self, caller: Caller, place: tuple[str, str], mode: Environment | None) -> ModesView:
        """Choose mock or paper, or take a binding away."""
        ...

    async def acknowledge(self, caller: Caller, version: str) -> ModesView:
        """Put on record that the risk text was read."""
        ...

    async def enroll(self, caller: Caller) -> Enrolment:
        """Begin the enrolment of an authenticator."""
        ...

    async def confirm(self, caller: Caller, code: str) -> ModesView:
        """Take a code."""
        ...

    async def escalate(self, caller: Caller, place: tuple[str, str], code: str) -> ModesView:
        """Take live trading up."""
        ...

    async def grant(self, caller: Caller, user_id: str) -> ModesView:
        """Let a user take the steps to live trading."""
        ...

    async def revoke(self, caller: Caller, user_id: str) -> ModesView:
        """Take the grant away."""
        ...

    async def reset_mfa(self, caller: Caller, user_id: str) -> ModesView:
        """Remove a user's authenticator."""
        ...

    async def unlock_mfa(self, caller: Caller, user_id: str) -> ModesView:
        """Let a user's codes be looked at again."""
        ...


class HaltsFace(Protocol):
    """The desk's part for halts and the kill switch."""

    async def state(self, caller: Caller, account_id: str, strategy_id: str) -> TradingStateView:
        """Show a user what is halted for it."""
        ...

    async def halt_own(self, caller: Caller, request: HaltRequest) -> Halted:
        """Halt something of the caller's."""
        ...

    async def resume_own(self, caller: Caller, request: ResumeRequest) -> TradingStateView:
        """Lift a halt that the caller has set."""
        ...

    async def kill_switch(self) -> KillSwitchView:
        """Show everything that is halted and swept."""
        ...

    async def set_kill_switch(self, caller: Caller, request: HaltRequest) -> Halted:
        """Throw the switch."""
        ...

    async def clear_kill_switch(self, caller: Caller, request: ResumeRequest) -> Sequence[Halt]:
        """Lift a halt of any cause."""
        ...

    async def halt_user(self, caller: Caller, request: HaltRequest) -> Halted:
        """Halt a user."""
        ...

    async def resume_user(self, caller: Caller, request: ResumeRequest) -> Sequence[Halt]:
        """Lift a halt of a user."""
        ...


class SettingsFace(Protocol):
    """The desk's part for leverage, margin type and position mode."""

    async def get(self, caller: Caller, account_id: str, symbol: str) -> tuple[Connection, TradingSettings]:
        """Ask the broker."""
        ...

    async def update(self, caller: Caller, change: SettingsChange) -> tuple[Connection, TradingSettings]:
        """Choose, and give what the broker then tells."""
        ...
