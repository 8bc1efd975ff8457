"""Lists and hours that the limits set."""

from dataclasses import replace
from typing import Any

import pytest

from brokergw.desk.gates.permitted import permission_objections
from brokergw.desk.gates.question import Question
from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.limits import EffectiveLimits, Limits, LimitSource, TradingHours
from tests.fixtures.market_hours import at
from tests.fixtures.scripted_broker import Bench

MONDAY_NOON = at("2026-11-23 12:00")
MORNING = TradingHours(zone="America/New_York", days=frozenset({0}), start_minute=570, end_minute=720)
ALL_DAY = replace(MORNING, start_minute=0, end_minute=1440)


def limits(*hours: TradingHours, source: LimitSource = LimitSource.USER, **values: Any) -> EffectiveLimits:
    names = dict.fromkeys([*values, "trading_hours"], source)
    return EffectiveLimits(values=Limits(**values), sources=names, hours=tuple((window,) for window in hours))


async def said(
    bench: Bench, limited: EffectiveLimits, *, reduces: bool = False, now_ns: int = MONDAY_NOON
) -> list[Any]:
    session = await bench.desk._sessions.usable("alice", "acc_1")
    command = bench.order()
    question = Question(caller=bench.caller, command=command, session=session, terms=command.terms)
    question.instrument = await session.instrument("ACME")
    question.limits, question.reduces = limited, reduces
    return [(o.reason, o.limit_name, o.source) for o in permission_objections(question, now_ns)]


@pytest.mark.parametrize(
    ("limited", "reason", "name"),
    [
        (limits(symbols_allowed=frozenset({"OTHER"})), Reason.INSTRUMENT_RESTRICTED, "symbols_allowed"),
        (limits(symbols_allowed=frozenset()), Reason.INSTRUMENT_RESTRICTED, "symbols_allowed"),
        (limits(asset_classes=frozenset({AssetClass.CRYPTO})), Reason.ASSET_CLASS_NOT_ALLOWED, "asset_classes"),
        (limits(MORNING), Reason.OUTSIDE_TRADING_HOURS, "trading_hours"),
        (limits(ALL_DAY, MORNING), Reason.OUTSIDE_TRADING_HOURS, "trading_hours"),
    ],
)
async def test_what_is_not_allowed_is_refused_and_what_reduces_passes(
    bench: Bench, limited: EffectiveLimits, reason: Reason, name: str
) -> None:
    """The denial names the limit and who set it; a way out of a position is never closed by it."""
    assert await said(bench, limited) == [(reason, name, "USER")]
    assert await said(bench, limited, reduces=True) == []


async def test_a_restricted_symbol_stays_restricted_for_what_reduces(bench: Bench) -> None:
    """A restriction is somebody's judgement of the symbol, not of the user."""
    limited = limits(symbols_restricted=frozenset({"ACME"}), source=LimitSource.PLATFORM)
    for reduces in (False, True):
        assert await said(bench, limited, reduces=reduces) == [
            (Reason.INSTRUMENT_RESTRICTED, "symbols_restricted", "PLATFORM")
        ]


@pytest.mark.parametrize(
    "limited",
    [
        limits(),
        limits(symbols_allowed=frozenset({"ACME"}), symbols_restricted=frozenset({"OTHER"})),
        limits(asset_classes=frozenset({AssetClass.STOCK})),
        limits(ALL_DAY),
    ],
)
async def test_what_is_allowed_passes(bench: Bench, limited: EffectiveLimits) -> None:
    """No list, a list with the symbol in it, its class, and an hour inside."""
    assert await said(bench, limited) == []


async def test_everything_that_is_not_allowed_is_said_at_once(bench: Bench) -> None:
    """A caller need not find out one by one."""
    limited = limits(
        MORNING, symbols_allowed=frozenset(), asset_classes=frozenset(), symbols_restricted=frozenset({"ACME"})
    )
    reasons = [reason for reason, _, _ in await said(bench, limited)]
    assert reasons == [
        Reason.INSTRUMENT_RESTRICTED,
        Reason.INSTRUMENT_RESTRICTED,
        Reason.ASSET_CLASS_NOT_ALLOWED,
        Reason.OUTSIDE_TRADING_HOURS,
    ]


async def test_the_hours_end_to_the_moment(bench: Bench) -> None:
    """Just before noon, and at noon."""
    assert await said(bench, limits(MORNING), now_ns=MONDAY_NOON - 1) == []
    assert await said(bench, limits(MORNING), now_ns=MONDAY_NOON) != []
