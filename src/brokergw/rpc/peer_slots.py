"""Which network connections each owner's calls come over, and how many an owner may have.

gRPC's Python shows a server no connection, only the peer of each call, `ipv4:10.0.0.1:50000`. So a connection counts
from its first call on, for the user who calls and for the address it comes from, and as long as it stands, calls or
not. Which ones stand is what gRPC itself says (channelz, https://github.com/grpc/proposal/blob/master/A14-channelz.md);
it is asked only where somebody's room is used up, or too many are remembered. A socket file's peers have no names of
their own and count as one.
"""

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final
from urllib.parse import unquote

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs end before it

from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.clock import Clock

_LOOK_EVERY_S: Final = 0.1
_REMEMBERED_MIN: Final = 4_096
_RETRY_S: Final = 1.0
_PAGE: Final = 500


def standing_peers() -> frozenset[str]:
    """Give the peers of every connection that stands, of all servers of this process, as `plain` writes them."""
    return frozenset(plain(socket["name"].rpartition(" ")[2]) for server in _servers() for socket in _sockets(server))


def plain(peer: str) -> str:
    """Write a peer in one way; a call's context has the brackets of IPv6 percent-encoded, the list has not."""
    return unquote(peer) if "%" in peer else peer


class PeerSlots:
    """The connections of each owner. One that has gone is forgotten when its place is asked for."""

    def __init__(
        self, limit: int, subject: str, clock: Clock, standing: Callable[[], Collection[str]] = standing_peers
    ) -> None:
        self.limit = limit
        self._subject = subject
        self._standing = standing
        self._monotonic = clock.monotonic
        self._held: dict[str, set[str]] = {}
        self._count = 0
        self._sweep_at = _REMEMBERED_MIN
        self._look_at = float("-inf")

    def take(self, owner: str, peer: str) -> None:
        """Let a call over a connection pass; raises CLIENT_CONNECTION_LIMIT for one more than the owner may have."""
        held = self._held.get(owner)
        if held is None or peer not in held:
            self._enter(owner, plain(peer))

    def left(self, owner: str) -> int:
        """Tell how many more connections an owner may have, those that have gone unnoticed not counted as free."""
        return self.limit - len(self._held.get(owner, ()))

    def _enter(self, owner: str, peer: str) -> None:
        if peer in self._held.get(owner, ()):
            return
        full = self.left(owner) <= 0
        if self._count >= self._sweep_at or (full and self._monotonic() >= self._look_at):
            self._forget_gone()
            full = self.left(owner) <= 0
        if full:
            raise GatewayError(
                Reason.CLIENT_CONNECTION_LIMIT,
                f"{self.limit} connections are open, which is as many as {self._subject} may have",
                metadata={"subject": self._subject, "limit": str(self.limit)},
                retry_after_s=_RETRY_S,
            )
        self._held.setdefault(owner, set()).add(peer)
        self._count += 1

    def _forget_gone(self) -> None:
        standing = self._standing()
        left = {owner: held.intersection(standing) for owner, held in self._held.items()}
        self._held = {owner: held for owner, held in left.items() if held}
        self._count = sum(map(len, self._held.values()))
        self._sweep_at = max(_REMEMBERED_MIN, 2 * self._count)
        self._look_at = self._monotonic() + _LOOK_EVERY_S


def _servers() -> Iterator[int]:
    start = 0
    while True:
        page: dict[str, Any] = json.loads(cygrpc.channelz_get_servers(start))
        for server in page.get("server", ()):
            start = int(server["ref"]["serverId"])
            yield start
        if page.get("end", False) or not page.get("server"):
            return
        start += 1


def _sockets(server: int) -> Iterator[dict[str, str]]:
    start = 0
    while True:
        page: dict[str, Any] = json.loads(cygrpc.channelz_get_server_sockets(server, start, _PAGE))
        for socket in page.get("socketRef", ()):
            start = int(socket["socketId"])
            yield socket
        if page.get("end", False) or not page.get("socketRef"):
            return
        start += 1
