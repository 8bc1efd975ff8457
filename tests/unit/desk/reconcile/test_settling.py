"""Settling a mismatch by a person's word, and asking for a comparison."""

from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.desk.verbs.reconcile import SettleReconciliation
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.principal import Caller, Principal, Scope
from brokergw.model.reconciliation import Finding, PositionPolicy, Reconciliation, ReconciliationPolicy, Trigger
from brokergw.model.trading import HaltCause
from brokergw.ports.reconciliations import ReconciliationQuery
from tests.fixtures.books import ALICE, Books, a_position, begun, no_anchor
from tests.fixtures.scripted_broker import broker_order

D = Decimal
CAROL = Caller(Principal("carol", "key_9", frozenset(Scope)), "req_9")
EVIDENCE = "counted on the broker's own site"


async def a_mismatch(books: Books) -> Reconciliation:
    """Let a position differ until that is found."""
    await begun(books)
    books.broker.positions = [replace(a_position("ACME", "1"), average_price=D(50))]
    mismatch = await books.cycle()
    assert mismatch.is_open
    return mismatch


async def settle(books: Books, mismatch: Reconciliation) -> bool:
    """Settle as carol; tells whether the halt was lifted."""
    command = SettleReconciliation(reconciliation_id=mismatch.reconciliation_id, evidence=EVIDENCE)
    return (await books.bench.desk.settle_reconciliation(CAROL, command)).halt_lifted


async def test_a_settled_mismatch_is_the_records_and_trading_goes_on(books: Books) -> None:
    """The broker's position becomes the record's, the halt goes, and who did it on what grounds is in the audit."""
    mismatch = await a_mismatch(books)
    assert await settle(books, mismatch)
    assert await books.held() == {"ACME": D(1)}
    assert books.switch.resumed == [(ALICE, HaltCause.RECONCILIATION, EVIDENCE)]
    settled = books.found.by_id[mismatch.reconciliation_id]
    assert (settled.is_open, settled.settled_by, settled.evidence) == (False, "carol", EVIDENCE)
    [row] = [row for row in books.found.audit if row.action == "account.settled"]
    assert (row.user_id, row.reason, row.detail) == ("carol", mismatch.reconciliation_id, EVIDENCE)
    assert books.latest.trigger is Trigger.SETTLEMENT
    books.broker.buying_power = D(100_000)
    await books.bench.submit(books.bench.order(quantity=D(1)))
    books.broker.open_now = lambda: [broker_order(*books.broker.sent[-1])]
    assert (await books.cycle()).finding is Finding.AGREED


@pytest.mark.parametrize("shown", ["2", "0.999999999", "-1"])
async def test_what_has_changed_since_is_not_settled(books: Books, shown: str) -> None:
    """A verdict is on what was seen: when the broker shows anything else by now it is refused, and nothing changes."""
    mismatch = await a_mismatch(books)
    books.broker.positions = [a_position("ACME", shown)]
    with pytest.raises(GatewayError) as refused:
        await settle(books, mismatch)
    assert refused.value.reason is Reason.RECONCILIATION_MOVED
    assert await books.held() == {}
    assert books.found.by_id[mismatch.reconciliation_id].is_open
    assert books.switch.resumed == []


async def test_a_record_that_moves_meanwhile_is_not_overwritten(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the symbol trades while its mismatch is settled, the verdict is refused."""
    mismatch = await a_mismatch(books)
    monkeypatch.setattr(books.bench.journal, "anchor", no_anchor)
    with pytest.raises(GatewayError) as refused:
        await settle(books, mismatch)
    assert refused.value.reason is Reason.RECONCILIATION_MOVED


async def test_the_halt_stays_while_another_mismatch_stands(books: Books) -> None:
    """A user whose other account differs too is not let go by settling one."""
    mismatch = await a_mismatch(books)
    await books.found.put(replace(mismatch, reconciliation_id="rec_other", account_id="acc_2"))
    assert not await settle(books, mismatch)
    assert books.switch.resumed == []


async def test_a_mismatch_is_settled_once(books: Books) -> None:
    """The second word on the same mismatch is refused; one that went away by itself still takes the first."""
    mismatch = await a_mismatch(books)
    books.broker.positions = []
    await books.cycle()
    await books.cycle()
    assert not books.found.by_id[mismatch.reconciliation_id].is_open
    assert await settle(books, mismatch)
    with pytest.raises(GatewayError) as refused:
        await settle(books, mismatch)
    assert refused.value.reason is Reason.RECONCILIATION_SETTLED


async def test_only_a_mismatch_can_be_settled(books: Books) -> None:
    """Neither an unknown id nor a finding that needs no verdict is taken."""
    await begun(books)
    for reconciliation_id in ("rec_404", books.latest.reconciliation_id):
        with pytest.raises(NotFound):
            await books.bench.desk.settle_reconciliation(
                CAROL, SettleReconciliation(reconciliation_id=reconciliation_id, evidence=EVIDENCE)
            )


async def test_a_comparison_on_demand_answers_at_once(books: Books) -> None:
    """Asking compares now, whatever the schedule; only one's own accounts are compared and listed."""
    await begun(books)
    found = await books.bench.desk.reconcile_account(books.bench.caller, "acc_1")
    assert (found.finding, found.rounds) == (Finding.AGREED, 2)
    for account_id in ("acc_2", "acc_1"):
        caller = CAROL if account_id == "acc_1" else books.bench.caller
        with pytest.raises(NotFound):
            await books.bench.desk.reconcile_account(caller, account_id)
    listed = await books.bench.desk.list_reconciliations(books.bench.caller, ReconciliationQuery())
    assert [each.reconciliation_id for each in listed] == [found.reconciliation_id]
    assert await books.bench.desk.list_reconciliations(CAROL, ReconciliationQuery()) == []


async def test_a_policy_that_is_set_is_in_the_audit(books: Books) -> None:
    """What a user's comparisons tolerate is shown, changed, and who changed it is on record."""
    desk = books.bench.desk
    assert await desk.get_reconciliation_policy(CAROL, "alice") == ReconciliationPolicy()
    policy = ReconciliationPolicy(positions=PositionPolicy.ADOPT)
    await desk.set_reconciliation_policy(CAROL, "alice", policy)
    assert await desk.get_reconciliation_policy(CAROL, "alice") == policy
    [row] = [row for row in books.found.audit if row.action == "reconciliation.policy"]
    assert (row.user_id, row.detail) == ("carol", "alice: positions ADOPT, cash WARN beyond 1")
