"""Every call of the API with every kind of another user's ids, tokens and keys, on both databases.

The calls come from the descriptors: a new call is tried as it is, and of a new field it must be said whether it names
something.
"""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from brokergw.app.settings import Settings
from brokergw.rpc.methods import POLICIES
from brokergw.rpc.policy import MethodPolicy
from tests.separation.callers import (
    ALICE,
    BOB,
    CHOSEN,
    NAMED,
    PLAIN,
    TOKENS,
    Answer,
    Pair,
    Place,
    opened_pair,
    order_request,
    places_of,
)

_SHORT = {policy.method.rpartition("/")[2]: policy for policy in POLICIES}
_DESTRUCTIVE = {"RevokeConnection", "RevokeKey", "RotateKey", "UpdateConnection"}
"""What would take from Bob what the next calls need; for the others he is asked with what is his own first."""


@pytest.fixture
async def pair(store_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    """Give a gateway with two users, once on each database."""
    settings = Settings(
        listen="127.0.0.1:0",
        metrics_listen="",
        data_dir=tmp_path / "data",
        database_url=store_url,
        orders_per_minute=1_000_000,
        reads_per_minute=1_000_000,
        connections_per_minute=1_000_000,
        duplicate_window_s=0,
    )
    async with opened_pair(settings) as opened:
        yield opened


def request_for(pair: Pair, policy: MethodPolicy) -> Any:
    """Make a request that is in order, about what is Bob's own."""
    request: Any = policy.request()
    if policy.method.endswith("/SubmitOrder"):
        request = order_request(pair.has[BOB]["account_id"])
    for place in places_of(request.DESCRIPTOR):
        own = pair.has[BOB].get(place.name.removesuffix("s"), "")
        if len(place.path) == 1 and not place.repeated and place.name in NAMED and own:
            place.put(request, own)
    return refreshed(request)


def refreshed(request: Any) -> Any:
    """Give a request a key of its own, where it has one."""
    if "idempotency_key" in request.DESCRIPTOR.fields_by_name:
        request.idempotency_key = str(uuid.uuid4())
    if request.DESCRIPTOR.name == "GetOrderRequest" and request.order_id:
        request.ClearField("account_id")
    return request


def with_value(request: Message, place: Place, value: str) -> Any:
    """Copy a request with another value in one place."""
    changed: Any = type(request)()
    changed.CopyFrom(request)
    if place.repeated and len(place.path) == 1:
        changed.ClearField(place.name)
    if changed.DESCRIPTOR.name == "GetOrderRequest" and place.name in {"account_id", "client_order_id"}:
        changed.ClearField("order_id")
        changed.client_order_id = changed.client_order_id or "chosen-alice"
        changed.account_id = changed.account_id or "acc_0"
    refreshed(changed)
    place.put(changed, value)
    return changed


def missing(foreign: str) -> str:
    """Make a value of the same form that nobody has."""
    letters = str.maketrans("0123456789abcdefghijklmnopqrstuvwxyz", "1234567890bcdefghijklmnopqrstuvwxyza")
    head, line, tail = foreign.partition("_")
    return head + line + tail.translate(letters) if line else foreign.translate(letters)


def told_of_alice(pair: Pair, answer: Answer, asked: str) -> list[str]:
    """Name what an answer tells of Alice's, but for what it was asked with."""
    said = answer.told + f"{answer.text} {answer.metadata} {answer.details}".encode()
    return [secret.decode() for secret in pair.secrets if secret in said and secret.decode() != asked]


async def compare(pair: Pair, policy: MethodPolicy, request: Any, place: Place) -> list[str]:
    """Ask as Bob with what is Alice's, and with what is nobody's; say how the two differ, or what was told."""
    foreign, nobodys = pair.has[ALICE].get(place.name.removesuffix("s"), ""), ""
    if place.name in TOKENS:
        foreign = pair.token(ALICE, place.name, request)
        nobodys = foreign[:-1] + ("A" if foreign[-1] != "A" else "B")
    else:
        foreign = foreign or f"{NAMED.get(place.name, '')}{'7' * 26}"
        nobodys = str(uuid.uuid4()) if place.name == "idempotency_key" else missing(foreign)
    one = await pair.call(BOB, policy, with_value(request, place, foreign))
    other = await pair.call(BOB, policy, with_value(request, place, nobodys))
    where = f"{policy.method} {'.'.join(place.path)}"
    wrong = [f"{where}: tells {found}" for found in told_of_alice(pair, one, foreign)]
    if place.name in TOKENS and one.code is grpc.StatusCode.OK:
        wrong.append(f"{where}: a token of Alice's is good for Bob")
    fine = one.code is grpc.StatusCode.OK
    if fine and (other.code is grpc.StatusCode.OK or place.name in CHOSEN):
        return wrong
    if one.without(foreign) != other.without(nobodys):
        wrong.append(f"{where}: {one.without(foreign)} is not {other.without(nobodys)}")
    return wrong


def test_every_field_says_whether_it_names_something() -> None:
    """A field of a request is an id, a value that clients choose, a token, or nothing of the kind; each is listed."""
    known = NAMED.keys() | CHOSEN | TOKENS | PLAIN
    fields = {place.name for policy in POLICIES for place in places_of(policy.request.DESCRIPTOR)}
    assert fields - known == set()
    assert not PLAIN & (NAMED.keys() | CHOSEN | TOKENS)


async def test_another_users_values_are_as_good_as_none(pair: Pair) -> None:
    """I2: every call with each of another user's ids, keys and tokens tells what it tells of one that nobody has."""
    tried: set[str] = set()
    wrong: list[str] = []
    for policy in POLICIES:
        request = request_for(pair, policy)
        for place in places_of(policy.request.DESCRIPTOR):
            if place.name in PLAIN:
                continue
            tried.add(place.name)
            wrong += await compare(pair, policy, request, place)
        if policy.method.rpartition("/")[2] not in _DESTRUCTIVE:
            answer = await pair.call(BOB, policy, refreshed(request))
            wrong += [f"{policy.method}: tells {found}" for found in told_of_alice(pair, answer, "")]
    assert wrong == [], "\n".join(wrong)
    assert tried >= NAMED.keys() - {"certificate_id"} | CHOSEN | TOKENS


CONTROL = {
    "GetOrder": "order_id",
    "ListOrderEvents": "order_id",
    "CancelOrder": "order_id",
    "ListOrders": "account_ids",
    "ListFills": "account_ids",
    "GetAccount": "account_id",
    "GetConnection": "connection_id",
    "ReconcileAccount": "account_id",
    "ListReconciliations": "account_ids",
    "SubscribeFills": "account_ids",
    "ListTransactions": "account_id",
    "GetQuotes": "account_id",
}


async def test_the_same_calls_are_good_for_whom_the_values_belong_to(pair: Pair) -> None:
    """What is refused to Bob is answered to Alice, so that nothing above is refused for another reason."""
    for method, name in CONTROL.items():
        policy = _SHORT[method]
        request: Any = policy.request()
        (place,) = [each for each in places_of(policy.request.DESCRIPTOR) if each.path == (name,)]
        if method == "GetQuotes":
            request.symbols.append("AAPL")
        request = with_value(request, place, pair.has[ALICE][place.name.removesuffix("s")])
        refused = await pair.call(BOB, policy, request)
        assert (refused.code, method) == (grpc.StatusCode.NOT_FOUND, method)
        answered = await pair.call(ALICE, policy, request)
        assert (answered.code, method) == (grpc.StatusCode.OK, method), answered


async def test_tokens_are_good_for_whom_they_were_made(pair: Pair) -> None:
    """The tokens that are refused to Bob are good ones, for Alice."""
    for method, kind in (("ListOrders", "page_token"), ("ListOrders", "min_cursor"), ("SubscribeOrders", "cursor")):
        policy = _SHORT[method]
        request = policy.request()
        (place,) = [each for each in places_of(policy.request.DESCRIPTOR) if each.name == kind]
        mine = with_value(request, place, pair.token(ALICE, kind, request))
        assert (await pair.call(ALICE, policy, mine)).code is grpc.StatusCode.OK, method
        assert (await pair.call(BOB, policy, mine)).code is grpc.StatusCode.INVALID_ARGUMENT, method


async def test_one_users_key_and_client_order_id_are_free_for_another(pair: Pair) -> None:
    """An idempotency key and a client order id of Alice's make an order of Bob's own, and answer nothing of hers."""
    policy, hers = _SHORT["SubmitOrder"], pair.has[ALICE]
    request = order_request(pair.has[BOB]["account_id"], "1.00")
    request.idempotency_key, request.client_order_id = hers["idempotency_key"], hers["client_order_id"]
    answer = await pair.call(BOB, policy, request)
    assert answer.code is grpc.StatusCode.OK
    assert told_of_alice(pair, answer, hers["client_order_id"]) == []
