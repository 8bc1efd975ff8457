"""The commit before a send: nothing leaves until it is certain that the intent is on the record.

A commit whose reply was lost is looked up. If it is there, the caller may go on, and its permit, whose age counts from
before the commit, says whether it still may send. If it is not there, it may yet come: nothing is sent, and what comes
is taken back. So is what comes onto the record after its caller was refused because that took too long.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from brokergw.desk.record.recorder import Recorder, Step
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.order import Order
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Commit, CommitResult, Committed, Journal, KeyTaken

_LOOK_AGAIN_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""How long a commit may come late: longer than any server lets a transaction idle."""

Undo = Callable[[Order], Step | None]

log = structlog.get_logger(__name__)


class Admission:
    """Makes intents durable, with certainty."""

    def __init__(self, journal: Journal, recorder: Recorder, clock: Clock) -> None:
        self._journal = journal
        self._recorder = recorder
        self._clock = clock
        self._waiting: set[asyncio.Task[None]] = set()

    async def commit(self, unit: Commit, order: Order, undo: Undo) -> CommitResult:
        """Commit a unit that writes `order`; `undo` takes an order back that turns out to be on the record after all.

        Raises JOURNAL_UNAVAILABLE or AUDIT_UNAVAILABLE when nothing will ever come of the unit, and
        JOURNAL_OUTCOME_UNKNOWN when it may be on the record. Whoever waits here is the only one who could send: after
        an error nothing leaves.
        """
        try:
            return await self._journal.commit(unit)
        except GatewayError as error:
            if error.reason is not Reason.JOURNAL_OUTCOME_UNKNOWN:
                raise
            found = await self._look(unit, order)
            if found is None:
                self._begin(order, undo)
                raise
            return found

    def late(self, order: Order, undo: Undo) -> Callable[[], None]:
        """Give what is to be done where a unit is on the record although its caller was refused: its undoing."""
        return partial(self._begin, order, undo)

    def _begin(self, order: Order, undo: Undo) -> None:
        task = asyncio.create_task(self._take_back(order, undo), name=f"take back {order.order_id}")
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def stop(self) -> None:
        """Wait for nothing any more; what comes now is found by whoever looks for what dead senders left."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _look(self, unit: Commit, order: Order) -> CommitResult | None:
        """Find out what became of a commit; None while that cannot be told."""
        try:
            if is_on_record(await self._journal.order(only(order.user_id), order.order_id), order):
                return Committed(())
            record = await self._journal.key_of(unit.claim.scope) if unit.claim is not None else None
        except GatewayError as error:
            log.warning("a commit of unknown outcome cannot be looked up", reason=error.reason.value)
            return None
        # Who else holds the key keeps ours from ever coming.
        return KeyTaken(record) if record is not None and record.subject != order.order_id else None

    async def _take_back(self, order: Order, undo: Undo) -> None:
        for delay in _LOOK_AGAIN_S:
            try:
                standing = await self._journal.order(only(order.user_id), order.order_id)
                if is_on_record(standing, order):
                    await self._recorder.write(order, undo)
                    log.warning("an admission came late and was taken back", order_id=order.order_id)
                    return
            except GatewayError as error:
                log.warning("an admission cannot be looked up", order_id=order.order_id, reason=error.reason.value)
            else:
                if standing is not None and standing.version >= order.version:
                    return
            await self._clock.sleep(delay)


def is_on_record(standing: Order | None, order: Order) -> bool:
    """Tell whether the version on the record is the very one that was to be written, and not another's."""
    return standing is not None and (standing.version, standing.state, standing.sender, standing.update_time_ns) == (
        order.version,
        order.state,
        order.sender,
        order.update_time_ns,
    )


def nothing_to_undo() -> None:
    """Let a unit stand that came onto the record late: nothing would have left after it."""
