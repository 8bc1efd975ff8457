"""Who does the background work of a connection: one process at a time, by a lease that it must keep renewing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from brokergw.model.account import ConnectionHealth


@dataclass(frozen=True, slots=True)
class Lease:
    """A process's hold on a connection; `epoch` rises with every new holder, so that an earlier one can be told."""

    connection_id: str
    epoch: int


class LeaseGone(Exception):
    """This process no longer does a connection's background work; what was about to be written was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """What the holder of a connection knows of its feed, for every process to show.

    `last_sync_ns` and `next_sync_ns` are when it asked, and asks next, for what the record must agree with.
    """

    health: ConnectionHealth
    detail: str
    stream_up: bool
    last_message_ns: int | None
    last_sync_ns: int | None = None
    next_sync_ns: int | None = None


class Leases(Protocol):
    """Leases of this process, and what is known of the others. A lease not renewed for three seconds is lost."""

    @property
    def instance_id(self) -> str:
        """The id of this process's life; another one after a restart."""
        ...

    async def renew(self, connection_ids: Collection[str]) -> Mapping[str, Lease]:
        """Say that this process lives, renew what it holds, and take each of `connection_ids` that no living process
        holds; gives all leases held now, by connection id.

        What is held and not named is given up. Raises JOURNAL_UNAVAILABLE: then nothing is certain but the clock.
        """
        ...

    async def report(self, statuses: Mapping[Lease, FeedStatus]) -> None:
        """Tell every process how the feeds held here fare; what is told under a lease that was lost is dropped."""
        ...

    async def statuses(self) -> Mapping[str, FeedStatus]:
        """Give each connection's feed as its holder last told it; a connection that nobody living holds is left out."""
        ...

    async def living(self) -> frozenset[str]:
        """Give the instance ids of the processes that live, this one's included."""
        ...

    async def release(self) -> None:
        """Give up every lease and this process's place at once, so that others need not wait."""
        ...
