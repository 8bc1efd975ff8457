"""How many elements the lists of a request hold, at every depth: counted along paths that are known beforehand.

A request type may be nested so deep and no deeper, and must not contain itself; then no request can be deeper either,
as what its type does not know is refused, and nothing needs to be measured while calls run.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from brokergw.model.errors import GatewayError, Reason

DEPTH_MAX: Final = 8
"""Messages inside of messages, the request itself counted."""

Counter: TypeAlias = Callable[[Any], int]


def too_large(subject: str, observed: int, limit: int) -> GatewayError:
    """Refuse what has more of something than any call needs."""
    return GatewayError(
        Reason.REQUEST_TOO_LARGE,
        f"the request has {observed} {subject}, more than {limit}",
        metadata={"subject": subject, "limit": str(limit), "observed": str(observed)},
    )


class TypeUnbounded(Exception):
    """A request type that nothing would hold within bounds."""


def counter_of(request: type[Message]) -> Counter | None:
    """Make what counts the elements in a request; None where it has no lists. Raises TypeUnbounded."""
    return counter_by(request.DESCRIPTOR)


def counter_by(descriptor: Any) -> Counter | None:
    """Make the same from a descriptor."""
    return _counter(descriptor, ())


def _counter(message: Descriptor, above: tuple[str, ...]) -> Counter | None:
    if message.full_name in above:
        raise TypeUnbounded(f"{message.full_name} contains itself: {' in '.join(reversed(above))}")
    if len(above) == DEPTH_MAX:
        raise TypeUnbounded(f"{above[0]} is more than {DEPTH_MAX} messages deep")
    path = (*above, message.full_name)
    return _sum([each for field in message.fields if (each := _of_field(field, path)) is not None])


def _of_field(field: FieldDescriptor, path: tuple[str, ...]) -> Counter | None:
    inner = None if field.message_type is None else _counter(field.message_type, path)
    if field.is_repeated:
        return _of_list(field, inner)
    return None if inner is None else _of_message(field.name, inner)


def _of_list(field: FieldDescriptor, inner: Counter | None) -> Counter:
    name = field.name
    if inner is None:
        return lambda message: len(getattr(message, name))
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        raise TypeUnbounded(f"{field.full_name} is a map of messages with lists, which nobody counts")

    def count(message: Any) -> int:
        elements: Iterable[Any] = getattr(message, name)
        return sum(1 + inner(element) for element in elements)

    return count


def _of_message(name: str, inner: Counter) -> Counter:
    return lambda message: inner(getattr(message, name))


def _sum(counters: list[Counter]) -> Counter | None:
    match counters:
        case []:
            return None
        case [one]:
            return one
        case _:
            return lambda message: sum([count(message) for count in counters])
