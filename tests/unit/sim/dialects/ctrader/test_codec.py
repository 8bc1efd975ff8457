"""Frames of cTrader's protocol, byte for byte as its own clients write them, and what is no frame at all."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.sim.dialects.ctrader.codec import JsonWire, Malformed, ProtobufWire, read_message, write_message
from brokergw.sim.dialects.ctrader.schema import MESSAGES, MODELS, Field, Shape

VECTORS = [
    (51, {}, "", "08331200"),
    (2100, {"clientId": "a", "clientSecret": "b"}, "x", "08b41012061201611a01621a0178"),
    (2101, {}, "x", "08b51012001a0178"),
    (
        2106,
        {
            "ctidTraderAccountId": 12345,
            "symbolId": 1,
            "orderType": 2,
            "tradeSide": 1,
            "volume": 100_000,
            "limitPrice": Decimal("1.08123"),
            "clientOrderId": "abc",
        },
        "m1",
        "08ba10121c10b96018012002280130a08d0639e94317d4b74cf13f9201036162631a026d31",
    ),
]


@pytest.mark.parametrize(
    ("payload_type", "payload", "message_id", "frame"), VECTORS, ids=["beat", "app", "ok", "order"]
)
def test_frames_are_those_of_the_protocol_s_own_clients(
    payload_type: int, payload: dict[str, Any], message_id: str, frame: str
) -> None:
    """What was recorded of cTrader's own client is written and read alike."""
    wire = ProtobufWire()
    assert wire.encode(payload_type, payload, message_id).hex() == frame
    assert wire.decode(bytes.fromhex(frame)) == (payload_type, payload, message_id)


def _values(field: Field, depth: int) -> st.SearchStrategy[Any]:
    match field.kind:
        case "int":
            one: st.SearchStrategy[Any] = st.integers(-(2**63), 2**63 - 1)
        case "enum":
            one = st.integers(0, 100)
        case "bool":
            one = st.booleans()
        case "double":
            one = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: Decimal(repr(value)))
        case "string":
            one = st.text(max_size=5)
        case model:
            one = documents(MODELS[model], depth - 1)
    return st.lists(one, min_size=1, max_size=2) if field.repeated else one


def documents(shape: Shape, depth: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    """Make documents of a shape."""
    plain = {"int", "enum", "bool", "double", "string"}
    fields = [field for field in shape.by_name.values() if depth > 0 or field.kind in plain]
    return st.fixed_dictionaries({}, optional={field.name: _values(field, depth) for field in fields})


@given(st.sampled_from(sorted(MESSAGES)).flatmap(lambda kind: st.tuples(st.just(kind), documents(MESSAGES[kind]))))
def test_every_message_survives_the_wire(case: tuple[int, dict[str, Any]]) -> None:
    """Whatever a message holds is read as it was written."""
    shape = MESSAGES[case[0]]
    assert read_message(shape, write_message(shape, case[1])) == case[1]


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(frame: bytes) -> None:
    """Bytes are a frame or they are malformed; nothing else comes of them."""
    for wire in (ProtobufWire(), JsonWire()):
        try:
            wire.decode(frame)
        except Malformed:
            continue


def test_packed_numbers_are_read_as_well() -> None:
    """A list of ids may come packed."""
    assert read_message(MESSAGES[2127], bytes.fromhex("10011a020129")) == {
        "ctidTraderAccountId": 1,
        "symbolId": [1, 41],
    }


def test_json_is_written_as_the_broker_does() -> None:
    """Enums are numbers, what is empty is left out, and doubles are the numbers that were meant."""
    frame = json.loads(JsonWire().encode(2126, {"executionType": 2, "order": {"limitPrice": Decimal("1.08123")}}, ""))
    assert frame == {"payloadType": 2126, "payload": {"executionType": 2, "order": {"limitPrice": 1.08123}}}
    assert json.loads(JsonWire().encode(2101, {}, "")) == {"payloadType": 2101}


def test_json_may_name_its_enums_and_write_ids_as_text() -> None:
    """Words for enums and texts for numbers are understood, and fields that nobody knows are passed over."""
    frame = b'{"payloadType":2106,"payload":{"symbolId":"41","orderType":"LIMIT","tradeSide":"SELL","new":1}}'
    assert JsonWire().decode(frame) == (2106, {"symbolId": 41, "orderType": 2, "tradeSide": 2}, "")


@pytest.mark.parametrize(
    "frame",
    ['{"payloadType":2104', "[]", '{"payloadType":"x"}', '{"payloadType":2106,"payload":{"volume":1.5}}',
     '{"payloadType":2106,"payload":{"volume":true}}', '{"payloadType":2106,"payload":[]}'],
)  # fmt: skip
def test_json_of_no_sense_is_malformed(frame: str) -> None:
    """Half an object, another kind of value and a fraction where a whole number belongs are refused."""
    with pytest.raises(Malformed):
        JsonWire().decode(frame.encode() if frame != "[]" else b"[]")
