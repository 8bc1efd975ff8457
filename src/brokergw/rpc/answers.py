"""The answer to a mutation: one way to make it, whether the call was the first under its key or a replay."""

from brokergw.desk.results import OrderResult, Result
from brokergw.rpc.call import Call
from brokergw.rpc.wire.cursor import Cursors


class Answers:
    """Writes results as the method's policy says."""

    def __init__(self, cursors: Cursors) -> None:
        self._cursors = cursors

    def of(self, call: Call, result: Result) -> bytes:
        """Write a result, and tell in the trailing metadata when it is a replay."""
        respond = call.policy.respond
        assert respond is not None
        if isinstance(result, OrderResult):
            call.order_id = result.order.order_id
        if result.replayed:
            call.trailing.append(("x-idempotent-replayed", "true"))
        cursor = self._cursors.issue(call.caller.principal.user_id, result.positions)
        return respond(result, cursor).SerializeToString()
