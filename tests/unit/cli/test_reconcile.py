"""The verbs of `brokergw reconcile`."""

import json

import grpc
import pytest
from brokerapi.v1 import reconciliation_pb2 as pb

from tests.fixtures.command_line import CommandLine
from tests.fixtures.fake_gateway import Failure, FakeGateway

EVIDENCE = ("--evidence", "counted on the broker's own site")


def a_finding(finding: pb.ReconciliationFinding.ValueType = pb.RECONCILIATION_FINDING_MISMATCH) -> pb.Reconciliation:
    """Make a finding about one share too many."""
    difference = pb.Difference(kind=pb.DIFFERENCE_KIND_POSITION, subject="AAPL", record="10", broker="11")
    return pb.Reconciliation(reconciliation_id="rec_1", account_id="acc_1", finding=finding, differences=[difference])


@pytest.mark.parametrize(
    ("finding", "status"),
    [
        (pb.RECONCILIATION_FINDING_AGREED, 0),
        (pb.RECONCILIATION_FINDING_WARNED, 0),
        (pb.RECONCILIATION_FINDING_MISMATCH, 4),
        (pb.RECONCILIATION_FINDING_INCONCLUSIVE, 4),
        (pb.RECONCILIATION_FINDING_FAILED, 4),
    ],
)
async def test_a_run_ends_with_what_it_came_to(
    fake_gateway: FakeGateway,
    command: CommandLine,
    finding: pb.ReconciliationFinding.ValueType,
    status: int,
) -> None:
    """What differs is shown with both figures; only agreement, or what is explained, is a success."""
    fake_gateway.answers["ReconcileAccount"] = pb.ReconcileAccountResponse(reconciliation=a_finding(finding))
    typed = await command("reconcile", "run", "--account", "acc_1")
    assert typed.status == status
    assert "POSITION AAPL: record 10, broker 11" in typed.out
    assert fake_gateway.seen("ReconcileAccount")[0].request.account_id == "acc_1"


async def test_findings_are_listed_as_asked(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """One's own, only what stands, or what stands for everybody; a line of JSON each when asked for."""
    fake_gateway.answers["ListReconciliations"] = pb.ListReconciliationsResponse(reconciliations=[a_finding()])
    fake_gateway.answers["ListMismatches"] = pb.ListMismatchesResponse(reconciliations=[a_finding()])
    typed = await command("reconcile", "list", "--open", "--account", "acc_1", "--json")
    assert json.loads(typed.out)["reconciliation_id"] == "rec_1"
    request = fake_gateway.seen("ListReconciliations")[0].request
    assert (list(request.account_ids), request.open_only, request.page_size) == (["acc_1"], True, 20)
    assert "MISMATCH" in (await command("reconcile", "list", "--all-users")).out
    assert len(fake_gateway.seen("ListMismatches")) == 1


async def test_settling_says_whether_the_halt_is_gone(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """The mismatch and the evidence are sent; what became of the halt is told."""
    answer = pb.SettleReconciliationResponse(reconciliation=a_finding(), halt_lifted=True)
    fake_gateway.answers["SettleReconciliation"] = answer
    typed = await command("reconcile", "settle", "rec_1", *EVIDENCE)
    assert (typed.status, "the halt is lifted" in typed.err) == (0, True)
    request = fake_gateway.seen("SettleReconciliation")[0].request
    assert (request.reconciliation_id, request.evidence) == ("rec_1", EVIDENCE[1])
    answer.halt_lifted = False
    assert "no halt was lifted" in (await command("reconcile", "settle", "rec_1", *EVIDENCE)).err


async def test_what_has_moved_is_a_refusal(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """A mismatch that the broker no longer shows is not settled, and the reason is shown."""
    fake_gateway.fail("SettleReconciliation", Failure(grpc.StatusCode.ABORTED, "RECONCILIATION_MOVED"))
    typed = await command("reconcile", "settle", "rec_1", *EVIDENCE)
    assert typed.status != 0
    assert "RECONCILIATION_MOVED" in typed.err


async def test_a_policy_is_shown_and_changed_in_part(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Without options it is shown; what is not named stays as it was."""
    before = pb.ReconciliationPolicy(positions=pb.POSITION_POLICY_HALT, cash=pb.CASH_POLICY_WARN, cash_tolerance="1")
    fake_gateway.answers["GetReconciliationPolicy"] = pb.GetReconciliationPolicyResponse(policy=before)
    assert "HALT" in (await command("reconcile", "policy", "bob")).out
    assert fake_gateway.seen("UpdateReconciliationPolicy") == []
    await command("reconcile", "policy", "bob", "--positions", "adopt")
    request = fake_gateway.seen("UpdateReconciliationPolicy")[0].request
    assert (request.user_id, request.policy.positions) == ("bob", pb.POSITION_POLICY_ADOPT)
    assert (request.policy.cash, request.policy.cash_tolerance) == (pb.CASH_POLICY_WARN, "1")
