"""Which fields of a message this server does not know; only walked once it is certain that there are some."""

from typing import Final

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from brokergw.model.errors import FieldViolation, Reason

_TOLD_MAX: Final = 50
_RULE: Final = "is not a field of this server's contract"


def unknown_fields(message: Message) -> tuple[FieldViolation, ...]:
    """Name every unknown field by the path of its message and its number, such as `order.999`."""
    found: list[FieldViolation] = []
    _walk(message, "", found)
    return tuple(found) or (FieldViolation("", _RULE, Reason.UNKNOWN_FIELD),)


def _walk(message: Message, path: str, found: list[FieldViolation]) -> None:
    numbers = sorted({field.field_number for field in UnknownFieldSet(message)})  # type: ignore[attr-defined]
    found.extend(FieldViolation(f"{path}{number}", _RULE, Reason.UNKNOWN_FIELD) for number in numbers)
    for descriptor, value in message.ListFields():
        if len(found) >= _TOLD_MAX:
            return
        if descriptor.message_type is not None and not descriptor.message_type.GetOptions().map_entry:
            _walk_field(value, f"{path}{descriptor.name}", found)


def _walk_field(value: object, path: str, found: list[FieldViolation]) -> None:
    if isinstance(value, Message):
        _walk(value, f"{path}.", found)
        return
    for index, item in enumerate(value):  # type: ignore[var-annotated, arg-type]
        _walk(item, f"{path}[{index}].", found)
