"""A request as the audit log shows it: one JSON object, without what is secret, and never longer than a bound.

What may be shown stands in `rpc/audit_fields.py`. Anything else is three stars.
"""

from collections.abc import Callable
from functools import cache
from itertools import islice
from json import JSONEncoder
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from brokergw.rpc.audit_fields import LAST_FOUR, SHOWN

PAYLOAD_LENGTH_MAX: Final = 2_000
TEXT_LENGTH_MAX: Final = 200
ITEMS_MAX: Final = 20
HIDDEN: Final = "***"
_CUT: Final = "…"
_LAST_FOUR_LENGTH_MIN: Final = 12
_TIMES: Final = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration"})

_Show: TypeAlias = Callable[[Any], Any]
_encode: Final = JSONEncoder(check_circular=False, ensure_ascii=False, separators=(",", ":")).encode


def payload_of(message: Message) -> str:
    """Write what of a request may be shown, its fields in the contract's order."""
    shown = _shown(message)
    text = _encode(shown)
    return text if len(text) <= PAYLOAD_LENGTH_MAX else _shortened(shown)


def _shown(message: Message) -> dict[str, Any]:
    shows = _shows(message.DESCRIPTOR)
    told = {}
    for field, value in message.ListFields():
        name, show = shows[field.number]
        told[name] = show(value)
    return told


def _shortened(shown: dict[str, Any]) -> str:
    """Keep whole fields as long as they fit, and say that there were more."""
    kept: dict[str, Any] = {_CUT: len(shown)}
    for name, value in shown.items():
        longer = {**kept, name: value}
        if len(_encode(longer)) <= PAYLOAD_LENGTH_MAX:
            kept = longer
    return _encode(kept)


@cache
def _shows(message: Descriptor) -> dict[int, tuple[str, _Show]]:
    return {field.number: (field.name, _show(field)) for field in message.fields}


def _show(field: FieldDescriptor) -> _Show:
    if field.full_name in LAST_FOUR:
        return _last_four
    if field.full_name not in SHOWN:
        return _hidden
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _entries(field.message_type.fields_by_name["value"])
    one = _one(field)
    return (lambda values: _several(one, values)) if field.is_repeated else one


def _one(field: FieldDescriptor) -> _Show:
    if field.message_type is not None:
        return _moment if field.message_type.full_name in _TIMES else _shown
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda number: names.get(number, number)
    return _short if field.type == FieldDescriptor.TYPE_STRING else _plain


def _entries(value: FieldDescriptor) -> _Show:
    show = _one(value) if value.full_name in SHOWN else _hidden
    return lambda entries: {_short(name): show(entries[name]) for name in islice(sorted(entries), ITEMS_MAX)}


def _several(show: _Show, values: Any) -> list[Any]:
    told = [show(value) for value in values[:ITEMS_MAX]]
    return told if len(values) <= ITEMS_MAX else [*told, _CUT]


def _moment(value: Any) -> str:
    try:
        text: str = value.ToJsonString()
    except ValueError:
        # A time that no calendar has; the call was refused for it.
        return HIDDEN
    return text


def _short(text: str) -> str:
    return text if len(text) <= TEXT_LENGTH_MAX else text[:TEXT_LENGTH_MAX] + _CUT


def _last_four(text: str) -> str:
    return HIDDEN + text[-4:] if len(text) >= _LAST_FOUR_LENGTH_MIN else HIDDEN


def _hidden(_value: Any) -> str:
    return HIDDEN


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int) else HIDDEN
