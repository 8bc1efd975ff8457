"""Alerts on their way: at once, again, over the database's absence and a process's death."""

from dataclasses import dataclass

from brokergw.desk.alerts.delivery import Alerts
from brokergw.model.alerts import Alert, AlertKind, Severity
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_alerts import MemoryChannel, MemoryOutbox

FOREVER = 1_000_000


def alert(clock: FakeClock, subject: str = "ord_1", severity: Severity = Severity.CRITICAL) -> Alert:
    """Make an alert of this moment."""
    return Alert(
        kind=AlertKind.ORDER_IN_DOUBT,
        severity=severity,
        subject=subject,
        message="nobody knows",
        time_ns=clock.now_ns(),
        facts=(("account_id", "acc_1"),),
    )


@dataclass
class Broken(MemoryChannel):
    """A channel with a fault of its own."""

    async def deliver(self, message: object) -> None:
        self.attempts += 1
        raise RuntimeError("a fault")


async def test_an_alert_goes_through_every_channel_at_once_and_leaves_nothing_behind(still_clock: FakeClock) -> None:
    """Without any time passing each channel has it, under one id, and the outbox is empty again."""
    first, second, outbox = MemoryChannel("a"), MemoryChannel("b"), MemoryOutbox()
    alerts = Alerts([first, second], outbox, still_clock)
    alerts.notify(alert(still_clock))
    await still_clock.pass_time(0)
    assert first.arrived == second.arrived
    assert [message.alert for message in first.arrived] == [alert(still_clock)]
    assert not outbox.rows


async def test_three_refusals_cost_less_than_two_seconds(still_clock: FakeClock) -> None:
    """A receiver that is back for the fourth try has the alert within the two seconds promised."""
    channel, outbox = MemoryChannel(refusals=3), MemoryOutbox()
    Alerts([channel], outbox, still_clock).notify(alert(still_clock))
    await still_clock.pass_time(1.3)
    assert not channel.arrived
    await still_clock.pass_time(0.6)
    assert len(channel.arrived) == 1
    assert not outbox.rows


async def test_one_channel_that_fails_does_not_hold_up_the_other(still_clock: FakeClock) -> None:
    """A fault in one channel is that channel's; the other delivers, and the record keeps what is missing."""
    broken, whole, outbox = Broken("broken"), MemoryChannel("whole"), MemoryOutbox()
    Alerts([broken, whole], outbox, still_clock).notify(alert(still_clock))
    await still_clock.pass_time(3)
    assert len(whole.arrived) == 1
    assert broken.attempts == 4
    assert [channel for _, channel in outbox.rows] == ["broken"]


async def test_what_fails_is_tried_ever_more_rarely_until_it_arrives(still_clock: FakeClock) -> None:
    """After the first tries an alert waits on record; it arrives once, when the receiver is back."""
    channel, outbox = MemoryChannel(refusals=9), MemoryOutbox()
    alerts = Alerts([channel], outbox, still_clock)
    alerts.start()
    alerts.notify(alert(still_clock))
    attempts = []
    for _ in range(12):
        await still_clock.pass_time(30)
        attempts.append(channel.attempts)
    await alerts.stop()
    assert attempts[0] < 8
    assert attempts[-1] == 10
    assert len(channel.arrived) == 1
    assert not outbox.rows


async def test_a_process_that_dies_leaves_its_alerts_to_the_next(still_clock: FakeClock) -> None:
    """What one process has on record and did not deliver, another delivers under the same id, within 17 s."""
    dead, alive, outbox = MemoryChannel(refusals=FOREVER), MemoryChannel(), MemoryOutbox()
    dying = Alerts([dead], outbox, still_clock)
    dying.notify(alert(still_clock))
    await still_clock.pass_time(0.1)
    for task in list(dying._tasks):
        task.cancel()
    [(alert_id, _)] = outbox.rows

    next_one = Alerts([alive], outbox, still_clock)
    next_one.start()
    await still_clock.pass_time(17)
    await next_one.stop()
    assert [message.alert_id for message in alive.arrived] == [alert_id]
    assert not outbox.rows


async def test_a_frozen_record_holds_no_alert_back(still_clock: FakeClock) -> None:
    """While the database is away alerts are delivered all the same, and tried again while nothing can be recorded."""
    channel, outbox = MemoryChannel(refusals=6), MemoryOutbox(away=True)
    alerts = Alerts([channel], outbox, still_clock)
    alerts.notify(alert(still_clock))
    await still_clock.pass_time(10)
    assert len(channel.arrived) == 1
    outbox.away = False
    await still_clock.pass_time(5)
    assert not outbox.rows


async def test_the_same_alert_within_a_minute_is_one_and_then_its_count(still_clock: FakeClock) -> None:
    """A storm of one alert arrives as the first, and after the minute as one more with how often it was raised."""
    channel = MemoryChannel()
    alerts = Alerts([channel], MemoryOutbox(), still_clock)
    alerts.start()
    for _ in range(500):
        alerts.notify(alert(still_clock))
    alerts.notify(alert(still_clock, subject="ord_2"))
    await still_clock.pass_time(59)
    assert [(m.alert.subject, m.count) for m in channel.arrived] == [("ord_1", 1), ("ord_2", 1)]
    await still_clock.pass_time(4)
    assert [(m.alert.subject, m.count) for m in channel.arrived[2:]] == [("ord_1", 500)]
    alerts.notify(alert(still_clock))
    await still_clock.pass_time(1)
    await alerts.stop()
    assert len(channel.arrived) == 4


async def test_an_alert_that_grew_worse_or_was_undone_is_told_again(still_clock: FakeClock) -> None:
    """A higher severity is another alert, and so is a halt after a resumption within the same minute."""
    channel = MemoryChannel()
    alerts = Alerts([channel], MemoryOutbox(), still_clock)
    halted = Alert(kind=AlertKind.HALTED, severity=Severity.WARNING, subject="USER/u", message="", time_ns=0)
    resumed = Alert(kind=AlertKind.RESUMED, severity=Severity.WARNING, subject="USER/u", message="", time_ns=0)
    for each in (halted, halted, resumed, halted, alert(still_clock, severity=Severity.WARNING), alert(still_clock)):
        alerts.notify(each)
    await still_clock.pass_time(1)
    assert [message.alert.kind for message in channel.arrived].count(AlertKind.HALTED) == 2
    assert [message.alert.kind for message in channel.arrived].count(AlertKind.ORDER_IN_DOUBT) == 2


async def test_stopping_lets_what_is_on_its_way_arrive_and_keeps_the_rest(still_clock: FakeClock) -> None:
    """A stop waits two seconds at most; what has not arrived is on record, and the channels are closed."""
    channel, outbox = MemoryChannel(refusals=FOREVER), MemoryOutbox()
    alerts = Alerts([channel], outbox, still_clock)
    alerts.start()
    alerts.notify(alert(still_clock))
    still_clock.auto = True
    await alerts.stop()
    assert channel.closed
    assert len(outbox.rows) == 1


async def test_a_week_old_alert_is_given_up_aloud(still_clock: FakeClock) -> None:
    """What nobody takes for a week is dropped from the record."""
    channel, outbox = MemoryChannel(refusals=FOREVER), MemoryOutbox()
    alerts = Alerts([channel], outbox, still_clock)
    alerts.start()
    alerts.notify(alert(still_clock))
    await still_clock.pass_time(60)
    still_clock.advance(7 * 86_400)
    await still_clock.pass_time(30)
    await alerts.stop()
    assert not outbox.rows


async def test_without_channels_an_alert_is_in_the_log_and_nowhere_else(still_clock: FakeClock) -> None:
    """A gateway with nothing configured writes no rows for alerts."""
    outbox = MemoryOutbox()
    alerts = Alerts([], outbox, still_clock)
    alerts.start()
    alerts.notify(alert(still_clock))
    await still_clock.pass_time(5)
    await alerts.stop()
    assert not outbox.rows
