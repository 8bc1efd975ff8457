from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.model.account import Environment
from brokergw.model.modes import LiveStep, ModeBinding, Standing, above, lower

MOCK, PAPER, LIVE = Environment.MOCK, Environment.PAPER, Environment.LIVE
TRADES_LIVE = Standing(
    user_id="ann",
    mode=LIVE,
    grant_by="root",
    grant_time_ns=1,
    live_risk_version="1",
    acknowledged=("1",),
    mfa_confirmed=True,
)


def bound(account_id: str, strategy_id: str, mode: Environment) -> ModeBinding:
    """Bind an account, a strategy, or one in the other."""
    return ModeBinding(account_id=account_id, strategy_id=strategy_id, mode=mode, set_time_ns=1)


@pytest.mark.parametrize(
    ("without", "missing"),
    [
        ({}, ()),
        ({"grant_time_ns": None}, (LiveStep.GRANT,)),
        ({"acknowledged": ("0",)}, (LiveStep.RISK_ACKNOWLEDGEMENT,)),
        ({"mfa_confirmed": False}, (LiveStep.MFA,)),
        ({"mode": PAPER}, (LiveStep.ESCALATION,)),
        ({"live_risk_version": "0"}, (LiveStep.ESCALATION,)),
        ({"mode": None, "mfa_confirmed": False}, (LiveStep.MFA, LiveStep.ESCALATION)),
    ],
    ids=str,
)
def test_live_holds_while_every_step_does(without: dict[str, object], missing: tuple[LiveStep, ...]) -> None:
    """Each step that is taken back ends live, and is named."""
    standing = replace(TRADES_LIVE, **without)  # type: ignore[arg-type]
    assert standing.open_steps("1") == missing
    assert (standing.reach("1", MOCK) is LIVE) is not bool(missing)


def test_a_newer_risk_text_ends_live() -> None:
    """Another version must be acknowledged, and live taken up again under it."""
    assert TRADES_LIVE.open_steps("2") == (LiveStep.RISK_ACKNOWLEDGEMENT, LiveStep.ESCALATION)
    assert TRADES_LIVE.reach("2", MOCK) is PAPER
    read = replace(TRADES_LIVE, acknowledged=("1", "2"))
    assert read.open_steps("2") == (LiveStep.ESCALATION,)


@pytest.mark.parametrize("initial", [MOCK, PAPER])
def test_who_chose_nothing_stands_where_everybody_starts(initial: Environment) -> None:
    """The mode of a new user is the platform's."""
    assert Standing(user_id="bob").reach("1", initial) is initial
    assert Standing(user_id="bob", mode=MOCK).reach("1", initial) is MOCK


@pytest.mark.parametrize(
    ("bindings", "expected"),
    [
        ((), None),
        ((bound("acc_2", "", MOCK), bound("", "other", MOCK), bound("acc_2", "alpha", MOCK)), None),
        ((bound("acc_1", "", PAPER),), PAPER),
        ((bound("", "alpha", MOCK),), MOCK),
        ((bound("acc_1", "", LIVE), bound("", "alpha", PAPER)), PAPER),
        ((bound("acc_1", "", PAPER), bound("", "alpha", LIVE)), PAPER),
        ((bound("acc_1", "", MOCK), bound("", "alpha", MOCK), bound("acc_1", "alpha", LIVE)), LIVE),
        ((bound("acc_1", "", LIVE), bound("acc_1", "alpha", MOCK)), MOCK),
    ],
    ids=range(8),
)
def test_the_most_specific_binding_holds(bindings: tuple[ModeBinding, ...], expected: Environment | None) -> None:
    """Account and strategy together go before either; of one each the lower holds."""
    assert replace(TRADES_LIVE, bindings=bindings).bound("acc_1", "alpha") is expected


def test_orders_without_a_strategy_are_bound_by_their_account_alone() -> None:
    """No strategy is no strategy: what binds a named one does not concern it."""
    standing = replace(TRADES_LIVE, bindings=(bound("", "alpha", MOCK), bound("acc_1", "", PAPER)))
    assert standing.bound("acc_1", "") is PAPER
    assert standing.bound("acc_2", "") is None


def test_the_end_of_live_ends_every_binding_to_it() -> None:
    """What was live is paper, and nothing else changes."""
    bindings = (bound("acc_1", "", LIVE), bound("", "alpha", MOCK))
    ended = replace(TRADES_LIVE, bindings=bindings).without_live()
    assert (ended.mode, ended.live_risk_version) == (PAPER, "")
    assert [each.mode for each in ended.bindings] == [PAPER, MOCK]
    assert replace(TRADES_LIVE, mode=MOCK).without_live().mode is MOCK


modes = st.sampled_from(Environment)


@given(modes, modes)
def test_modes_are_ordered(one: Environment, other: Environment) -> None:
    """Of two modes the lower is never above either."""
    assert not above(lower(one, other), one)
    assert not above(lower(one, other), other)
    assert lower(one, other) in {one, other}
    assert above(one, other) == (lower(one, other) is other and one is not other)


@given(st.lists(st.builds(bound, st.sampled_from(["", "a"]), st.sampled_from(["", "s"]), modes), max_size=6))
def test_a_place_has_one_binding(bindings: list[ModeBinding]) -> None:
    """The last binding of a place is the one that stands, and taking it away leaves none."""
    standing = TRADES_LIVE
    for each in bindings:
        standing = standing.bind(each)
        assert standing.bindings.count(each) == 1
    places = [each.place for each in standing.bindings]
    assert len(places) == len(set(places))
    for place in set(places):
        standing = standing.unbind(place)
    assert standing.bindings == ()
