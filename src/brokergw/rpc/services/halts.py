"""The parts of RiskService and AdminService that are about halts and the kill switch."""

from dataclasses import replace

from brokerapi.v1 import halts_pb2 as pb

from brokergw.rpc.call import Call
from brokergw.rpc.risk_needs import HaltsFace
from brokergw.rpc.wire import halts


class OwnHalts:
    """What a user sees and sets of its own halts."""

    _halts: HaltsFace

    async def get_trading_state(self, call: Call) -> bytes:
        """Show what is halted for the caller."""
        request: pb.GetTradingStateRequest = call.command
        view = await self._halts.state(call.caller, request.account_id, request.strategy_id)
        return pb.GetTradingStateResponse(
            state=halts.state_to_proto(view.state),
            halts=halts.own_halts_to_proto(view, call.caller.user_id),
            may_send=view.may_send,
        ).SerializeToString()

    async def halt_trading(self, call: Call) -> bytes:
        """Halt something of the caller's."""
        request = replace(call.command, scope=halts.owned_by(call.command.scope, call.caller.user_id))
        halted = await self._halts.halt_own(call.caller, request)
        return pb.HaltTradingResponse(
            halt=halts.halt_to_proto(halted.halt), propagation=halts.propagation_to_proto(halted)
        ).SerializeToString()

    async def resume_trading(self, call: Call) -> bytes:
        """Lift a halt of the caller's own."""
        request = replace(call.command, scope=halts.owned_by(call.command.scope, call.caller.user_id))
        view = await self._halts.resume_own(call.caller, request)
        return pb.ResumeTradingResponse(
            state=halts.state_to_proto(view.state), halts=halts.own_halts_to_proto(view, call.caller.user_id)
        ).SerializeToString()


class EverybodysHalts:
    """The kill switch, and halts of users."""

    _halts: HaltsFace

    async def get_kill_switch(self, call: Call) -> bytes:  # noqa: ARG002 - it is everybody's
        """Show everything that is halted and swept."""
        return halts.kill_switch_to_proto(await self._halts.kill_switch()).SerializeToString()

    async def set_kill_switch(self, call: Call) -> bytes:
        """Throw the switch."""
        halted = await self._halts.set_kill_switch(call.caller, call.command)
        return pb.SetKillSwitchResponse(
            halt=halts.halt_to_proto(halted.halt), propagation=halts.propagation_to_proto(halted)
        ).SerializeToString()

    async def clear_kill_switch(self, call: Call) -> bytes:
        """Lift a halt of any cause."""
        left = await self._halts.clear_kill_switch(call.caller, call.command)
        return pb.ClearKillSwitchResponse(halts=halts.halts_to_proto(left)).SerializeToString()

    async def halt_user(self, call: Call) -> bytes:
        """Halt a user."""
        halted = await self._halts.halt_user(call.caller, call.command)
        return pb.HaltUserResponse(
            halt=halts.halt_to_proto(halted.halt), propagation=halts.propagation_to_proto(halted)
        ).SerializeToString()

    async def resume_user(self, call: Call) -> bytes:
        """Lift a halt of a user."""
        left = await self._halts.resume_user(call.caller, call.command)
        return pb.ResumeUserResponse(halts=halts.halts_to_proto(left)).SerializeToString()
