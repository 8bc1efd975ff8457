"""What is known of a market's hours, from whom, and what happens when nobody tells."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import pytest

from brokergw.desk.hours.markets import Hours, Markets
from brokergw.desk.sessions import Session, Sessions
from brokergw.model.capability import MarketRules
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.sessions import MarketClock, MarketDay, SessionKind
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.clock import FakeClock
from tests.fixtures.market_hours import QUEUING, SECOND_NS, TOLD, at, days_of
from tests.fixtures.scripted_broker import CAPABILITIES, OneConnection, ScriptedBroker, one_connection

MONDAY_NOON = "2026-11-23 12:00"
OPEN, CLOSED = SessionKind.REGULAR, SessionKind.CLOSED


@dataclass
class File:
    """An operator's file that a test writes."""

    text: str = ""
    broken: bool = False
    given: str | None = None

    def changed(self) -> str | None:
        if self.broken:
            self.given = None
            raise OSError("no such file")
        if self.text == self.given:
            return None
        self.given = self.text
        return self.text


@dataclass
class Desk:
    """One connection to a broker whose market a test keeps."""

    rules: MarketRules
    clock: FakeClock
    file: File = field(default_factory=File)
    broker: ScriptedBroker = field(init=False)
    directory: OneConnection = field(init=False)
    sessions: Sessions = field(init=False)
    markets: Markets = field(init=False)
    last_day: date = date(2026, 12, 31)
    is_open: bool | None = None
    ahead_s: float = 0.0
    down: bool = False

    def __post_init__(self) -> None:
        self.broker = ScriptedBroker(replace(CAPABILITIES, markets={AssetClass.STOCK: self.rules}))
        self.broker.market_days, self.broker.market_clock = self._days, self._clock
        self.directory = one_connection()
        self.sessions = Sessions(self.directory, {"scripted": self.broker}, self.clock)
        self.markets = Markets(self.sessions, self.clock, self.file)

    async def _days(self) -> Sequence[MarketDay]:
        await asyncio.sleep(0)
        self._require_up()
        return days_of(date(2026, 11, 1), self.last_day)

    async def _clock(self) -> MarketClock:
        self._require_up()
        now_ns = self.clock.now_ns()
        days = [span for day in days_of(date(2026, 11, 1), date(2026, 12, 31)) for span in day.spans]
        regular = [span for span in days if span.kind is SessionKind.REGULAR]
        is_open = any(span.holds(now_ns) for span in regular) if self.is_open is None else self.is_open
        opens = min(span.start_ns for span in regular if span.start_ns > now_ns)
        closes = min(span.end_ns for span in regular if span.end_ns > now_ns)
        told_ns = now_ns + round(self.ahead_s * SECOND_NS)
        return MarketClock(time_ns=told_ns, is_open=is_open, next_open_ns=opens, next_close_ns=closes)

    def _require_up(self) -> None:
        if self.down:
            raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "down")

    async def session(self) -> Session:
        return await self.sessions.open(self.directory.connection)

    async def hours(self, asset_class: AssetClass = AssetClass.STOCK) -> Hours:
        return await self.markets.hours(await self.session(), asset_class)

    async def kind(self) -> SessionKind:
        return (await self.hours()).timetable.kind_at(self.clock.now_ns())

    async def refused(self, asset_class: AssetClass = AssetClass.STOCK) -> str:
        with pytest.raises(GatewayError) as caught:
            await self.hours(asset_class)
        assert caught.value.reason is Reason.CALENDAR_UNAVAILABLE
        return caught.value.message


def desk(rules: MarketRules, when: str = MONDAY_NOON) -> Desk:
    return Desk(rules, FakeClock(at(when), auto=False))


async def test_the_house_knows_a_market_that_no_broker_tells() -> None:
    """The committed table is enough, and the broker is asked nothing."""
    bench = desk(QUEUING)
    assert await bench.kind() is OPEN
    bench.clock.advance(4 * 3600)
    assert await bench.kind() is SessionKind.POST
    assert (bench.broker.calendars_asked, bench.broker.clocks_asked) == (0, 0)


async def test_a_broker_that_tells_is_asked_once_for_many_orders() -> None:
    """Orders that come together wait for one question; later ones ask nobody."""
    bench = desk(TOLD)
    session = await bench.session()
    found = await asyncio.gather(*(bench.markets.hours(session, AssetClass.STOCK) for _ in range(20)))
    assert {hours.timetable.kind_at(bench.clock.now_ns()) for hours in found} == {OPEN}
    for _ in range(20):
        await bench.hours()
    assert (bench.broker.calendars_asked, bench.broker.clocks_asked) == (1, 1)


async def test_the_brokers_clock_wins_over_its_calendar() -> None:
    """A market that is held shut at noon is closed until it says that it opens, and is asked again then."""
    bench = desk(TOLD)
    bench.is_open = False
    assert await bench.kind() is CLOSED
    bench.is_open = True
    bench.clock.advance(21.5 * 3600)
    assert await bench.kind() is OPEN
    assert bench.broker.clocks_asked == 2


async def test_a_holiday_of_the_broker_alone_is_kept() -> None:
    """Its list of days is the calendar, whatever the house's table has."""
    bench = desk(TOLD)
    days = days_of(date(2026, 11, 1), date(2026, 12, 31))

    async def without_today() -> Sequence[MarketDay]:
        return [day for day in days if day.date != date(2026, 11, 23)]

    bench.broker.market_days, bench.is_open = without_today, False
    assert await bench.kind() is CLOSED


async def test_the_clock_is_asked_every_half_minute_and_when_the_market_turns() -> None:
    """A minute before the close the next question comes with the close, not half a minute after it."""
    bench = desk(TOLD, "2026-11-23 15:59:20")
    await bench.session()
    await bench.markets.refresh()
    bench.clock.advance(29)
    await bench.markets.refresh()
    assert bench.broker.clocks_asked == 1
    bench.clock.advance(1)
    await bench.markets.refresh()
    assert bench.broker.clocks_asked == 2
    bench.clock.advance(10)
    await bench.markets.refresh()
    assert bench.broker.clocks_asked == 3
    assert await bench.kind() is SessionKind.POST


async def test_the_calendar_is_asked_four_times_a_day() -> None:
    """The clock is asked often, the list of days seldom."""
    bench = desk(TOLD)
    await bench.hours()
    bench.clock.advance(6 * 3600 - 1)
    await bench.markets.refresh()
    assert bench.broker.calendars_asked == 1
    bench.clock.advance(31)
    await bench.markets.refresh()
    assert bench.broker.calendars_asked == 2


async def test_what_was_told_is_used_while_the_broker_is_away() -> None:
    """A broker that stops telling leaves the calendar it told, as far as that reaches."""
    bench = desk(TOLD)
    await bench.hours()
    bench.down = True
    bench.clock.advance(24 * 3600)
    await bench.markets.refresh()
    assert await bench.kind() is OPEN


async def test_a_broker_that_never_told_lets_no_order_pass_and_is_not_pestered() -> None:
    """Orders in the second after a failure are refused without another question."""
    bench = desk(TOLD)
    bench.down = True
    assert "does not tell" in await bench.refused()
    assert "a moment ago" in await bench.refused()
    assert bench.broker.calendars_asked == 1
    bench.clock.advance(1)
    bench.down = False
    assert await bench.kind() is OPEN


async def test_one_connection_that_is_not_told_keeps_no_other_from_asking() -> None:
    """What the broker refuses one user's connection, another user's is told at the same moment, and beside it."""
    bench = desk(TOLD)
    theirs = replace(bench.directory.connection, connection_id="con_2", account_id="acc_2", user_id="usr_2")
    other = await bench.sessions.open(theirs)
    bench.down = True
    await bench.refused()
    bench.down = False
    assert "a moment ago" in await bench.refused()
    hours = await bench.markets.hours(other, AssetClass.STOCK)
    assert hours.timetable.kind_at(bench.clock.now_ns()) is OPEN


async def test_who_waited_for_another_connection_that_is_refused_asks_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A question that is under way by a connection whose token has ended says nothing of the next one."""
    bench = desk(TOLD)
    session = await bench.session()
    other = await bench.sessions.open(replace(session.connection, connection_id="con_2", account_id="acc_2"))
    askers: list[str] = []

    async def days() -> Sequence[MarketDay]:
        askers.append(bench.markets._memory.told[next(iter(bench.markets._memory.told))].asker)
        bench.down = askers[-1] == session.connection.connection_id
        return await bench._days()

    monkeypatch.setattr(bench.broker, "market_days", days)
    refused, told = await asyncio.gather(
        bench.markets.hours(session, AssetClass.STOCK),
        bench.markets.hours(other, AssetClass.STOCK),
        return_exceptions=True,
    )
    assert isinstance(refused, GatewayError)
    assert isinstance(told, Hours)
    assert askers == [session.connection.connection_id, "con_2"]


async def test_a_round_asks_by_a_connection_that_was_not_just_refused() -> None:
    """Where the first connection of a broker is refused, the next round asks by another one."""
    bench = desk(TOLD)
    await bench.session()
    theirs = replace(bench.directory.connection, connection_id="con_2", account_id="acc_2")
    other = await bench.sessions.open(theirs)
    bench.down = True
    await bench.markets.refresh()
    bench.down = False
    await bench.markets.refresh()
    assert bench.markets.at_hand(other, AssetClass.STOCK) is None
    assert (await bench.markets.hours(other, AssetClass.STOCK)).timetable.kind_at(bench.clock.now_ns()) is OPEN
    assert bench.broker.calendars_asked == 2


@pytest.mark.parametrize(("last_day", "known"), [(date(2026, 11, 30), False), (date(2026, 12, 1), True)])
async def test_five_days_must_be_known_ahead(last_day: date, *, known: bool) -> None:
    """From Monday noon until the next Monday there are four, since Thursday is a holiday; with Tuesday five."""
    bench = desk(TOLD)
    bench.last_day = last_day
    if known:
        assert await bench.kind() is OPEN
    else:
        assert "fewer than 5 days" in await bench.refused()


async def test_the_house_refuses_near_the_end_of_its_table() -> None:
    """With five more days it trades, with four it does not, so that somebody extends it before it is over."""
    bench = desk(QUEUING, "2032-12-23 12:00")
    assert await bench.kind() is OPEN
    bench.clock.advance(4 * 24 * 3600)
    assert "fewer than 5 days" in await bench.refused()


async def test_an_asset_class_without_a_market_is_refused() -> None:
    """A broker's row that forgets a market does not make it open."""
    assert "does not say" in await desk(QUEUING).refused(AssetClass.CRYPTO)


async def test_the_operators_word_wins_over_table_and_broker() -> None:
    """A closure that the operator adds holds at once, against the broker's own clock too."""
    for rules in (QUEUING, TOLD):
        bench = desk(rules)
        assert await bench.kind() is OPEN
        bench.file.text = "[XNYS]\nclosed = [2026-11-23]"
        bench.markets.read_overrides()
        assert await bench.kind() is CLOSED
        bench.file.text = ""
        bench.markets.read_overrides()
        assert await bench.kind() is OPEN


async def test_the_operator_may_open_a_day_off() -> None:
    """A Saturday with hours of its own trades in them and not a second longer."""
    for rules in (QUEUING, TOLD):
        bench = desk(rules, "2026-11-28 11:59:59")
        bench.file.text = '[[XNYS.day]]\ndate = 2026-11-28\nregular = ["09:30-12:00"]'
        bench.markets.read_overrides()
        assert await bench.kind() is OPEN
        bench.clock.advance(1)
        assert await bench.kind() is CLOSED


async def test_a_file_that_cannot_be_read_lets_no_order_pass_until_it_can() -> None:
    """Whoever closes a market with a slip of the pen does not leave it open."""
    bench = desk(QUEUING)
    assert await bench.kind() is OPEN
    for broken in ("[XNYS\nclosed", "[NOWHERE]\nclosed = []"):
        bench.file.text = broken
        bench.markets.read_overrides()
        await bench.refused()
    bench.file.text = ""
    bench.markets.read_overrides()
    assert await bench.kind() is OPEN
    bench.file.broken = True
    bench.markets.read_overrides()
    assert "no such file" in await bench.refused()


async def test_maintenance_pauses_a_broker_and_nobody_else() -> None:
    """To the second, and only for the classes it names."""
    bench = desk(QUEUING)
    bench.file.text = (
        '[[maintenance]]\nbroker = "scripted"\nasset_classes = ["STOCK"]\n'
        "from = 2026-11-23T12:01:00-05:00\nuntil = 2026-11-23T12:02:00-05:00\n"
    )
    bench.markets.read_overrides()
    noon = bench.clock.now_ns()
    hours = await bench.hours()
    assert [hours.paused(noon + s * SECOND_NS) for s in (59, 60, 119, 120)] == [False, True, True, False]
    bench.file.text = bench.file.text.replace("STOCK", "CRYPTO")
    bench.markets.read_overrides()
    assert not (await bench.hours()).paused(noon + 60 * SECOND_NS)
    bench.file.text = bench.file.text.replace("scripted", "another").replace("CRYPTO", "STOCK")
    bench.markets.read_overrides()
    assert not (await bench.hours()).paused(noon + 60 * SECOND_NS)


@pytest.mark.parametrize(("ahead_s", "apart"), [(0.0, 0.0), (1.5, 1.5), (-1.5, 1.5)])
async def test_the_brokers_clock_is_compared_as_it_is_asked(ahead_s: float, apart: float) -> None:
    """Both ways, and without another request."""
    bench = desk(TOLD, "2026-11-23 12:00:00.250")
    bench.ahead_s = ahead_s
    await bench.hours()
    assert bench.markets.skew_s(await bench.session()) == apart
    assert bench.broker.clocks_asked == 1


async def test_a_connection_that_cannot_work_is_not_asked() -> None:
    """A revoked connection tells no hours in the background."""
    bench = desk(TOLD)
    session = await bench.session()
    session.connection = replace(session.connection, revoke_time_ns=1)
    await bench.markets.refresh()
    assert bench.broker.clocks_asked == 0
