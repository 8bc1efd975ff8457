"""Who may change which limits, and what it takes."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.limits.codes import CodeToRaise
from brokergw.desk.limits.desk import LimitsDesk
from brokergw.desk.limits.verbs import BrokerChange, LimitsChange
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.limits import Limits, LimitSource, LimitsScope
from brokergw.model.mfa import Authenticator, MfaPurpose
from brokergw.model.principal import Caller, Principal, Scope
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_authenticators import MemoryAuthenticators
from tests.fixtures.memory_limits import MANDATORY, MemoryLimits

D = Decimal
ANN = Caller(Principal("ann", "key_1", frozenset(Scope)), "req_1")
OWN = LimitsScope(source=LimitSource.USER, user_id="ann")
STRATEGY = LimitsScope(source=LimitSource.STRATEGY, user_id="ann", strategy_id="s1")
ADMIN = LimitsScope(source=LimitSource.ADMIN, user_id="ann")
PLATFORM = LimitsScope(source=LimitSource.PLATFORM)


class Codes:
    """Takes `123456` and nothing else."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, MfaPurpose]] = []

    async def require(self, user_id: str, code: str, purpose: MfaPurpose) -> None:
        self.asked.append((user_id, code, purpose))
        if code != "123456":
            raise GatewayError(Reason.MFA_CODE_INVALID, "wrong")


async def a_desk(*, enrolled: bool = False) -> tuple[LimitsDesk, MemoryLimits, Codes]:
    store, codes, authenticators = MemoryLimits({"ann"}), Codes(), MemoryAuthenticators()
    if enrolled:
        authenticator = Authenticator(user_id="ann", authenticator_id="mfa_1", secret="S", enroll_time_ns=1)
        await authenticators.enroll(replace(authenticator, confirm_time_ns=2))
    desk = LimitsDesk(
        store, MANDATORY, ("alpaca", "mock"), FakeClock(auto=False), codes=CodeToRaise(authenticators, codes)
    )
    return desk, store, codes


async def set_limits(desk: LimitsDesk, scope: LimitsScope, code: str = "", **values: Any) -> None:
    """Set limits over those that stand."""
    await desk.book.refresh()
    etag = desk.book.scope(scope).etag
    await desk.set_limits(ANN, LimitsChange(scope=scope, limits=Limits(**values), etag=etag, code=code))


async def refusal_of(work: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await work
    return caught.value


@pytest.mark.parametrize("scope", [OWN, STRATEGY, ADMIN, PLATFORM], ids=lambda scope: scope.source.value)
@pytest.mark.parametrize("name", [name for name in MANDATORY.__slots__ if getattr(MANDATORY, name) is not None])
async def test_every_number_is_bounded_in_every_scope(scope: LimitsScope, name: str) -> None:
    """Just below and at the platform's mandatory limit a number is taken, just above it refused; zero is fine."""
    desk, store, _ = await a_desk()
    bound = getattr(MANDATORY, name)
    step = 1 if isinstance(bound, int) else D("0.01")
    for value in (bound - step, bound, type(bound)(0)):
        await set_limits(desk, scope, **{name: value})
    error = await refusal_of(set_limits(desk, scope, **{name: bound + step}))
    assert error.reason is Reason.LIMIT_ABOVE_PLATFORM
    assert (error.metadata["field"], error.metadata["source"]) == (name, "PLATFORM")
    assert getattr(store.limits[scope].limits, name) == 0


async def test_a_users_limits_stay_within_the_administrators_and_a_strategys_within_both() -> None:
    """Each scope is bound by all wider ones; the refusal names whose bound it was."""
    desk, _, _ = await a_desk()
    await set_limits(desk, ADMIN, exposure_max=D(500), market_orders=False)
    for values in ({"exposure_max": D("500.01")}, {"market_orders": True}):
        error = await refusal_of(set_limits(desk, OWN, **values))
        assert (error.reason, error.metadata["source"]) == (Reason.LIMIT_ABOVE_PLATFORM, "ADMIN")
    await set_limits(desk, OWN, exposure_max=D(400), asset_classes=frozenset({AssetClass.STOCK}))
    error = await refusal_of(
        set_limits(desk, STRATEGY, exposure_max=D(401), asset_classes=frozenset({AssetClass.STOCK, AssetClass.CRYPTO}))
    )
    assert error.metadata["fields"] == "exposure_max,asset_classes"
    assert error.metadata["source"] == "USER"
    await set_limits(desk, STRATEGY, exposure_max=D(400), asset_classes=frozenset())


async def test_of_two_racing_calls_one_learns_that_it_was_late() -> None:
    """Two calls with one etag: one is taken, the other gets ETAG_MISMATCH and changes nothing; no raise slips by."""
    desk, store, _ = await a_desk()
    changes = [LimitsChange(scope=OWN, limits=Limits(open_orders_max=n), etag='"0"') for n in (1, 500)]
    results = await asyncio.gather(*(desk.set_limits(ANN, each) for each in changes), return_exceptions=True)
    refused = [each for each in results if isinstance(each, GatewayError)]
    assert [each.reason for each in refused] == [Reason.ETAG_MISMATCH]
    assert store.limits[OWN].version == 1
    assert len(store.audit) == 1


async def test_a_platform_that_is_lowered_meanwhile_binds_all_the_same() -> None:
    """A user's limit that was within bounds when it was set holds no longer than the bounds do."""
    desk, _, _ = await a_desk()
    await set_limits(desk, OWN, order_notional_max=D(9_000))
    await set_limits(desk, PLATFORM, order_notional_max=D(100))
    view = await desk.view("ann", "", "")
    assert view.effective.values.order_notional_max == 100
    assert view.effective.sources["order_notional_max"] is LimitSource.PLATFORM


CHANGES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"exposure_max": D(10)}, {"exposure_max": D("10.01")}, True),
    ({"exposure_max": D(10)}, {"exposure_max": D(10)}, False),
    ({"exposure_max": D(10)}, {"exposure_max": D("9.99")}, False),
    ({"exposure_max": D(10)}, {}, True),
    ({}, {"exposure_max": D(10)}, False),
    ({"open_orders_max": 0}, {"open_orders_max": 1}, True),
    ({"market_orders": False}, {}, True),
    ({"market_orders": False}, {"market_orders": True}, True),
    ({"market_orders": True}, {"market_orders": False}, False),
    ({"market_orders": True}, {}, False),
    ({"symbols_allowed": frozenset("AB")}, {"symbols_allowed": frozenset("A")}, False),
    ({"symbols_allowed": frozenset("A")}, {"symbols_allowed": frozenset("B")}, True),
    ({"symbols_restricted": frozenset("A")}, {"symbols_restricted": frozenset("AB")}, False),
    ({"symbols_restricted": frozenset("AB")}, {"symbols_restricted": frozenset("A")}, True),
    ({"symbols_restricted": frozenset("A")}, {}, True),
    ({"trading_hours": ()}, {}, True),
    ({}, {"trading_hours": ()}, False),
]


@pytest.mark.parametrize(("before", "after", "looser"), CHANGES, ids=map(str, range(len(CHANGES))))
async def test_making_a_limit_looser_takes_a_code(
    before: dict[str, Any], after: dict[str, Any], *, looser: bool
) -> None:
    """Of those who have an authenticator, a fresh code; making it stricter, or leaving it, takes none."""
    desk, store, codes = await a_desk(enrolled=True)
    await set_limits(desk, OWN, **before)
    if looser:
        assert (await refusal_of(set_limits(desk, OWN, **after))).reason is Reason.MFA_REQUIRED
        assert (await refusal_of(set_limits(desk, OWN, code="000000", **after))).reason is Reason.MFA_CODE_INVALID
        assert store.limits[OWN].limits == Limits(**before)
        await set_limits(desk, OWN, code="123456", **after)
    else:
        await set_limits(desk, OWN, **after)
    assert store.limits[OWN].limits == Limits(**after)
    assert [purpose for _, _, purpose in codes.asked] == [MfaPurpose.RAISE_LIMIT] * (2 if looser else 0)


async def test_who_has_no_authenticator_is_asked_for_no_code() -> None:
    """There is nothing to show."""
    desk, store, codes = await a_desk()
    await set_limits(desk, OWN, open_orders_max=1)
    await set_limits(desk, OWN, open_orders_max=2)
    assert store.limits[OWN].limits.open_orders_max == 2
    assert codes.asked == []


OPENINGS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"enabled": False}, {"enabled": True}, True),
    ({"enabled": True}, {"enabled": False}, False),
    ({"regions": frozenset({"EU"})}, {"regions": None}, True),
    ({"regions": frozenset({"EU"})}, {"regions": frozenset({"EU", "US"})}, True),
    ({"regions": None}, {"regions": frozenset({"EU"})}, False),
    ({}, {"live_url": "https://elsewhere.example"}, True),
    ({"limits": Limits(open_orders_max=1)}, {"limits": Limits(open_orders_max=2)}, True),
    ({"limits": Limits(open_orders_max=2)}, {"limits": Limits(open_orders_max=1)}, False),
    ({}, {"fee_bps": D(5)}, False),
]


@pytest.mark.parametrize(("before", "after", "takes_code"), OPENINGS, ids=map(str, range(len(OPENINGS))))
async def test_opening_a_broker_takes_a_code(
    before: dict[str, Any], after: dict[str, Any], *, takes_code: bool
) -> None:
    """So does everything that lets more through, or sends keys and orders elsewhere; closing takes none."""
    desk, store, codes = await a_desk(enrolled=True)
    store.brokers["mock"] = BrokerConfig(broker="mock", version=1, **before)
    change = BrokerChange(config=BrokerConfig(broker="mock", **after), etag='"1"')
    if takes_code:
        assert (await refusal_of(desk.set_broker(ANN, change))).reason is Reason.MFA_REQUIRED
        change = replace(change, code="123456")
    set_now = await desk.set_broker(ANN, change)
    assert store.brokers["mock"] == set_now
    assert len(codes.asked) == takes_code


async def test_a_brokers_limits_are_bounded_too() -> None:
    """At the platform's limit they are taken, above it not."""
    desk, _, _ = await a_desk()
    for value, reason in ((D(10_000), None), (D("10000.01"), Reason.LIMIT_ABOVE_PLATFORM)):
        config = BrokerConfig(broker="mock", limits=Limits(order_notional_max=value))
        change = BrokerChange(config=config, etag='"0"')
        if reason is None:
            await desk.set_broker(ANN, change)
        else:
            error = await refusal_of(desk.set_broker(ANN, replace(change, etag='"1"')))
            assert error.reason is reason


async def test_changes_of_who_does_not_exist_are_refused() -> None:
    """Unknown users and brokers have no limits to set."""
    desk, _, _ = await a_desk()
    bob = LimitsScope(source=LimitSource.ADMIN, user_id="bob")
    assert (await refusal_of(set_limits(desk, bob))).reason is Reason.USER_NOT_FOUND
    change = BrokerChange(config=BrokerConfig(broker="nobody"), etag='"0"')
    assert (await refusal_of(desk.set_broker(ANN, change))).reason is Reason.BROKER_NOT_FOUND


async def test_a_fault_is_mended_by_setting_anew() -> None:
    """What cannot be read is replaced like anything else, and is gone then."""
    desk, store, _ = await a_desk()
    await set_limits(desk, OWN, open_orders_max=1)
    store.limits[OWN] = replace(store.limits[OWN], limits=Limits(), fault="broken")
    await desk.book.refresh()
    assert desk.book.effective("ann").fault is not None
    await set_limits(desk, OWN, open_orders_max=1)
    assert desk.book.effective("ann").fault is None
