from collections.abc import Sequence
from typing import Any

import pytest

from brokergw.app.chaos import (
    Act,
    ChaosRefused,
    Crashes,
    CrashingAdapter,
    Plan,
    crashes_of,
    require_no_live_money,
    simulated_live,
)
from brokergw.app.settings import Settings
from brokergw.model.account import Connection, Environment
from brokergw.model.errors import GatewayError
from brokergw.model.events import EventDraft, EventKind, LogEvent
from brokergw.model.lifecycle import State
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import Accepted
from brokergw.ports.broker import BrokerLink
from brokergw.ports.journal import Commit, Committed, KeyClaim, KeyScope
from brokergw.ports.permit import Permit
from tests.conformance.store.making import an_order as make_order

CLAIM = KeyClaim(scope=KeyScope("u", "SubmitOrder", "k"), fingerprint="f", subject="ord_1", time_ns=1)


class Crashed(BaseException):
    """Stands in for the signal."""


def armed(plan: str, simulated: frozenset[str] = frozenset()) -> Crashes:
    def act(act: Act) -> None:
        raise Crashed(act)

    return Crashes(Plan.parse(plan), act, simulated)


class FakeJournal:
    """Makes everything durable, then tells the listeners, then the one who committed."""

    def __init__(self) -> None:
        self.durable: list[Commit] = []
        self.listeners: list[Any] = []

    def on_events(self, listener: Any) -> None:
        self.listeners.append(listener)

    async def commit(self, unit: Commit) -> Committed:
        self.durable.append(unit)
        events = [_logged(draft) for draft in unit.events]
        for listener in self.listeners:
            listener(events)
        return Committed(tuple(events))


def _logged(draft: EventDraft) -> LogEvent:
    return LogEvent(
        kind=draft.kind,
        account_id=draft.account_id,
        sequence=1,
        origin=draft.origin,
        event_time_ns=1,
        receive_time_ns=1,
        publish_time_ns=1,
        payload=draft.payload,
    )


def event(order: Order, origin: Origin = Origin.LIVE) -> EventDraft:
    return EventDraft(
        kind=EventKind.ORDER,
        account_id=order.account_id,
        origin=origin,
        event_time_ns=1,
        receive_time_ns=1,
        payload=order,
    )


def admission() -> Commit:
    order = make_order(state=State.SENDING)
    return Commit(claim=CLAIM, inserts=(order,), events=(event(order),))


def feed_write() -> Commit:
    order = make_order(state=State.FILLED)
    return Commit(updates=(order,), events=(event(order),))


@pytest.mark.parametrize("text", ["", "C5", "C5:3", "C5:x:kill", "C5:1:fall", "C99:1:kill", "C5.dance:1:kill"])
def test_a_plan_that_makes_no_sense_is_refused(text: str) -> None:
    """Nobody believes to have tested a point that does not exist."""
    with pytest.raises(ValueError, match="chaos is"):
        Plan.parse(text)


def test_a_plan_names_point_verb_passage_and_act() -> None:
    """A verb may be left out."""
    assert Plan.parse("C5.cancel:3:stop") == Plan("C5", "cancel", 3, Act.STOP)
    assert Plan.parse("F1:1:kill") == Plan("F1", "", 1, Act.KILL)


@pytest.mark.parametrize(("point", "durable"), [("C1", 0), ("C2", 1)])
async def test_an_admission_crashes_before_or_after_it_is_durable(point: str, durable: int) -> None:
    """C1 leaves nothing behind; C2 leaves the admission, and its listeners hear nothing."""
    inner = FakeJournal()
    journal = armed(f"{point}:1:kill").journal(inner)  # type: ignore[arg-type]
    heard: list[Sequence[LogEvent]] = []
    journal.on_events(heard.append)
    with pytest.raises(Crashed):
        await journal.commit(admission())
    assert len(inner.durable) == durable
    assert heard == []


@pytest.mark.parametrize(("point", "durable"), [("F1", 0), ("F2", 1)])
async def test_background_work_has_points_of_its_own(point: str, durable: int) -> None:
    """A commit that no call works for is the feed's, the resolver's or the recovery's."""
    inner = FakeJournal()
    journal = armed(f"{point}:1:kill").journal(inner)  # type: ignore[arg-type]
    await journal.commit(admission())
    with pytest.raises(Crashed):
        await journal.commit(feed_write())
    assert len(inner.durable) == 1 + durable


class FakeDesk:
    """A desk whose submit admits and settles."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal

    async def submit(self, *_: Any) -> str:
        await self._journal.commit(admission())
        await self._journal.commit(feed_write())
        return "answer"

    async def cancel(self, *_: Any) -> str:
        return "answer"


@pytest.mark.parametrize(("point", "durable"), [("C11", 2), ("C12", 2)])
async def test_a_settlement_is_told_from_background_work_by_its_call(point: str, durable: int) -> None:
    """The same commit is a settlement where a call works for it."""
    crashes = armed(f"{point}.submit:1:kill")
    inner = FakeJournal()
    journal: Any = crashes.journal(inner)  # type: ignore[arg-type]
    desk: Any = crashes.desk(FakeDesk(journal))  # type: ignore[arg-type]
    assert await desk.cancel() == "answer"
    await journal.commit(feed_write())
    with pytest.raises(Crashed):
        await desk.submit()
    assert len(inner.durable) == 1 + durable


async def test_only_the_planned_passage_crashes() -> None:
    """The count is of the point itself."""
    inner = FakeJournal()
    journal = armed("C1:3:kill").journal(inner)  # type: ignore[arg-type]
    for _ in range(2):
        await journal.commit(admission())
    with pytest.raises(Crashed):
        await journal.commit(admission())
    assert len(inner.durable) == 2


class FakeAdapter:
    """An adapter that spends its permit and is answered."""

    capabilities = None

    def __init__(self) -> None:
        self.spent = False

    def open(self, _: BrokerLink) -> "FakeAdapter":
        return self

    async def submit_order(self, permit: Permit, _: Any) -> Accepted:
        permit.spend()
        self.spent = permit.spent
        return Accepted()


def link(environment: Environment) -> BrokerLink:
    return BrokerLink(connection_id="c", account_id="a", environment=environment, credentials=None)


@pytest.mark.parametrize(
    ("point", "spent", "answered"), [("C6", False, False), ("C5", True, False), ("C10", True, True)]
)
async def test_a_send_crashes_around_its_permit_and_after_its_answer(
    point: str,
    spent: bool,  # noqa: FBT001 - a table of what has happened
    answered: bool,  # noqa: FBT001 - a table of what has happened
) -> None:
    """C6 is before the permit is spent, C5 right after, C10 once the broker has answered."""
    inner = FakeAdapter()
    factory = armed(f"{point}:1:kill").catalog({"b": inner})["b"]  # type: ignore[dict-item]
    adapter = factory.open(link(Environment.PAPER))
    permit = Permit(order_id="o", attempt=1, client_order_id="c", granted_at=0.0, monotonic=lambda: 0.0)
    with pytest.raises(Crashed):
        await adapter.submit_order(permit, None)  # type: ignore[arg-type]
    assert permit.spent is spent
    assert inner.spent is answered


def test_no_adapter_is_opened_for_real_money() -> None:
    """Whoever adds a LIVE connection to a crashing process is refused."""
    factory = armed("C1:1:kill").catalog({"b": FakeAdapter()})["b"]  # type: ignore[dict-item]
    with pytest.raises(GatewayError, match="no real money"):
        factory.open(link(Environment.LIVE))


def test_without_the_setting_nothing_crashes() -> None:
    """The default is a gateway as it is."""
    assert crashes_of(Settings(chaos="")) is None


def test_a_crashing_process_serves_on_loopback_only() -> None:
    """It does not start where others could come to depend on it."""
    with pytest.raises(ChaosRefused, match="loopback"):
        crashes_of(Settings(chaos="C1:1:kill", listen="0.0.0.0:1"))


async def test_a_crashing_process_refuses_to_start_with_live_connections() -> None:
    """Unless they are revoked."""

    class Directory:
        def __init__(self, revoke_time_ns: int | None) -> None:
            self._revoke_time_ns = revoke_time_ns

        async def list(self) -> Sequence[Connection]:
            return [
                Connection(
                    connection_id="c",
                    user_id="u",
                    broker="alpaca",
                    environment=Environment.LIVE,
                    account_id="a",
                    account_label="",
                    has_key=True,
                    key_last_four="",
                    create_time_ns=1,
                    revoke_time_ns=self._revoke_time_ns,
                )
            ]

    nowhere: frozenset[str] = frozenset()
    await require_no_live_money(Directory(5), nowhere)  # type: ignore[arg-type]
    for simulated in (nowhere, frozenset({"schwab"})):
        with pytest.raises(ChaosRefused, match="LIVE"):
            await require_no_live_money(Directory(None), simulated)  # type: ignore[arg-type]
    await require_no_live_money(Directory(None), frozenset({"alpaca"}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "simulated"),
    [
        ("http://127.0.0.1:9", True),
        ("http://[::1]:9", True),
        ("https://localhost", True),
        ("http://10.0.0.1:9", False),
        ("https://127.0.0.1.example.com", False),
        ("https://api.schwabapi.com", False),
    ],
)
def test_money_is_simulated_only_where_the_live_address_is_this_machine(url: str, simulated: bool) -> None:  # noqa: FBT001 - a column
    """A name that only looks like this machine's is somebody else's."""
    assert simulated_live(Settings(schwab_url=url)) == (frozenset({"schwab"}) if simulated else frozenset())


def test_the_gateway_of_interactive_brokers_is_real_money_on_this_machine_too() -> None:
    """It stands on loopback whatever is behind it."""
    assert simulated_live(Settings(ibkr_gateway_url="http://127.0.0.1:5000/v1/api")) == frozenset()


def test_a_live_adapter_is_opened_where_the_money_is_simulated() -> None:
    """The same broker's simulator may be traded to death."""
    catalog = armed("C1:1:kill", frozenset({"b"})).catalog({"b": FakeAdapter()})  # type: ignore[dict-item]
    assert isinstance(catalog["b"].open(link(Environment.LIVE)), CrashingAdapter)
