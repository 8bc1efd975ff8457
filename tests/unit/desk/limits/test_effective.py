"""What limits of several scopes come to together."""

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from brokergw.desk.limits.caps import CAPPED, caps_of
from brokergw.desk.limits.effective import effective
from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.limits import COUNTED, NUMBERS, Limits, LimitsFault, LimitSource, TradingHours
from brokergw.ports.journal import Measure, Subject

D = Decimal
PLATFORM, ADMIN = LimitSource.PLATFORM, LimitSource.ADMIN
USER, STRATEGY = LimitSource.USER, LimitSource.STRATEGY

amounts = st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False, allow_infinity=False)


def limits(**values: Any) -> Limits:
    return Limits(**values)


@given(st.lists(st.tuples(st.sampled_from(list(LimitSource)), st.none() | amounts), max_size=6))
def test_the_least_of_what_is_set_binds_and_is_named(layers: list[tuple[LimitSource, D | None]]) -> None:
    """No scope can raise a number above another's, whatever the order; a scope that sets nothing changes nothing."""
    found = effective([(source, limits(order_notional_max=value)) for source, value in layers])
    given_values = [value for _, value in layers if value is not None]
    if not given_values:
        assert found.values.order_notional_max is None
        assert "order_notional_max" not in found.sources
    else:
        assert found.values.order_notional_max == min(given_values)
        assert (found.sources["order_notional_max"], min(given_values)) in layers


def test_every_number_is_put_together_that_way() -> None:
    """Each limit of which less is stricter follows the rule, so that none is forgotten."""
    for name in NUMBERS:
        found = effective([(PLATFORM, limits(**{name: 10})), (ADMIN, limits(**{name: 5})), (USER, limits(**{name: 7}))])
        assert (getattr(found.values, name), found.sources[name]) == (5, ADMIN)


def test_zero_means_zero() -> None:
    """A limit of nothing is a limit, not the absence of one."""
    found = effective([(PLATFORM, limits(exposure_max=D(100))), (USER, limits(exposure_max=D(0)))])
    assert found.values.exposure_max == 0
    assert found.sources["exposure_max"] is USER


def test_allow_lists_intersect_and_restrictions_join() -> None:
    """Only what every list allows is allowed, even if that is nothing; what any scope restricts is restricted."""
    stocks, both = frozenset({AssetClass.STOCK}), frozenset({AssetClass.STOCK, AssetClass.CRYPTO})
    found = effective(
        [
            (PLATFORM, limits(asset_classes=both, symbols_restricted=frozenset({"GME"}))),
            (ADMIN, limits(asset_classes=stocks, symbols_allowed=frozenset({"AAPL", "KO"}))),
            (USER, limits(symbols_allowed=frozenset({"MSFT"}), symbols_restricted=frozenset({"TSLA"}))),
        ]
    )
    assert found.values.asset_classes == stocks
    assert found.values.symbols_allowed == frozenset()
    assert found.values.symbols_restricted == frozenset({"GME", "TSLA"})
    assert found.sources == {
        "asset_classes": ADMIN,
        "symbols_allowed": USER,
        "symbols_restricted": PLATFORM,
    }


def test_a_permission_needs_everybody() -> None:
    """One no is a no; a yes of one is not taken for another's."""
    found = effective(
        [
            (PLATFORM, limits(market_orders=True)),
            (ADMIN, limits(market_orders=False)),
            (USER, limits(market_orders=True)),
        ]
    )
    assert (found.values.market_orders, found.sources["market_orders"]) == (False, ADMIN)
    assert effective([(USER, limits())]).values.market_orders is None


def test_every_schedule_must_be_open() -> None:
    """Hours of several scopes all hold; one without windows never opens."""
    week = TradingHours(zone="UTC", days=frozenset(range(5)), start_minute=0, end_minute=600)
    found = effective([(ADMIN, limits(trading_hours=(week,))), (USER, limits(trading_hours=())), (STRATEGY, limits())])
    assert found.hours == ((week,), ())


def test_what_is_counted_for_a_strategy_is_kept_apart() -> None:
    """A strategy's ten orders a day are its own ten; its limit on one order holds like anybody's."""
    own = limits(orders_per_day_max=10, exposure_max=D(500), order_notional_max=D(50))
    found = effective([(PLATFORM, limits(orders_per_day_max=1_000, order_notional_max=D(100))), (STRATEGY, own)])
    assert found.values.orders_per_day_max == 1_000
    assert found.values.exposure_max is None
    assert found.values.order_notional_max == 50
    assert found.strategy == limits(orders_per_day_max=10, exposure_max=D(500))


def test_caps_are_the_limits_that_the_record_counts() -> None:
    """Each counted limit becomes one cap with its source, for the user; the strategy's own for the strategy."""
    layers = [
        (PLATFORM, limits(**dict.fromkeys(CAPPED.values(), 9))),
        (USER, limits(open_orders_max=3)),
        (STRATEGY, limits(orders_per_day_max=2, position_notional_max=D(4))),
    ]
    caps = {(cap.subject, cap.measure): (int(cap.limit), cap.source) for cap in caps_of(effective(layers))}
    assert caps == {
        (Subject.USER, Measure.EXPOSURE): (9, PLATFORM),
        (Subject.USER, Measure.POSITION): (4, STRATEGY),
        (Subject.USER, Measure.OPEN_ORDERS): (3, USER),
        (Subject.USER, Measure.DAY_ORDERS): (9, PLATFORM),
        (Subject.USER, Measure.MINUTE_ORDERS): (9, PLATFORM),
        (Subject.USER, Measure.DAY_VOLUME): (9, PLATFORM),
        (Subject.STRATEGY, Measure.DAY_ORDERS): (2, STRATEGY),
    }
    assert set(COUNTED) < set(CAPPED.values())


def test_limits_with_a_fault_cap_everything_at_zero() -> None:
    """What cannot be judged adds no risk, even if an earlier check were to let it by."""
    broken = replace(effective([(PLATFORM, limits(exposure_max=D(9)))]), fault=LimitsFault(Reason.RISK_DATA_STALE, ""))
    assert {cap.measure for cap in caps_of(broken)} == set(CAPPED)
    assert all(cap.limit == 0 and math.isfinite(cap.limit) for cap in caps_of(broken))
