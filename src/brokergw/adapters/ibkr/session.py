"""One connection's way through the gateway: whether it may use it, for which account, and the kinds of attempt."""

import hmac
from typing import Final

from brokergw.adapters.ibkr import faults
from brokergw.adapters.ibkr.config import IbkrConfig
from brokergw.adapters.ibkr.errors import NO_SESSION, read_refusal
from brokergw.adapters.ibkr.gateway import Gateway, Ready
from brokergw.model.account import Environment
from brokergw.model.errors import Reason
from brokergw.model.outcome import NotSent, Unknown
from brokergw.ports.broker import BrokerLink
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport import attempts
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row
from brokergw.transport.throttle import Spent, Throttle

_CODE_REFUSED: Final = "the gateway's access code is not the right one, or none is set"


class Session:
    """Sends requests for one account."""

    def __init__(self, link: BrokerLink, config: IbkrConfig, gateway: Gateway, clock: Clock) -> None:
        if link.credentials is None:
            raise faults.FAILURES.not_usable(
                "an Interactive Brokers connection needs the account's id and the gateway's access code"
            )
        self.account = link.credentials.get("key", "")
        self.gateway = gateway
        given, wanted = link.credentials.get("secret", ""), config.access_code
        self._admitted = bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())
        self._paper = link.environment is not Environment.LIVE
        self._throttle = Throttle(None, monotonic=clock.monotonic, pace=link.pace)
        self._open = True
        gateway.pace = link.pace
        gateway.retain()

    async def close(self) -> None:
        """Send nothing any more; may be called again."""
        if self._open:
            self._open = False
            await self.gateway.release()

    async def ready(self) -> Ready:
        """Give the session once it is ready for this account; raises what keeps it from being so."""
        if not self._open:
            raise faults.unavailable(Reason.BROKER_UNREACHABLE, "the connection is closed")
        if not self._admitted:
            raise faults.refused(_CODE_REFUSED)
        ready = await self.gateway.ready()
        if self.account not in ready.accounts:
            raise faults.refused("the gateway's username has no such account")
        if ready.paper is not self._paper:
            raise faults.wrong_environment(paper=ready.paper)
        return ready

    async def command(
        self, method: str, path: str, body: Row | None = None, permit: Permit | None = None
    ) -> Reply | NotSent | Unknown:
        """Make one attempt at something that changes the account; nothing here repeats it."""
        return await attempts.command(self._command(method, path, body, permit))

    async def _command(self, method: str, path: str, body: Row | None, permit: Permit | None) -> Reply:
        cancel = method == "DELETE"
        await self.ready()
        self._throttle.take(cancel=cancel)
        return await self.gateway.send(method, path, body, permit, cancel=cancel)

    async def query(self, method: str, path: str, body: Row | None = None) -> Reply:
        """Ask for something, and once more in a new session where the old one turns out lost; raises GatewayError."""
        reply = await self._query(method, path, body)
        if reply.status != 200 and read_refusal(reply).reason == NO_SESSION:
            reply = await self._query(method, path, body)
        return reply

    async def _query(self, method: str, path: str, body: Row | None) -> Reply:
        await self.ready()
        try:
            self._throttle.take()
        except Spent as error:
            raise faults.throttled(error.retry_after_s) from error
        return await self.gateway.query(method, path, body)
