"""What ails a connection is shown with what helps, lasts as long as it does, and needs no restart to go."""

from collections.abc import Sequence

import pytest

from brokergw.desk.ailment import WAIT_SHOWN_S, Ailment, Ailments, Source, ailment_of, lost_stream
from brokergw.desk.results import ConnectionStatus
from brokergw.model.account import ConnectionHealth
from brokergw.model.errors import GatewayError, Reason, Throttled
from brokergw.model.outcome import BrokerOrder, FeedDown, FeedUp
from brokergw.model.remedy import Remedy
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.clock import START_NS
from tests.fixtures.scripted_broker import Bench

S = 1_000_000_000
AWAY = BrokerUnavailable(Reason.BROKER_UNREACHABLE, "HTTP 503")
REFUSED = GatewayError(Reason.BROKER_CREDENTIALS_REFUSED, "the broker refused the key")
SWEEP_S = 11.0


def throttled(seconds: float) -> Throttled:
    """Make the error of a budget that is spent for so long."""
    return Throttled(Reason.BROKER_RATE_LIMITED, "scripted", seconds)


@pytest.mark.parametrize(("wait_s", "shown"), [(4.999, False), (5.0, True), (5.001, True)])
def test_a_wait_is_shown_from_five_seconds_on(wait_s: float, *, shown: bool) -> None:
    """A budget that is back in a moment is nobody's to hear of."""
    assert WAIT_SHOWN_S == 5.0
    assert (ailment_of(throttled(wait_s), 0) is not None) is shown


@pytest.mark.parametrize(("later_ns", "kept"), [(2 * S - 1, True), (2 * S, True), (2 * S + 1, False)])
def test_the_same_wait_keeps_its_end(later_ns: int, *, kept: bool) -> None:
    """Each answer counts the time that is left anew; only one that differs by more than two seconds is another."""
    first = ailment_of(throttled(30), 0)
    assert (ailment_of(throttled(30), later_ns, first) == first) is kept


def test_what_is_no_word_on_the_connection_changes_nothing() -> None:
    """A symbol that is not known is the question's own fault."""
    before = lost_stream("cut")
    assert ailment_of(GatewayError(Reason.SYMBOL_NOT_FOUND, "no such symbol"), 0, before) is before


def test_what_needs_a_person_is_shown_first() -> None:
    """Of several things that are wrong the one is shown that only the user can change."""
    ailments = Ailments()
    away, refused = Ailment("away", Remedy.WAIT), Ailment("refused", Remedy.NEW_CREDENTIALS)
    assert ailments.put(Source.QUESTION, away)
    assert ailments.put(Source.STREAM, refused)
    assert ailments.shown == refused
    assert not ailments.put(Source.STREAM, refused)
    assert ailments.put(Source.STREAM, None)
    assert ailments.shown == away
    ailments.clear()
    assert ailments.shown is None


class Trouble:
    """A broker whose list of open orders is asked for and answered with an error, while there is one."""

    def __init__(self, bench: Bench) -> None:
        self.error: GatewayError | None = None
        bench.broker.open_orders = self._list

    async def _list(self) -> Sequence[BrokerOrder]:
        if self.error is not None:
            raise self.error
        return ()


@pytest.fixture
def trouble(bench: Bench) -> Trouble:
    """Give the hands that make the broker refuse."""
    return Trouble(bench)


async def seen(bench: Bench) -> ConnectionStatus:
    """Let a sweep pass, and look at the connection."""
    await bench.clock.pass_time(SWEEP_S)
    return (await bench.desk.list_connections(bench.caller))[0].status


async def test_a_refused_key_is_found_without_an_order_and_heals_by_itself(bench: Bench, trouble: Trouble) -> None:
    """While the stream still stands, the next sweep finds that the key is refused, and a later one that it is not."""
    trouble.error = REFUSED
    status = await seen(bench)
    assert status.stream_up
    assert status.health is ConnectionHealth.REAUTHORIZATION_REQUIRED
    assert status.detail == "the broker refused the key: enter new credentials"
    with pytest.raises(GatewayError) as caught:
        await bench.submit(bench.order())
    assert caught.value.reason is Reason.CONNECTION_NOT_USABLE
    assert "enter new credentials" in caught.value.message
    assert bench.broker.sent == []
    trouble.error = None
    assert ((await seen(bench)).health, (await seen(bench)).detail) == (ConnectionHealth.HEALTHY, "")
    await bench.submit(bench.order())
    assert len(bench.broker.sent) == 1


async def test_a_ban_is_shown_with_its_end(bench: Bench, trouble: Trouble) -> None:
    """Who waits learns until when, by the broker's own word."""
    trouble.error = throttled(600)
    status = await seen(bench)
    assert status.health is ConnectionHealth.DEGRADED
    assert status.detail.startswith("the broker takes no more requests: wait until 2027-01-15 at 08:10:")
    assert bench.clock.now_ns() > START_NS


async def test_a_stream_that_fails_does_not_hide_a_refusal(bench: Bench, trouble: Trouble) -> None:
    """Each try of a stream whose key is refused is lost again; the person reads of the key all the while."""
    trouble.error = REFUSED
    await seen(bench)
    await bench.tell(FeedDown("hung up"))
    assert (await seen(bench)).health is ConnectionHealth.REAUTHORIZATION_REQUIRED
    trouble.error = None
    status = await seen(bench)
    assert status.health is ConnectionHealth.DEGRADED
    assert "(hung up): nothing is to be done" in status.detail
    await bench.tell(FeedUp(0))
    assert (await seen(bench)).health is ConnectionHealth.HEALTHY


async def test_a_stream_brings_the_brokers_own_word(bench: Bench) -> None:
    """What the broker said of the connection when it ended the stream is shown at once, and stands until it is back."""
    await bench.tell(
        FeedDown("another session", GatewayError(Reason.BROKER_CREDENTIALS_REFUSED, "nobody is logged in"))
    )
    await bench.tell(FeedDown("cut"))
    status = (await bench.desk.list_connections(bench.caller))[0].status
    assert (status.health, status.detail) == (
        ConnectionHealth.REAUTHORIZATION_REQUIRED,
        "nobody is logged in: enter new credentials",
    )
    await bench.tell(FeedUp(0))
    assert (await seen(bench)).health is ConnectionHealth.HEALTHY


async def test_an_order_finds_it_at_once(bench: Bench) -> None:
    """The question that every order asks tells too: the card need not wait for the next sweep."""
    bench.broker.away = AWAY
    with pytest.raises(GatewayError) as caught:
        await bench.submit(bench.order())
    assert caught.value.reason is Reason.RISK_DATA_UNAVAILABLE
    status = (await bench.desk.list_connections(bench.caller))[0].status
    assert status.detail == "HTTP 503: nothing is to be done, it is tried again by itself"
    bench.broker.away = None
    await bench.submit(bench.order())
    assert (await bench.desk.list_connections(bench.caller))[0].status.health is ConnectionHealth.HEALTHY
