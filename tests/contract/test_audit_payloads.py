"""What the audit log shows of a request: every field has its rule, and what is secret never appears."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from brokerapi.v1 import connections_pb2, limits_pb2, live_pb2, orders_pb2, trading_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from brokergw.rpc.audit_fields import LAST_FOUR, NEVER, SHOWN
from brokergw.rpc.methods import POLICIES
from brokergw.rpc.payload import HIDDEN, ITEMS_MAX, PAYLOAD_LENGTH_MAX, TEXT_LENGTH_MAX, payload_of

CANARY = "canary-7f3d92c80e90"


def fields_of(message: Any, known: set[str]) -> Iterator[FieldDescriptor]:
    """Give every field that a message can hold, those of its parts included."""
    if message.full_name in known or message.full_name.startswith("google."):
        return
    known.add(message.full_name)
    for field in message.fields:
        yield field
        if field.message_type is not None:
            yield from fields_of(field.message_type, known)


AUDITED = [policy.request for policy in POLICIES if policy.audited]
FIELDS = {
    field.full_name: field for known in [set[str]()] for each in AUDITED for field in fields_of(each.DESCRIPTOR, known)
}


def test_every_field_of_an_audited_method_has_a_rule() -> None:
    """Whoever adds a field to a request that is audited says in `rpc/audit_fields.py` whether it may be shown."""
    assert set(FIELDS) - SHOWN - LAST_FOUR - NEVER == set(), "name these fields in rpc/audit_fields.py"


def test_no_rule_is_without_its_field() -> None:
    """A rule names a field that an audited method can be sent, and each field has one rule."""
    assert (SHOWN | LAST_FOUR | NEVER) - set(FIELDS) == set()
    assert len(SHOWN | LAST_FOUR | NEVER) == len(SHOWN) + len(LAST_FOUR) + len(NEVER)


def planted(field: FieldDescriptor) -> Message | None:
    """Make the message that holds a field, with the canary in it; None for a field that holds no text."""
    owner = field.containing_type
    if field.type != FieldDescriptor.TYPE_STRING or owner is None or owner.GetOptions().map_entry:
        return None
    made: Message = GetMessageClass(owner)()
    if field.is_repeated:
        getattr(made, field.name).append(CANARY)
    else:
        setattr(made, field.name, CANARY)
    return made


@pytest.mark.parametrize("name", sorted(NEVER | LAST_FOUR))
def test_what_is_secret_does_not_appear(name: str) -> None:
    """Of a secret it is told that it was there, and of a credential's public part the end."""
    made = planted(FIELDS[name])
    assert made is not None
    shown = payload_of(made)
    assert CANARY not in shown
    assert json.loads(shown)[FIELDS[name].name] == (HIDDEN + CANARY[-4:] if name in LAST_FOUR else HIDDEN)


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_what_may_be_shown_appears(name: str) -> None:
    """A field that may be shown is shown under its name in the contract."""
    made = planted(FIELDS[name])
    if made is not None:
        assert CANARY in payload_of(made)


def test_a_field_without_a_rule_is_not_shown() -> None:
    """What nobody has thought of is hidden."""
    request = limits_pb2.GetUserLimitsRequest(user_id=CANARY)
    assert json.loads(payload_of(request)) == {"user_id": HIDDEN}


def test_a_request_is_told_in_the_contracts_own_words() -> None:
    """Enums by name, times as RFC 3339, parts as objects; what was not set is left out."""
    request = orders_pb2.SubmitOrderRequest(account_id="acc_1", labels={"b": "2", "a": "1"}, validate_only=True)
    request.order.symbol = "AAPL"
    request.order.side = trading_pb2.SIDE_BUY
    request.client_time.FromNanoseconds(1_800_000_000_000_000_000)
    assert json.loads(payload_of(request)) == {
        "account_id": "acc_1",
        "order": {"symbol": "AAPL", "side": "SIDE_BUY"},
        "labels": {"a": "1", "b": "2"},
        "validate_only": True,
        "client_time": "2027-01-15T08:00:00Z",
    }


def test_credentials_leave_only_the_end_of_the_key() -> None:
    """The secret of a new connection is stars; a key too short to have a public end is stars too."""
    request = connections_pb2.CreateConnectionRequest(broker="alpaca")
    request.api_key.key, request.api_key.secret = "PK0123456789", CANARY
    assert json.loads(payload_of(request))["api_key"] == {"key": HIDDEN + "6789", "secret": HIDDEN}
    request.api_key.key = "PK012345678"
    assert json.loads(payload_of(request))["api_key"]["key"] == HIDDEN


def test_a_code_is_not_even_cut() -> None:
    """A one-time code leaves nothing."""
    assert json.loads(payload_of(live_pb2.ConfirmMfaRequest(code="123456"))) == {"code": HIDDEN}


@pytest.mark.parametrize("length", [TEXT_LENGTH_MAX - 1, TEXT_LENGTH_MAX, TEXT_LENGTH_MAX + 1])
def test_long_texts_are_cut(length: int) -> None:
    """A text is shown up to its bound, and shows that it was longer."""
    shown = json.loads(payload_of(orders_pb2.CancelOrderRequest(order_id="x" * length)))["order_id"]
    assert shown == "x" * min(length, TEXT_LENGTH_MAX) + ("…" if length > TEXT_LENGTH_MAX else "")


@pytest.mark.parametrize("count", [ITEMS_MAX - 1, ITEMS_MAX, ITEMS_MAX + 1])
def test_long_lists_are_cut(count: int) -> None:
    """A list is shown up to its bound, and shows that it was longer."""
    request = limits_pb2.UpdateLimitsRequest()
    request.limits.symbols_allowed.symbols.extend(str(number) for number in range(count))
    shown = json.loads(payload_of(request))["limits"]["symbols_allowed"]["symbols"]
    assert shown == [str(number) for number in range(min(count, ITEMS_MAX))] + ["…"] * (count > ITEMS_MAX)


def test_a_payload_has_a_bound() -> None:
    """However much is sent, the payload is bounded, is JSON, keeps whole fields and says how many there were."""
    request = orders_pb2.SubmitOrderRequest(idempotency_key="key", account_id="acc_1")
    for number in range(30):
        request.labels[f"{number:02}" + "n" * 500] = "v" * 500
    shown = payload_of(request)
    assert len(shown) <= PAYLOAD_LENGTH_MAX
    assert json.loads(shown) == {"…": 3, "idempotency_key": "key", "account_id": "acc_1"}
