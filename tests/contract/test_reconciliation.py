"""ReconciliationService over a real channel: who may, what is asked, what is answered."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import grpc
import pytest
from brokerapi.v1 import reconciliation_pb2 as pb

from brokergw.model.principal import OPERATORS
from brokergw.model.reconciliation import (
    CashPolicy,
    Difference,
    DifferenceKind,
    Explanation,
    Finding,
    PositionPolicy,
    ReconciliationPolicy,
    Trigger,
)
from brokergw.rpc.wire import reconciliation as wire
from tests.fixtures.edge import KEY, Edge, numbered, refused
from tests.fixtures.edge_samples import ACCOUNT, NOW_NS
from tests.fixtures.fake_comparisons import a_reconciliation

EVIDENCE = "counted on the broker's own site"


async def test_a_finding_goes_out_whole(edge: Edge) -> None:
    """What differs, by how much, since when, how often, and when the broker was last read: all of it is told."""
    edge.desk.found = [a_reconciliation(rounds=3, as_of_ns=NOW_NS + 1_000_000_000, detail="why")]
    answer = await edge.reconciliation.ReconcileAccount(pb.ReconcileAccountRequest(account_id=ACCOUNT), metadata=KEY)
    assert edge.desk.seen[-1][2] == ACCOUNT
    found = answer.reconciliation
    assert (found.finding, found.trigger) == (
        pb.RECONCILIATION_FINDING_MISMATCH,
        pb.RECONCILIATION_TRIGGER_PERIODIC,
    )
    assert (found.open, found.rounds, found.detail) == (True, 3, "why")
    assert found.as_of.seconds == found.first_time.seconds + 1 == found.good_time.seconds + 1
    assert not found.HasField("settle_time")
    [difference] = found.differences
    assert (difference.kind, difference.subject) == (pb.DIFFERENCE_KIND_POSITION, "AAPL")
    assert (difference.record, difference.broker) == ("10", "11")


async def test_a_failed_finding_without_good_data_has_no_good_time(edge: Edge) -> None:
    """Where nothing was ever read, no time is made up."""
    edge.desk.found = [a_reconciliation(finding=Finding.FAILED, differences=(), good_ns=None)]
    answer = await edge.reconciliation.ReconcileAccount(pb.ReconcileAccountRequest(account_id=ACCOUNT), metadata=KEY)
    assert not answer.reconciliation.HasField("good_time")
    assert not answer.reconciliation.open


async def test_findings_come_in_pages(edge: Edge) -> None:
    """Pages follow each other, and what was asked reaches the desk."""
    edge.desk.found = [a_reconciliation(number) for number in (3, 2, 1)]
    request = pb.ListReconciliationsRequest(account_ids=[ACCOUNT], open_only=True, page_size=2)
    first = await edge.reconciliation.ListReconciliations(request, metadata=KEY)
    assert [each.reconciliation_id for each in first.reconciliations] == ["rec_3", "rec_2"]
    request.page_token = first.next_page_token
    second = await edge.reconciliation.ListReconciliations(request, metadata=KEY)
    assert [each.reconciliation_id for each in second.reconciliations] == ["rec_1"]
    assert second.next_page_token == ""
    query = edge.desk.seen[-1][2]
    assert (query.account_ids, query.open_only, query.before_id) == ((ACCOUNT,), True, "rec_2")
    all_users = await edge.reconciliation.ListMismatches(pb.ListMismatchesRequest(page_size=1), metadata=KEY)
    assert [each.reconciliation_id for each in all_users.reconciliations] == ["rec_3"]
    assert all_users.next_page_token


async def test_settling_names_what_was_seen(edge: Edge) -> None:
    """The mismatch and the evidence reach the desk; who settled it, and whether the halt is gone, come back."""
    request = pb.SettleReconciliationRequest(reconciliation_id="rec_1", evidence=f"  {EVIDENCE} ")
    answer = await edge.reconciliation.SettleReconciliation(request, metadata=KEY)
    _, _, command = edge.desk.seen[-1]
    assert (command.reconciliation_id, command.evidence) == ("rec_1", EVIDENCE)
    assert answer.halt_lifted
    assert (answer.reconciliation.open, answer.reconciliation.settled_by) == (False, "ann")
    assert answer.reconciliation.HasField("settle_time")


async def test_a_policy_is_shown_and_set(edge: Edge) -> None:
    """What is tolerated comes back as it was set, for the user that it was set for."""
    shown = await edge.reconciliation.GetReconciliationPolicy(
        pb.GetReconciliationPolicyRequest(user_id="bob"), metadata=KEY
    )
    assert (shown.policy.positions, shown.policy.cash) == (pb.POSITION_POLICY_HALT, pb.CASH_POLICY_WARN)
    policy = pb.ReconciliationPolicy(
        positions=pb.POSITION_POLICY_ADOPT, cash=pb.CASH_POLICY_IGNORE, cash_tolerance="0.05"
    )
    request = pb.UpdateReconciliationPolicyRequest(user_id="bob", policy=policy)
    answer = await edge.reconciliation.UpdateReconciliationPolicy(request, metadata=KEY)
    assert answer.policy == policy
    assert edge.desk.seen[-1][2] == (
        "bob",
        ReconciliationPolicy(positions=PositionPolicy.ADOPT, cash=CashPolicy.IGNORE, cash_tolerance=Decimal("0.05")),
    )


def a_policy(**changes: Any) -> pb.UpdateReconciliationPolicyRequest:
    """Make a request that nothing is wrong with, but for the changes to its policy."""
    fields = {
        "positions": pb.POSITION_POLICY_HALT,
        "cash": pb.CASH_POLICY_WARN,
        "cash_tolerance": "0",
        **changes,
    }
    return pb.UpdateReconciliationPolicyRequest(user_id="bob", policy=pb.ReconciliationPolicy(**fields))


INCOMPLETE: list[tuple[str, Any, str]] = [
    ("ReconcileAccount", pb.ReconcileAccountRequest(), "account_id"),
    ("ListReconciliations", pb.ListReconciliationsRequest(account_ids=["a b"]), "account_ids[0]"),
    ("ListReconciliations", pb.ListReconciliationsRequest(page_size=-1), "page_size"),
    ("ListMismatches", pb.ListMismatchesRequest(page_size=-1), "page_size"),
    ("SettleReconciliation", pb.SettleReconciliationRequest(evidence=EVIDENCE), "reconciliation_id"),
    ("SettleReconciliation", pb.SettleReconciliationRequest(reconciliation_id="r", evidence="x" * 9), "evidence"),
    (
        "SettleReconciliation",
        pb.SettleReconciliationRequest(reconciliation_id="r", evidence="x" * 1001),
        "evidence",
    ),
    ("SettleReconciliation", pb.SettleReconciliationRequest(reconciliation_id="r", evidence="x\n" * 9), "evidence"),
    ("GetReconciliationPolicy", pb.GetReconciliationPolicyRequest(), "user_id"),
    ("UpdateReconciliationPolicy", a_policy(positions=0), "policy.positions"),
    ("UpdateReconciliationPolicy", a_policy(cash=9), "policy.cash"),
    ("UpdateReconciliationPolicy", a_policy(cash_tolerance="-0.01"), "policy.cash_tolerance"),
    ("UpdateReconciliationPolicy", a_policy(cash_tolerance=""), "policy.cash_tolerance"),
]


@pytest.mark.parametrize(("method", "request_", "field"), INCOMPLETE, ids=numbered(INCOMPLETE, 0, 2))
async def test_what_is_not_whole_is_refused(edge: Edge, method: str, request_: Any, field: str) -> None:
    """The broken field is named, and the desk is not asked."""
    refusal = await refused(getattr(edge.reconciliation, method)(request_, metadata=KEY))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in {violation.field for violation in refusal.details["BadRequest"].field_violations}
    assert edge.desk.seen == []


async def test_settling_and_policies_take_scopes_of_their_own(edge: Edge) -> None:
    """A trader's key compares and lists its own; it neither settles, nor sees others, nor changes what is tolerated."""
    trader = edge.authenticator.keys["brk_good"]
    edge.authenticator.keys["brk_good"] = replace(trader, scopes=trader.scopes - OPERATORS)
    for call in (
        edge.reconciliation.ListMismatches(pb.ListMismatchesRequest(), metadata=KEY),
        edge.reconciliation.SettleReconciliation(
            pb.SettleReconciliationRequest(reconciliation_id="rec_1", evidence=EVIDENCE), metadata=KEY
        ),
        edge.reconciliation.GetReconciliationPolicy(pb.GetReconciliationPolicyRequest(user_id="bob"), metadata=KEY),
        edge.reconciliation.UpdateReconciliationPolicy(a_policy(), metadata=KEY),
    ):
        refusal = await refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")
    assert edge.desk.seen == []
    await edge.reconciliation.ReconcileAccount(pb.ReconcileAccountRequest(account_id=ACCOUNT), metadata=KEY)


def test_every_word_has_its_number() -> None:
    """Each finding, trigger, kind, explanation and policy has a number of its own in the contract."""
    for words, table in (
        (Finding, wire.FINDING_TO),
        (Trigger, wire.TRIGGER_TO),
        (DifferenceKind, wire.KIND_TO),
        (Explanation, wire.EXPLANATION_TO),
        (PositionPolicy, wire.POSITIONS_TO),
        (CashPolicy, wire.CASH_TO),
    ):
        assert set(table) == set(words)
        assert len(set(table.values())) == len(words)
    explained = Difference(
        kind=DifferenceKind.CASH, subject="USD", record="1", broker="2", explanation=Explanation.OLDER, detail="d"
    )
    shown = wire.reconciliation_to_proto(a_reconciliation(differences=(explained,))).differences[0]
    assert (shown.explanation, shown.detail) == (pb.DIFFERENCE_EXPLANATION_OLDER, "d")
