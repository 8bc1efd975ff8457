"""The switch: a halt holds when it is durable and no process can send any more, and only then is it acknowledged.

1. This process stops at once.
2. The halt goes into the book, with its audit row, ordered against every admission by the database.
3. Every process that may send says that it knows the halt, and that what it was sending has been answered; one that
   says nothing is waited for until its clearance has run out.

Where the database does not do its part, the halt is written to this machine's disk, and put into the book as soon as
that takes it. Until then no process admits anything, for want of a database, nor sends what it had admitted, for want
of a clearance; and once the database is back, a second passes before any of them gets a clearance again.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, Final, TypeVar

import structlog

from brokergw.desk.halts.latch import Latch
from brokergw.desk.halts.standing import Standing
from brokergw.desk.halts.waiting import within
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.ids import new_id
from brokergw.model.principal import Caller
from brokergw.model.trading import Halt, HaltCause, ScopeKind, TradingScope, TradingState
from brokergw.ports.clock import Clock
from brokergw.ports.halts import CLEARANCE_S, HaltBook, HaltFile, HaltWish, News, SweepOrder

_MARGIN_S: Final = 0.02
_PLACED_WITHIN_S: Final = 0.42
"""How long the book may take before the halt goes to the disk; longer than the switch waits for frozen admissions."""
_ANSWERED_WITHIN_S: Final = 0.25
_LOOK_AT_FIRST_S: Final = 0.002
_LOOK_LATER_S: Final = 0.02
_AT_FIRST_S: Final = 0.1
_AGAIN_S: Final = 0.1
_LOCAL_WITHIN_S: Final = 0.93
_ANSWER_WITHIN_S: Final = 0.95
"""After so long the switch answers with what it knows by then; a second is the promise."""
_OF_USERS: Final = frozenset({ScopeKind.USER, ScopeKind.USER_BROKER, ScopeKind.STRATEGY})
_BY_ANY: Final = frozenset({HaltCause.REJECT_STORM})
"""Causes by which several processes may come to the same halt at once: the one tells whose halt was first."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


@unique
class Reach(StrEnum):
    """How a halt came to hold everywhere.

    CONFIRMED: every process has said so. EXPIRED: some have not, and can send no more. LOCAL: the book could not be
    reached; this process has the halt on its disk, and every other can send nothing while it cannot reach the book. Or
    the book took it so late that some processes have not confirmed it yet, and may send for what is left to them.
    """

    CONFIRMED = "CONFIRMED"
    EXPIRED = "EXPIRED"
    LOCAL = "LOCAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """The answer of the switch: the halt as it stands, how it holds everywhere, and how long that took.

    `silent` are the processes that did not confirm.
    """

    halt: Halt
    reach: Reach
    took_s: float
    silent: tuple[str, ...] = ()


class Switch:
    """Sets and lifts halts."""

    def __init__(
        self,
        book: HaltBook,
        file: HaltFile | None,
        standing: Standing,
        latch: Latch,
        clock: Clock,
        notify: Callable[[Alert], None] = lambda _: None,
    ) -> None:
        self._book = book
        self._file = file
        self._standing = standing
        self._latch = latch
        self._clock = clock
        self._notify = notify
        self._heard_at = clock.monotonic()
        self._pending: dict[tuple[str, HaltCause], HaltWish] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_kept: Callable[[HaltWish], None] = lambda _: None

    def on_kept(self, listener: Callable[[HaltWish], None]) -> None:
        """Call a function with each halt that the book did not take in time."""
        self._on_kept = listener

    def heard(self, asked_at: float) -> None:
        """Take note that the book could be read at a moment."""
        self._heard_at = asked_at

    def take_up(self) -> None:
        """Latch what an earlier life of this process kept on the disk, and put it into the book."""
        for wish in self._file.load() if self._file is not None else ():
            log.error("a halt of an earlier life is taken up", **_facts(wish))
            self._pending[wish.scope.key, wish.cause] = wish
            self._begin(wish)

    async def halt(
        self,
        scope: TradingScope,
        cause: HaltCause,
        state: TradingState,
        reason: str,
        by: str,
        *,
        caller: Caller | None = None,
        sweep: bool = False,
        flatten: bool = False,
    ) -> Halted:
        """Halt a scope; returns once nothing of it can leave any process.


        `by` is a user id or the gateway's own word for a part of itself; `caller` is the call behind it, where there is
        one. A `sweep` clears away what rests in the scope, and with `flatten` closes what is held there. Whoever stops
        waiting for the answer stops nothing else.
        """
        wish = self._wish(scope, cause, state, reason, by, caller, sweep=sweep or flatten, flatten=flatten)
        return await asyncio.shield(self._run(self._halt(wish), f"halt {scope.key}"))

    async def _halt(self, wish: HaltWish) -> Halted:
        began = self._clock.monotonic()
        task = self._begin(wish)
        answered = asyncio.create_task(self._latch.quiet(_ANSWERED_WITHIN_S))
        if wish.cause not in _BY_ANY:
            self._notify(_alert(wish))
        log.error("trading is halted", **_facts(wish), by=wish.set_by, reason=wish.reason)
        if await within(self._clock, _PLACED_WITHIN_S, [task]):
            halt, reach, silent = task.result(), *await self._everywhere(task.result().epoch, began)
        else:
            halt, reach, silent = await self._kept(wish, task, began)
        if wish.cause in _BY_ANY and halt.set_time_ns == wish.set_time_ns:
            self._notify(_alert(wish))
        await answered
        took_s = self._clock.monotonic() - began
        log.error("the halt holds", **_facts(wish), reach=reach.value, took_s=round(took_s, 4), silent=list(silent))
        return Halted(halt=halt, reach=reach, took_s=took_s, silent=silent)

    async def resume(
        self,
        scope: TradingScope,
        cause: HaltCause,
        reason: str,
        by: str,
        *,
        epoch: int | None = None,
        caller: Caller | None = None,
    ) -> None:
        """Lift a halt; raises HALT_NOT_FOUND, KILL_SWITCH_EPOCH_CHANGED or JOURNAL_UNAVAILABLE."""
        if self._standing.waits(scope, cause):
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "the halt is not in the book yet", retry_after_s=1.0)
        detail = f"{scope.key} {cause}: {reason}"
        audit = self._audit("trading.resumed", TradingState.ACTIVE, detail, by, caller)
        self.learn(await self._book.lift(scope, cause, epoch=epoch, audit=audit))
        log.warning("trading goes on", scope=scope.key, cause=cause.value, by=by, reason=reason)
        self._notify(
            Alert(
                kind=AlertKind.RESUMED,
                severity=Severity.WARNING,
                subject=scope.key,
                message=f"{scope.key} trades again ({cause} lifted by {by}): {reason}",
                time_ns=self._clock.now_ns(),
                user_id=user_of(scope),
            )
        )

    def learn(self, news: News) -> None:
        """Take note of the book as a change of this process's own has left it."""
        self._standing.learn(news)

    async def stop(self) -> None:
        """Stop trying; what is not in the book yet stays on the disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, wish: HaltWish) -> asyncio.Task[Halt]:
        """Latch here, and put the halt into the book however long that takes."""
        self._standing.latch(
            Halt(
                scope=wish.scope,
                cause=wish.cause,
                state=wish.state,
                reason=wish.reason,
                set_by=wish.set_by,
                set_time_ns=wish.set_time_ns,
                epoch=0,
            )
        )
        return self._run(self._place(wish), f"put the halt of {wish.scope.key} into the book")

    def _run(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _place(self, wish: HaltWish) -> Halt:
        while True:
            try:
                halt, news = await self._book.place(wish)
                break
            except GatewayError as error:
                log.error("a halt is not in the book yet", **_facts(wish), why=error.reason.value)  # noqa: TRY400
            except Exception:
                log.exception("a halt is not in the book yet", **_facts(wish))
            await self._clock.sleep(_AGAIN_S)
        self.learn(news)
        self._standing.booked(wish.scope, wish.cause)
        if self._pending.pop((wish.scope.key, wish.cause), None) is not None:
            await self._keep()
        return halt

    async def _everywhere(self, epoch: int, began: float) -> tuple[Reach, tuple[str, ...]]:
        """Wait until every process knows an epoch that is in the book, or can send no more.

        Where the book took its time, that may be later than an answer may come; then no more is said than is known.
        """
        booked_at = self._clock.monotonic()
        expired_at = booked_at + CLEARANCE_S + _MARGIN_S
        ends = min(expired_at, began + _ANSWER_WITHIN_S)
        silent: frozenset[str] | None = None
        while (now := self._clock.monotonic()) < ends:
            asking = asyncio.ensure_future(self._book.unconfirmed(epoch))
            if not await within(self._clock, ends - now, [asking]):
                asking.cancel()
            elif asking.exception() is None:
                silent = asking.result()
                if not silent:
                    return Reach.CONFIRMED, ()
            early = self._clock.monotonic() - booked_at < _AT_FIRST_S
            await self._clock.sleep(_LOOK_AT_FIRST_S if early else _LOOK_LATER_S)
        left_s = expired_at - self._clock.monotonic()
        if silent:
            self._run(self._fence(epoch, silent, left_s), "fence silent processes")
        return Reach.EXPIRED if left_s <= 0 else Reach.LOCAL, tuple(sorted(silent or ()))

    async def _fence(self, epoch: int, silent: frozenset[str], left_s: float) -> None:
        """Count no longer on processes, once their clearance has run out, that have still said nothing by then."""
        try:
            if left_s > 0:
                await self._clock.sleep(left_s)
                silent &= await self._book.unconfirmed(epoch)
            if silent:
                await self._book.fence(silent)
        except GatewayError as error:
            log.warning("silent processes are still waited for", reason=error.reason.value)

    async def _kept(
        self, wish: HaltWish, task: asyncio.Task[Halt], began: float
    ) -> tuple[Halt, Reach, tuple[str, ...]]:
        """Keep the halt on the disk, and wait until nobody who cannot reach the book can send."""
        known = self._pending.get((wish.scope.key, wish.cause))
        if known is None or known.state.severity <= wish.state.severity:
            self._pending[wish.scope.key, wish.cause] = wish
        await self._keep()
        self._on_kept(wish)
        # Whoever looked into the book last did so no later than this process was last answered, plus one look.
        latest = max(began, self._heard_at + _AGAIN_S) + CLEARANCE_S + _MARGIN_S
        ends = min(latest, began + _LOCAL_WITHIN_S)
        if await within(self._clock, ends - self._clock.monotonic(), [task]):
            return task.result(), *await self._everywhere(task.result().epoch, began)
        standing = next(h for h in self._standing.all() if (h.scope, h.cause) == (wish.scope, wish.cause))
        return standing, Reach.LOCAL, ()

    async def _keep(self) -> None:
        if self._file is None:
            return
        try:
            await self._file.keep(tuple(self._pending.values()))
        except OSError:
            log.exception("halts could not be kept on the disk")

    def _wish(
        self,
        scope: TradingScope,
        cause: HaltCause,
        state: TradingState,
        reason: str,
        by: str,
        caller: Caller | None,
        *,
        sweep: bool,
        flatten: bool,
    ) -> HaltWish:
        order = SweepOrder(
            sweep_id=new_id("swp"),
            flatten=flatten,
            user_id=by,
            key_id=caller.principal.key_id if caller is not None else "",
            request_id=caller.request_id if caller is not None else "",
        )
        return HaltWish(
            scope=scope,
            cause=cause,
            state=state,
            reason=reason,
            set_by=by,
            set_time_ns=self._clock.now_ns(),
            audit=self._audit("trading.halted", state, f"{scope.key} {cause}: {reason}", by, caller),
            sweep=order if sweep else None,
        )

    def _audit(self, action: str, state: TradingState, detail: str, by: str, caller: Caller | None) -> AuditRow:
        return AuditRow(
            time_ns=self._clock.now_ns(),
            request_id=caller.request_id if caller is not None else "",
            user_id=by,
            key_id=caller.principal.key_id if caller is not None else "",
            action=action,
            outcome=state.value,
            detail=detail,
        )


def _facts(wish: HaltWish) -> dict[str, str]:
    return {"scope": wish.scope.key, "cause": wish.cause.value, "state": wish.state.value}


def _alert(wish: HaltWish) -> Alert:
    return Alert(
        kind=AlertKind.HALTED,
        severity=Severity.CRITICAL,
        subject=wish.scope.key,
        message=f"{wish.scope.key} is {wish.state} ({wish.cause}, set by {wish.set_by}): {wish.reason}",
        time_ns=wish.set_time_ns,
        user_id=user_of(wish.scope),
        facts=(("cause", wish.cause.value), ("state", wish.state.value)),
    )


def user_of(scope: TradingScope) -> str:
    """Tell whose business a scope is, empty where it is more than one user's or only the account tells."""
    return scope.names[0] if scope.kind in _OF_USERS else ""
