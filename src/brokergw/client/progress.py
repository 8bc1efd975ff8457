"""What a stream has told so far: where to resume, and whether anything is missing. No I/O happens here.

Theory of operation. An event names the sequence that its connection had covered of the account before it, so within one
connection nothing is missing as long as that is no more than what was told. Over a resumption the comparison holds only
where the client knows exactly what its cursor covers: a cursor is opaque and covers every account of the stream, also
numbers of other kinds that were never told. An event's cursor covers its own account up to that very event; a
heartbeat's covers each account up to the sequence that it names.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from brokerapi.v1 import streams_pb2


class Verdict(Enum):
    """What to do with an event."""

    NEW = auto()
    KNOWN = auto()
    BROKEN = auto()


class Progress:
    """The cursor of one stream, and by account how far it has been told.

    The cursor moves with events and heartbeats. A stream that began "now" can resume as soon as it is subscribed; one
    that began with a snapshot, only when the snapshot is complete (before, it begins again); one that began at a time,
    from its first cursor on.
    """

    def __init__(self, start: streams_pb2.StreamStart) -> None:
        self._start: Final = start
        self._told: dict[str, int] = {}
        self._gaps: dict[str, int] = {}
        self._covered: dict[str, int] = {}
        self._at_cursor: dict[str, int] = {}
        self.cursor = start.cursor

    @property
    def covered(self) -> Mapping[str, int]:
        """The sequence that this connection is known to have covered, by account id."""
        return self._covered

    def next_start(self) -> streams_pb2.StreamStart:
        """Say where the next connection has to begin."""
        return streams_pb2.StreamStart(cursor=self.cursor) if self.cursor else self._start

    def subscribed(self, message: streams_pb2.Subscribed) -> None:
        """Take the opening of a connection."""
        self._covered = dict(self._at_cursor)
        if not self.cursor and self._start.WhichOneof("start") in {None, "from_now"}:
            self.cursor = message.latest_cursor

    def snapshot_complete(self, message: streams_pb2.SnapshotComplete) -> None:
        """Take the end of a snapshot, from which the stream can be resumed."""
        self._move(message.cursor, {})

    def heartbeat(self, message: streams_pb2.Heartbeat) -> None:
        """Take a heartbeat: everything up to its sequences has been told or did not match."""
        sequences = dict(message.sequences)
        self._covered |= sequences
        self._move(message.cursor, sequences)

    def terminating(self, message: streams_pb2.Terminating) -> None:
        """Take the announced end; its cursor is only needed when nothing before it had one."""
        if not self.cursor:
            self._move(message.resume_cursor, {})

    def event(self, header: streams_pb2.EventHeader) -> Verdict:
        """Judge an event, and take it if it is new."""
        account_id, sequence = header.account_id, header.sequence
        if sequence <= self._told.get(account_id, 0):
            self._covered[account_id] = max(sequence, self._covered.get(account_id, 0))
            return Verdict.KNOWN
        if header.previous_sequence > self._covered.get(account_id, header.previous_sequence):
            return Verdict.BROKEN
        self._told[account_id] = self._covered[account_id] = sequence
        self._move(header.cursor, {account_id: sequence})
        return Verdict.NEW

    def gap(self, header: streams_pb2.EventHeader) -> Verdict:
        """Judge a gap, which stands outside the chain of events; one without a place on the record is always new."""
        account_id, sequence = header.account_id, header.sequence
        if not sequence:
            return Verdict.NEW
        if sequence <= max(self._gaps.get(account_id, 0), self._told.get(account_id, 0)):
            return Verdict.KNOWN
        self._gaps[account_id] = sequence
        self._covered[account_id] = max(sequence, self._covered.get(account_id, 0))
        self._move(header.cursor, {account_id: sequence})
        return Verdict.NEW

    def _move(self, cursor: str, covers: dict[str, int]) -> None:
        """Take a cursor and what it is known to cover; an empty one says nothing."""
        if cursor:
            self.cursor = cursor
            self._at_cursor = covers
