"""What callers ask of halts: users of their own, those who run the platform of everything."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from brokergw.desk.halts.halting import Halting
from brokergw.desk.halts.switch import Halted
from brokergw.desk.halts.waiting import within
from brokergw.desk.live.mfa import MfaCheck
from brokergw.desk.sessions import Sessions
from brokergw.model.errors import UNWRITTEN, GatewayError, NotFound, Reason
from brokergw.model.mfa import MfaPurpose
from brokergw.model.principal import Caller
from brokergw.model.trading import PLATFORM, Halt, HaltCause, ScopeKind, TradingScope, TradingState, strictest
from brokergw.model.whose import everyone, only
from brokergw.ports.clock import Clock
from brokergw.ports.halts import Finding, Sweep

_KNOWN_WITHIN_S: Final = 0.1
"""How long a switch waits to learn whether what it names exists; a database that stands still must not keep it back."""
_OF_ANY: Final = everyone("an operator halts any account, known by its id alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStateView:
    """What is halted, strictest state first in `state`, and whether this process may send at all."""

    state: TradingState
    halts: tuple[Halt, ...]
    may_send: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepView:
    """A sweep, what it came to in each account, and whether nothing is left anywhere."""

    sweep: Sweep
    findings: tuple[Finding, ...]
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitchView:
    """Everything that is halted, and every sweep."""

    halts: tuple[Halt, ...]
    sweeps: tuple[SweepView, ...]
    may_send: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltRequest:
    """What a caller wants halted."""

    scope: TradingScope
    state: TradingState
    reason: str
    flatten: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest:
    """Which halt a caller wants lifted, as it has seen it; `code` is its authenticator's."""

    scope: TradingScope
    cause: HaltCause
    epoch: int
    reason: str
    code: str = ""


class Progress(Protocol):
    """Knows when a sweep has nothing left to do."""

    def done(self, sweep: Sweep, findings: Sequence[Finding]) -> bool:
        """Tell whether every account of a sweep's scope is found done."""
        ...


class TradingStates:
    """The desk's part for halts."""

    def __init__(self, halting: Halting, mfa: MfaCheck, sessions: Sessions, progress: Progress, clock: Clock) -> None:
        self._halting = halting
        self._mfa = mfa
        self._sessions = sessions
        self._progress = progress
        self._clock = clock

    async def state(self, caller: Caller, account_id: str, strategy_id: str) -> TradingStateView:
        """Show a user what is halted for it; raises NotFound for an account that is not its own."""
        own = await self._sessions.connections_for(caller)
        if account_id and account_id not in {each.account_id for each in own}:
            raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", account_id)
        meant = [each for each in own if account_id in {"", each.account_id}]
        brokers = {each.broker for each in meant}
        accounts = {each.account_id for each in meant}

        def concerns(scope: TradingScope) -> bool:
            match scope.kind:
                case ScopeKind.PLATFORM | ScopeKind.SYMBOL:
                    return True
                case ScopeKind.BROKER:
                    return scope.names[0] in brokers
                case ScopeKind.USER:
                    return scope.names[0] == caller.user_id
                case ScopeKind.USER_BROKER:
                    return scope.names[0] == caller.user_id and scope.names[1] in brokers
                case ScopeKind.ACCOUNT:
                    return scope.names[0] in accounts
                case ScopeKind.STRATEGY:
                    return scope.names[0] == caller.user_id and strategy_id in {"", scope.names[1]}

        return self._view(concerns)

    async def halt_own(self, caller: Caller, request: HaltRequest) -> Halted:
        """Halt something of the caller's; raises NotFound for what is not its own."""
        await self._require_own(caller, request.scope)
        return await self._halt(caller, request, HaltCause.USER)

    async def resume_own(self, caller: Caller, request: ResumeRequest) -> TradingStateView:
        """Lift a halt that the caller has set.

        Raises HALT_NOT_YOURS where the scope is halted for other causes only, HALT_NOT_FOUND where it is not at all.
        """
        await self._require_own(caller, request.scope)
        causes = {halt.cause for halt in self._halting.standing.all() if halt.scope == request.scope}
        if causes and HaltCause.USER not in causes:
            raise GatewayError(
                Reason.HALT_NOT_YOURS,
                "the halt is not the caller's to lift",
                metadata={"scope": request.scope.key, "causes": " ".join(sorted(causes))},
            )
        await self._resume(caller, request)
        return await self.state(caller, "", "")

    async def kill_switch(self) -> KillSwitchView:
        """Show everything that is halted and swept; where the database is away, what this process knows."""
        standing = self._halting.standing.all()
        sweeps: tuple[SweepView, ...] = ()
        try:
            found = await self._halting.book.findings()
            for sweep in await self._halting.book.sweeps():
                its = tuple(each for each in found if each.sweep_id == sweep.sweep_id)
                sweeps += (SweepView(sweep=sweep, findings=its, done=self._progress.done(sweep, its)),)
        except GatewayError as error:
            if error.reason not in UNWRITTEN or not standing:
                raise
        return KillSwitchView(halts=standing, sweeps=sweeps, may_send=self._halting.clearance.valid)

    async def set_kill_switch(self, caller: Caller, request: HaltRequest) -> Halted:
        """Throw the switch; HALTED sweeps what rests in the scope. Raises NotFound for what does not exist."""
        await self._require_known(request.scope)
        return await self._halt(caller, request, HaltCause.KILL_SWITCH)

    async def clear_kill_switch(self, caller: Caller, request: ResumeRequest) -> tuple[Halt, ...]:
        """Lift a halt of any cause, by a fresh code; gives what still stands."""
        await self._resume_with_code(caller, request, MfaPurpose.CLEAR_KILL_SWITCH)
        return self._halting.standing.all()

    async def halt_user(self, caller: Caller, request: HaltRequest) -> Halted:
        """Halt a user, everywhere or at one broker; raises NotFound for one that has nothing here."""
        await self._require_known(request.scope)
        return await self._halt(caller, request, HaltCause.OPERATOR)

    async def resume_user(self, caller: Caller, request: ResumeRequest) -> tuple[Halt, ...]:
        """Lift a halt that `halt_user` set, by a fresh code; gives what still concerns the user."""
        await self._resume_with_code(caller, request, MfaPurpose.RESUME_TRADING)
        user_id = request.scope.names[0]
        return tuple(halt for halt in self._halting.standing.all() if user_id in halt.scope.names[:1])

    async def _halt(self, caller: Caller, request: HaltRequest, cause: HaltCause) -> Halted:
        sweeps = cause is HaltCause.KILL_SWITCH and request.state is TradingState.HALTED
        return await self._halting.switch.halt(
            request.scope,
            cause,
            request.state,
            request.reason,
            caller.user_id,
            caller=caller,
            sweep=sweeps,
            flatten=request.flatten,
        )

    async def _resume_with_code(self, caller: Caller, request: ResumeRequest, purpose: MfaPurpose) -> None:
        # A code is good once: it is not spent on a halt that is not there, or not as the caller has seen it.
        self._require_as_seen(request)
        await self._mfa.require(caller.user_id, request.code, purpose)
        await self._resume(caller, request)

    async def _resume(self, caller: Caller, request: ResumeRequest) -> None:
        await self._halting.switch.resume(
            request.scope, request.cause, request.reason, caller.user_id, epoch=request.epoch, caller=caller
        )

    def _require_as_seen(self, request: ResumeRequest) -> None:
        standing = [
            halt for halt in self._halting.standing.all() if (halt.scope, halt.cause) == (request.scope, request.cause)
        ]
        facts = {"scope": request.scope.key, "cause": request.cause.value}
        if not standing:
            raise GatewayError(Reason.HALT_NOT_FOUND, "nothing of that kind is halted", metadata=facts)
        if request.epoch not in {halt.epoch for halt in standing}:
            epoch = str(standing[0].epoch)
            raise GatewayError(
                Reason.KILL_SWITCH_EPOCH_CHANGED,
                "the halt has changed since it was read",
                metadata={**facts, "epoch": epoch},
            )

    def _view(self, concerns: Callable[[TradingScope], bool]) -> TradingStateView:
        halts = tuple(halt for halt in self._halting.standing.all() if concerns(halt.scope))
        binding = strictest(halts)
        return TradingStateView(
            state=TradingState.ACTIVE if binding is None else binding.state,
            halts=halts,
            may_send=self._halting.clearance.valid,
        )

    async def _require_own(self, caller: Caller, scope: TradingScope) -> None:
        if scope.kind is ScopeKind.ACCOUNT:
            own = await self._sessions.of_account(only(caller.user_id), scope.names[0])
            if own is None or not caller.reaches(own.connection):
                raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", scope.names[0])
        if scope.kind is ScopeKind.USER_BROKER and scope.names[1] not in self._sessions.brokers:
            raise NotFound(Reason.BROKER_NOT_FOUND, "broker", scope.names[1])

    async def _require_known(self, scope: TradingScope) -> None:
        """Raise NotFound for what certainly does not exist: a misspelt name halts nothing, and nobody would notice.

        What this process cannot tell at once is taken as it was named.
        """
        if scope == PLATFORM or scope.kind is ScopeKind.SYMBOL:
            return
        if scope.kind is ScopeKind.BROKER or scope.kind is ScopeKind.USER_BROKER:
            broker = scope.names[-1]
            if broker not in self._sessions.brokers:
                raise NotFound(Reason.BROKER_NOT_FOUND, "broker", broker)
        if scope.kind is ScopeKind.BROKER:
            return
        name = scope.names[0]
        by_account = scope.kind is ScopeKind.ACCOUNT
        open_here = (session.connection for session in self._sessions.all())
        if any(name == (each.account_id if by_account else each.user_id) for each in open_here):
            return
        asking: asyncio.Future[object] = asyncio.ensure_future(
            self._sessions.of_account(_OF_ANY, name) if by_account else self._sessions.connections_of(name)
        )
        if not await within(self._clock, _KNOWN_WITHIN_S, [asking]):
            asking.add_done_callback(lambda done: done.cancelled() or done.exception())
            return
        if asking.exception() is None and not asking.result():
            reason, kind = (Reason.ACCOUNT_NOT_FOUND, "account") if by_account else (Reason.USER_NOT_FOUND, "user")
            raise NotFound(reason, kind, name)


SCOPE_NAMES: Final[Mapping[ScopeKind, tuple[str, ...]]] = {
    ScopeKind.PLATFORM: (),
    ScopeKind.BROKER: ("broker",),
    ScopeKind.USER: ("user_id",),
    ScopeKind.USER_BROKER: ("user_id", "broker"),
    ScopeKind.ACCOUNT: ("account_id",),
    ScopeKind.STRATEGY: ("user_id", "strategy_id"),
    ScopeKind.SYMBOL: ("symbol",),
}
"""What the names of each kind of scope are, in their order."""
