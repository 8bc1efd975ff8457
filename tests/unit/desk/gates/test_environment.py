from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import pytest

from brokergw.desk.gates.environment import EnvironmentCheck, StepUpCheck
from brokergw.desk.gates.question import Question, heard
from brokergw.desk.live.rules import LiveRules
from brokergw.desk.results import Hold
from brokergw.desk.sessions import Session
from brokergw.model.account import Environment
from brokergw.model.commands import SubmitOrder
from brokergw.model.errors import GatewayError, Objection, PreflightDenied, Reason
from brokergw.model.mfa import Authenticator
from brokergw.model.modes import ModeBinding, Standing
from tests.fixtures.clock import FakeClock
from tests.fixtures.edge_samples import a_connection
from tests.fixtures.memory_authenticators import MemoryAuthenticators
from tests.fixtures.memory_modes import MemoryModes, live_in_memory
from tests.fixtures.scripted_broker import Bench, trader

D = Decimal
MOCK, PAPER, LIVE = Environment.MOCK, Environment.PAPER, Environment.LIVE
S = 1_000_000_000


class Gate:
    """The checks, before orders of alice at an account of any environment."""

    def __init__(self, clock: FakeClock, bench: Bench, **rules: Any) -> None:
        self.clock = clock
        self.live = live_in_memory(clock, LiveRules(**rules))
        self.modes = cast("MemoryModes", self.live._modes)
        self.bench = bench
        self.code_age(0.0)
        self.stand()

    def stand(self, **changes: Any) -> None:
        """Let alice trade live, but for the changes."""
        whole = Standing(
            user_id="alice",
            mode=LIVE,
            grant_by="root",
            grant_time_ns=1,
            live_risk_version=self.live.text.version,
            acknowledged=(self.live.text.version,),
        )
        self.modes.standings["alice"] = replace(whole, **changes)

    def code_age(self, age_s: float | None, by_ns: int = 0) -> None:
        """Let alice's last code be so old."""
        code_ns = None if age_s is None else self.clock.now_ns() - round(age_s * S) - by_ns
        known = Authenticator(
            user_id="alice",
            authenticator_id="mfa_1",
            secret="",
            enroll_time_ns=1,
            confirm_time_ns=1 if code_ns else None,
            code_time_ns=code_ns,
        )
        cast("MemoryAuthenticators", self.live.mfa._authenticators).known["alice"] = known

    def question(self, environment: Environment, strategy_id: str = "", **terms: Any) -> Question:
        """Ask for an order at an account."""
        command: SubmitOrder = self.bench.order(**terms)
        connection = replace(a_connection(), user_id="alice", account_id="acc_1", environment=environment)
        session = Session(connection, self.bench.broker, self.clock)
        return Question(caller=trader(), command=command, session=session, terms=command.terms, strategy_id=strategy_id)

    async def ask(self, environment: Environment, strategy_id: str = "") -> Sequence[Objection]:
        """Ask the first gate's check."""
        return await heard(EnvironmentCheck(self.live, self.clock)(self.question(environment, strategy_id)))


@pytest.fixture
def gate(still_clock: FakeClock, bench: Bench) -> Gate:
    """Give checks that alice passes."""
    return Gate(still_clock, bench)


@pytest.mark.parametrize("initial", [MOCK, PAPER])
@pytest.mark.parametrize("mode", [None, MOCK, PAPER])
@pytest.mark.parametrize("environment", [MOCK, PAPER])
async def test_an_account_above_the_mode_takes_no_orders(
    still_clock: FakeClock, bench: Bench, initial: Environment, mode: Environment | None, environment: Environment
) -> None:
    """Mock trades at the mock broker only, paper on paper too; who chose nothing stands where everybody starts."""
    gate = Gate(still_clock, bench, initial_mode=initial)
    gate.stand(mode=mode)
    found = await gate.ask(environment)
    if environment is PAPER and (mode or initial) is MOCK:
        (objection,) = found
        assert (objection.reason, objection.limit, objection.observed) == (Reason.ENVIRONMENT_MISMATCH, "MOCK", "PAPER")
    else:
        assert not found


async def test_live_takes_every_step(gate: Gate) -> None:
    """With all steps taken an order goes through; with some open all of them are named."""
    assert not await gate.ask(LIVE)
    gate.stand(mode=PAPER, grant_time_ns=None)
    gate.clock.advance(1)
    (objection,) = await gate.ask(LIVE)
    assert (objection.reason, objection.missing) == (Reason.LIVE_NOT_ENABLED, ("GRANT", "ESCALATION"))


@pytest.mark.parametrize("place", [("acc_1", ""), ("", "alpha"), ("acc_1", "alpha")])
@pytest.mark.parametrize("environment", [PAPER, LIVE])
async def test_a_binding_below_the_account_holds_its_orders(
    gate: Gate, place: tuple[str, str], environment: Environment
) -> None:
    """What is bound to mock reaches neither paper nor live; another strategy's binding does not count."""
    bound = ModeBinding(account_id=place[0], strategy_id=place[1], mode=MOCK, set_time_ns=1)
    gate.stand(bindings=(bound,))
    (objection,) = await gate.ask(environment, "alpha")
    if environment is LIVE:
        assert (objection.reason, objection.missing) == (Reason.LIVE_NOT_ENABLED, ("BINDING",))
    else:
        assert objection.reason is Reason.ENVIRONMENT_MISMATCH
    other = await gate.ask(environment, "beta")
    assert bool(other) == (place == ("acc_1", ""))


@pytest.mark.parametrize(("by_ns", "taken"), [(-1, True), (0, True), (1, False)])
async def test_a_code_is_good_for_twelve_hours(gate: Gate, by_ns: int, *, taken: bool) -> None:
    """Just below and at the limit the order passes; a nanosecond above it a new code is asked for."""
    gate.code_age(43_200, by_ns)
    found = await gate.ask(LIVE)
    assert [each.reason for each in found] == ([] if taken else [Reason.MFA_REQUIRED])


async def test_an_old_code_keeps_nobody_in_a_position(gate: Gate) -> None:
    """K2: what reduces a position passes with an old code, and the commit holds it to that; not without live."""
    gate.code_age(50_000)
    question = gate.question(LIVE)
    question.reduces = True
    check = EnvironmentCheck(gate.live, gate.clock)
    assert not await heard(check(question))
    assert question.excused
    gate.stand(mode=PAPER)
    gate.clock.advance(1)
    assert [each.reason for each in await heard(check(question))] == [Reason.LIVE_NOT_ENABLED]


async def test_paper_asks_for_no_code(gate: Gate) -> None:
    """However old the last code is, orders on paper pass."""
    gate.code_age(10_000_000)
    assert not await gate.ask(PAPER)


@pytest.mark.parametrize(("by_ns", "fresh"), [(-1, True), (0, True), (1, False)])
@pytest.mark.parametrize(("price", "large"), [(D("999.99"), False), (D(1000), False), (D("1000.01"), True)], ids=str)
async def test_a_large_live_order_needs_a_fresher_code(
    still_clock: FakeClock, bench: Bench, price: Decimal, by_ns: int, *, large: bool, fresh: bool
) -> None:
    """Above the platform's worth a code of five minutes is needed; at it and below, not, nor on paper."""
    gate = Gate(still_clock, bench, step_up_notional=D(10_000))
    gate.code_age(300, by_ns)
    check = StepUpCheck(gate.live, gate.clock)
    live, paper = gate.question(LIVE), gate.question(PAPER)
    live.hold = paper.hold = Hold(D(10), price)
    assert [each.reason for each in await heard(check(live))] == ([Reason.MFA_REQUIRED] if large and not fresh else [])
    assert not await heard(check(paper))


async def test_an_order_of_unknown_cost_is_held_to_be_large(still_clock: FakeClock, bench: Bench) -> None:
    """Where nobody knows what it may cost the fresher code is needed; what reduces passes, and is held to that."""
    gate = Gate(still_clock, bench, step_up_notional=D(10_000))
    gate.code_age(301)
    check = StepUpCheck(gate.live, gate.clock)
    question = gate.question(LIVE)
    assert [each.reason for each in await heard(check(question))] == [Reason.MFA_REQUIRED]
    question.hold = Hold(D(1), D(1))
    assert not await heard(check(question))
    assert not question.excused
    question.hold, question.reduces = Hold(D(1), D(10_001)), True
    assert not await heard(check(question))
    assert question.excused


async def test_nothing_is_asked_for_where_no_step_up_is_set(gate: Gate) -> None:
    """Without a worth that is large no order is."""
    gate.code_age(40_000)
    question = gate.question(LIVE)
    question.hold = Hold(D(10**9), D(50))
    assert not await heard(StepUpCheck(gate.live, gate.clock)(question))


async def test_nobody_passes_while_it_cannot_be_told_how_users_stand(gate: Gate) -> None:
    """A store that does not answer is a refusal that uses up no key."""
    gate.modes.fails = GatewayError(Reason.JOURNAL_UNAVAILABLE, "away")
    with pytest.raises(GatewayError) as caught:
        await gate.ask(PAPER)
    assert not isinstance(caught.value, PreflightDenied)


async def test_the_desk_runs_the_check_at_gate_1(bench: Bench) -> None:
    """An order at a paper account of a user who went back to mock is denied there, and nothing is sent."""
    connection = bench.desk.sessions()[0].connection
    bench.desk.sessions()[0].connection = replace(connection, environment=PAPER)
    await bench.submit(bench.order())
    cast("MemoryModes", bench.desk.live._modes).standings["alice"] = Standing(user_id="alice", mode=MOCK)
    await bench.desk.live.standings.refresh()
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(bench.order())
    assert (caught.value.gate, caught.value.reason) == ("authority", Reason.ENVIRONMENT_MISMATCH)
    assert len(bench.broker.sent) == 1
