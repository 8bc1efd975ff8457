"""Stream cursors: where in the record of each account a client stands.

A cursor holds the life of the record (epoch), whose it is, which filter it was made under, and the sequence by
account, all signed. It grants nothing: the caller's rights are checked when it is used. The cursor of a mutation's
answer has no filter and fits every stream of its owner.

Layout: version (1 byte), epoch, owner and filter (8 bytes each), then per account the length of its id (1 byte),
the id and the sequence (8 bytes, big endian), then the signature.
"""

from collections.abc import Callable, Sequence
from typing import Final

from brokergw.desk.results import Positions
from brokergw.model.errors import GatewayError, Reason
from brokergw.rpc.wire.seal import Seal, digest8

_VERSION: Final = b"\x01"
_NO_FILTER: Final = bytes(8)
_HEAD_BYTES: Final = 25
_SEQUENCE_BYTES: Final = 8
_USERS_MAX: Final = 10_000


def filter_of(kind: str, account_ids: Sequence[str], symbols: Sequence[str]) -> bytes:
    """Shorten what a stream asks for: its kind, accounts and symbols, in any order."""
    accounts = sorted(set(account_ids))
    return digest8(kind, str(len(accounts)), *accounts, *sorted(set(symbols)))


class Cursors:
    """Makes and reads cursors; `epoch` is first asked when the record is open, and never changes then."""

    def __init__(self, key: bytes, epoch: Callable[[], str]) -> None:
        self._seal = Seal(key, b"cursor")
        self._ask_epoch = epoch
        self._heads: dict[str, bytes] = {}

    def issue(self, user_id: str, positions: Positions) -> str:
        """Make the cursor of a mutation's answer, which fits every stream; empty without positions."""
        return CursorLine(self._seal, self._head(user_id, _NO_FILTER)).at(positions) if positions else ""

    def line(self, user_id: str, stream_filter: bytes) -> "CursorLine":
        """Prepare the cursors of one stream."""
        return CursorLine(self._seal, self._head(user_id, stream_filter))

    def read(self, text: str, user_id: str, stream_filter: bytes | None = None) -> Positions:
        """Give the positions of a cursor.

        Raises CURSOR_INVALID for one that is not ours or not this user's, CURSOR_EPOCH_CHANGED for one of another
        record, CURSOR_FILTER_MISMATCH for one of another stream; None takes a cursor of any stream.
        """
        body = self._seal.open(text)
        if body is None or len(body) < _HEAD_BYTES or body[:1] != _VERSION or body[9:17] != digest8(user_id):
            raise GatewayError(Reason.CURSOR_INVALID, "the cursor is not one that this gateway gave to this caller")
        head = self._head(user_id, _NO_FILTER)
        if body[1:9] != head[1:9]:
            raise GatewayError(Reason.CURSOR_EPOCH_CHANGED, "the cursor is of an earlier life of the record")
        if stream_filter is not None and body[17:25] not in {_NO_FILTER, stream_filter}:
            raise GatewayError(Reason.CURSOR_FILTER_MISMATCH, "the cursor is of a stream with another filter")
        return _positions(body)

    def _head(self, user_id: str, stream_filter: bytes) -> bytes:
        return self._owned(user_id) + stream_filter

    def _owned(self, user_id: str) -> bytes:
        """Give version, epoch and owner, which are the same for all cursors of a user."""
        known = self._heads.get(user_id)
        if known is None:
            if len(self._heads) >= _USERS_MAX:
                self._heads.clear()
            known = self._heads[user_id] = _VERSION + digest8(self._ask_epoch()) + digest8(user_id)
        return known


class CursorLine:
    """The cursors of one stream: everything that stays the same is prepared once."""

    __slots__ = ("_parts", "_seal", "head")

    def __init__(self, seal: Seal, head: bytes) -> None:
        self._seal = seal
        self.head = head
        self._parts: dict[str, bytes] = {}

    def at(self, positions: Positions) -> str:
        """Make the cursor for these positions."""
        body = self.head
        for account_id, sequence in positions.items():
            body += self._part(account_id) + sequence.to_bytes(_SEQUENCE_BYTES)
        return self._seal.close(body)

    def _part(self, account_id: str) -> bytes:
        part = self._parts.get(account_id)
        if part is None:
            name = account_id.encode()
            part = self._parts[account_id] = len(name).to_bytes(1) + name
        return part


def _positions(body: bytes) -> Positions:
    positions: Positions = {}
    at = _HEAD_BYTES
    while at < len(body):
        end = at + 1 + body[at]
        positions[body[at + 1 : end].decode()] = int.from_bytes(body[end : end + _SEQUENCE_BYTES])
        at = end + _SEQUENCE_BYTES
    return positions
