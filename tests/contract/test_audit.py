"""AuditService: who sees what, page by page."""

from dataclasses import replace

import grpc
import pytest
from brokerapi.v1 import audit_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from brokergw.model.principal import Principal, Role, Scope
from brokergw.ports.audit import AuditFault, AuditPosition, AuditProblem
from brokergw.rpc.wire.audit import FAULT_TO
from tests.fixtures.edge import Edge, MakeEdge, refused
from tests.fixtures.memory_audit import WHOLE, an_entry

KEY = (("x-api-key", "brk_user"),)
AUDITOR = (("x-api-key", "brk_auditor"),)
CUT = (("x-api-key", "brk_one_account"),)


def knows(edge: Edge, token: str, user_id: str = "ann", **changes: object) -> None:
    """Make a key known."""
    principal = Principal(user_id=user_id, key_id="key_x", scopes=frozenset({Scope.AUDIT_READ}))
    edge.authenticator.keys[token] = replace(principal, **changes)  # type: ignore[arg-type]


@pytest.fixture
async def audited(make_edge: MakeEdge) -> Edge:
    """Give an edge whose log has five rows of ann's, two of bob's and one of nobody's."""
    edge = await make_edge()
    edge.audit_log.entries = [an_entry(number, "ann", f"acc_{number % 2}") for number in range(1, 6)]
    edge.audit_log.entries += [an_entry(number, "bob") for number in (6, 7)] + [an_entry(8, "")]
    knows(edge, "brk_user")
    knows(edge, "brk_auditor", "olga", roles=frozenset({Role.OPERATOR}))
    knows(edge, "brk_one_account", accounts=frozenset({"acc_1"}))
    return edge


def numbers(answer: pb.ListAuditEventsResponse) -> list[int]:
    """Give the sequences of the rows."""
    return [event.sequence for event in answer.events]


async def test_users_see_their_own(audited: Edge) -> None:
    """Without a name the list is the caller's own, newest first; with its own name likewise."""
    for request in (pb.ListAuditEventsRequest(), pb.ListAuditEventsRequest(user_id="ann")):
        assert numbers(await audited.audit.ListAuditEvents(request, metadata=KEY)) == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("asked", [{"user_id": "bob"}, {"user_id": "nobody"}, {"all_users": True}])
async def test_what_others_did_is_not_for_users(audited: Edge, asked: dict[str, object]) -> None:
    """Another user, one that there is not and everybody are refused alike, whatever is there."""
    refusal = await refused(audited.audit.ListAuditEvents(pb.ListAuditEventsRequest(**asked), metadata=KEY))  # type: ignore[arg-type]
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")
    assert audited.audit_log.asked == []


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.RISK_OFFICER, Role.ADMIN])
async def test_those_who_run_the_platform_see_everybodys(audited: Edge, role: Role) -> None:
    """A user's by name, or everybody's with what nobody known has tried."""
    knows(audited, "brk_auditor", "olga", roles=frozenset({role}))
    of_bob = pb.ListAuditEventsRequest(user_id="bob")
    assert numbers(await audited.audit.ListAuditEvents(of_bob, metadata=AUDITOR)) == [7, 6]
    of_all = pb.ListAuditEventsRequest(all_users=True)
    assert numbers(await audited.audit.ListAuditEvents(of_all, metadata=AUDITOR)) == [8, 7, 6, 5, 4, 3, 2, 1]


async def test_a_credential_for_some_accounts_sees_no_other(audited: Edge) -> None:
    """What is about another account, or about none, is not shown to a key for one account."""
    assert numbers(await audited.audit.ListAuditEvents(pb.ListAuditEventsRequest(), metadata=CUT)) == [5, 3, 1]
    other = pb.ListAuditEventsRequest(account_id="acc_0")
    assert numbers(await audited.audit.ListAuditEvents(other, metadata=CUT)) == []


async def test_pages_continue_their_own_list_only(audited: Edge) -> None:
    """A token continues the very list it came from, for the one who asked for it."""
    request = pb.ListAuditEventsRequest(page_size=2)
    seen: list[int] = []
    while True:
        answer = await audited.audit.ListAuditEvents(request, metadata=KEY)
        seen += numbers(answer)
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert seen == [5, 4, 3, 2, 1]
    assert request.page_token
    knows(audited, "brk_bob", "bob")
    for changed, key in (
        (pb.ListAuditEventsRequest(page_token=request.page_token, order_id="o"), KEY),
        (pb.ListAuditEventsRequest(page_token=request.page_token), (("x-api-key", "brk_bob"),)),
        (pb.ListAuditEventsRequest(page_token=request.page_token + "A"), KEY),
    ):
        refusal = await refused(audited.audit.ListAuditEvents(changed, metadata=key))
        assert refusal.fields == ["page_token"]


async def test_every_filter_reaches_the_log(audited: Edge) -> None:
    """Broker, account, order, action and times are asked of the log as they came."""
    request = pb.ListAuditEventsRequest(
        broker="alpaca",
        account_id="acc_1",
        order_id="ord_1",
        action="order.",
        since_time=Timestamp(seconds=1),
        until_time=Timestamp(seconds=2, nanos=5),
        page_size=7,
    )
    await audited.audit.ListAuditEvents(request, metadata=KEY)
    (query,) = audited.audit_log.asked
    assert (query.user_id, query.broker, query.account_ids) == ("ann", "alpaca", frozenset({"acc_1"}))
    assert (query.order_id, query.action) == ("ord_1", "order.")
    assert (query.since_ns, query.until_ns, query.limit) == (1_000_000_000, 2_000_000_005, 8)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ListAuditEventsRequest(user_id="a b"), "user_id"),
        (pb.ListAuditEventsRequest(broker="x" * 65), "broker"),
        (pb.ListAuditEventsRequest(account_id="\n"), "account_id"),
        (pb.ListAuditEventsRequest(order_id="é"), "order_id"),
        (pb.ListAuditEventsRequest(action="x" * 129), "action"),
        (pb.ListAuditEventsRequest(user_id="ann", all_users=True), "all_users"),
        (pb.ListAuditEventsRequest(page_size=-1), "page_size"),
        (pb.ListAuditEventsRequest(since_time=Timestamp(seconds=2), until_time=Timestamp(seconds=2)), "until_time"),
        (pb.ListAuditEventsRequest(since_time=Timestamp(nanos=-1)), "since_time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_question_is_refused(audited: Edge, request_: pb.ListAuditEventsRequest, field: str) -> None:
    """What no row can have is refused, and the field is named."""
    refusal = await refused(audited.audit.ListAuditEvents(request_, metadata=KEY))
    assert refusal.fields == [field]


async def test_a_verification_is_told_whole(audited: Edge) -> None:
    """What is wrong is told with its first position; the public key is told in any case."""
    problem = AuditProblem(AuditFault.ROW_REWRITTEN, "chn_1", 6, 9, "in words")
    audited.audit_log.report = replace(WHOLE, problems=(problem,), signed_time_ns=1_500_000_000)
    answer = await audited.audit.VerifyAuditChain(pb.VerifyAuditChainRequest(), metadata=AUDITOR)
    assert not answer.whole
    assert answer.problems == [
        pb.AuditProblem(
            fault=pb.AUDIT_FAULT_ROW_REWRITTEN, subject="chn_1", position=6, position_last=9, detail="in words"
        )
    ]
    assert (answer.rows, answer.chains, answer.checkpoints) == (3, 1, 1)
    assert answer.sign_time == Timestamp(seconds=1, nanos=500_000_000)
    assert answer.public_keys == ["ab" * 32]


async def test_users_cannot_verify(audited: Edge) -> None:
    """Reading the whole log is for those who run the platform."""
    refusal = await refused(audited.audit.VerifyAuditChain(pb.VerifyAuditChainRequest(), metadata=KEY))
    assert refusal.reason == "ROLE_MISSING"


def test_every_fault_has_its_word() -> None:
    """Each fault is told by its own name."""
    assert FAULT_TO.keys() == set(AuditFault)
    assert {pb.AuditFault.Name(number) for number in FAULT_TO.values()} == {
        f"AUDIT_FAULT_{each}" for each in AuditFault
    }


async def test_a_row_is_told_whole(audited: Edge) -> None:
    """Every column of a row goes out, so that whoever reads it can work out its hash."""
    entry = an_entry(9)
    row = replace(
        entry.row,
        key_id="key_9",
        principal_kind="JWT",
        address="ipv4:10.0.0.1:5",
        method_class="orders.write",
        reason="WHY",
        account_id="acc_9",
        order_id="ord_9",
        detail="more",
        payload="{}",
        duration_ns=0,
    )
    audited.audit_log.entries = [replace(entry, row=row, position=AuditPosition(9, "chn_9", 3))]
    (event,) = (await audited.audit.ListAuditEvents(pb.ListAuditEventsRequest(), metadata=KEY)).events
    for field in ("user_id", "request_id", "action", "outcome", "key_id", "principal_kind", "address", "payload"):
        assert getattr(event, field) == getattr(row, field)
    for field in ("method_class", "reason", "account_id", "order_id", "detail", "duration_ns"):
        assert getattr(event, field) == getattr(row, field)
    assert (event.chain, event.sequence, event.previous_hash, event.hash) == ("chn_9", 3, "0" * 64, "1" * 64)
    assert event.time.ToNanoseconds() == 9
    assert event.HasField("duration_ns")
