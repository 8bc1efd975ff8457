"""What raises alerts: doubts that last, orders born late, credentials that a broker refuses."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from brokergw.desk.desk import Desk
from brokergw.desk.gates.standard import GateSettings
from brokergw.model.alerts import AlertKind, Severity
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import Absent, BrokerEvent, FeedDown, Found, Inconclusive
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_alerts import HeardAlerts
from tests.fixtures.memory_journal import MemoryJournal
from tests.fixtures.memory_leases import LeaseTable, MemoryLeases
from tests.fixtures.memory_modes import live_in_memory
from tests.fixtures.scripted_broker import Bench, D, ScriptedBroker, broker_order, one_connection, trader
from tests.unit.desk.in_doubt import doubtful


@dataclass
class RefusingBroker(ScriptedBroker):
    """A broker that may refuse the credentials, also in the middle of its stream."""

    refusing: bool = False

    def refuse(self) -> None:
        """Refuse from now on."""
        self.refusing = True
        self.feed.put_nowait(FeedDown("hung up"))

    async def subscribe(self, since_ns: int) -> AsyncIterator[BrokerEvent]:
        async for event in super().subscribe(since_ns):
            if self.refusing:
                raise GatewayError(Reason.BROKER_CREDENTIALS_REFUSED, "expired")
            yield event


@pytest.fixture
def heard() -> HeardAlerts:
    """Give who is told."""
    return HeardAlerts()


@pytest.fixture
async def bench(still_clock: FakeClock, heard: HeardAlerts) -> AsyncIterator[Bench]:
    """Give a started desk that tells."""
    broker, journal, leases = RefusingBroker(), MemoryJournal(), MemoryLeases(LeaseTable(still_clock))
    connections, gates, live = one_connection(), GateSettings(D(10_000)), live_in_memory(still_clock)
    desk = Desk(journal, connections, {"scripted": broker}, still_clock, gates, leases, live, notifier=heard)
    await desk.start()
    yield Bench(desk, broker, journal, still_clock, trader(), leases)
    await desk.stop()


async def test_a_doubt_is_told_of_after_thirty_seconds_once(bench: Bench, heard: HeardAlerts) -> None:
    """Just before thirty seconds nobody hears of it, just after them somebody does, and not again for an hour."""
    bench.broker.find = lambda _: Inconclusive("502")
    order = await doubtful(bench)
    await bench.clock.pass_time(29.9)
    assert not heard.alerts
    await bench.clock.pass_time(0.2)
    [alert] = heard.alerts
    assert (alert.kind, alert.severity, alert.subject) == (
        AlertKind.ORDER_IN_DOUBT,
        Severity.CRITICAL,
        order.order_id,
    )
    assert (alert.user_id, dict(alert.facts)["account_id"]) == ("alice", "acc_1")
    await bench.clock.pass_time(3600)
    assert len(heard.alerts) == 1


async def test_a_doubt_that_ends_in_time_is_nobodys_to_hear_of(bench: Bench, heard: HeardAlerts) -> None:
    """An order that is found before thirty seconds are over raises nothing."""
    bench.broker.find = lambda _: Inconclusive("502")
    order = await doubtful(bench)
    await bench.clock.pass_time(5)
    bench.broker.find = lambda client_id: Found(broker_order(client_id, order.terms))
    await bench.clock.pass_time(60)
    assert not heard.alerts


async def test_an_order_born_late_is_told_of(bench: Bench, heard: HeardAlerts) -> None:
    """An order that shows after its absence was proved is an alert of its own."""
    bench.broker.find = lambda _: Absent()
    order = await doubtful(bench)
    await bench.clock.pass_time(120)
    bench.broker.find = lambda client_id: Found(broker_order(client_id, order.terms))
    await bench.clock.pass_time(600)
    late = [alert for alert in heard.alerts if alert.kind is AlertKind.ORDER_BORN_LATE]
    assert [alert.subject for alert in late] == [order.order_id]
    assert dict(late[0].facts)["was"] == "RESOLVED_ABSENT"


async def test_refused_credentials_are_told_of_once_and_again_after_they_worked(
    bench: Bench, heard: HeardAlerts
) -> None:
    """A token that has run out is one alert however often the feed tries, until it has worked again."""
    broker = bench.broker
    assert isinstance(broker, RefusingBroker)
    broker.refuse()
    await bench.clock.pass_time(300)
    assert [(alert.kind, alert.subject) for alert in heard.alerts] == [(AlertKind.TOKEN_EXPIRES, "con_1")]
    broker.refusing = False
    await bench.clock.pass_time(60)
    broker.refuse()
    await bench.clock.pass_time(60)
    assert len(heard.alerts) == 2
