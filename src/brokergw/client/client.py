"""The client: every call of the contract on one object."""

import asyncio
from types import TracebackType
from typing import Final, Self

import grpc

from brokergw.client.access import AccessCalls
from brokergw.client.accounts import AccountCalls
from brokergw.client.audit import AuditCalls
from brokergw.client.brokers import BrokerCalls
from brokergw.client.calls import Caller
from brokergw.client.channel import TlsOptions, open_channel
from brokergw.client.errors import GatewayCallError
from brokergw.client.fills import FillCalls
from brokergw.client.halts import HaltCalls
from brokergw.client.limits import LimitCalls
from brokergw.client.live import LiveCalls
from brokergw.client.operations import OperationCalls
from brokergw.client.orders import OrderCalls
from brokergw.client.positions import PositionCalls
from brokergw.client.reconciliation import ReconciliationCalls
from brokergw.client.subscription import StreamPolicy
from brokergw.client.timing import Backoff, Timing

NOT_REACHED: Final = "GATEWAY_NOT_REACHED"
"""The reason of an error that this client makes itself: no connection was made, so nothing was sent."""


class Client(
    OrderCalls,
    FillCalls,
    PositionCalls,
    AccountCalls,
    BrokerCalls,
    OperationCalls,
    LimitCalls,
    LiveCalls,
    AccessCalls,
    HaltCalls,
    ReconciliationCalls,
    AuditCalls,
):
    """A typed client of one gateway, for one API key: `async with Client("127.0.0.1:50051", key) as client`.

    Calls take keyword arguments and give the contract's messages. Reads are repeated while the gateway cannot be
    reached; mutations under one key while their outcome is in doubt. Streams resume by themselves, on a connection of
    their own. Make it and use it in one event loop.
    """

    def __init__(
        self,
        target: str,
        api_key: str,
        *,
        tls: TlsOptions | None = None,
        allow_plaintext: bool = False,
        timeout_s: float = 10.0,
        outage_s_max: float | None = None,
        backoff: Backoff | None = None,
        timing: Timing | None = None,
    ) -> None:
        """Make a client; nothing is sent before the first call.

        Args:
            target: host and port, for example `127.0.0.1:50051`.
            api_key: the key that `brokergw keys create` printed.
            tls: how to trust the gateway; None is plaintext, which only a target on this machine gets.
            allow_plaintext: send the key readable to any target (behind a mesh that encrypts).
            timeout_s: how long a call may take with all its repetitions, unless the call says otherwise.
            outage_s_max: how long a stream tries to come back; None is for ever.
            backoff: how long to wait between attempts.
            timing: where time and chance come from.

        Raises:
            BadArgument: the key would travel readable.
        """
        timing = timing or Timing()
        backoff = backoff or Backoff()
        self.target: Final = target
        metadata = (("authorization", f"Bearer {api_key}"), ("x-client-name", "brokergw-python"))
        super().__init__(
            channel=open_channel(target, tls, allow_plaintext=allow_plaintext),
            stream_channel=open_channel(target, tls, allow_plaintext=allow_plaintext),
            caller=Caller(metadata=metadata, timeout_s=timeout_s, timing=timing, backoff=backoff),
            policy=StreamPolicy(opening_s=timeout_s, outage_s_max=outage_s_max, timing=timing, backoff=backoff),
        )

    def __repr__(self) -> str:
        return f"Client({self.target!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def connect(self, timeout_s: float | None = None) -> None:
        """Wait until the gateway is reached.

        Worth it before a mutation: a failure here proves that nothing was sent.

        Raises:
            GatewayCallError: UNAVAILABLE with GATEWAY_NOT_REACHED and `order_effect=NONE`.
        """
        limit_s = timeout_s or self._caller.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                await self._channel.channel_ready()
        except TimeoutError:
            raise GatewayCallError(
                code=grpc.StatusCode.UNAVAILABLE,
                reason=NOT_REACHED,
                retry="SAME_KEY",
                message=f"no gateway answers at {self.target} within {limit_s:g} s",
                metadata={"target": self.target},
            ) from None

    async def aclose(self) -> None:
        """End the streams and close the connections."""
        for subscription in list(self._subscriptions):
            await subscription.aclose()
        await self._stream_channel.close()
        await self._channel.close()
