"""What each user may still spend: orders, reads and connections by rate, streams by how many are open."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.ids import new_id
from brokergw.ports.clock import Clock
from brokergw.rpc.buckets import Buckets
from brokergw.rpc.peer_slots import PeerSlots
from brokergw.rpc.settings import Budget, RateSettings
from brokergw.rpc.unread import Unread

_NAMED_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """One budget of a user; `interval_s` is None where things are held rather than spent."""

    name: str
    limit: int
    remaining: int
    interval_s: float | None


class CallSlots:
    """The unary calls that each user has running."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: dict[str, int] = {}

    def take(self, user_id: str) -> bool:
        """Take a slot; False where the user has as many as it may."""
        held = self._held.get(user_id, 0)
        if held >= self.limit:
            return False
        self._held[user_id] = held + 1
        return True

    def free(self, user_id: str) -> None:
        """Give a slot back."""
        held = self._held[user_id] - 1
        if held:
            self._held[user_id] = held
        else:
            del self._held[user_id]


class StreamSlots:
    """The streams that each owner holds: a user, or an address."""

    def __init__(self, limit: int, whose: str = "one user") -> None:
        self.limit = limit
        self._whose = whose
        self._held: defaultdict[str, set[str]] = defaultdict(set)

    def take(self, owner: str) -> str:
        """Take a slot and name the stream in it; raises STREAM_LIMIT."""
        held = self._held[owner]
        if len(held) >= self.limit:
            raise GatewayError(
                Reason.STREAM_LIMIT,
                f"{len(held)} streams are open, which is as many as {self._whose} may hold",
                metadata={
                    "subject": "streams",
                    "limit": str(self.limit),
                    "open_streams": ",".join(sorted(held)[:_NAMED_MAX]),
                },
                retry_after_s=1.0,
            )
        stream_id = new_id("str")
        held.add(stream_id)
        return stream_id

    def free(self, owner: str, stream_id: str) -> None:
        """Give a slot back."""
        held = self._held[owner]
        held.discard(stream_id)
        if not held:
            del self._held[owner]

    def left(self, owner: str) -> int:
        """Tell how many more may be opened."""
        return self.limit - len(self._held.get(owner, ()))


class Budgets:
    """All budgets, by class."""

    def __init__(self, rates: RateSettings, clock: Clock) -> None:
        self.rated: Final = {
            Budget.ORDERS: Buckets(clock, rates.orders_per_minute),
            Budget.READS: Buckets(clock, rates.reads_per_minute),
            Budget.CONNECTIONS: Buckets(clock, rates.connections_per_minute),
        }
        self.streams = StreamSlots(rates.streams_max)
        self.public_streams = StreamSlots(rates.public_streams_max, "one address without a credential")
        self.connections = PeerSlots(rates.client_connections_max, "client connections of the user", clock)
        self.calls = CallSlots(rates.calls_in_flight_max)
        self.unread = Unread(rates.unread_bytes_max)

    def standings(self, user_id: str) -> list[Standing]:
        """Tell what a user has left of everything."""
        rated = [Standing(b.value, buckets.limit, buckets.left(user_id), 60.0) for b, buckets in self.rated.items()]
        return [
            *rated,
            Standing(Budget.STREAMS.value, self.streams.limit, self.streams.left(user_id), None),
            Standing("client_connections", self.connections.limit, self.connections.left(user_id), None),
        ]
