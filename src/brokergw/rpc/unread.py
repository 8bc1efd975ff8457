"""What each client has been answered and has not taken yet.

gRPC keeps an answer, and what it knows of the call, until the client's HTTP/2 window lets it through, and gives a
server no way to take it back. So it counts against its owner, a user or an address, until the call is over, and who
leaves too much unread is answered no more. Nothing here ends such a call: that takes the client, its deadline, or the
end of its connection.
"""

from collections.abc import Callable
from typing import Final

CALL_BYTES: Final = 16_384
"""About what gRPC keeps of a call beside its answer."""


class Unread:
    """How many bytes of answers wait for each owner's clients."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._waiting: dict[str, int] = {}

    def is_full(self, owner: str) -> bool:
        """Tell whether so much waits already that nothing more should be done for the owner."""
        return self._waiting.get(owner, 0) >= self.limit

    def put(self, owner: str, answer: bytes) -> Callable[[object], None]:
        """Count an answer, and give what takes it off again; to be called once."""
        size = len(answer) + CALL_BYTES
        waiting = self._waiting
        waiting[owner] = waiting.get(owner, 0) + size

        def taken(_: object) -> None:
            left = waiting[owner] - size
            if left:
                waiting[owner] = left
            else:
                del waiting[owner]

        return taken
