"""The two ways in which a message is written: protobuf by the table of `schema`, and JSON.

Both give and take the same documents: names of fields to values, doubles as Decimal, enums as numbers. Clients may
write enums by name and ids as text in JSON; both are understood.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol, TypeAlias

from brokergw.sim.dialects.ctrader.enums import NUMBERS
from brokergw.sim.dialects.ctrader.schema import HEARTBEAT, MESSAGES, MODELS, Field, Shape
from brokergw.sim.wire import encode_json

Document: TypeAlias = dict[str, Any]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WRAP: Final = 1 << 64
_SIGN: Final = 1 << 63
_TEN_BYTES: Final = 70


class Malformed(Exception):
    """A frame makes no sense, in words."""


class Wire(Protocol):
    """One way of writing a frame: payload type, payload and the client's message id."""

    def encode(self, payload_type: int, payload: Mapping[str, Any], message_id: str) -> bytes:
        """Write a frame."""
        ...

    def decode(self, frame: bytes) -> tuple[int, Document, str]:
        """Read a frame; raises Malformed."""
        ...


class ProtobufWire:
    """A frame is one serialized ProtoMessage."""

    def encode(self, payload_type: int, payload: Mapping[str, Any], message_id: str) -> bytes:
        """Write a frame."""
        shape = MESSAGES.get(payload_type)
        body = b"" if shape is None else write_message(shape, payload)
        named = _tagged(3, message_id.encode()) if message_id else b""
        return _key(1, _VARINT) + _varint(payload_type) + _tagged(2, body) + named

    def decode(self, frame: bytes) -> tuple[int, Document, str]:
        """Read a frame; raises Malformed."""
        payload_type, body, message_id = 0, b"", ""
        for number, value in _parts(frame):
            match number, value:
                case 1, int():
                    payload_type = value
                case 2, bytes():
                    body = value
                case 3, bytes():
                    message_id = _text(value)
        shape = MESSAGES.get(payload_type)
        if shape is None:
            return payload_type, {}, message_id
        return payload_type, read_message(shape, body), message_id


class JsonWire:
    """A frame is one JSON object."""

    def encode(self, payload_type: int, payload: Mapping[str, Any], message_id: str) -> bytes:
        """Write a frame; what is empty is left out, as the broker does."""
        frame: Document = {"payloadType": payload_type}
        if message_id:
            frame["clientMsgId"] = message_id
        if payload:
            frame["payload"] = _plain(payload)
        return encode_json(frame)

    def decode(self, frame: bytes) -> tuple[int, Document, str]:
        """Read a frame; raises Malformed."""
        try:
            document = json.loads(frame, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            place = f"{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else "1:1"
            raise Malformed(f"Malformed JSON message at {place}") from None
        if not isinstance(document, dict) or not isinstance(payload_type := document.get("payloadType"), int):
            raise Malformed("Malformed JSON message at 1:1")
        payload = document.get("payload", {})
        if not isinstance(payload, dict):
            raise Malformed("payload must be an object")
        shape = MESSAGES.get(payload_type)
        read = {} if shape is None or payload_type == HEARTBEAT else _fields_of(shape, payload)
        return payload_type, read, str(document.get("clientMsgId") or "")


def write_message(shape: Shape, document: Mapping[str, Any]) -> bytes:
    """Serialize a document; raises KeyError for a field that the shape does not have."""
    written = bytearray()
    for name, value in document.items():
        field = shape.by_name[name]
        for each in value if field.repeated else (value,):
            written += _write_field(field, each)
    return bytes(written)


def read_message(shape: Shape, body: bytes) -> Document:
    """Read a serialized message; fields that the shape does not have are passed over. Raises Malformed."""
    document: Document = {}
    for number, raw in _parts(body):
        field = shape.by_number.get(number)
        if field is None:
            continue
        if not field.repeated:
            document[field.name] = _read_field(field, raw)
        elif field.kind == "int" and isinstance(raw, bytes):
            document.setdefault(field.name, []).extend(_signed(each) for each in _varints(raw))
        else:
            document.setdefault(field.name, []).append(_read_field(field, raw))
    return document


def _write_field(field: Field, value: Any) -> bytes:
    match field.kind:
        case "int" | "enum" | "bool":
            return _key(field.number, _VARINT) + _varint(int(value))
        case "double":
            return _key(field.number, _FIXED64) + struct.pack("<d", value)
        case "string":
            return _tagged(field.number, str(value).encode())
        case model:
            return _tagged(field.number, write_message(MODELS[model], value))


def _read_field(field: Field, raw: int | bytes) -> Any:
    match field.kind, raw:
        case (("int" | "enum"), int()):
            return _signed(raw)
        case "bool", int():
            return bool(raw)
        case "double", bytes() if len(raw) == 8:
            # A double's shortest text is the decimal that was meant.
            return Decimal(repr(struct.unpack("<d", raw)[0]))
        case "string", bytes():
            return _text(raw)
        case model, bytes() if model in MODELS:
            return read_message(MODELS[model], raw)
    raise Malformed(f"{field.name} has the wrong wire type")


def _fields_of(shape: Shape, payload: Mapping[str, Any]) -> Document:
    return {
        name: _understood(shape.by_name[name], value)
        for name, value in payload.items()
        if name in shape.by_name and value is not None
    }


def _understood(field: Field, value: Any) -> Any:
    """Read a value of a JSON payload as its field's kind; raises Malformed."""
    if field.repeated:
        items = value if isinstance(value, list) else [value]
        return [_single(field, item) for item in items]
    return _single(field, value)


def _single(field: Field, value: Any) -> Any:
    match field.kind, value:
        case _, bool() if field.kind != "bool":
            pass
        case "int", int() | str():
            return _whole(field, value)
        case "enum", str() if not value.isdigit():
            if (number := NUMBERS.get(field.name, {}).get(value)) is not None:
                return number
        case "enum", int() | str():
            return _whole(field, value)
        case "double", int() | Decimal():
            return Decimal(value)
        case ("bool", bool()) | ("string", str()):
            return value
    raise Malformed(f"{field.name} is not understood")


def _whole(field: Field, value: int | str) -> int:
    try:
        return int(value)
    except ValueError:
        raise Malformed(f"{field.name} is not understood") from None


def _plain(value: Any) -> Any:
    """Turn decimals into JSON numbers: what the broker keeps as doubles."""
    match value:
        case Decimal():
            return float(value)
        case Mapping():
            return {name: _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _parts(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    place = 0
    while place < len(data):
        tag, place = _take_varint(data, place)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, place = _take_varint(data, place)
            yield number, value
            continue
        if kind == _BYTES:
            size, place = _take_varint(data, place)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(kind, -1)
        if size < 0 or place + size > len(data):
            raise Malformed("the message is cut short")
        yield number, data[place : place + size]
        place += size


def _take_varint(data: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while place < len(data) and shift < _TEN_BYTES:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value % _WRAP, place
        shift += 7
    raise Malformed("the message is cut short")


def _varints(data: bytes) -> Iterator[int]:
    place = 0
    while place < len(data):
        value, place = _take_varint(data, place)
        yield value


def _varint(value: int) -> bytes:
    value %= _WRAP
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _signed(value: int) -> int:
    return value - _WRAP if value >= _SIGN else value


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _tagged(number: int, data: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(data)) + data


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Malformed("a text is no UTF-8") from None
