"""Work that outlives the call that asked for it: each send runs in its own task, once, and is waited for, not owned.

A caller's deadline, cancel or lost connection cancels the caller's wait. The send goes on and its ending is recorded.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import structlog

from brokergw.desk.breaker import Breaker, Contact
from brokergw.desk.results import Result
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.ports.journal import KeyScope
from brokergw.ports.permit import Permit

log = structlog.get_logger(__name__)


class Send:
    """One send on its way: what tells another call apart from it, and who waits for its ending."""

    __slots__ = ("account_id", "fingerprint", "order_id", "scope", "task", "waiting")

    def __init__(self, scope: KeyScope, fingerprint: str, account_id: str) -> None:
        self.scope = scope
        self.fingerprint = fingerprint
        self.account_id = account_id
        self.order_id = ""
        self.task: asyncio.Task[None] | None = None
        self.waiting: list[asyncio.Future[Result]] = []

    async def ending(self) -> Result:
        """Wait for what it comes to; who is cancelled here stops waiting, and nothing else happens."""
        waiter: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.waiting.append(waiter)
        return await waiter

    def tell(self, result: Result | BaseException) -> None:
        """Wake whoever still waits."""
        for waiter in self.waiting:
            if waiter.done():
                continue
            if isinstance(result, BaseException):
                waiter.set_exception(result)
                # Marks it as seen: the waiter may be leaving just now, and the journal has the ending.
                waiter.exception()
            else:
                waiter.set_result(result)


class Sends:
    """The register of running sends, by key, by account and by order."""

    def __init__(self) -> None:
        self._by_scope: dict[KeyScope, Send] = {}
        self._by_account: dict[str, set[Send]] = {}
        self._by_order: dict[str, Send] = {}
        self._by_task: dict[asyncio.Task[Any], Send] = {}

    def in_flight(self, scope: KeyScope) -> Send | None:
        """Find the running first call under a key."""
        return self._by_scope.get(scope)

    async def once(
        self, scope: KeyScope, fingerprint: str, account_id: str, work: Callable[[], Coroutine[Any, Any, Result]]
    ) -> Result:
        """Run work under a key, or join the run that is under way, whose answer is a replay then."""
        running = self._by_scope.get(scope)
        if running is not None:
            return (await self.join(running, fingerprint)).as_replay()
        send = Send(scope, fingerprint, account_id)
        send.task = asyncio.create_task(self._run(send, work), name="send")
        self._by_scope[scope] = self._by_task[send.task] = send
        self._by_account.setdefault(account_id, set()).add(send)
        return await send.ending()

    async def join(self, running: Send, fingerprint: str) -> Result:
        """Wait for the first call under a key."""
        if running.fingerprint != fingerprint:
            raise key_reused("")
        return await running.ending()

    def sending(self, order_id: str) -> bool:
        """Tell whether a running task sends something about an order."""
        return order_id in self._by_order

    def bind(self, order_id: str) -> None:
        """Say that the running task is the one that sends something about an order."""
        task = asyncio.current_task()
        send = self._by_task.get(task) if task is not None else None
        if send is not None:
            send.order_id = order_id
            self._by_order[order_id] = send

    async def _run(self, send: Send, work: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        """Do the work, strike it off the register, and only then tell what it came to."""
        ending: Result | BaseException = asyncio.CancelledError()
        try:
            ending = await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the waiters' to see
            ending = error
        finally:
            self._forget(send)
            send.tell(ending)

    async def answered(self, order_ids: Iterable[str], timeout_s: float) -> None:
        """Wait until what is being sent about some orders has been answered and recorded, at most so long."""
        running = _tasks(self._by_order[order_id] for order_id in order_ids if order_id in self._by_order)
        if running:
            await asyncio.wait(running, timeout=timeout_s)

    async def quiet(self, account_id: str, timeout_s: float) -> None:
        """Wait until the sends now running for an account have ended, at most so long."""
        running = _tasks(self._by_account.get(account_id, ()))
        if running:
            await asyncio.wait(running, timeout=timeout_s)

    async def settle(self, grace_s: float) -> int:
        """Wait for what is running, at most so long; gives how many are still running."""
        running = _tasks(self._by_task.values())
        if not running:
            return 0
        _, pending = await asyncio.wait(running, timeout=grace_s)
        return len(pending)

    def _forget(self, send: Send) -> None:
        del self._by_scope[send.scope]
        if send.task is not None:
            del self._by_task[send.task]
        if self._by_order.get(send.order_id) is send:
            del self._by_order[send.order_id]
        siblings = self._by_account[send.account_id]
        siblings.discard(send)
        if not siblings:
            del self._by_account[send.account_id]


def _tasks(sends: Iterable[Send]) -> set[asyncio.Task[None]]:
    return {send.task for send in sends if send.task is not None}


async def sent(command: Awaitable[Outcome], breaker: Breaker | None = None, permit: Permit | None = None) -> Outcome:
    """Wait for a command's outcome; an adapter that fails in the middle leaves it unknown, never undone.

    A `breaker` counts what the broker answers to it. What its `permit` kept back is told for the permit's reason: an
    adapter knows only that nothing left.
    """
    outcome: Outcome
    try:
        outcome = await command
    except Exception:
        log.exception("an adapter failed in the middle of a command")
        outcome = Unknown("the adapter failed")
    if isinstance(outcome, NotSent) and permit is not None and permit.refusal is not None:
        outcome = NotSent.by(permit.refusal)
    if breaker is not None:
        match outcome:
            case Unknown():
                breaker.failed(Contact.ORDER)
            case Accepted() | Rejected():
                breaker.succeeded(Contact.ORDER)
            case NotSent():
                # The broker was not even asked; questions tell whether it can be reached.
                pass
    return outcome


def key_reused(order_id: str) -> GatewayError:
    """Say that a key stands for another request."""
    return GatewayError(
        Reason.IDEMPOTENCY_KEY_REUSED,
        "this idempotency key was used for a different request",
        order_id=order_id or None,
    )
