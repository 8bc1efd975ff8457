"""The calls about halts and the kill switch."""

from typing import Final

from brokerapi.v1 import halts_pb2 as pb

from brokergw.client.encode import BadArgument
from brokergw.client.risk import RiskCalls

_STATES: Final = {"reduce_only": pb.TRADING_STATE_REDUCE_ONLY, "halted": pb.TRADING_STATE_HALTED}
_FIELDS: Final = {
    "platform": (),
    "broker": ("broker",),
    "user": ("user_id",),
    "user_broker": ("user_id", "broker"),
    "account": ("account_id",),
    "strategy": ("user_id", "strategy_id"),
    "symbol": ("symbol",),
}


def halt_scope(text: str) -> pb.HaltScope:
    """Read a scope such as `platform`, `user/alice`, `user_broker/alice/alpaca` or `symbol/BTC/USD`.

    Raises:
        BadArgument: it is none of those.
    """
    kind, _, rest = text.partition("/")
    fields = _FIELDS.get(kind.lower())
    # The last name may hold a slash, as the symbols of pairs do.
    names = rest.split("/", len(fields) - 1) if fields and rest else []
    if fields is None or len(names) != len(fields) or not all(names) or (rest and not fields):
        known = ", ".join("/".join((each, *(name.upper() for name in of))) for each, of in _FIELDS.items())
        raise BadArgument(f"{text!r} is no scope; there are {known}")
    number = pb.HaltScopeKind.Value(f"HALT_SCOPE_KIND_{kind.upper()}")
    return pb.HaltScope(kind=number, **dict(zip(fields, names, strict=True)))


class HaltCalls(RiskCalls):
    """Stopping trading and letting it go on; none of these calls is repeated by itself but the reads."""

    async def get_trading_state(
        self, *, account_id: str = "", strategy_id: str = "", timeout_s: float | None = None
    ) -> pb.GetTradingStateResponse:
        """Ask what is halted for the caller."""
        request = pb.GetTradingStateRequest(account_id=account_id, strategy_id=strategy_id)
        return await self._caller.read(self._risk.GetTradingState, request, timeout_s)

    async def halt_trading(
        self,
        reason: str,
        *,
        state: str = "halted",
        broker: str = "",
        account_id: str = "",
        strategy_id: str = "",
        timeout_s: float | None = None,
    ) -> pb.HaltTradingResponse:
        """Halt the caller's own trading, or one broker, account or strategy of it; once it answers the halt holds.

        Raises:
            BadArgument: the state is neither halted nor reduce_only.
        """
        request = pb.HaltTradingRequest(
            broker=broker, account_id=account_id, strategy_id=strategy_id, state=_state(state), reason=reason
        )
        return await self._caller.once(self._risk.HaltTrading, request, timeout_s)

    async def resume_trading(
        self,
        reason: str,
        *,
        epoch: int,
        broker: str = "",
        account_id: str = "",
        strategy_id: str = "",
        timeout_s: float | None = None,
    ) -> pb.ResumeTradingResponse:
        """Lift a halt that the caller has set, as it was seen."""
        request = pb.ResumeTradingRequest(
            broker=broker, account_id=account_id, strategy_id=strategy_id, epoch=epoch, reason=reason
        )
        return await self._caller.once(self._risk.ResumeTrading, request, timeout_s)

    async def get_kill_switch(self, *, timeout_s: float | None = None) -> pb.GetKillSwitchResponse:
        """Ask for everything that is halted, and what is being cleared away (scope admin.read)."""
        return await self._caller.read(self._admin.GetKillSwitch, pb.GetKillSwitchRequest(), timeout_s)

    async def set_kill_switch(
        self,
        scope: pb.HaltScope,
        reason: str,
        *,
        state: str = "halted",
        flatten: bool = False,
        timeout_s: float | None = None,
    ) -> pb.SetKillSwitchResponse:
        """Throw the kill switch (scope admin.write); once it answers no order of the scope leaves any more.

        Raises:
            BadArgument: the state is neither halted nor reduce_only.
        """
        request = pb.SetKillSwitchRequest(scope=scope, state=_state(state), reason=reason, flatten=flatten)
        return await self._caller.once(self._admin.SetKillSwitch, request, timeout_s)

    async def clear_kill_switch(
        self,
        scope: pb.HaltScope,
        reason: str,
        *,
        epoch: int,
        code: str,
        cause: str = "kill_switch",
        timeout_s: float | None = None,
    ) -> pb.ClearKillSwitchResponse:
        """Lift a halt of any cause, as it was seen, with a fresh code (scope admin.write).

        Raises:
            BadArgument: there is no such cause.
        """
        name = f"HALT_CAUSE_{cause.upper()}"
        if name not in pb.HaltCause.keys():  # noqa: SIM118 - an enum of the contract is no mapping
            raise BadArgument(f"{cause!r} is no cause of a halt")
        request = pb.ClearKillSwitchRequest(
            scope=scope, cause=pb.HaltCause.Value(name), epoch=epoch, reason=reason, mfa_code=code
        )
        return await self._caller.once(self._admin.ClearKillSwitch, request, timeout_s)

    async def halt_user(
        self, user_id: str, reason: str, *, state: str = "halted", broker: str = "", timeout_s: float | None = None
    ) -> pb.HaltUserResponse:
        """Halt one user, everywhere or at one broker (scope admin.write).

        Raises:
            BadArgument: the state is neither halted nor reduce_only.
        """
        request = pb.HaltUserRequest(user_id=user_id, broker=broker, state=_state(state), reason=reason)
        return await self._caller.once(self._admin.HaltUser, request, timeout_s)

    async def resume_user(
        self, user_id: str, reason: str, *, epoch: int, code: str, broker: str = "", timeout_s: float | None = None
    ) -> pb.ResumeUserResponse:
        """Lift a halt that `halt_user` set, as it was seen, with a fresh code (scope admin.write)."""
        request = pb.ResumeUserRequest(user_id=user_id, broker=broker, epoch=epoch, reason=reason, mfa_code=code)
        return await self._caller.once(self._admin.ResumeUser, request, timeout_s)


def _state(name: str) -> pb.TradingState.ValueType:
    try:
        return _STATES[name.lower().replace("-", "_")]
    except KeyError:
        raise BadArgument("state must be halted or reduce_only") from None
