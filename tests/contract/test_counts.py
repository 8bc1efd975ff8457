"""Long lists and deep nests: each RPC's request, made from its descriptor, below, at and above what it may hold."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from brokergw.rpc.methods import POLICIES
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.settings import RateSettings
from brokergw.rpc.wire.counts import DEPTH_MAX, TypeUnbounded, counter_by, counter_of
from tests.fixtures.edge import KEY, Edge, MakeEdge, Refusal, refused

Path = tuple[FieldDescriptor, ...]


def lists_of(message: Any, above: Path = ()) -> Iterator[Path]:
    """Give the way to every list in a message, at any depth."""
    for field in message.fields:
        path = (*above, field)
        if field.is_repeated:
            yield path
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            yield from lists_of(field.message_type, path)


def filled(request: type[Message], path: Path, count: int) -> bytes:
    """Make a request with so many elements in all: one in each list on the way, the others at its end."""
    message = request()
    inner: Any = message
    for field in path[:-1]:
        inner = getattr(inner, field.name)
        if field.is_repeated:
            inner, count = inner.add(), count - 1
    elements, field = getattr(inner, path[-1].name), path[-1]
    for number in range(count):
        if field.message_type is None:
            elements.append("" if field.type == FieldDescriptor.TYPE_STRING else 0)
        elif field.message_type.GetOptions().map_entry:
            elements[str(number)] = ""
        else:
            elements.add()
    return message.SerializeToString()


async def _answer(edge: Edge, policy: MethodPolicy, body: bytes) -> Refusal:
    channel: Any = edge.channel
    if not policy.streams:
        return await refused(channel.unary_unary(policy.method)(body, metadata=KEY, timeout=20))
    return await refused(channel.unary_stream(policy.method)(body, metadata=KEY, timeout=20).read())


LISTS = [(policy, path) for policy in POLICIES for path in lists_of(policy.request.DESCRIPTOR)]


def _name(case: object) -> str:
    if isinstance(case, MethodPolicy):
        return case.name
    return ".".join(field.name for field in case) if isinstance(case, tuple) else str(case)


@pytest.mark.parametrize(("policy", "path"), LISTS, ids=_name)
async def test_a_list_is_counted_before_anything_is_done_for_it(edge: Edge, policy: MethodPolicy, path: Path) -> None:
    """One element too many is REQUEST_TOO_LARGE for its number alone; up to the limit the contract's rules judge."""
    limit = policy.items_max
    for count in (limit - 1, limit):
        judged = await _answer(edge, policy, filled(policy.request, path, count))
        assert judged.reason != "REQUEST_TOO_LARGE"
    edge.desk.seen.clear()
    refusal = await _answer(edge, policy, filled(policy.request, path, limit + 1))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")
    told = refusal.metadata
    assert (told["subject"], told["limit"], told["observed"]) == ("items", str(limit), str(limit + 1))
    assert refusal.effect == "NONE"
    assert edge.desk.seen == []


def test_lists_are_counted_together() -> None:
    """What several lists hold is added up, those in a list's elements too."""
    policy = next(each for each in POLICIES if each.name == "UpdateLimits")
    request: Any = policy.request()
    request.limits.symbols_allowed.symbols.extend(["A", "B"])
    window = request.limits.trading_hours.windows.add()
    window.days.extend([1, 2, 3])
    request.limits.trading_hours.windows.add()
    count = counter_of(policy.request)
    assert count is not None
    assert count(request) == 2 + 2 + 3


def test_what_has_no_lists_is_not_counted() -> None:
    """A request without lists pays for nothing."""
    policy = next(each for each in POLICIES if each.name == "CancelOrder")
    assert counter_of(policy.request) is None


def _nest(depth: int, *, own: bool = False, lists: bool = False) -> Any:
    """Make a type so many messages deep; `own` has the innermost contain the outermost, in a list with `lists`."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="nest.proto", package="nest", syntax="proto3")
    for level in range(1, depth + 1):
        message = file.message_type.add(name=f"M{level}")
        if level < depth or own:
            label = field.LABEL_REPEATED if lists else field.LABEL_OPTIONAL
            inner = f".nest.M{level % depth + 1}"
            message.field.add(name="inner", number=1, type=field.TYPE_MESSAGE, label=label, type_name=inner)
        else:
            message.field.add(name="texts", number=1, type=field.TYPE_STRING, label=field.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMessageTypeByName("nest.M1")


@pytest.mark.parametrize("lists", [False, True])
def test_a_type_is_only_so_deep(lists: bool) -> None:  # noqa: FBT001 - a test's parameter
    """A type below or at the limit can be served, one that is deeper cannot: the gateway does not start with it."""
    for depth in (DEPTH_MAX - 1, DEPTH_MAX):
        assert counter_by(_nest(depth, lists=lists)) is not None
    with pytest.raises(TypeUnbounded, match="deep"):
        counter_by(_nest(DEPTH_MAX + 1, lists=lists))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_type_never_contains_itself(depth: int) -> None:
    """A type that comes back to itself, by whatever way, could be as deep as a client likes, and is not served."""
    for lists in (False, True):
        with pytest.raises(TypeUnbounded, match="contains itself"):
            counter_by(_nest(depth, own=True, lists=lists))


async def test_a_nest_of_what_nobody_knows_is_refused(make_edge: MakeEdge) -> None:
    """Groups in groups of a field that no contract has are refused by every RPC, however deep; nothing overflows."""
    edge = await make_edge(rates=RateSettings(connections_per_minute=10_000))
    start, end = b"\xbb\x3e", b"\xbc\x3e"  # Field 999, a group.
    for policy in POLICIES:
        for depth in (99, 100, 101, 10_000):
            refusal = await _answer(edge, policy, start * depth + end * depth)
            said = "UNKNOWN_FIELD" if depth <= 100 else "REQUEST_UNDECODABLE"
            assert (policy.name, depth, refusal.reason) == (policy.name, depth, said)
    assert edge.desk.seen == []
