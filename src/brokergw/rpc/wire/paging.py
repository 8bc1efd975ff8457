"""Pages: sizes, and signed tokens that only continue the very list they came from."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from brokergw.model.errors import FieldViolation, InvalidRequest, Reason
from brokergw.rpc.wire.found import Found
from brokergw.rpc.wire.seal import Seal, digest8

T = TypeVar("T")

PAGE_SIZE_DEFAULT: Final = 100
PAGE_SIZE_MAX: Final = 500
_NOT_ARGUMENTS: Final = ("page_size", "page_token", "min_cursor")


def page_size_from(size: int, found: Found) -> int:
    """Read a page size: 0 is the default, too much is cut to the most there is, below 0 is refused."""
    if size < 0:
        found.add("page_size", "must not be negative")
    return min(size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)


class PageTokens:
    """Makes and reads page tokens, each bound to its owner and to the arguments of its list."""

    def __init__(self, key: bytes) -> None:
        self._seal = Seal(key, b"page")

    def after(self, user_id: str, request: Any) -> str:
        """Give the id after which the asked page begins; empty for the first page."""
        if not request.page_token:
            return ""
        body = self._seal.open(request.page_token)
        if body is None or body[:8] != _arguments(user_id, request):
            raise InvalidRequest((_violation("does not continue this list"),))
        return body[8:].decode()

    def next(self, user_id: str, request: Any, last_id: str) -> str:
        """Make the token of the page after this id."""
        return self._seal.close(_arguments(user_id, request) + last_id.encode())

    def cut(self, user_id: str, request: Any, found: Sequence[T], id_of: Callable[[T], str]) -> tuple[Sequence[T], str]:
        """Split what was read, one more than the page holds, into the page and the next token."""
        size = min(request.page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
        page = found[:size]
        return page, self.next(user_id, request, id_of(page[-1])) if len(found) > size else ""

    def slice(
        self, user_id: str, request: Any, everything: Sequence[T], id_of: Callable[[T], str]
    ) -> tuple[Sequence[T], str]:
        """Take the asked page out of a list that is whole."""
        after = self.after(user_id, request)
        if not after:
            return self.cut(user_id, request, everything, id_of)
        for index, item in enumerate(everything):
            if id_of(item) == after:
                return self.cut(user_id, request, everything[index + 1 :], id_of)
        raise InvalidRequest((_violation("continues after something that is no longer listed"),))


def limit_of(request: Any) -> int:
    """Tell how many to read: one more than the page holds, to see whether another follows."""
    return min(request.page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX) + 1


def _arguments(user_id: str, request: Message) -> bytes:
    bare = type(request)()
    bare.CopyFrom(request)
    for name in _NOT_ARGUMENTS:
        if name in bare.DESCRIPTOR.fields_by_name:
            bare.ClearField(name)
    text = bare.SerializeToString(deterministic=True).hex()
    return digest8(user_id, bare.DESCRIPTOR.full_name, text)


def _violation(rule: str) -> FieldViolation:
    return FieldViolation("page_token", rule, Reason.PAGE_TOKEN_INVALID)
