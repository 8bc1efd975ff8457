"""What becomes of a change of leverage, margin type or position mode that was sent, over a real channel."""

import asyncio

import grpc
import pytest
from brokerapi.v1 import accounts_pb2_grpc, orders_pb2, trading_pb2
from brokerapi.v1 import trading_settings_pb2 as pb

from brokergw.desk.verbs.trading_settings import SettingsChange
from brokergw.model.errors import GatewayError, OrderEffect, Reason, Retry
from brokergw.model.events import AuditRow
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.principal import Caller
from brokergw.model.trading_settings import SettingsChoice
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.edge import KEY, refused
from tests.fixtures.edge_samples import ACCOUNT, KNOWN_KEYS
from tests.fixtures.gate_world import MakeGateWorld
from tests.fixtures.settings_place import SettingsPlace

ISOLATED = pb.MARGIN_TYPE_ISOLATED
DOWN = BrokerUnavailable(Reason.BROKER_UNREACHABLE, "down")


async def test_a_brokers_refusal_is_told_with_what_was_done_before_it(place: SettingsPlace) -> None:
    """The margin type was taken, the leverage not: the refusal names both, and the settings are as the broker says."""

    async def only_margin(choice: SettingsChoice) -> Outcome:
        if choice.leverage is not None:
            return Rejected("LEVERAGE_LIMIT", "-2028", "margin is not enough")
        place.broker.take(choice)
        return Accepted()

    place.broker.choose = only_margin
    refusal = await place.refuse(leverage=20, margin_type=ISOLATED)
    assert (refusal.reason, refusal.effect) == ("BROKER_REJECTED", "NONE")
    facts = {name: refusal.metadata[name] for name in ("setting", "applied", "brokerReason", "brokerCode")}
    expected = {
        "setting": "leverage",
        "applied": "margin_type",
        "brokerReason": "LEVERAGE_LIMIT",
        "brokerCode": "-2028",
    }
    assert facts == expected
    told = await place.read()
    assert (told.leverage, told.margin_type) == (10, ISOLATED)


async def test_what_was_not_sent_is_told_so(place: SettingsPlace) -> None:
    """The same request may be sent again after the time that the broker asks for."""

    async def throttled(_: SettingsChoice) -> Outcome:
        return NotSent("too many requests", 7.0, Reason.BROKER_RATE_LIMITED)

    place.broker.choose = throttled
    refusal = await place.refuse(leverage=20)
    assert (refusal.reason, refusal.effect) == ("BROKER_RATE_LIMITED", "NONE")
    assert refusal.metadata["retry"] == "SAME_KEY"
    assert refusal.details["RetryInfo"].retry_delay.seconds == 7


async def test_a_lost_answer_is_settled_by_what_the_broker_then_shows(place: SettingsPlace) -> None:
    """Taken, it is done, and what comes after it is sent too."""

    async def lost(choice: SettingsChoice) -> Outcome:
        place.broker.take(choice)
        return Unknown("no reply in time")

    place.broker.choose = lost
    told = await place.choose(leverage=20, margin_type=ISOLATED)
    assert (told.leverage, told.margin_type) == (20, ISOLATED)


async def test_a_lost_answer_that_the_broker_does_not_show_is_told_as_such(place: SettingsPlace) -> None:
    """Nothing is guessed and nothing sent again: the refusal says what the broker says, and a repeat chooses anew."""

    async def lost(_: SettingsChoice) -> Outcome:
        return Unknown("no reply in time")

    place.broker.choose = lost
    refusal = await place.refuse(leverage=20)
    assert (refusal.reason, refusal.code) == ("SETTINGS_OUTCOME_UNKNOWN", grpc.StatusCode.ABORTED)
    assert (refusal.effect, refusal.metadata["retry"]) == ("NONE", "SAME_KEY")
    assert "leverage=10" in refusal.text
    assert refusal.metadata["etag"] == (await place.read()).etag
    assert len(place.broker.chosen) == 1
    place.broker.choose = None
    assert (await place.choose(leverage=20)).leverage == 20


async def test_a_lost_answer_of_a_broker_that_is_gone_stays_open(place: SettingsPlace) -> None:
    """Where the settings cannot be read back either, that is said."""

    async def lost(_: SettingsChoice) -> Outcome:
        def gone() -> None:
            raise DOWN

        place.broker.reading = gone
        return Unknown("no reply in time")

    place.broker.choose = lost
    refusal = await place.refuse(leverage=20)
    assert refusal.reason == "SETTINGS_OUTCOME_UNKNOWN"
    assert "down" in refusal.text
    assert (await refused(place.read())).reason == "BROKER_UNREACHABLE"


async def test_two_changes_at_once_end_in_what_the_broker_tells(place: SettingsPlace) -> None:
    """One goes after the other, so of two with the same etag the later is refused; without any both are made."""
    etag = (await place.read()).etag
    both = await asyncio.gather(
        place.choose(leverage=20, etag=etag), place.choose(leverage=30, etag=etag), return_exceptions=True
    )
    assert sorted(isinstance(each, BaseException) for each in both) == [False, True]
    await asyncio.gather(place.choose(leverage=40), place.choose(leverage=45))
    assert (await place.read()).leverage == place.broker.chosen[-1].leverage
    assert {each.leverage for each in place.broker.chosen[1:]} == {40, 45}


async def test_a_caller_that_leaves_does_not_end_a_change(place: SettingsPlace) -> None:
    """The answer comes after the caller's deadline; what follows is done all the same."""
    gate, arrived = asyncio.Event(), asyncio.Event()

    async def slow(choice: SettingsChoice) -> Outcome:
        arrived.set()
        await gate.wait()
        place.broker.choose = None
        place.broker.take(choice)
        return Unknown("late")

    place.broker.choose = slow
    call = asyncio.create_task(place.choose(leverage=20, margin_type=ISOLATED))
    await arrived.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    gate.set()
    # The next change waits for the one before it.
    told = await place.choose(margin_type=ISOLATED)
    assert (told.leverage, told.margin_type) == (20, ISOLATED)


async def test_a_broker_without_it_says_so(make_gate_world: MakeGateWorld) -> None:
    """Neither call is for a broker that does not claim LEVERAGE."""
    world = await make_gate_world()
    accounts = accounts_pb2_grpc.AccountServiceStub(world.channel)
    read = pb.GetTradingSettingsRequest(account_id=ACCOUNT, symbol="ACME")
    write = pb.UpdateTradingSettingsRequest(account_id=ACCOUNT, symbol="ACME", leverage=5)
    for call in (accounts.GetTradingSettings(read, metadata=KEY), accounts.UpdateTradingSettings(write, metadata=KEY)):
        refusal = await refused(call)
        assert (refusal.reason, refusal.metadata["feature"]) == ("UNSUPPORTED_FEATURE", "LEVERAGE")


async def test_unknown_symbols_and_accounts_are_not_found(place: SettingsPlace) -> None:
    """Nothing is chosen for what the broker does not list, nor for somebody else's account."""
    assert (await place.refuse(symbol="NOPE", leverage=5)).reason == "SYMBOL_NOT_FOUND"
    assert (await refused(place.read(symbol="NOPE"))).reason == "SYMBOL_NOT_FOUND"
    assert (await place.refuse(account_id="acc_nobodys", leverage=5)).reason == "ACCOUNT_NOT_FOUND"
    assert place.broker.chosen == []


async def test_what_came_of_a_change_is_on_record(place: SettingsPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the call's own row there is one that says what stood before and stands after, or why it does not."""
    rows: list[AuditRow] = []
    monkeypatch.setattr(place.world.desk.settings, "_record", rows.append)
    await place.choose(leverage=20)

    async def no(_: SettingsChoice) -> Outcome:
        return Rejected("LEVERAGE_LIMIT")

    place.broker.choose = no
    await place.refuse(leverage=30)
    await place.choose(leverage=20)
    assert [(row.action, row.outcome, row.account_id, row.reason) for row in rows] == [
        ("settings.changed", "OK", ACCOUNT, ""),
        ("settings.changed", "FAILED", ACCOUNT, "BROKER_REJECTED"),
    ]
    assert "leverage=10" in rows[0].detail.partition("->")[0]
    assert "leverage=20" in rows[0].detail.partition("->")[2]


async def test_in_hedge_mode_an_order_says_which_position_it_is_about(place: SettingsPlace) -> None:
    """An order that says neither open nor close is refused before anything is sent; one that does is taken."""
    place.broker.hedged = True
    refusal = await place.world.refuse()
    assert (refusal.reason, refusal.metadata["gate"]) == ("POSITION_EFFECT_REQUIRED", "authority")
    assert place.broker.sent == []
    order = await place.world.place(position_effect=trading_pb2.POSITION_EFFECT_OPEN)
    assert order.state == orders_pb2.ORDER_STATE_WORKING


async def test_a_process_that_may_not_know_of_halts_raises_nothing(place: SettingsPlace) -> None:
    """While the clearance has run out only a lower leverage leaves."""
    desk = place.world.desk
    clearance = desk.halts._halting.clearance
    clearance._expires = True
    clearance.revoke(0.0)
    caller = Caller(KNOWN_KEYS["brk_good"], "req_1")
    for leverage, reason in ((11, Reason.JOURNAL_UNAVAILABLE), (9, None)):
        change = SettingsChange(account_id=ACCOUNT, symbol="ACME", choice=SettingsChoice(leverage=leverage))
        if reason is None:
            _, told = await desk.settings.update(caller, change)
            assert told.leverage == leverage
            continue
        with pytest.raises(GatewayError) as caught:
            await desk.settings.update(caller, change)
        assert caught.value.reason is reason
    assert [each.leverage for each in place.broker.chosen] == [9]


async def test_what_the_latch_keeps_back_for_want_of_a_clearance_is_told_so(place: SettingsPlace) -> None:
    """Where the clearance runs out just before the first byte, it is the record that is away, and not the broker."""
    clearance = place.world.desk.halts._halting.clearance

    async def run_out() -> None:
        clearance._expires = True
        clearance.revoke(clearance._monotonic())

    place.broker.before_sending = run_out
    desk, caller = place.world.desk, Caller(KNOWN_KEYS["brk_good"], "req_1")
    change = SettingsChange(account_id=ACCOUNT, symbol="ACME", choice=SettingsChoice(leverage=11))
    with pytest.raises(GatewayError) as caught:
        await desk.settings.update(caller, change)
    assert (caught.value.reason, caught.value.effect, caught.value.retry) == (
        Reason.JOURNAL_UNAVAILABLE,
        OrderEffect.NONE,
        Retry.SAME_KEY,
    )
    assert place.broker.chosen == []
