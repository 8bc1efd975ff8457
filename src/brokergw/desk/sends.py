"""Work that outlives the call that asked for it: each send runs in its own task, once, and is waited for, not owned.

A caller's deadline, cancel or lost connection cancels the caller's wait. The send goes on and its ending is recorded.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from brokergw.desk.results import Result
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import Outcome, Unknown
from brokergw.ports.journal import KeyScope

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InFlight:
    """A first call that is still running, with what tells another call apart from it."""

    fingerprint: str
    task: asyncio.Task[Result]


class Sends:
    """The register of running sends, by key and by account."""

    def __init__(self) -> None:
        self._by_scope: dict[KeyScope, InFlight] = {}
        self._by_account: dict[str, set[asyncio.Task[Any]]] = {}
        self._by_order: dict[str, asyncio.Task[Any]] = {}

    def in_flight(self, scope: KeyScope) -> InFlight | None:
        """Find the running first call under a key."""
        return self._by_scope.get(scope)

    async def once(
        self, scope: KeyScope, fingerprint: str, account_id: str, work: Callable[[], Coroutine[Any, Any, Result]]
    ) -> Result:
        """Run work under a key, or join the run that is under way, whose answer is a replay then."""
        running = self._by_scope.get(scope)
        if running is not None:
            return (await self.join(running, fingerprint)).as_replay()
        task = asyncio.create_task(work(), name=f"send {scope.method}")
        self._by_scope[scope] = InFlight(fingerprint, task)
        siblings = self._by_account.setdefault(account_id, set())
        siblings.add(task)
        task.add_done_callback(lambda done: self._forget(scope, account_id, done))
        return await asyncio.shield(task)

    async def join(self, running: InFlight, fingerprint: str) -> Result:
        """Wait for the first call under a key."""
        if running.fingerprint != fingerprint:
            raise key_reused("")
        return await asyncio.shield(running.task)

    def sending(self, order_id: str) -> bool:
        """Tell whether a running task sends something about an order."""
        return order_id in self._by_order

    def bind(self, order_id: str) -> None:
        """Say that the running task is the one that sends something about an order."""
        task = asyncio.current_task()
        if task is not None:
            self._by_order[order_id] = task
            task.add_done_callback(lambda done: self._unbind(order_id, done))

    async def answered(self, order_ids: Iterable[str], timeout_s: float) -> None:
        """Wait until what is being sent about some orders has been answered and recorded, at most so long."""
        running = {self._by_order[order_id] for order_id in order_ids if order_id in self._by_order}
        if running:
            await asyncio.wait(running, timeout=timeout_s)

    async def quiet(self, account_id: str, timeout_s: float) -> None:
        """Wait until the sends now running for an account have ended, at most so long."""
        running = self._by_account.get(account_id)
        if running:
            await asyncio.wait(set(running), timeout=timeout_s)

    async def settle(self, grace_s: float) -> int:
        """Wait for what is running, at most so long; gives how many are still running."""
        running = {task for tasks in self._by_account.values() for task in tasks}
        if not running:
            return 0
        _, pending = await asyncio.wait(running, timeout=grace_s)
        return len(pending)

    def _unbind(self, order_id: str, task: asyncio.Task[Any]) -> None:
        if self._by_order.get(order_id) is task:
            del self._by_order[order_id]

    def _forget(self, scope: KeyScope, account_id: str, task: asyncio.Task[Result]) -> None:
        self._by_scope.pop(scope, None)
        siblings = self._by_account.get(account_id)
        if siblings is not None:
            siblings.discard(task)
            if not siblings:
                del self._by_account[account_id]
        if not task.cancelled():
            # Marks the exception as seen: the waiter may have left, and the journal has the ending.
            task.exception()


async def sent(command: Awaitable[Outcome]) -> Outcome:
    """Wait for a command's outcome; an adapter that fails in the middle leaves it unknown, never undone."""
    try:
        return await command
    except Exception:
        log.exception("an adapter failed in the middle of a command")
        return Unknown("the adapter failed")


def key_reused(order_id: str) -> GatewayError:
    """Say that a key stands for another request."""
    return GatewayError(
        Reason.IDEMPOTENCY_KEY_REUSED,
        "this idempotency key was used for a different request",
        order_id=order_id or None,
    )
