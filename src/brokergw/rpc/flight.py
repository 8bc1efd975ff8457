"""How many calls are in flight, by kind, and the wait until there are none."""

import asyncio

from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.settings import Budget


class Board:
    """Counts the calls of one kind."""

    __slots__ = ("_waiters", "count")

    def __init__(self) -> None:
        self.count = 0
        self._waiters: list[asyncio.Future[None]] = []

    def enter(self) -> None:
        """A call has begun."""
        self.count += 1

    def leave(self) -> None:
        """A call has ended."""
        self.count -= 1
        if self.count == 0:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiters.clear()

    async def empty(self) -> None:
        """Wait until no call is in flight."""
        if self.count:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter


class Flight:
    """Unary calls, subscriptions to the desk, and other streams (health, reflection), each on a board of its own."""

    def __init__(self) -> None:
        self.unary = Board()
        self.subscriptions = Board()
        self.others = Board()

    def board(self, policy: MethodPolicy) -> Board:
        """Give the board that a method counts on."""
        if not policy.streams:
            return self.unary
        return self.subscriptions if policy.budget is Budget.STREAMS else self.others
