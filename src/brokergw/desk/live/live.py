"""The way to live trading: what a user does to promote its orders, and what an administrator gives and takes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from brokergw.desk.live.mfa import Enrolment, Mfa
from brokergw.desk.live.risk_text import RiskText, present_text
from brokergw.desk.live.rules import LiveRules
from brokergw.desk.live.standings import Standings
from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.events import AuditRow
from brokergw.model.mfa import MfaPurpose
from brokergw.model.modes import Acknowledgement, LiveStep, ModeBinding, Standing, above
from brokergw.model.principal import Caller
from brokergw.ports.clock import Clock
from brokergw.ports.directory import ConnectionDirectory
from brokergw.ports.mfa import Authenticators
from brokergw.ports.modes import Modes

EVERYTHING: Final = ("", "")
"""The place of no binding: all orders of a user."""

_REASONS: Final = {
    LiveStep.GRANT: Reason.LIVE_NOT_GRANTED,
    LiveStep.RISK_ACKNOWLEDGEMENT: Reason.RISK_NOT_ACKNOWLEDGED,
    LiveStep.MFA: Reason.MFA_NOT_ENROLLED,
    LiveStep.ESCALATION: Reason.LIVE_NOT_ENABLED,
}


@dataclass(frozen=True, slots=True)
class ModesView:
    """How a user stands: the mode that holds, what is bound, which steps to live are open, and until when codes last.

    `code_valid_until_ns` is None where no code was ever taken.
    """

    standing: Standing
    mode: Environment
    missing: tuple[LiveStep, ...]
    risk_version: str
    code_valid_until_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveParts:
    """What the way to live trading stands on. `record` takes audit rows."""

    modes: Modes
    authenticators: Authenticators
    directory: ConnectionDirectory
    record: Callable[[AuditRow], None]
    clock: Clock


class Live:
    """Keeps modes and everything that they need; `standings` is what the gates look at, `mfa` the second factor."""

    def __init__(self, parts: LiveParts, rules: LiveRules, text: RiskText | None = None) -> None:
        self._modes = parts.modes
        self._directory = parts.directory
        self._record = parts.record
        self._clock = parts.clock
        self.rules = rules
        self.text = text or present_text()
        self.mfa = Mfa(parts.authenticators, parts.record, parts.clock)
        self.standings = Standings(parts.modes, parts.clock)

    async def view(self, user_id: str) -> ModesView:
        """Show how a user stands."""
        return self._view(await self._modes.get(user_id))

    async def view_of_user(self, user_id: str) -> ModesView:
        """Show how a user stands who may not exist; raises USER_NOT_FOUND."""
        if not await self._modes.known(user_id):
            raise NotFound(Reason.USER_NOT_FOUND, "user", user_id)
        return await self.view(user_id)

    async def acknowledge(self, caller: Caller, version: str) -> ModesView:
        """Put the caller's word on record that it has read the present risk text; raises RISK_TEXT_OUTDATED."""
        if version != self.text.version:
            raise GatewayError(
                Reason.RISK_TEXT_OUTDATED,
                "the risk text has another version by now",
                metadata={"version": self.text.version},
            )
        word = Acknowledgement(
            version=version,
            text_hash=self.text.text_hash,
            time_ns=self._clock.now_ns(),
            key_id=caller.principal.key_id,
            request_id=caller.request_id,
        )
        audit = self._audit(caller, "risk.acknowledged", caller.user_id, f"version={version} sha256={word.text_hash}")
        standing = await self._modes.acknowledge(caller.user_id, word, audit)
        return await self._changed(standing)

    async def enroll(self, caller: Caller) -> Enrolment:
        """Begin to set up the caller's authenticator; raises as `Mfa.enroll` does."""
        made = await self.mfa.enroll(caller.user_id)
        self._record(self._audit(caller, "mfa.enrolled", caller.user_id))
        await self.standings.refresh()
        return made

    async def confirm(self, caller: Caller, code: str) -> ModesView:
        """Confirm the authenticator, or that it is at hand still; raises as `Mfa.require` does."""
        await self.mfa.confirm(caller.user_id, code)
        return await self._changed(await self._modes.get(caller.user_id))

    async def set_mode(self, caller: Caller, place: tuple[str, str], mode: Environment | None) -> ModesView:
        """Choose mock or paper for the caller, or for orders of an account and a strategy; None takes a binding away.

        What raises anything to live is EscalateToLive's: LIVE_NOT_ENABLED. Raises ACCOUNT_NOT_FOUND.
        """
        await self._require_own(caller, place)
        now_ns = self._clock.now_ns()
        audit = self._audit(
            caller, "mode.set", caller.user_id, _told(place, mode.value if mode is not None else "none")
        )
        step = partial(_chosen, place=place, mode=mode, now_ns=now_ns)
        standing = await self._modes.change(caller.user_id, step, audit)
        return await self._changed(standing)

    async def escalate(self, caller: Caller, place: tuple[str, str], code: str) -> ModesView:
        """Take up live trading, for the caller or, once that is done, for a bound account or strategy.

        Raises LIVE_NOT_GRANTED, RISK_NOT_ACKNOWLEDGED, MFA_NOT_ENROLLED, PAPER_HISTORY_MISSING or LIVE_NOT_ENABLED for
        the first step that is open, with all of them in `missing`; then what a code is refused with.
        """
        await self._require_own(caller, place)
        # A code is not used up while another step is open.
        self._require_ready(await self._modes.get(caller.user_id), place)
        await self._require_history(caller.user_id)
        await self.mfa.require(caller.user_id, code, MfaPurpose.ESCALATE_TO_LIVE)
        now_ns = self._clock.now_ns()
        audit = self._audit(caller, "mode.escalated", caller.user_id, _told(place, "LIVE"))
        step = partial(self._escalated, place=place, now_ns=now_ns)
        standing = await self._modes.change(caller.user_id, step, audit)
        return await self._changed(standing)

    async def grant(self, caller: Caller, user_id: str) -> ModesView:
        """Let a user take the steps to live trading; granted again it stays as it was. Raises USER_NOT_FOUND."""
        now_ns = self._clock.now_ns()

        def step(before: Standing) -> Standing:
            if before.grant_time_ns is not None:
                return before
            return replace(before, grant_by=caller.user_id, grant_time_ns=now_ns)

        standing = await self._modes.change(user_id, step, self._audit(caller, "live.granted", user_id))
        return await self._changed(standing)

    async def revoke(self, caller: Caller, user_id: str) -> ModesView:
        """Take the grant away, and live trading with it, at once. Raises USER_NOT_FOUND."""
        standing = await self._modes.change(user_id, _ungranted, self._audit(caller, "live.revoked", user_id))
        return await self._changed(standing)

    async def reset_mfa(self, caller: Caller, user_id: str) -> ModesView:
        """Remove a user's authenticator, and live trading with it; raises MFA_NOT_ENROLLED."""
        await self.mfa.reset(user_id, self._audit(caller, "mfa.reset", user_id))
        return await self._changed(await self._modes.get(user_id))

    async def unlock_mfa(self, caller: Caller, user_id: str) -> ModesView:
        """Let a user's codes be looked at again; raises MFA_NOT_ENROLLED."""
        await self.mfa.unlock(user_id, self._audit(caller, "mfa.unlocked", user_id))
        return await self._changed(await self._modes.get(user_id))

    async def _require_own(self, caller: Caller, place: tuple[str, str]) -> None:
        account_id, _ = place
        if not account_id:
            return
        connection = await self._directory.by_account(account_id)
        if connection is None or connection.user_id != caller.user_id:
            raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", account_id)

    def _require_ready(self, standing: Standing, place: tuple[str, str]) -> None:
        missing = standing.steps_before(self.text.version) if place == EVERYTHING else self._missing(standing)
        if missing:
            raise GatewayError(
                _REASONS[missing[0]],
                f"these steps to live trading are open: {' '.join(missing)}",
                metadata={"missing": " ".join(missing), "version": self.text.version},
            )

    async def _require_history(self, user_id: str) -> None:
        wanted = self.rules
        if not wanted.paper_orders_min and not wanted.paper_days_min:
            return
        history = await self._modes.paper_history(user_id)
        if history.orders < wanted.paper_orders_min or history.days < wanted.paper_days_min:
            needed = f"{wanted.paper_orders_min} orders on {wanted.paper_days_min} days"
            raise GatewayError(
                Reason.PAPER_HISTORY_MISSING,
                f"filled on paper are {history.orders} orders on {history.days} days; {needed} are asked for",
                metadata={"missing": needed, "orders": str(history.orders), "days": str(history.days)},
            )

    def _escalated(self, before: Standing, place: tuple[str, str], now_ns: int) -> Standing:
        # Looked at again where nobody else can change it: a grant may have been revoked since.
        self._require_ready(before, place)
        live = Environment.LIVE
        if place == EVERYTHING:
            return replace(before, mode=live, live_risk_version=self.text.version)
        return before.bind(ModeBinding(account_id=place[0], strategy_id=place[1], mode=live, set_time_ns=now_ns))

    def _missing(self, standing: Standing) -> tuple[LiveStep, ...]:
        return standing.open_steps(self.text.version)

    async def _changed(self, standing: Standing) -> ModesView:
        """Let this process's gates know at once; the other processes find out within a second."""
        await self.standings.refresh()
        return self._view(standing)

    def _view(self, standing: Standing) -> ModesView:
        code_ns = standing.code_time_ns
        return ModesView(
            standing,
            standing.reach(self.text.version, self.rules.initial_mode),
            self._missing(standing),
            self.text.version,
            None if code_ns is None else code_ns + round(self.rules.code_age_max_s * 1_000_000_000),
        )

    def _audit(self, caller: Caller, action: str, user_id: str, detail: str = "") -> AuditRow:
        by = "" if user_id == caller.user_id else f"by={caller.user_id} "
        return AuditRow(
            time_ns=self._clock.now_ns(),
            request_id=caller.request_id,
            user_id=user_id,
            key_id=caller.principal.key_id,
            action=action,
            outcome="OK",
            detail=(by + detail).strip(),
        )


def _chosen(before: Standing, place: tuple[str, str], mode: Environment | None, now_ns: int) -> Standing:
    """Give the standing after a user's choice of mock or paper, or of no binding any more."""
    if place == EVERYTHING:
        assert mode is not None
        return replace(before.without_live(), mode=mode)
    if mode is not None:
        return before.bind(ModeBinding(account_id=place[0], strategy_id=place[1], mode=mode, set_time_ns=now_ns))
    if before.mode is Environment.LIVE and any(
        each.place == place and above(Environment.LIVE, each.mode) for each in before.bindings
    ):
        # Taken away, it would leave the orders with the user's own mode: live, without a code.
        raise GatewayError(
            Reason.LIVE_NOT_ENABLED,
            "what is bound below live is raised by EscalateToLive alone",
            metadata={"missing": LiveStep.ESCALATION.value},
        )
    return before.unbind(place)


def _ungranted(before: Standing) -> Standing:
    return replace(before, grant_by="", grant_time_ns=None).without_live()


def _told(place: tuple[str, str], mode: str) -> str:
    account_id, strategy_id = place
    return " ".join(
        f"{name}={value}"
        for name, value in (("mode", mode), ("account", account_id), ("strategy", strategy_id))
        if value
    )
