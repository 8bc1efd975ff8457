"""The calls about limits: a user's own, and those of the administrator."""

from brokerapi.v1 import limits_pb2

from brokergw.client.risk import RiskCalls


class LimitCalls(RiskCalls):
    """See limits, set one's own, and, as an administrator, everybody's."""

    async def get_limits(
        self, *, broker: str = "", strategy_id: str = "", timeout_s: float | None = None
    ) -> limits_pb2.GetLimitsResponse:
        """Show the caller's limits in every scope, what they come to, and what is used of it."""
        request = limits_pb2.GetLimitsRequest(broker=broker, strategy_id=strategy_id)
        return await self._caller.read(self._risk.GetLimits, request, timeout_s)

    async def update_limits(
        self,
        limits: limits_pb2.Limits,
        *,
        etag: str,
        strategy_id: str = "",
        mfa_code: str = "",
        timeout_s: float | None = None,
    ) -> limits_pb2.StoredLimits:
        """Replace the caller's own limits, or a strategy's, as they stood under an etag.

        Raises:
            GatewayCallError: they have changed since, are looser than wider scopes', or need a code.
        """
        request = limits_pb2.UpdateLimitsRequest(strategy_id=strategy_id, limits=limits, etag=etag, mfa_code=mfa_code)
        return (await self._caller.once(self._risk.UpdateLimits, request, timeout_s)).limits

    async def get_user_limits(
        self, user_id: str, *, broker: str = "", strategy_id: str = "", timeout_s: float | None = None
    ) -> limits_pb2.GetLimitsResponse:
        """Show a user's limits, as an administrator."""
        request = limits_pb2.GetUserLimitsRequest(user_id=user_id, broker=broker, strategy_id=strategy_id)
        return (await self._caller.read(self._admin.GetUserLimits, request, timeout_s)).limits

    async def update_user_limits(
        self,
        user_id: str,
        limits: limits_pb2.Limits,
        *,
        etag: str,
        region: str = "",
        mfa_code: str = "",
        timeout_s: float | None = None,
    ) -> limits_pb2.StoredLimits:
        """Replace what the administrator sets for one user, its region included."""
        request = limits_pb2.UpdateUserLimitsRequest(
            user_id=user_id, limits=limits, etag=etag, region=region, mfa_code=mfa_code
        )
        return (await self._caller.once(self._admin.UpdateUserLimits, request, timeout_s)).limits

    async def update_platform_limits(
        self, limits: limits_pb2.Limits, *, etag: str, mfa_code: str = "", timeout_s: float | None = None
    ) -> limits_pb2.StoredLimits:
        """Replace the platform's limits below the mandatory ones."""
        request = limits_pb2.UpdatePlatformLimitsRequest(limits=limits, etag=etag, mfa_code=mfa_code)
        return (await self._caller.once(self._admin.UpdatePlatformLimits, request, timeout_s)).limits

    async def list_broker_configs(self, *, timeout_s: float | None = None) -> list[limits_pb2.BrokerConfig]:
        """List every broker's configuration."""
        request = limits_pb2.ListBrokerConfigsRequest()
        return list((await self._caller.read(self._admin.ListBrokerConfigs, request, timeout_s)).configs)

    async def update_broker_config(
        self, config: limits_pb2.BrokerConfig, *, mfa_code: str = "", timeout_s: float | None = None
    ) -> limits_pb2.BrokerConfig:
        """Replace one broker's configuration, as it stood under the etag that it carries."""
        request = limits_pb2.UpdateBrokerConfigRequest(config=config, mfa_code=mfa_code)
        return (await self._caller.once(self._admin.UpdateBrokerConfig, request, timeout_s)).config
