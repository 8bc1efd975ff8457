"""The record of comparisons, on both databases."""

from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.model.reconciliation import (
    Baseline,
    CashPolicy,
    Difference,
    DifferenceKind,
    Explanation,
    Finding,
    PositionPolicy,
    Reconciliation,
    ReconciliationPolicy,
    Trigger,
)
from brokergw.model.whose import only
from brokergw.ports.reconciliations import ReconciliationQuery
from brokergw.store import Store

D = Decimal
ALICE = "alice"
HERS = only(ALICE)
DAY_NS = 24 * 3600 * 1_000_000_000
BASELINE = Baseline(
    as_of_ns=7,
    cash=D("12.50"),
    currency="USD",
    sequence=3,
    legs=(("ACME", D(2)),),
    transactions=frozenset({"t1", "t2"}),
)


def a_finding(number: int, finding: Finding = Finding.MISMATCH, account: str = "acc_1") -> Reconciliation:
    """Make a finding; higher numbers are newer."""
    return Reconciliation(
        reconciliation_id=f"rec_{number:04}",
        user_id=ALICE,
        account_id=account,
        trigger=Trigger.PERIODIC,
        finding=finding,
        first_ns=number,
        as_of_ns=number,
        differences=(
            Difference(
                kind=DifferenceKind.POSITION,
                subject="ACME",
                record="1",
                broker="0.000000001",
                explanation=Explanation.TOLERATED,
                detail='a "word" \x00 of ours',
            ),
        ),
        detail="why",
        good_ns=number,
        baseline=BASELINE,
    )


async def test_a_finding_is_read_as_it_was_written(store: Store) -> None:
    """Every field comes back, the baseline with its decimals too, and what no database holds is replaced."""
    found = store.reconciliations
    written = a_finding(1)
    await found.put(written)
    read = await found.get(HERS, "rec_0001")
    assert read is not None
    assert replace(read, differences=written.differences) == written
    assert replace(read.differences[0], detail="") == replace(written.differences[0], detail="")
    bare = replace(a_finding(2), baseline=replace(BASELINE, cash=None), good_ns=None, differences=())
    await found.put(bare)
    assert await found.get(HERS, "rec_0002") == bare
    await found.put(replace(a_finding(3), baseline=None, differences=()))
    third = await found.get(HERS, "rec_0003")
    assert third is not None
    assert third.baseline is None
    assert await found.get(HERS, "rec_0009") is None


async def test_a_finding_that_stands_grows_in_its_place(store: Store) -> None:
    """The same finding again is one row with more rounds, and what has been settled stays so."""
    found = store.reconciliations
    await found.put(a_finding(1))
    await found.put(replace(a_finding(1), as_of_ns=9, rounds=2))
    assert await found.settle(ALICE, "rec_0001", "carol", 10, "counted by hand")
    await found.put(replace(a_finding(1), as_of_ns=11, rounds=3))
    latest = await found.latest(ALICE, "acc_1")
    assert latest is not None
    assert (latest.as_of_ns, latest.rounds, latest.settled_by) == (11, 3, "carol")
    assert (latest.settle_time_ns, latest.evidence, latest.is_open) == (10, "counted by hand", False)


async def test_a_mismatch_is_settled_once_by_a_person(store: Store) -> None:
    """What the gateway closed a person may still settle; what a person settled is settled."""
    found = store.reconciliations
    await found.put(a_finding(1))
    assert await found.settle(ALICE, "rec_0001", "", 5, "agrees again")
    assert not await found.settle(ALICE, "rec_0001", "", 6, "agrees again")
    assert await found.settle(ALICE, "rec_0001", "carol", 7, "seen")
    assert not await found.settle(ALICE, "rec_0001", "dave", 8, "seen too")
    assert not await found.settle(ALICE, "rec_0404", "dave", 8, "seen too")


async def test_findings_are_listed_newest_first(store: Store) -> None:
    """R11: by account, page by page, or only what stands; the newest of an account is its latest."""
    found = store.reconciliations
    for number in range(1, 5):
        await found.put(a_finding(number, account=f"acc_{number % 2}"))
    await found.put(a_finding(5, Finding.AGREED, "acc_0"))
    await found.settle(ALICE, "rec_0001", "carol", 10, "seen")

    async def listed(**query: object) -> list[str]:
        rows = await found.list(ReconciliationQuery(whose=HERS, **query))  # type: ignore[arg-type]
        return [row.reconciliation_id[-1] for row in rows]

    assert await listed() == ["5", "4", "3", "2", "1"]
    assert await listed(account_ids=("acc_0",)) == ["5", "4", "2"]
    assert await listed(account_ids=()) == []
    assert await listed(open_only=True) == ["4", "3", "2"]
    assert await listed(before_id="rec_0004", limit=2) == ["3", "2"]
    assert {row.reconciliation_id for row in await found.open()} == {"rec_0002", "rec_0003", "rec_0004"}
    latest = await found.latest(ALICE, "acc_0")
    assert latest is not None
    assert latest.reconciliation_id == "rec_0005"
    assert await found.latest(ALICE, "acc_9") is None


async def test_asking_for_a_comparison_is_answered_once(store: Store) -> None:
    """A request stands until it was answered as of its own time; a later one stands on."""
    found = store.reconciliations
    await found.want(ALICE, "acc_1", 5)
    await found.want(ALICE, "acc_1", 8)
    await found.want(ALICE, "acc_2", 6)
    assert dict(await found.wanted()) == {"acc_1": 8, "acc_2": 6}
    await found.answered(ALICE, "acc_1", 7)
    await found.answered(ALICE, "acc_2", 6)
    assert dict(await found.wanted()) == {"acc_1": 8}


async def test_a_policy_is_kept_by_user(store: Store) -> None:
    """What a user's comparisons tolerate can be set and changed; nobody else's changes with it."""
    found = store.reconciliations
    assert await found.policy("alice") is None
    policy = ReconciliationPolicy(positions=PositionPolicy.ADOPT, cash=CashPolicy.HALT, cash_tolerance=D("0.05"))
    await found.set_policy("alice", ReconciliationPolicy(), 1)
    await found.set_policy("alice", policy, 2)
    assert await found.policy("alice") == policy
    assert await found.policy("bob") is None


@pytest.mark.parametrize(("age", "left"), [(-1, {"1", "2", "3"}), (0, {"1", "2", "3"}), (1, {"2", "3"})])
async def test_old_findings_are_forgotten(store: Store, age: int, left: set[str]) -> None:
    """What was last compared before a time goes, but for open mismatches and each account's newest finding."""
    found = store.reconciliations
    await found.put(replace(a_finding(1, Finding.AGREED), as_of_ns=DAY_NS))
    await found.put(a_finding(2))
    await found.put(a_finding(3, Finding.AGREED))
    await found.prune(DAY_NS + age, 10)
    rows = await found.list(ReconciliationQuery(whose=HERS))
    assert {row.reconciliation_id[-1] for row in rows} == left
