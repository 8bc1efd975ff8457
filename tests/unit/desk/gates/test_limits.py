"""Gate 1: the broker's configuration, the user's region, and limits that nobody can judge by."""

import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.gates.limits import BrokerPermitted, LimitsLookup
from brokergw.desk.gates.question import Question
from brokergw.desk.limits.book import LimitsBook
from brokergw.desk.limits.day import TradingDays
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.commands import ModifyOrder
from brokergw.model.errors import GatewayError, PreflightDenied, Reason
from brokergw.model.limits import Limits, LimitsFault, LimitSource, LimitsScope, ScopeLimits
from brokergw.model.outcome import Rejected
from brokergw.ports.broker import Change
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_limits import MANDATORY, MemoryLimits
from tests.fixtures.scripted_broker import Bench

OWN = LimitsScope(source=LimitSource.USER, user_id="alice")
ADMIN = LimitsScope(source=LimitSource.ADMIN, user_id="alice")


async def a_question(bench: Bench, **changes: Any) -> Question:
    """Make alice's question at the scripted broker."""
    session = await bench.desk._sessions.usable("alice", "acc_1")
    command = bench.order()
    question = Question(caller=bench.caller, command=command, session=session, terms=command.terms)
    for name, value in changes.items():
        setattr(question, name, value)
    return question


async def a_book(clock: FakeClock, store: MemoryLimits) -> LimitsBook:
    book = LimitsBook(store, MANDATORY, clock)
    await book.refresh()
    return book


async def test_the_question_learns_its_limits_and_its_day(bench: Bench) -> None:
    """What holds for user, broker and strategy is there before any other check asks."""
    store = MemoryLimits()
    strategy = LimitsScope(source=LimitSource.STRATEGY, user_id="alice", strategy_id="s1")
    store.limits[strategy] = ScopeLimits(scope=strategy, limits=Limits(open_orders_max=3), version=1)
    store.brokers["scripted"] = BrokerConfig(broker="scripted", limits=Limits(orders_per_day_max=9), version=1)
    question = await a_question(bench, strategy_id="s1")
    lookup = LimitsLookup(await a_book(bench.clock, store), TradingDays("UTC"), bench.clock)
    assert list(lookup(question)) == []
    assert question.limits.strategy.open_orders_max == 3
    assert question.limits.values.orders_per_day_max == 9
    assert (question.limits.version, question.trading_day) == (2, "2027-01-15")


REGIONS: list[tuple[frozenset[str] | None, str, bool]] = [
    (None, "", True),
    (None, "US", True),
    (frozenset({"EU", "US"}), "US", True),
    (frozenset({"EU"}), "US", False),
    (frozenset({"EU"}), "", False),
    (frozenset(), "EU", False),
]


@pytest.mark.parametrize(("regions", "region", "taken"), REGIONS, ids=map(str, range(len(REGIONS))))
async def test_a_broker_with_regions_is_for_those_in_them(
    bench: Bench, regions: frozenset[str] | None, region: str, *, taken: bool
) -> None:
    """Without a list everybody may; with one only users who are known to be in it."""
    store = MemoryLimits()
    store.brokers["scripted"] = BrokerConfig(broker="scripted", regions=regions, version=1)
    store.limits[ADMIN] = ScopeLimits(scope=ADMIN, region=region, version=1)
    check = BrokerPermitted(await a_book(bench.clock, store))
    found = [each.reason for each in check(await a_question(bench))]
    assert found == ([] if taken else [Reason.REGION_NOT_PERMITTED])
    assert list(check(await a_question(bench, reduces=True))) == []


async def test_a_disabled_broker_takes_only_what_reduces(bench: Bench) -> None:
    """Orders that add risk are refused at once; a way out of a position stays open."""
    store = MemoryLimits()
    store.brokers["scripted"] = BrokerConfig(broker="scripted", enabled=False, version=1)
    check = BrokerPermitted(await a_book(bench.clock, store))
    assert [each.reason for each in check(await a_question(bench))] == [Reason.BROKER_DISABLED]
    way_out = await a_question(bench, reduces=True)
    assert list(check(way_out)) == []
    assert way_out.excused, "the commit must see to it that it reduces"


async def test_limits_that_are_none_take_only_what_reduces(bench: Bench) -> None:
    """What cannot be judged denies, and says why."""
    check = BrokerPermitted(await a_book(bench.clock, MemoryLimits()))
    question = await a_question(bench)
    question.limits = replace(question.limits, fault=LimitsFault(Reason.LIMITS_UNREADABLE, "why"))
    assert [(each.reason, each.description) for each in check(question)] == [(Reason.LIMITS_UNREADABLE, "why")]
    question.reduces = True
    assert list(check(question)) == []


async def test_limits_that_may_be_old_refuse_for_now_what_does_not_reduce(bench: Bench) -> None:
    """Nothing is denied for good by what nobody knows: the key stays free."""
    check = BrokerPermitted(await a_book(bench.clock, MemoryLimits()))
    question = await a_question(bench)
    question.limits = replace(question.limits, fault=LimitsFault(Reason.RISK_DATA_STALE, "why"))
    with pytest.raises(GatewayError) as caught:
        check(question)
    assert (caught.value.reason, caught.value.retry_after_s) == (Reason.RISK_DATA_STALE, 1.0)
    assert not isinstance(caught.value, PreflightDenied)
    question.reduces = True
    assert list(check(question)) == []
    assert question.excused


async def test_a_gateway_asks_its_record_before_any_order(bench: Bench) -> None:
    """Through the whole desk: a broker that was disabled refuses the next order, and the refusal is recorded."""
    store = MemoryLimits()
    store.brokers["scripted"] = BrokerConfig(broker="scripted", enabled=False, version=1)
    bench.desk.limits.book._store = store
    await bench.desk.limits.book.refresh()
    with pytest.raises(PreflightDenied) as denial:
        await bench.desk.clear(bench.caller, bench.order())
    assert denial.value.reason is Reason.BROKER_DISABLED
    assert denial.value.gate == "authority"


async def refuse(_order_id: str, _change: Change) -> Rejected:
    """Refuse every change."""
    return Rejected("TOO_LATE")


async def test_the_audit_names_the_limits_that_an_order_was_judged_by(bench: Bench) -> None:
    """An admitted order's row, a denied one's and an admitted change's have the version that held at the gates."""
    store = MemoryLimits()
    store.limits[OWN] = ScopeLimits(scope=OWN, version=41)
    bench.desk.limits.book._store = store
    await bench.desk.limits.book.refresh()
    placed = await bench.submit(bench.order())
    store.brokers["scripted"] = BrokerConfig(broker="scripted", version=1)
    await bench.desk.limits.book.refresh()
    bench.broker.modify = refuse
    change = ModifyOrder(
        idempotency_key=str(uuid.uuid4()), order_id=placed.order.order_id, limit_price=Decimal("49.50")
    )
    cleared = await bench.desk.clear(bench.caller, change)
    with pytest.raises(GatewayError, match="refused"):
        await bench.desk.modify(bench.caller, cleared)  # type: ignore[arg-type]
    store.brokers["scripted"] = BrokerConfig(broker="scripted", enabled=False, version=2)
    await bench.desk.limits.book.refresh()
    with pytest.raises(PreflightDenied):
        await bench.desk.clear(bench.caller, bench.order())
    told = {row.action: row.detail.partition(";")[0] for row in bench.journal.audit if "limits=" in row.detail}
    assert told == {"order.admitted": "limits=41", "order.modify.admitted": "limits=42", "order.denied": "limits=43"}
