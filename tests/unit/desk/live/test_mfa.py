import asyncio
from collections.abc import Awaitable

import pyotp
import pytest

from brokergw.desk.live import totp
from brokergw.desk.live.mfa import FAILURES_MAX, Mfa
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.mfa import MfaPurpose
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_authenticators import MemoryAuthenticators

PURPOSE = MfaPurpose.CLEAR_KILL_SWITCH
AUDIT = AuditRow(time_ns=1, request_id="req", user_id="ann", key_id="key", action="mfa.reset", outcome="OK")


class Desk:
    """A second factor over dictionaries, and the app on ann's phone."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.store = MemoryAuthenticators()
        self.audit: list[AuditRow] = []
        self.store.audit = self.audit
        self.mfa = Mfa(self.store, self.audit.append, clock)

    def code(self, away: int = 0) -> str:
        """Read a code off the phone, some steps away from now."""
        return pyotp.TOTP(self.store.known["ann"].secret).generate_otp(self.clock.now_ns() // totp.STEP_NS + away)

    def wrong(self) -> str:
        """Give a code that is none of those near now."""
        near = {self.code(away) for away in range(-3, 4)}
        return next(code for code in (f"{n:06}" for n in range(10)) if code not in near)

    async def enrolled(self) -> None:
        """Enroll and confirm, and let the code's step pass."""
        await self.mfa.enroll("ann")
        await self.mfa.confirm("ann", self.code())
        self.clock.advance(60)


@pytest.fixture
def desk(still_clock: FakeClock) -> Desk:
    """Give a second factor that nobody has yet."""
    return Desk(still_clock)


async def reason_of(call: Awaitable[object]) -> Reason:
    """Give the reason with which a call is refused."""
    with pytest.raises(GatewayError) as caught:
        await call
    return caught.value.reason


async def test_a_code_counts_from_the_first_confirmed_one_on(desk: Desk) -> None:
    """Without an authenticator, and before its first code, nothing is confirmed; then a code is."""
    assert await reason_of(desk.mfa.require("ann", "123456", PURPOSE)) is Reason.MFA_NOT_ENROLLED
    await desk.mfa.enroll("ann")
    assert await reason_of(desk.mfa.require("ann", desk.code(), PURPOSE)) is Reason.MFA_NOT_ENROLLED
    await desk.mfa.confirm("ann", desk.code())
    desk.clock.advance(30)
    await desk.mfa.require("ann", desk.code(), PURPOSE)


async def test_a_code_is_taken_once(desk: Desk) -> None:
    """The same code, and one of an earlier step, are refused; the next step's is taken."""
    await desk.enrolled()
    await desk.mfa.require("ann", desk.code(), PURPOSE)
    assert await reason_of(desk.mfa.require("ann", desk.code(), PURPOSE)) is Reason.MFA_CODE_INVALID
    assert await reason_of(desk.mfa.require("ann", desk.code(-1), PURPOSE)) is Reason.MFA_CODE_INVALID
    await desk.mfa.require("ann", desk.code(1), PURPOSE)


async def test_a_wrong_code_uses_no_step_up(desk: Desk) -> None:
    """After wrong codes the right one of the same step is taken."""
    await desk.enrolled()
    for _ in range(3):
        assert await reason_of(desk.mfa.require("ann", desk.wrong(), PURPOSE)) is Reason.MFA_CODE_INVALID
    await desk.mfa.require("ann", desk.code(), PURPOSE)


@pytest.mark.parametrize(("misses", "taken"), [(FAILURES_MAX - 1, True), (FAILURES_MAX, False)])
async def test_ten_misses_lock_and_nine_do_not(desk: Desk, misses: int, *, taken: bool) -> None:
    """The right code is taken after nine wrong ones, and not looked at after ten."""
    await desk.enrolled()
    for _ in range(misses):
        assert await reason_of(desk.mfa.require("ann", desk.wrong(), PURPOSE)) is Reason.MFA_CODE_INVALID
    if taken:
        await desk.mfa.require("ann", desk.code(), PURPOSE)
        assert desk.store.known["ann"].failures == 0
        return
    right = await reason_of(desk.mfa.require("ann", desk.code(), PURPOSE))
    wrong = await reason_of(desk.mfa.require("ann", desk.wrong(), PURPOSE))
    assert (right, wrong) == (Reason.MFA_LOCKED, Reason.MFA_LOCKED)
    await desk.mfa.unlock("ann", AUDIT)
    await desk.mfa.require("ann", desk.code(), PURPOSE)


async def test_misses_are_counted_since_the_last_right_code(desk: Desk) -> None:
    """A right code sets the count back, so that nine and nine misses lock nobody out."""
    await desk.enrolled()
    for _ in range(2):
        for _ in range(FAILURES_MAX - 1):
            await reason_of(desk.mfa.require("ann", desk.wrong(), PURPOSE))
        await desk.mfa.require("ann", desk.code(), PURPOSE)
        desk.clock.advance(30)


async def test_what_can_be_no_code_is_refused_and_not_counted(desk: Desk) -> None:
    """Malformed codes are no guesses: however many come, none counts, and the right one is taken after them."""
    await desk.enrolled()
    full_width = desk.code().translate({ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)})
    for text in (f" {desk.code()}", full_width, "12345", "1234567") * 5:
        assert await reason_of(desk.mfa.require("ann", text, PURPOSE)) is Reason.MFA_CODE_INVALID
    assert desk.store.known["ann"].failures == 0
    await desk.mfa.require("ann", desk.code(), PURPOSE)


async def test_who_is_enrolled_enrolls_only_after_a_reset(desk: Desk) -> None:
    """A confirmed authenticator cannot be replaced by its owner, or by a thief of the key; an unconfirmed one can."""
    first = await desk.mfa.enroll("ann")
    second = await desk.mfa.enroll("ann")
    assert first.secret != second.secret
    await desk.enrolled()
    assert await reason_of(desk.mfa.enroll("ann")) is Reason.MFA_ALREADY_ENROLLED
    await desk.mfa.reset("ann", AUDIT)
    assert await reason_of(desk.mfa.require("ann", "123456", PURPOSE)) is Reason.MFA_NOT_ENROLLED
    await desk.enrolled()


async def test_a_lock_cannot_be_shaken_off_by_enrolling_again(desk: Desk) -> None:
    """An authenticator that is locked before its first code stays, until an administrator unlocks or resets it."""
    await desk.mfa.enroll("ann")
    for _ in range(FAILURES_MAX):
        assert await reason_of(desk.mfa.confirm("ann", desk.wrong())) is Reason.MFA_CODE_INVALID
    assert await reason_of(desk.mfa.enroll("ann")) is Reason.MFA_LOCKED
    assert await reason_of(desk.mfa.confirm("ann", desk.code())) is Reason.MFA_LOCKED


async def test_of_many_calls_with_one_code_one_goes_through(desk: Desk) -> None:
    """Calls at once with the same code: one is taken, the others are misses."""
    await desk.enrolled()
    calls = (desk.mfa.require("ann", desk.code(), PURPOSE) for _ in range(5))
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(each is None for each in ended) == 1


async def test_the_secret_is_shown_once_and_never_printed(desk: Desk) -> None:
    """No repr, no error and no audit row holds the secret or a code."""
    made = await desk.mfa.enroll("ann")
    code = desk.code()
    with pytest.raises(GatewayError) as caught:
        await desk.mfa.confirm("ann", desk.wrong())
    await desk.mfa.confirm("ann", code)
    told = f"{made!r}{desk.store.known!r}{caught.value!r}{caught.value.metadata}{desk.audit!r}"
    assert made.secret not in told
    assert code not in told


async def test_every_code_leaves_its_audit_row(desk: Desk) -> None:
    """What a code was asked for and whether it was taken is on record."""
    await desk.enrolled()
    await reason_of(desk.mfa.require("ann", desk.wrong(), PURPOSE))
    assert [(row.action, row.user_id, row.outcome, row.reason, row.detail) for row in desk.audit] == [
        ("mfa.code", "ann", "ACCEPTED", "", "purpose=CONFIRM"),
        ("mfa.code", "ann", "REFUSED", "MFA_CODE_INVALID", "purpose=CLEAR_KILL_SWITCH"),
    ]


async def test_only_what_is_there_is_reset_and_unlocked(desk: Desk) -> None:
    """A user without an authenticator has none to reset or unlock."""
    assert await reason_of(desk.mfa.reset("ann", AUDIT)) is Reason.MFA_NOT_ENROLLED
    assert await reason_of(desk.mfa.unlock("ann", AUDIT)) is Reason.MFA_NOT_ENROLLED
