"""Delivering alerts: at once through every channel, and again from the outbox until each has it.

Theory of operation: an alert is put on record and sent at the same time, since neither may wait for the other: the
database may be frozen just when somebody must hear of it, and the receiver may be away just before this process dies. A
message is tried a few times within two seconds, then left to the outbox, from which whichever process finds it due
tries it ever more rarely. Who takes one puts its next try off first, so that a process that dies with it delays it by
that much and no more. A message may arrive twice, under the same id; it is never dropped in less than a week.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from brokergw.desk.alerts.folding import Folding
from brokergw.desk.alerts.logged import write_line
from brokergw.model.alerts import Alert
from brokergw.model.errors import GatewayError
from brokergw.model.ids import new_id
from brokergw.ports.alerts import AlertChannel, AlertMessage, AlertNotDelivered, AlertOutbox, Undelivered
from brokergw.ports.clock import Clock

_AGAIN_AFTER_S: Final = (0.2, 0.4, 0.8)
_RECORD_AWAY_S: Final = 2.0
_POLL_S: Final = 2.0
_HELD_NS: Final = 15_000_000_000
_LATER_FIRST_S: Final = 5
_LATER_MAX_S: Final = 600
_DOUBLINGS_MAX: Final = 10
_GIVE_UP_NS: Final = 7 * 86_400_000_000_000
_AT_ONCE: Final = 8
_WAITING_MAX: Final = 1_000
_BATCH: Final = 50
_GRACE_S: Final = 2.0
_NS: Final = 1_000_000_000

log = structlog.get_logger(__name__)


class Alerts:
    """Implements `ports.notifier.Notifier` over channels and an outbox; works between `start` and `stop`."""

    def __init__(self, channels: Sequence[AlertChannel], outbox: AlertOutbox, clock: Clock) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._turns = {channel.name: asyncio.Semaphore(_AT_ONCE) for channel in channels}
        self._outbox = outbox
        self._clock = clock
        self._folding = Folding()
        self._tasks: set[asyncio.Task[None]] = set()
        self._poll: asyncio.Task[None] | None = None

    def notify(self, alert: Alert) -> None:
        """Hand an alert over; returns at once and never raises."""
        try:
            self._notify(alert)
        except Exception:
            log.exception("an alert could not be sent", alert=alert.kind.value)

    def start(self) -> None:
        """Take up what earlier processes left."""
        if self._channels:
            self._poll = asyncio.create_task(self._run(), name="alerts that wait")

    async def stop(self) -> None:
        """Let what is on its way arrive, for a moment; what does not is on record."""
        if self._poll is not None:
            self._poll.cancel()
            await asyncio.gather(self._poll, return_exceptions=True)
        if self._tasks:
            grace = asyncio.create_task(self._grace(), name="alerts may still arrive")
            await asyncio.gather(*self._tasks, return_exceptions=True)
            grace.cancel()
        for channel in self._channels.values():
            await channel.close()

    async def _grace(self) -> None:
        await self._clock.sleep(_GRACE_S)
        for task in self._tasks:
            task.cancel()

    def _notify(self, alert: Alert) -> None:
        alert_id = new_id("alt")
        write_line(alert, alert_id)
        if not self._channels:
            return
        self._tell_repeats()
        if self._folding.is_new(alert, self._clock.monotonic()):
            self._send(AlertMessage(alert_id=alert_id, alert=alert))

    def _tell_repeats(self) -> None:
        for alert, count in self._folding.over(self._clock.monotonic()):
            self._send(AlertMessage(alert_id=new_id("alt"), alert=alert, count=count))

    def _send(self, message: AlertMessage) -> None:
        if len(self._tasks) >= _WAITING_MAX:
            log.error("too many alerts are on their way; one is in the log only", alert_id=message.alert_id)
            return
        task = asyncio.create_task(self._carry(message), name=f"alert {message.alert_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, message: AlertMessage) -> None:
        """Put a message on record and through every channel."""
        held_ns = self._clock.now_ns() + _HELD_NS
        rows = [Undelivered(message=message, channel=name, tries=0, next_try_ns=held_ns) for name in self._channels]
        saved = asyncio.create_task(self._surely(lambda: self._outbox.add(rows)))
        try:
            await asyncio.gather(*(self._through(channel, message, saved) for channel in self._channels.values()))
        finally:
            saved.cancel()

    async def _through(self, channel: AlertChannel, message: AlertMessage, saved: asyncio.Task[None]) -> None:
        for delay in (*_AGAIN_AFTER_S, 0.0):
            if await self._attempt(channel, message):
                break
            await self._clock.sleep(delay)
        else:
            # Only what is on record may be left to the outbox.
            while not saved.done():
                await self._clock.sleep(_RECORD_AWAY_S)
                if await self._attempt(channel, message):
                    break
            else:
                await self._later(message, channel.name, 0)
                return
        # A cancelled task must not take the record's with it.
        await asyncio.shield(saved)
        await self._surely(lambda: self._outbox.delivered(message.alert_id, channel.name))

    async def _attempt(self, channel: AlertChannel, message: AlertMessage) -> bool:
        async with self._turns[channel.name]:
            try:
                await channel.deliver(message)
            except AlertNotDelivered as error:
                why = str(error)
                log.warning("an alert was not delivered", channel=channel.name, alert_id=message.alert_id, why=why)
                return False
            except Exception:
                # Whatever a channel does must not end the others' tries.
                log.exception("an alert channel failed", channel=channel.name, alert_id=message.alert_id)
                return False
        return True

    async def _surely(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write to the outbox, however long the record is away."""
        while True:
            try:
                await write()
            except GatewayError as error:
                log.warning("the record of alerts is away", reason=error.reason.value)
                await self._clock.sleep(_RECORD_AWAY_S)
            else:
                return

    async def _later(self, message: AlertMessage, channel: str, tries: int) -> None:
        now = self._clock.now_ns()
        if now - message.alert.time_ns > _GIVE_UP_NS:
            log.error("an alert was never delivered", channel=channel, alert_id=message.alert_id)
            await self._surely(lambda: self._outbox.delivered(message.alert_id, channel))
            return
        delay_s = min(_LATER_FIRST_S << min(tries, _DOUBLINGS_MAX), _LATER_MAX_S)
        await self._surely(lambda: self._outbox.put_off(message.alert_id, channel, now + delay_s * _NS))

    async def _run(self) -> None:
        """Tell repetitions whose while is over, and try again what is due."""
        while True:
            try:
                self._tell_repeats()
                now = self._clock.now_ns()
                due = await self._outbox.take_due(now, now + _HELD_NS, _BATCH)
                await asyncio.gather(*(self._again(row) for row in due))
            except GatewayError as error:
                log.warning("the record of alerts is away", reason=error.reason.value)
            except Exception:
                log.exception("alerts that wait could not be tried")
            await self._clock.sleep(_POLL_S)

    async def _again(self, row: Undelivered) -> None:
        channel = self._channels.get(row.channel)
        if channel is not None and await self._attempt(channel, row.message):
            await self._surely(lambda: self._outbox.delivered(row.message.alert_id, row.channel))
        else:
            await self._later(row.message, row.channel, row.tries)
