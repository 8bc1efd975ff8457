"""The calls about modes, the risk text and the second factor."""

from typing import Final

from brokerapi.v1 import live_pb2, trading_pb2

from brokergw.client.encode import BadArgument
from brokergw.client.risk import RiskCalls

_MODES: Final = {
    "": trading_pb2.ENVIRONMENT_UNSPECIFIED,
    "mock": trading_pb2.ENVIRONMENT_MOCK,
    "paper": trading_pb2.ENVIRONMENT_PAPER,
}


class LiveCalls(RiskCalls):
    """The way to live trading; none of these calls is repeated by itself but the reads."""

    async def get_modes(self, *, timeout_s: float | None = None) -> live_pb2.Modes:
        """Ask how far the caller's orders may go, and what is missing for live trading."""
        answer = await self._caller.read(self._risk.GetModes, live_pb2.GetModesRequest(), timeout_s)
        return answer.modes

    async def set_mode(
        self, mode: str, *, account_id: str = "", strategy_id: str = "", timeout_s: float | None = None
    ) -> live_pb2.Modes:
        """Choose mock or paper for the caller, or for an account or a strategy; empty takes a binding away.

        Raises:
            BadArgument: the mode is none of those; live is taken up by `escalate_to_live`.
        """
        if mode.lower() not in _MODES:
            raise BadArgument("mode must be mock or paper; escalate_to_live takes live trading up")
        request = live_pb2.SetModeRequest(account_id=account_id, strategy_id=strategy_id, mode=_MODES[mode.lower()])
        return (await self._caller.once(self._risk.SetMode, request, timeout_s)).modes

    async def get_risk_text(self, *, timeout_s: float | None = None) -> live_pb2.GetRiskTextResponse:
        """Read the risk text that must be acknowledged before live trading."""
        return await self._caller.read(self._risk.GetRiskText, live_pb2.GetRiskTextRequest(), timeout_s)

    async def acknowledge_risk(self, version: str, *, timeout_s: float | None = None) -> live_pb2.Modes:
        """Say that the present risk text was read."""
        request = live_pb2.AcknowledgeRiskRequest(version=version)
        return (await self._caller.once(self._risk.AcknowledgeRisk, request, timeout_s)).modes

    async def enroll_mfa(self, *, timeout_s: float | None = None) -> live_pb2.EnrollMfaResponse:
        """Begin to set an authenticator up; the answer holds its secret, which is never shown again."""
        return await self._caller.once(self._risk.EnrollMfa, live_pb2.EnrollMfaRequest(), timeout_s)

    async def confirm_mfa(self, code: str, *, timeout_s: float | None = None) -> live_pb2.Modes:
        """Send a code: the first ends the enrolment, later ones renew the proof that live orders ask for."""
        request = live_pb2.ConfirmMfaRequest(code=code)
        return (await self._caller.once(self._risk.ConfirmMfa, request, timeout_s)).modes

    async def escalate_to_live(
        self, code: str, *, account_id: str = "", strategy_id: str = "", timeout_s: float | None = None
    ) -> live_pb2.Modes:
        """Take live trading up, for the caller or, once that is done, for an account or a strategy.

        Raises:
            GatewayCallError: a step is open, named in its metadata `missing`; or the code is not taken.
        """
        request = live_pb2.EscalateToLiveRequest(account_id=account_id, strategy_id=strategy_id, code=code)
        return (await self._caller.once(self._risk.EscalateToLive, request, timeout_s)).modes

    async def get_user_modes(self, user_id: str, *, timeout_s: float | None = None) -> live_pb2.Modes:
        """Ask how a user stands (scope admin.read)."""
        request = live_pb2.GetUserModesRequest(user_id=user_id)
        return (await self._caller.read(self._admin.GetUserModes, request, timeout_s)).modes

    async def grant_live_trading(self, user_id: str, *, timeout_s: float | None = None) -> live_pb2.Modes:
        """Let a user take the steps to live trading (scope admin.write)."""
        request = live_pb2.GrantLiveTradingRequest(user_id=user_id)
        return (await self._caller.once(self._admin.GrantLiveTrading, request, timeout_s)).modes

    async def revoke_live_trading(self, user_id: str, *, timeout_s: float | None = None) -> live_pb2.Modes:
        """Take a user's grant away, and live trading with it, at once (scope admin.write)."""
        request = live_pb2.RevokeLiveTradingRequest(user_id=user_id)
        return (await self._caller.once(self._admin.RevokeLiveTrading, request, timeout_s)).modes

    async def reset_mfa(self, user_id: str, *, timeout_s: float | None = None) -> live_pb2.Modes:
        """Remove a user's authenticator, and end its live trading (scope admin.write)."""
        request = live_pb2.ResetMfaRequest(user_id=user_id)
        return (await self._caller.once(self._admin.ResetMfa, request, timeout_s)).modes

    async def unlock_mfa(self, user_id: str, *, timeout_s: float | None = None) -> live_pb2.Modes:
        """Let a user's codes be looked at again (scope admin.write)."""
        request = live_pb2.UnlockMfaRequest(user_id=user_id)
        return (await self._caller.once(self._admin.UnlockMfa, request, timeout_s)).modes
