"""Nobody spends more than its budget, and no flood of calls takes the room of all others."""

from typing import Final

from brokergw.model.errors import Reason, Throttled
from brokergw.rpc.buckets import Buckets
from brokergw.rpc.budgets import Budgets
from brokergw.rpc.call import Call, Handler
from brokergw.rpc.flight import Flight
from brokergw.rpc.peers import neighbourhood_of
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.settings import Budget

_ROOM_WAIT_S: Final = 0.1
_UNREAD: Final = "answers that were not read"
_UNREAD_WAIT_S: Final = 1.0


class RateLimit:
    """Takes the cost of a method from its user's budget, or a slot for a stream, and tells what is left."""

    def __init__(self, budgets: Budgets, flight: Flight, unary_in_flight_max: int) -> None:
        self._budgets = budgets
        self._unary = flight.unary
        self._room = unary_in_flight_max

    def wrap(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around everything that costs something; what stops trading may come over any connection."""
        match policy.budget:
            case Budget.NONE:
                return self._public(policy, proceed) if policy.public else proceed
            case Budget.STREAMS:
                handler = self._slotted(proceed)
            case _:
                handler = self._rated(policy, self._budgets.rated[policy.budget], proceed)
        return handler if policy.stops else self._connected(handler)

    def _connected(self, proceed: Handler) -> Handler:
        take = self._budgets.connections.take

        async def handle(call: Call) -> bytes | None:
            take(call.caller.principal.user_id, call.peer)
            return await proceed(call)

        return handle

    def _rated(self, policy: MethodPolicy, buckets: Buckets, proceed: Handler) -> Handler:
        cost, subject = policy.cost, policy.budget.value
        limit = ("x-ratelimit-limit", str(buckets.limit))
        slots, unread = self._budgets.calls, self._budgets.unread
        may_forgo = policy.budget is Budget.READS
        rule = ("x-ratelimit-policy", f"{subject};q={buckets.limit};w=60")

        async def handle(call: Call) -> bytes | None:
            # The call itself is counted already, one step further out.
            if self._unary.count > self._room:
                raise Throttled(Reason.RATE_LIMITED, "calls in flight", _ROOM_WAIT_S)
            user_id = call.caller.principal.user_id
            if unread.is_full(user_id) and not policy.stops:
                raise Throttled(Reason.RATE_LIMITED, _UNREAD, _UNREAD_WAIT_S)
            wait_s, left = buckets.spend(user_id, cost)
            reset_s = -(-(buckets.limit - left) * 60 // buckets.limit)
            call.trailing += (
                limit,
                ("x-ratelimit-remaining", str(left)),
                ("x-ratelimit-reset", str(reset_s)),
                rule,
            )
            if wait_s > 0:
                raise Throttled(Reason.RATE_LIMITED, subject, wait_s)
            if not slots.take(user_id):
                buckets.give_back(user_id, cost)
                raise Throttled(Reason.RATE_LIMITED, "the user's calls in flight", _ROOM_WAIT_S)
            call.refund = lambda: buckets.give_back(user_id, cost)
            try:
                answer = await proceed(call)
            finally:
                slots.free(user_id)
            if answer is not None:
                if may_forgo and unread.is_full(user_id):
                    # Or the refusal's traceback would keep it for a while.
                    del answer
                    raise Throttled(Reason.RATE_LIMITED, _UNREAD, _UNREAD_WAIT_S)
                call.context.add_done_callback(unread.put(user_id, answer))
            return answer

        return handle

    def _slotted(self, proceed: Handler) -> Handler:
        slots = self._budgets.streams

        async def handle(call: Call) -> bytes | None:
            user_id = call.caller.principal.user_id
            call.held = stream_id = slots.take(user_id)
            # Not when the stream has been ended here: gRPC holds what its client has not read.
            call.context.add_done_callback(lambda _: slots.free(user_id, stream_id))
            return await proceed(call)

        return handle

    def _public(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Count by address where there is no user: streams, and answers that are not read."""
        slots, unread = self._budgets.public_streams, self._budgets.unread

        async def stream(call: Call) -> bytes | None:
            address = neighbourhood_of(call.peer)
            stream_id = slots.take(address)
            call.context.add_done_callback(lambda _: slots.free(address, stream_id))
            return await proceed(call)

        async def answer(call: Call) -> bytes | None:
            address = neighbourhood_of(call.peer)
            if unread.is_full(address):
                raise Throttled(Reason.RATE_LIMITED, _UNREAD, _UNREAD_WAIT_S)
            answer = await proceed(call)
            call.context.add_done_callback(unread.put(address, answer or b""))
            return answer

        return stream if policy.streams else answer
