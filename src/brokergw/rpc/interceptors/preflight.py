"""The four gates, before anything that adds risk."""

from brokergw.rpc.call import Call, Handler
from brokergw.rpc.needs import Mutations
from brokergw.rpc.policy import MethodPolicy


class Preflight:
    """Has the desk clear the command; what is cleared is another type, so that nothing uncleared can be sent."""

    def __init__(self, desk: Mutations) -> None:
        self._desk = desk

    def wrap(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around the methods whose policy asks for it."""
        if not policy.preflight:
            return proceed

        async def handle(call: Call) -> bytes | None:
            call.cleared = await self._desk.clear(call.caller, call.command)
            return await proceed(call)

        return handle
