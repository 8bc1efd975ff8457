"""What the groups of calls share: the caller, the channels' stubs and the opening of streams."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from weakref import WeakSet

import grpc

from brokergw.client import encode
from brokergw.client.calls import Caller
from brokergw.client.encode import Start
from brokergw.client.keys import new_idempotency_key
from brokergw.client.subscription import StreamPolicy, Subscription

T = TypeVar("T")

BATCH_MAX: Final = 128
"""How many events the gateway may send in one message; they are yielded one by one all the same."""


class CallGroup:
    """The ground that each service's calls stand on."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        stream_channel: grpc.aio.Channel,
        caller: Caller,
        policy: StreamPolicy,
    ) -> None:
        self._channel = channel
        self._stream_channel = stream_channel
        self._caller = caller
        self._policy = policy
        self._subscriptions: WeakSet[Subscription[Any]] = WeakSet()

    def _key(self, given: str | None) -> str:
        return given or new_idempotency_key(self._caller.timing.now_ns)

    def _subscribe(
        self,
        method: Callable[..., Any],
        request: Callable[..., Any],
        item_of: Callable[[str, Any], T | None],
        *,
        account_ids: Sequence[str],
        symbols: Sequence[str],
        start: Start | None,
        heartbeat_s: float | None,
    ) -> Subscription[T]:
        interval = encode.duration(heartbeat_s)

        def open_call(begin: Any) -> Any:
            asked = request(
                account_ids=account_ids,
                symbols=symbols,
                start=begin,
                heartbeat_interval=interval,
                max_batch=BATCH_MAX,
            )
            return method(asked, metadata=self._caller.metadata)

        opened = Subscription(open_call, encode.stream_start(start), self._policy, item_of)
        self._subscriptions.add(opened)
        return opened
