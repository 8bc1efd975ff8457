"""Choosing leverage, margin type and position mode over a real channel: what is told, and what stands in the way."""

from dataclasses import replace
from functools import partial
from typing import Any

import grpc
import pytest
from brokerapi.v1 import halts_pb2
from brokerapi.v1 import trading_settings_pb2 as pb

from brokergw.desk.live.rules import LiveRules
from brokergw.model.account import Environment
from brokergw.model.trading_settings import SettingsChoice
from tests.contract import gate_acts as acts
from tests.fixtures.adjustable_broker import STANDING
from tests.fixtures.edge import KEY, Edge, refused
from tests.fixtures.edge_samples import ACCOUNT
from tests.fixtures.gate_world import MakeGateWorld
from tests.fixtures.settings_place import SettingsPlace, placed

ONE_WAY, HEDGE = pb.POSITION_MODE_ONE_WAY, pb.POSITION_MODE_HEDGE
CROSS, ISOLATED = pb.MARGIN_TYPE_CROSS, pb.MARGIN_TYPE_ISOLATED
HALTED = halts_pb2.TRADING_STATE_HALTED


async def test_the_settings_are_those_that_the_broker_tells(place: SettingsPlace) -> None:
    """Every field comes from the broker's reply, with an etag."""
    told = await place.read()
    assert (told.account_id, told.symbol, told.leverage, told.leverage_max) == (ACCOUNT, "ACME", 10, 50)
    assert (told.margin_type, told.position_mode, told.notional_max) == (CROSS, ONE_WAY, "250000")
    assert told.etag
    assert told.as_of.ToNanoseconds() == STANDING.as_of_ns


async def test_what_is_chosen_is_sent_and_read_back(place: SettingsPlace) -> None:
    """All three are sent, one request each, and the answer is what the broker says afterwards."""
    before = await place.read()
    after = await place.choose(leverage=20, margin_type=ISOLATED, position_mode=HEDGE, etag=before.etag)
    assert (after.leverage, after.margin_type, after.position_mode) == (20, ISOLATED, HEDGE)
    assert [each.named for each in place.broker.chosen] == ["position_mode", "margin_type", "leverage"]
    assert after.etag != before.etag
    assert await place.read() == after


async def test_what_is_so_already_is_not_sent(place: SettingsPlace) -> None:
    """The same request again is answered as the first one was, whatever its etag says by now."""
    etag = (await place.read()).etag
    first = await place.choose(leverage=20, etag=etag)
    again = await place.choose(leverage=20, margin_type=CROSS, etag=etag)
    assert again == first
    assert [each.leverage for each in place.broker.chosen] == [20]


async def test_a_change_of_what_was_not_seen_is_refused(place: SettingsPlace) -> None:
    """With the etag of before somebody else's change nothing is sent, and the refusal has the present one."""
    etag = (await place.read()).etag
    now = await place.choose(leverage=20)
    refusal = await place.refuse(leverage=30, etag=etag)
    assert (refusal.reason, refusal.code) == ("ETAG_MISMATCH", grpc.StatusCode.ABORTED)
    assert refusal.metadata["etag"] == now.etag
    assert len(place.broker.chosen) == 1
    assert (await place.choose(leverage=30, etag=now.etag)).leverage == 30


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "leverage"),
        ({"leverage": 0}, "leverage"),
        ({"leverage": -1}, "leverage"),
        ({"margin_type": 7}, "margin_type"),
        ({"position_mode": 7}, "position_mode"),
        ({"leverage": 5, "symbol": ""}, "symbol"),
        ({"leverage": 5, "account_id": ""}, "account_id"),
        ({"leverage": 5, "etag": "x" * 65}, "etag"),
    ],
)
async def test_a_request_that_chooses_nothing_or_nonsense_is_refused(
    edge: Edge, fields: dict[str, Any], named: str
) -> None:
    """Each broken rule names its field; the desk is not asked."""
    request = pb.UpdateTradingSettingsRequest(**{"account_id": ACCOUNT, "symbol": "ACME", **fields})
    refusal = await refused(edge.accounts.UpdateTradingSettings(request, metadata=KEY))
    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", [named])
    assert edge.desk.settings.asked == []


async def test_a_reader_may_not_choose(edge: Edge) -> None:
    """It takes the scope of orders, and is on record."""
    request = pb.UpdateTradingSettingsRequest(account_id=ACCOUNT, symbol="ACME", leverage=5)
    refusal = await refused(
        edge.accounts.UpdateTradingSettings(request, metadata=(("authorization", "Bearer brk_reader"),))
    )
    assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
    assert edge.desk.settings.asked == []


@pytest.mark.parametrize("leverage", [1, 49, 50, 51])
async def test_no_leverage_above_the_brokers_highest_is_sent(place: SettingsPlace, leverage: int) -> None:
    """The least, one below the highest, the highest, and one above it."""
    if leverage <= 50:
        assert (await place.choose(leverage=leverage)).leverage == leverage
        return
    refusal = await place.refuse(leverage=leverage)
    assert refusal.reason == "LEVERAGE_EXCEEDS_LIMIT"
    facts = {name: refusal.metadata[name] for name in ("limit", "observed", "source", "limit_name")}
    assert facts == {"limit": "50", "observed": "51", "source": "BROKER_OFFER", "limit_name": "leverage_max"}
    assert place.broker.chosen == []


@pytest.mark.parametrize(("leverage", "refused_by"), [(19, ""), (20, ""), (21, "USER")])
async def test_no_leverage_above_the_limits_highest_is_chosen(
    place: SettingsPlace, leverage: int, refused_by: str
) -> None:
    """One below what the user allows itself, at it, and one above; what stands above it already may be lowered."""
    await place.world.limit(leverage_max=20)
    if not refused_by:
        assert (await place.choose(leverage=leverage)).leverage == leverage
        return
    refusal = await place.refuse(leverage=leverage)
    assert refusal.reason == "LEVERAGE_EXCEEDS_LIMIT"
    assert (refusal.metadata["limit"], refusal.metadata["source"]) == ("20", refused_by)
    assert place.broker.chosen == []
    place.broker.take(SettingsChoice(leverage=40))
    assert (await place.choose(leverage=30)).leverage == 30


@pytest.mark.parametrize(("leverage", "passes"), [(59, True), (60, True), (61, False)])
async def test_no_user_raises_the_leverage_above_the_platforms(
    place: SettingsPlace, leverage: int, *, passes: bool
) -> None:
    """One below the platform's highest, at it, and above, where the broker offers more and the user has set none."""
    place.broker.stands = replace(place.broker.stands, leverage_max=125)
    if passes:
        assert (await place.choose(leverage=leverage)).leverage == leverage
        return
    refusal = await place.refuse(leverage=leverage)
    assert refusal.reason == "LEVERAGE_EXCEEDS_LIMIT"
    facts = {name: refusal.metadata[name] for name in ("limit", "observed", "source", "limit_name")}
    assert facts == {"limit": "60", "observed": "61", "source": "PLATFORM", "limit_name": "leverage_max"}
    assert place.broker.chosen == []


@pytest.mark.parametrize(("most", "taken"), [(59, True), (60, True), (61, False)])
async def test_no_user_sets_itself_a_leverage_above_the_platforms(
    place: SettingsPlace, most: int, *, taken: bool
) -> None:
    """A limit of the user's own is taken below and at the platform's, and refused above it."""
    if taken:
        await place.world.limit(leverage_max=most)
        return
    assert (await refused(place.world.limit(leverage_max=most))).reason == "LIMIT_ABOVE_PLATFORM"


@pytest.mark.parametrize("state", [HALTED, halts_pb2.TRADING_STATE_REDUCE_ONLY])
async def test_a_halt_lets_nothing_but_a_lower_leverage_pass(
    place: SettingsPlace, state: halts_pb2.TradingState.ValueType
) -> None:
    """Raising, margin type, position mode, and a lower leverage beside another choice are refused; lowering passes."""
    await acts.killed(state)(place.world)
    reason = "TRADING_HALTED" if state == HALTED else "REDUCE_ONLY_MODE"
    for choice in (
        {"leverage": 11},
        {"margin_type": ISOLATED},
        {"position_mode": HEDGE},
        {"leverage": 9, "margin_type": ISOLATED},
    ):
        assert (await place.refuse(**choice)).reason == reason
    assert (await place.choose(leverage=10)).leverage == 10
    assert place.broker.chosen == []
    assert (await place.choose(leverage=9)).leverage == 9


async def test_a_halt_that_comes_at_the_last_moment_stops_the_first_byte(place: SettingsPlace) -> None:
    """A halt set while the adapter waits for its socket is met there, and told as a halt."""
    place.broker.before_sending = partial(acts.killed(HALTED), place.world)
    refusal = await place.refuse(leverage=20)
    assert (refusal.reason, refusal.effect) == ("TRADING_HALTED", "NONE")
    assert place.broker.chosen == []
    assert (await place.choose(leverage=5)).leverage == 5


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (acts.configured(enabled=False), "BROKER_DISABLED"),
        (acts.limits_not_read, "RISK_DATA_STALE"),
    ],
)
async def test_where_orders_may_only_reduce_a_leverage_may_only_be_lowered(
    place: SettingsPlace, act: acts.Act, reason: str
) -> None:
    """A broker that is switched off, and limits that nobody can read."""
    await act(place.world)
    assert (await place.refuse(leverage=11)).reason == reason
    assert place.broker.chosen == []
    assert (await place.choose(leverage=9)).leverage == 9


async def test_unreadable_limits_let_a_leverage_only_be_lowered(make_gate_world: MakeGateWorld) -> None:
    """What is on record as a limit and is none."""
    place = await placed(make_gate_world, arrange=acts.unreadable)
    assert (await place.refuse(leverage=11)).reason == "LIMITS_UNREADABLE"
    assert (await place.choose(leverage=9)).leverage == 9


async def test_an_account_above_the_users_mode_is_not_touched(make_gate_world: MakeGateWorld) -> None:
    """Not even lowering: a paper account of a user who trades in mock."""
    rules = LiveRules(initial_mode=Environment.MOCK)
    place = await placed(make_gate_world, environment=Environment.PAPER, rules=rules)
    for leverage in (11, 9):
        assert (await place.refuse(leverage=leverage)).reason == "ENVIRONMENT_MISMATCH"
    assert (await place.read()).leverage == 10


async def test_live_accounts_ask_for_every_step(make_gate_world: MakeGateWorld) -> None:
    """Without the way to live money nothing is chosen at a live account."""
    place = await placed(make_gate_world, environment=Environment.LIVE)
    for leverage in (11, 9):
        assert (await place.refuse(leverage=leverage)).reason == "LIVE_NOT_ENABLED"


@pytest.mark.parametrize(("age_s", "taken"), [(43_199, True), (43_200, True), (43_201, False)])
async def test_live_accounts_ask_for_a_fresh_code(make_gate_world: MakeGateWorld, age_s: int, *, taken: bool) -> None:
    """A code one second within its age, at it, and beyond it; an old one lets lower."""
    arrange = partial(acts.traded_live, code_age_s=age_s)
    place = await placed(make_gate_world, environment=Environment.LIVE, arrange=arrange)
    if taken:
        assert (await place.choose(leverage=11)).leverage == 11
        return
    refusal = await place.refuse(leverage=11)
    assert (refusal.reason, refusal.code) == ("MFA_REQUIRED", grpc.StatusCode.PERMISSION_DENIED)
    assert (await place.choose(leverage=9)).leverage == 9
