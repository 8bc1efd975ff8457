"""What a stream has told so far: where to resume, and whether anything is missing. No I/O happens here."""

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
    """The cursor and, by account, the last sequence that one stream has covered.

    The cursor moves with events and heartbeats. A stream that began "now" can resume as soon as it is subscribed; one
    that began with a snapshot, only when the snapshot is complete (before, it begins again); one that began at a time,
    from its first cursor on.
    """

    def __init__(self, start: streams_pb2.StreamStart) -> None:
        self._start: Final = start
        self._sequences: dict[str, int] = {}
        self.cursor = start.cursor

    @property
    def sequences(self) -> Mapping[str, int]:
        """The last sequence covered, by account id."""
        return self._sequences

    def next_start(self) -> streams_pb2.StreamStart:
        """Say where the next connection has to begin."""
        return streams_pb2.StreamStart(cursor=self.cursor) if self.cursor else self._start

    def subscribed(self, message: streams_pb2.Subscribed) -> None:
        """Take the opening of a stream."""
        if not self.cursor and self._start.WhichOneof("start") in {None, "from_now"}:
            self.cursor = message.latest_cursor

    def moved(self, cursor: str) -> None:
        """Take a cursor that covers everything told before it; an empty one says nothing."""
        self.cursor = cursor or self.cursor

    def heartbeat(self, message: streams_pb2.Heartbeat) -> None:
        """Take a heartbeat: everything up to its sequences has been told or did not match."""
        self.moved(message.cursor)
        for account_id, sequence in message.sequences.items():
            self._sequences[account_id] = max(sequence, self._sequences.get(account_id, 0))

    def event(self, header: streams_pb2.EventHeader) -> Verdict:
        """Judge an event, and take it if it is new."""
        last = self._sequences.get(header.account_id)
        if last is not None and header.sequence <= last:
            return Verdict.KNOWN
        if last is not None and header.previous_sequence > last:
            return Verdict.BROKEN
        self._sequences[header.account_id] = header.sequence
        self.moved(header.cursor)
        return Verdict.NEW
