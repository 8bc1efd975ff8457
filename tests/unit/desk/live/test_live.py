from collections.abc import Awaitable
from typing import Any, cast

import pyotp
import pytest

from brokergw.desk.live import totp
from brokergw.desk.live.live import EVERYTHING, Live
from brokergw.desk.live.risk_text import RiskText
from brokergw.desk.live.rules import LiveRules
from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.modes import LiveStep, PaperHistory
from brokergw.model.principal import Caller, Principal
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_authenticators import MemoryAuthenticators
from tests.fixtures.memory_modes import MemoryModes, live_in_memory

MOCK, PAPER, LIVE = Environment.MOCK, Environment.PAPER, Environment.LIVE
ANN = Caller(Principal("ann", "key_ann", frozenset()), "req_ann")
ROOT = Caller(Principal("root", "key_root", frozenset()), "req_root")
ACCOUNT = ("acc_1", "")


class Way:
    """The way to live trading for ann, who owns acc_1, over dictionaries."""

    def __init__(self, clock: FakeClock, **rules: Any) -> None:
        self.clock = clock
        self.live: Live = live_in_memory(clock, LiveRules(**rules), {"acc_1": "ann", "acc_2": "bob"})
        self.modes = cast("MemoryModes", self.live._modes)

    def code(self) -> str:
        """Wait for a fresh code and read it off ann's phone."""
        self.clock.advance(30)
        known = cast("MemoryAuthenticators", self.live.mfa._authenticators).known["ann"]
        return pyotp.TOTP(known.secret).generate_otp(self.clock.now_ns() // totp.STEP_NS)

    async def ready(self) -> None:
        """Take every step but the escalation."""
        await self.live.grant(ROOT, "ann")
        await self.live.acknowledge(ANN, self.live.text.version)
        await self.live.enroll(ANN)
        await self.live.confirm(ANN, self.code())

    async def trading(self) -> None:
        """Take every step."""
        await self.ready()
        await self.live.escalate(ANN, EVERYTHING, self.code())


@pytest.fixture
def way(still_clock: FakeClock) -> Way:
    """Give a way on which nobody has gone."""
    return Way(still_clock)


async def refused(call: Awaitable[object]) -> GatewayError:
    """Give the error with which a call is refused."""
    with pytest.raises(GatewayError) as caught:
        await call
    return caught.value


async def test_every_user_starts_in_mock_and_promotes_itself_to_paper(way: Way) -> None:
    """Mock is the beginning; paper is the user's own choice, and on record."""
    assert (await way.live.view("ann")).mode is MOCK
    assert (await way.live.set_mode(ANN, EVERYTHING, PAPER)).mode is PAPER
    assert [(row.action, row.user_id, row.key_id, row.detail) for row in way.modes.audit] == [
        ("mode.set", "ann", "key_ann", "mode=PAPER")
    ]


async def test_live_takes_every_step_and_a_code(way: Way) -> None:
    """Grant, acknowledgement, authenticator and escalation, in whatever order; the view tells what is open."""
    view = await way.live.view("ann")
    assert view.missing == (LiveStep.GRANT, LiveStep.RISK_ACKNOWLEDGEMENT, LiveStep.MFA, LiveStep.ESCALATION)
    await way.ready()
    assert (await way.live.view("ann")).missing == (LiveStep.ESCALATION,)
    view = await way.live.escalate(ANN, EVERYTHING, way.code())
    assert (view.mode, view.missing) == (LIVE, ())
    assert view.code_valid_until_ns == way.clock.now_ns() + 43_200_000_000_000


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("grant", Reason.LIVE_NOT_GRANTED),
        ("acknowledge", Reason.RISK_NOT_ACKNOWLEDGED),
        ("confirm", Reason.MFA_NOT_ENROLLED),
    ],
)
async def test_a_step_that_is_open_is_named_before_a_code_is_used_up(way: Way, step: str, reason: Reason) -> None:
    """Without one of the steps the escalation is refused, and what is missing is said."""
    if step != "grant":
        await way.live.grant(ROOT, "ann")
    if step != "acknowledge":
        await way.live.acknowledge(ANN, way.live.text.version)
    await way.live.enroll(ANN)
    code = way.code()
    if step != "confirm":
        await way.live.confirm(ANN, code)
        code = way.code()
    error = await refused(way.live.escalate(ANN, EVERYTHING, code))
    assert error.reason is reason
    assert len(error.metadata["missing"].split()) == 1
    assert (await way.live.view("ann")).mode is MOCK
    if step != "confirm":
        await way.live.confirm(ANN, code)


async def test_the_escalation_takes_a_right_code(way: Way) -> None:
    """With every other step taken a wrong code, and a used one, leave the user where it was."""
    await way.ready()
    code = way.code()
    await way.live.confirm(ANN, code)
    assert (await refused(way.live.escalate(ANN, EVERYTHING, code))).reason is Reason.MFA_CODE_INVALID
    assert (await way.live.view("ann")).mode is MOCK


async def test_a_grant_revoked_during_the_escalation_wins(way: Way) -> None:
    """The steps are looked at again in the transaction that takes live up."""
    await way.ready()
    code = way.code()
    taken = way.live.mfa.require

    async def revoked_meanwhile(*given: Any) -> None:
        await taken(*given)
        await way.live.revoke(ROOT, "ann")

    way.live.mfa.require = revoked_meanwhile  # type: ignore[method-assign, assignment]
    assert (await refused(way.live.escalate(ANN, EVERYTHING, code))).reason is Reason.LIVE_NOT_GRANTED
    assert (await way.live.standings.of("ann")).mode is not LIVE


@pytest.mark.parametrize("taken", ["grant", "authenticator", "risk text"])
async def test_what_takes_a_step_back_ends_live_at_once(way: Way, taken: str) -> None:
    """After a revoked grant, a reset authenticator or a newer risk text the gates see no live mode any more."""
    await way.trading()
    if taken == "grant":
        await way.live.revoke(ROOT, "ann")
    elif taken == "authenticator":
        # The store ends live in the same transaction; the steps alone suffice.
        await way.live.reset_mfa(ROOT, "ann")
    else:
        way.live.text = RiskText.of("2", "more is at stake")
    view = await way.live.view("ann")
    assert view.mode is PAPER
    assert LiveStep.ESCALATION in view.missing or taken == "authenticator"
    assert (await way.live.standings.of("ann")).open_steps(way.live.text.version)


async def test_a_grant_given_back_does_not_bring_live_back(way: Way) -> None:
    """After a revocation live must be taken up anew, with a code."""
    await way.trading()
    await way.live.revoke(ROOT, "ann")
    view = await way.live.grant(ROOT, "ann")
    assert (view.mode, view.missing) == (PAPER, (LiveStep.ESCALATION,))


async def test_only_the_present_risk_text_is_acknowledged(way: Way) -> None:
    """An older or made-up version is refused, with the present one's number."""
    error = await refused(way.live.acknowledge(ANN, "0"))
    assert (error.reason, error.metadata["version"]) == (Reason.RISK_TEXT_OUTDATED, way.live.text.version)
    await way.live.acknowledge(ANN, way.live.text.version)
    (row,) = way.modes.audit
    assert (row.action, row.request_id) == ("risk.acknowledged", "req_ann")
    assert way.live.text.text_hash in row.detail


async def test_a_binding_holds_an_account_below_the_user(way: Way) -> None:
    """A live user's account bound to paper is raised by the escalation alone, and not by taking the binding away."""
    await way.trading()
    await way.live.set_mode(ANN, ACCOUNT, PAPER)
    assert (await refused(way.live.set_mode(ANN, ACCOUNT, None))).reason is Reason.LIVE_NOT_ENABLED
    view = await way.live.escalate(ANN, ACCOUNT, way.code())
    assert [(each.place, each.mode) for each in view.standing.bindings] == [(ACCOUNT, LIVE)]
    assert (await way.live.set_mode(ANN, ACCOUNT, None)).standing.bindings == ()


async def test_a_binding_is_escalated_after_the_user(way: Way) -> None:
    """Before the user trades live, no account or strategy of it does."""
    await way.ready()
    error = await refused(way.live.escalate(ANN, ACCOUNT, way.code()))
    assert (error.reason, error.metadata["missing"]) == (Reason.LIVE_NOT_ENABLED, "ESCALATION")


async def test_stepping_down_is_free_and_ends_live_bindings(way: Way) -> None:
    """Paper needs no code; afterwards the user, and each binding, must be escalated again."""
    await way.trading()
    await way.live.escalate(ANN, ACCOUNT, way.code())
    view = await way.live.set_mode(ANN, EVERYTHING, PAPER)
    assert (view.mode, view.standing.bindings[0].mode) == (PAPER, PAPER)
    assert view.missing == (LiveStep.ESCALATION,)


@pytest.mark.parametrize("account_id", ["acc_2", "acc_9"])
async def test_nobody_binds_what_is_another_s(way: Way, account_id: str) -> None:
    """Foreign and missing accounts answer alike."""
    await way.trading()
    for call in (
        way.live.set_mode(ANN, (account_id, ""), PAPER),
        way.live.escalate(ANN, (account_id, ""), way.code()),
    ):
        assert (await refused(call)).reason is Reason.ACCOUNT_NOT_FOUND


@pytest.mark.parametrize(
    ("history", "enough"),
    [
        (PaperHistory(orders=19, days=5), False),
        (PaperHistory(orders=20, days=4), False),
        (PaperHistory(orders=20, days=5), True),
        (PaperHistory(orders=21, days=6), True),
    ],
    ids=str,
)
async def test_paper_history_counts_from_its_least_on(
    still_clock: FakeClock, history: PaperHistory, *, enough: bool
) -> None:
    """Where so many orders and days on paper are asked for, one less of either is too few; exactly as many do."""
    way = Way(still_clock, paper_orders_min=20, paper_days_min=5)
    way.modes.history = history
    await way.ready()
    if enough:
        assert (await way.live.escalate(ANN, EVERYTHING, way.code())).mode is LIVE
        return
    error = await refused(way.live.escalate(ANN, EVERYTHING, way.code()))
    assert error.reason is Reason.PAPER_HISTORY_MISSING
    assert error.metadata == {
        "missing": "PAPER_HISTORY",
        "version": way.live.text.version,
        "paperOrdersMin": "20",
        "paperDaysMin": "5",
        "paperOrders": str(history.orders),
        "paperDays": str(history.days),
    }
    assert (await way.live.view("ann")).missing == (LiveStep.PAPER_HISTORY, LiveStep.ESCALATION)


async def test_administrators_act_on_users_there_are(way: Way) -> None:
    """A grant for nobody is refused; what an administrator does is in the user's audit, under its own key."""
    assert (await refused(way.live.grant(ROOT, "nobody"))).reason is Reason.USER_NOT_FOUND
    assert (await refused(way.live.revoke(ROOT, "nobody"))).reason is Reason.USER_NOT_FOUND
    assert (await refused(way.live.reset_mfa(ROOT, "ann"))).reason is Reason.MFA_NOT_ENROLLED
    assert (await refused(way.live.unlock_mfa(ROOT, "ann"))).reason is Reason.MFA_NOT_ENROLLED
    view = await way.live.grant(ROOT, "ann")
    again = await way.live.grant(Caller(Principal("other", "key_2", frozenset()), "req_2"), "ann")
    assert (view.standing.grant_by, again.standing.grant_by) == ("root", "root")
    row = way.modes.audit[0]
    assert (row.action, row.user_id, row.key_id, row.detail) == ("live.granted", "ann", "key_root", "by=root")
