"""One call on its way through the chain."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

import grpc

from brokergw.model.principal import Caller, Scope
from brokergw.ports.identity import Presented
from brokergw.rpc.policy import MethodPolicy

_NONE: Final[frozenset[str]] = frozenset()

Pairs: TypeAlias = Sequence[tuple[str, str | bytes]]
"""Metadata as gRPC has it: names may repeat."""


class ServerContext(Protocol):
    """What the edge uses of gRPC's context."""

    def invocation_metadata(self) -> Pairs | None:
        """Give the metadata that came with the call."""
        ...

    def peer(self) -> str:
        """Tell where the call comes from."""
        ...

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Tell what the transport has found out about the client."""
        ...

    def time_remaining(self) -> float | None:
        """Give the seconds until the client's deadline."""
        ...

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Have something called when the call is over: all of its answer and its status taken, or its client gone."""
        ...

    def set_trailing_metadata(self, metadata: Pairs) -> None:
        """Set what goes out with the status."""
        ...

    async def send_initial_metadata(self, metadata: Pairs) -> None:
        """Send metadata ahead of the first message."""
        ...

    async def write(self, message: bytes) -> None:
        """Send one message of a stream."""
        ...

    async def abort(self, code: grpc.StatusCode, details: str, trailing_metadata: Pairs) -> None:
        """End the call with a status; always raises."""
        ...


class Call:
    """What is known of a call; each step of the chain adds its part.

    `body` is the request as it came, `requests` the incoming stream of the few methods that have one. `command` is
    the decoded request, `cleared` what preflight made of it. `recalled` tells that the call's key was looked up and is
    free to be used. `presented` is what the caller showed of itself, `repeated` the names of metadata that came more
    than once, `metadata_bytes` their size as HTTP/2 counts it. `trailing` goes out with the status.
    """

    __slots__ = (
        "_peer",
        "body",
        "caller",
        "cleared",
        "command",
        "context",
        "held",
        "message",
        "metadata",
        "metadata_bytes",
        "order_id",
        "policy",
        "presented",
        "recalled",
        "refund",
        "repeated",
        "request_id",
        "requests",
        "started",
        "trailing",
    )

    caller: Caller
    command: Any
    cleared: Any
    presented: Presented
    message: Any
    request_id: str
    started: float

    def __init__(self, policy: MethodPolicy, body: bytes, context: ServerContext) -> None:
        self.policy = policy
        self.body = body
        self.context = context
        self.requests: AsyncIterator[bytes] | None = None
        self.metadata: dict[str, str | bytes] = {}
        self.metadata_bytes = 0
        self.trailing: list[tuple[str, str | bytes]] = []
        self._peer = ""
        self.order_id = ""
        self.held = ""
        self.command = None
        self.recalled = False
        self.repeated: frozenset[str] = _NONE
        self.refund: Callable[[], None] | None = None

    @property
    def peer(self) -> str:
        """Where the call comes from, such as `ipv4:10.0.0.1:50000`."""
        if not self._peer:
            self._peer = self.context.peer()
        return self._peer

    @property
    def scope(self) -> Scope | None:
        """The scope that the method asks of a key."""
        return self.policy.scope

    def text(self, name: str) -> str:
        """Give one metadata value as text; empty when there is none."""
        value = self.metadata.get(name, "")
        return value if isinstance(value, str) else value.decode("ascii", "replace")


Handler: TypeAlias = Callable[[Call], Awaitable[bytes | None]]
"""What every step wraps and every method ends in. A unary method gives its answer, a stream has written all of its."""


class Interceptor(Protocol):
    """One concern around every call."""

    def wrap(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around a method; give `proceed` itself back where there is nothing to do for it."""
        ...
