"""The calls about limits and broker configurations, for RiskService and AdminService."""

from dataclasses import replace

from brokerapi.v1 import limits_pb2 as pb

from brokergw.desk.limits.verbs import BrokerChange, LimitsChange
from brokergw.rpc.call import Call
from brokergw.rpc.risk_needs import LimitsFace
from brokergw.rpc.wire.limits import config_to_proto, stored_to_proto, view_to_proto


class OwnLimits:
    """What a user sees and sets of its own limits."""

    _limits: LimitsFace

    async def get_limits(self, call: Call) -> bytes:
        """Show the caller's limits."""
        request: pb.GetLimitsRequest = call.command
        view = await self._limits.view(call.caller.user_id, request.broker, request.strategy_id)
        return view_to_proto(view).SerializeToString()

    async def update_limits(self, call: Call) -> bytes:
        """Replace the caller's own limits, or a strategy's."""
        change: LimitsChange = call.command
        own = replace(change, scope=replace(change.scope, user_id=call.caller.user_id))
        after = await self._limits.set_limits(call.caller, own)
        return pb.UpdateLimitsResponse(limits=stored_to_proto(after)).SerializeToString()


class EverybodysLimits:
    """What an administrator sees and sets."""

    _limits: LimitsFace

    async def list_broker_configs(self, call: Call) -> bytes:  # noqa: ARG002 - every administrator sees the same
        """List every broker's configuration."""
        configs = await self._limits.broker_configs()
        return pb.ListBrokerConfigsResponse(configs=[config_to_proto(each) for each in configs]).SerializeToString()

    async def update_broker_config(self, call: Call) -> bytes:
        """Replace one broker's configuration."""
        change: BrokerChange = call.command
        after = await self._limits.set_broker(call.caller, change)
        return pb.UpdateBrokerConfigResponse(config=config_to_proto(after)).SerializeToString()

    async def get_user_limits(self, call: Call) -> bytes:
        """Show a user's limits."""
        request: pb.GetUserLimitsRequest = call.command
        view = await self._limits.view_of_user(request.user_id, request.broker, request.strategy_id)
        return pb.GetUserLimitsResponse(limits=view_to_proto(view)).SerializeToString()

    async def update_user_limits(self, call: Call) -> bytes:
        """Replace what the administrator sets for one user."""
        after = await self._limits.set_limits(call.caller, call.command)
        return pb.UpdateUserLimitsResponse(limits=stored_to_proto(after)).SerializeToString()

    async def update_platform_limits(self, call: Call) -> bytes:
        """Replace the platform's limits."""
        after = await self._limits.set_limits(call.caller, call.command)
        return pb.UpdatePlatformLimitsResponse(limits=stored_to_proto(after)).SerializeToString()
