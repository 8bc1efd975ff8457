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
from brokergw.model.errors import FieldViolation, GatewayError, InvalidRequest, NotFound, Reason
from brokergw.model.events import AuditRow
from brokergw.model.mfa import MfaPurpose
from brokergw.model.modes import Acknowledgement, LiveStep, ModeBinding, PaperHistory, Standing, above
from brokergw.model.principal import Caller
from brokergw.model.whose import only
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
    LiveStep.PAPER_HISTORY: Reason.PAPER_HISTORY_MISSING,
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
        return await self._view(await self._modes.get(user_id))

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
        made = await self.mfa.enroll(caller.user_id, self._audit(caller, "mfa.enrolled", caller.user_id))
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
        history = await self._history_of(caller.user_id)
        # A code is not used up while another step is open.
        self._require_ready(await self._modes.get(caller.user_id), place, history)
        await self.mfa.require(caller.user_id, code, MfaPurpose.ESCALATE_TO_LIVE)
        audit = self._audit(caller, "mode.escalated", caller.user_id, _told(place, "LIVE"))
        step = partial(self._escalated, place=place, history=history, now_ns=self._clock.now_ns())
        return await self._changed(await self._modes.change(caller.user_id, step, audit))

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
        """Remove another user's authenticator, and live trading with it; raises MFA_NOT_ENROLLED."""
        _require_another(caller, user_id)
        await self.mfa.reset(user_id, self._audit(caller, "mfa.reset", user_id))
        return await self._changed(await self._modes.get(user_id))

    async def unlock_mfa(self, caller: Caller, user_id: str) -> ModesView:
        """Let another user's codes be looked at again; raises MFA_NOT_ENROLLED."""
        _require_another(caller, user_id)
        await self.mfa.unlock(user_id, self._audit(caller, "mfa.unlocked", user_id))
        return await self._changed(await self._modes.get(user_id))

    async def _require_own(self, caller: Caller, place: tuple[str, str]) -> None:
        account_id, _ = place
        if not account_id:
            return
        if await self._directory.by_account(only(caller.user_id), account_id) is None:
            raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", account_id)

    def _require_ready(self, standing: Standing, place: tuple[str, str], history: PaperHistory | None) -> None:
        version = self.text.version
        missing = standing.steps_before(version) if place == EVERYTHING else standing.open_steps(version)
        if self._too_little(history):
            missing = (*missing, LiveStep.PAPER_HISTORY)
        if not missing:
            return
        metadata = {"missing": " ".join(missing), "version": version}
        if history is not None:
            wanted = {"paperOrdersMin": self.rules.paper_orders_min, "paperDaysMin": self.rules.paper_days_min}
            counted = {"paperOrders": history.orders, "paperDays": history.days}
            metadata |= {name: str(number) for name, number in {**wanted, **counted}.items()}
        names = " ".join(missing)
        raise GatewayError(_REASONS[missing[0]], f"these steps to live trading are open: {names}", metadata=metadata)

    async def _history_of(self, user_id: str) -> PaperHistory | None:
        """Count what a user has traded on paper, where the platform asks for it."""
        asked = self.rules.paper_orders_min or self.rules.paper_days_min
        return await self._modes.paper_history(user_id) if asked else None

    def _too_little(self, history: PaperHistory | None) -> bool:
        return history is not None and (
            history.orders < self.rules.paper_orders_min or history.days < self.rules.paper_days_min
        )

    def _escalated(
        self, before: Standing, place: tuple[str, str], history: PaperHistory | None, now_ns: int
    ) -> Standing:
        # Looked at again where nobody else can change it: a grant may have been revoked since.
        self._require_ready(before, place, history)
        live = Environment.LIVE
        if place == EVERYTHING:
            return replace(before, mode=live, live_risk_version=self.text.version)
        return before.bind(ModeBinding(account_id=place[0], strategy_id=place[1], mode=live, set_time_ns=now_ns))

    async def _changed(self, standing: Standing) -> ModesView:
        """Let this process's gates know at once; the other processes find out within a second."""
        await self.standings.refresh()
        return await self._view(standing)

    async def _view(self, standing: Standing) -> ModesView:
        code_ns = standing.code_time_ns
        missing = standing.open_steps(self.text.version)
        # What was taken up is not asked for again.
        if LiveStep.ESCALATION in missing and self._too_little(await self._history_of(standing.user_id)):
            missing = (*missing[:-1], LiveStep.PAPER_HISTORY, LiveStep.ESCALATION)
        return ModesView(
            standing,
            standing.reach(self.text.version, self.rules.initial_mode),
            missing,
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


def _require_another(caller: Caller, user_id: str) -> None:
    """Keep an administrator's stolen key from replacing the second factor that stands before what it may do."""
    if user_id == caller.user_id:
        rule = "must be another's; one's own authenticator is reset on the server, by `brokergw mfa local-reset`"
        raise InvalidRequest((FieldViolation("user_id", rule),))


def _ungranted(before: Standing) -> Standing:
    return replace(before, grant_by="", grant_time_ns=None).without_live()


def _told(place: tuple[str, str], mode: str) -> str:
    account_id, strategy_id = place
    return " ".join(
        f"{name}={value}"
        for name, value in (("mode", mode), ("account", account_id), ("strategy", strategy_id))
        if value
    )
