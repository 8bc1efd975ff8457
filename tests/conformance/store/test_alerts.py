"""The outbox of alerts on both databases."""

import asyncio

from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.ports.alerts import AlertMessage, Undelivered
from brokergw.store import Store
from tests.fixtures.stores import open_for_test

NOW_NS = 1_800_000_000_000_000_000
HELD_NS = NOW_NS + 20


def row(number: int, channel: str = "webhook", next_try_ns: int = NOW_NS) -> Undelivered:
    """Make an alert that waits."""
    alert = Alert(
        kind=AlertKind.LEDGER_DIFFERS,
        severity=Severity.WARNING,
        subject=f"subject {number}",
        message="ledger and count differ \x00",
        time_ns=NOW_NS + number,
        user_id="alice",
        facts=(("difference", "0.01"), ("symbol", "BRK.B")),
    )
    message = AlertMessage(alert_id=f"alt_{number}", alert=alert, count=number)
    return Undelivered(message=message, channel=channel, tries=0, next_try_ns=next_try_ns)


async def test_an_alert_comes_back_as_it_was_kept(store: Store) -> None:
    """Everything but characters that no database holds comes back, for each channel, oldest first."""
    await store.alerts.add([row(2), row(2, "email"), row(1)])
    await store.alerts.add([row(1)])
    taken = await store.alerts.take_due(NOW_NS, HELD_NS, 10)
    assert [(each.message.alert_id, each.channel) for each in taken[:1]] == [("alt_1", "webhook")]
    assert {(each.message.alert_id, each.channel) for each in taken[1:]} == {("alt_2", "webhook"), ("alt_2", "email")}
    first, told = taken[0].message.alert, row(1).message.alert
    assert first.message.startswith("ledger and count differ")
    assert (first.kind, first.severity, first.subject, first.time_ns, first.user_id, first.facts) == (
        told.kind,
        told.severity,
        told.subject,
        told.time_ns,
        told.user_id,
        told.facts,
    )
    assert (taken[0].message.count, taken[0].tries, taken[0].next_try_ns) == (1, 0, HELD_NS)


async def test_what_was_taken_is_due_again_when_its_time_has_come(store: Store) -> None:
    """Taken is put off; a failure counts a try; what was delivered is gone, for that channel alone."""
    await store.alerts.add([row(1), row(1, "email")])
    assert len(await store.alerts.take_due(NOW_NS, HELD_NS, 10)) == 2
    assert not await store.alerts.take_due(HELD_NS - 1, HELD_NS + 20, 10)
    await store.alerts.put_off("alt_1", "webhook", HELD_NS + 5)
    await store.alerts.delivered("alt_1", "email")
    assert not await store.alerts.take_due(HELD_NS + 4, HELD_NS + 50, 10)
    [again] = await store.alerts.take_due(HELD_NS + 5, HELD_NS + 50, 10)
    assert (again.channel, again.tries) == ("webhook", 1)


async def test_no_more_are_taken_than_asked_for(store: Store) -> None:
    """A limit leaves the newer ones for the next look."""
    await store.alerts.add([row(number) for number in range(5)])
    assert [each.message.alert_id for each in await store.alerts.take_due(NOW_NS, HELD_NS, 2)] == ["alt_0", "alt_1"]
    assert len(await store.alerts.take_due(NOW_NS, HELD_NS, 10)) == 3


async def test_of_two_that_take_at_once_one_gets_each(store: Store, store_url: str) -> None:
    """Two processes that look at the same moment never take the same alert."""
    async with open_for_test(store_url) as other:
        for turn in range(10):
            await store.alerts.add([row(turn * 10 + number) for number in range(10)])
            both = await asyncio.gather(
                *(each.alerts.take_due(NOW_NS, NOW_NS * 2, 10) for each in (store, other, store, other))
            )
            ids = [taken.message.alert_id for some in both for taken in some]
            assert len(ids) == len(set(ids)) == 10
