"""The second factor: enrolled once, confirmed by a first code, and asked for before what an attacker would want."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from brokergw.desk.live import totp
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.ids import new_id
from brokergw.model.mfa import Authenticator, CodeVerdict, MfaPurpose
from brokergw.ports.clock import Clock
from brokergw.ports.mfa import Authenticators

FAILURES_MAX: Final = 10
"""So many wrong codes in a row lock an authenticator."""

_ISSUER: Final = "brokergw"


class MfaCheck(Protocol):
    """What stands before a step that needs a person."""

    async def require(self, user_id: str, code: str, purpose: MfaPurpose) -> None:
        """Use up a code of the user's; raises MFA_NOT_ENROLLED, MFA_CODE_INVALID or MFA_LOCKED."""
        ...


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a user needs to set an authenticator up. It is shown once, and never printed."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


class Mfa:
    """Keeps users' authenticators; implements `MfaCheck`.

    Each attempt is a transaction of its own in the store, so a call that fails afterwards takes no wrong code back, and
    gives no code out a second time.
    """

    def __init__(self, authenticators: Authenticators, record: Callable[[AuditRow], None], clock: Clock) -> None:
        self._authenticators = authenticators
        self._record = record
        self._clock = clock
        self._looks: set[asyncio.Task[None]] = set()

    async def enroll(self, user_id: str, audit: AuditRow | None = None) -> Enrolment:
        """Begin: gives the secret, once. Begun again before the first code, it starts over with another secret.

        Raises MFA_ALREADY_ENROLLED once a code was confirmed, MFA_LOCKED while it is locked.
        """
        secret = totp.new_secret()
        now_ns = self._clock.now_ns()
        new = Authenticator(user_id=user_id, authenticator_id=new_id("mfa"), secret=secret, enroll_time_ns=now_ns)
        if not await self._authenticators.enroll(new, audit):
            known = await self._authenticators.get(user_id)
            if known is not None and known.locked:
                raise _locked()
            raise GatewayError(Reason.MFA_ALREADY_ENROLLED, "the user has an authenticator")
        return Enrolment(secret, totp.enrolment_uri(secret, user_id, _ISSUER))

    async def confirm(self, user_id: str, code: str) -> None:
        """Show that the authenticator is at hand: the first time this ends the enrolment, later it renews the proof."""
        await self._to_the_end(user_id, code, MfaPurpose.CONFIRM)

    async def require(self, user_id: str, code: str, purpose: MfaPurpose) -> None:
        """Use up a code of the user's; raises MFA_NOT_ENROLLED, MFA_CODE_INVALID or MFA_LOCKED."""
        await self._to_the_end(user_id, code, purpose)

    async def reset(self, user_id: str, audit: AuditRow) -> None:
        """Remove a user's authenticator; live trading ends with it. Raises MFA_NOT_ENROLLED."""
        if not await self._authenticators.reset(user_id, audit):
            raise _not_enrolled()

    async def unlock(self, user_id: str, audit: AuditRow) -> None:
        """Let a user's codes be looked at again; raises MFA_NOT_ENROLLED."""
        if not await self._authenticators.unlock(user_id, audit):
            raise _not_enrolled()

    async def _to_the_end(self, user_id: str, code: str, purpose: MfaPurpose) -> None:
        """Look at a code in a task of its own: a caller that leaves, or is cut off, takes no miss with it."""
        look = asyncio.create_task(self._audited(user_id, code, purpose), name="look at a code")
        self._looks.add(look)
        look.add_done_callback(self._ended)
        await asyncio.shield(look)

    def _ended(self, look: asyncio.Task[None]) -> None:
        self._looks.discard(look)
        if not look.cancelled():
            # Marks a refusal as seen where its caller has gone.
            look.exception()

    async def _audited(self, user_id: str, code: str, purpose: MfaPurpose) -> None:
        """Look at a code; what the store decides it tells in its own commit, what it was not asked is told here."""
        try:
            known, step = await self._read(user_id, code, purpose)
        except GatewayError as error:
            self._record(self._row(user_id, purpose, error))
            raise
        now_ns = self._clock.now_ns()
        verdict = await self._authenticators.take_code(
            user_id,
            known.authenticator_id,
            step,
            now_ns,
            FAILURES_MAX,
            lambda verdict: self._row(user_id, purpose, _refusal(verdict)),
        )
        refusal = _refusal(verdict)
        if refusal is not None:
            raise refusal

    async def _read(self, user_id: str, code: str, purpose: MfaPurpose) -> tuple[Authenticator, int | None]:
        """Give the authenticator, and the step that a code is of; None for a wrong one."""
        if not totp.is_code(code):
            # What can be no code is no guess either: it is refused without a look, and not counted.
            raise _wrong()
        known = await self._authenticators.get(user_id)
        if known is None or not (known.confirmed or purpose is MfaPurpose.CONFIRM):
            raise _not_enrolled()
        if known.locked:
            raise _locked()
        return known, totp.step_of(known.secret, code, self._clock.now_ns())

    def _row(self, user_id: str, purpose: MfaPurpose, refusal: GatewayError | None) -> AuditRow:
        return AuditRow(
            time_ns=self._clock.now_ns(),
            request_id="",
            user_id=user_id,
            key_id="",
            action="mfa.code",
            outcome="ACCEPTED" if refusal is None else "REFUSED",
            reason="" if refusal is None else refusal.reason.value,
            detail=f"purpose={purpose.value}",
        )


def _refusal(verdict: CodeVerdict) -> GatewayError | None:
    if verdict is CodeVerdict.ACCEPTED:
        return None
    return _locked() if verdict is CodeVerdict.LOCKED else _wrong()


def _wrong() -> GatewayError:
    return GatewayError(Reason.MFA_CODE_INVALID, "the code is wrong, too old, or was used before")


def _locked() -> GatewayError:
    return GatewayError(Reason.MFA_LOCKED, "too many wrong codes were sent; an administrator must unlock it")


def _not_enrolled() -> GatewayError:
    return GatewayError(Reason.MFA_NOT_ENROLLED, "the user has no confirmed authenticator")
