"""The parts of RiskService and AdminService that are about modes, the risk text and the second factor."""

from brokerapi.v1 import live_pb2 as pb

from brokergw.rpc.call import Call
from brokergw.rpc.risk_needs import LiveFace
from brokergw.rpc.wire.live import Escalation, ModeChoice, modes_to_proto


class OwnModes:
    """What a user does on its way to live trading."""

    _live: LiveFace

    async def get_modes(self, call: Call) -> bytes:
        """Show how the caller stands."""
        principal = call.caller.principal
        view = await self._live.view(principal.user_id)
        own = principal.accounts or frozenset() if principal.restricted else None
        return pb.GetModesResponse(modes=modes_to_proto(view, own)).SerializeToString()

    async def set_mode(self, call: Call) -> bytes:
        """Choose mock or paper."""
        choice: ModeChoice = call.command
        view = await self._live.set_mode(call.caller, choice.place, choice.mode)
        return pb.SetModeResponse(modes=modes_to_proto(view)).SerializeToString()

    async def get_risk_text(self, call: Call) -> bytes:  # noqa: ARG002 - the text is everybody's
        """Show the risk text."""
        text = self._live.text
        return pb.GetRiskTextResponse(
            version=text.version, text=text.text, text_sha256=text.text_hash
        ).SerializeToString()

    async def acknowledge_risk(self, call: Call) -> bytes:
        """Put on record that the risk text was read."""
        view = await self._live.acknowledge(call.caller, call.command)
        return pb.AcknowledgeRiskResponse(modes=modes_to_proto(view)).SerializeToString()

    async def enroll_mfa(self, call: Call) -> bytes:
        """Begin an enrolment; the secret goes out here and nowhere else."""
        made = await self._live.enroll(call.caller)
        return pb.EnrollMfaResponse(secret=made.secret, uri=made.uri).SerializeToString()

    async def confirm_mfa(self, call: Call) -> bytes:
        """Take a code."""
        view = await self._live.confirm(call.caller, call.command)
        return pb.ConfirmMfaResponse(modes=modes_to_proto(view)).SerializeToString()

    async def escalate_to_live(self, call: Call) -> bytes:
        """Take live trading up."""
        asked: Escalation = call.command
        view = await self._live.escalate(call.caller, asked.place, asked.code)
        return pb.EscalateToLiveResponse(modes=modes_to_proto(view)).SerializeToString()


class EverybodysModes:
    """What an administrator gives and takes."""

    _live: LiveFace

    async def get_user_modes(self, call: Call) -> bytes:
        """Show how a user stands."""
        view = await self._live.view_of_user(call.command)
        return pb.GetUserModesResponse(modes=modes_to_proto(view)).SerializeToString()

    async def grant_live_trading(self, call: Call) -> bytes:
        """Let a user take the steps to live trading."""
        view = await self._live.grant(call.caller, call.command)
        return pb.GrantLiveTradingResponse(modes=modes_to_proto(view)).SerializeToString()

    async def revoke_live_trading(self, call: Call) -> bytes:
        """Take the grant away."""
        view = await self._live.revoke(call.caller, call.command)
        return pb.RevokeLiveTradingResponse(modes=modes_to_proto(view)).SerializeToString()

    async def reset_mfa(self, call: Call) -> bytes:
        """Remove an authenticator."""
        view = await self._live.reset_mfa(call.caller, call.command)
        return pb.ResetMfaResponse(modes=modes_to_proto(view)).SerializeToString()

    async def unlock_mfa(self, call: Call) -> bytes:
        """Let codes be looked at again."""
        view = await self._live.unlock_mfa(call.caller, call.command)
        return pb.UnlockMfaResponse(modes=modes_to_proto(view)).SerializeToString()
