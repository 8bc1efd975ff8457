"""A key that was used before gets its first answer again, and nothing is sent."""

from brokergw.model.commands import SubmitOrder
from brokergw.model.errors import GatewayError, Reason
from brokergw.rpc.answers import Answers
from brokergw.rpc.call import Call, Handler
from brokergw.rpc.needs import Mutations
from brokergw.rpc.policy import MethodPolicy


class Idempotency:
    """Asks the desk what a key already stands for; a replay costs nothing of the order budget."""

    def __init__(self, desk: Mutations, answers: Answers) -> None:
        self._desk = desk
        self._answers = answers

    def wrap(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around the methods that take a key."""
        if not policy.keyed:
            return proceed

        async def handle(call: Call) -> bytes | None:
            command = call.command
            if isinstance(command, SubmitOrder) and command.validate_only:
                call.recalled = True
                return await proceed(call)
            try:
                result = await self._desk.recall(call.caller, command)
            except GatewayError as error:
                if error.reason is not Reason.IDEMPOTENCY_KEY_REUSED:
                    _refund(call)
                raise
            if result is None:
                call.recalled = True
                return await proceed(call)
            _refund(call)
            return self._answers.of(call, result)

        return handle


def _refund(call: Call) -> None:
    if call.refund is not None:
        call.refund()
