"""MessagePack of JSON documents, for brokers that offer it on their websockets (specification: msgpack.org)."""

import struct
from typing import Any, Final

_NIL, _FALSE, _TRUE = b"\xc0", b"\xc2", b"\xc3"
_SIZES: Final = (("B", 1 << 8), (">H", 1 << 16), (">I", 1 << 32))


def encode(value: Any) -> bytes:
    """Encode null, booleans, integers of 64 bits, floats, texts, lists and objects; raises TypeError for the rest."""
    out = bytearray()
    _put(out, value)
    return bytes(out)


def _put(out: bytearray, value: Any) -> None:
    match value:
        case None:
            out += _NIL
        case bool():
            out += _TRUE if value else _FALSE
        case int():
            out += _whole(value)
        case float():
            out += b"\xcb" + struct.pack(">d", value)
        case str():
            raw = value.encode()
            out += _head(len(raw), 0xA0, 32, b"\xd9\xda\xdb")
            out += raw
        case list():
            out += _head(len(value), 0x90, 16, b"\x00\xdc\xdd")
            for item in value:
                _put(out, item)
        case dict():
            out += _head(len(value), 0x80, 16, b"\x00\xde\xdf")
            for name, item in value.items():
                _put(out, name)
                _put(out, item)
        case _:
            raise TypeError(f"cannot encode {type(value).__name__}")


def _whole(value: int) -> bytes:
    if 0 <= value < 128:
        return bytes((value,))
    if -32 <= value < 0:
        return struct.pack("b", value)
    return (b"\xcf" + struct.pack(">Q", value)) if value > 0 else (b"\xd3" + struct.pack(">q", value))


def _head(size: int, small: int, limit: int, marks: bytes) -> bytes:
    """Write a type with its size in as few bytes as it takes; mark 0 means the form with one byte does not exist."""
    if size < limit:
        return bytes((small | size,))
    for mark, (form, end) in zip(marks, _SIZES, strict=True):
        if mark and size < end:
            return bytes((mark,)) + struct.pack(form, size)
    raise TypeError("too large to encode")
