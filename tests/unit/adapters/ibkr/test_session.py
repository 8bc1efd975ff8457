"""The session that a person opens: made ready, kept, lost, and never used for what it is not for."""

import asyncio
from contextlib import aclosing
from decimal import Decimal

import pytest

from brokergw.adapters.ibkr import IbkrBroker, IbkrConfig
from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import Accepted, FeedDown, FeedUp, NotSent
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import BrokerLink
from brokergw.sim.dialects.ibkr import IbkrOptions
from brokergw.sim.faults import Fault, FaultName
from tests.fixtures.hasty import HastyClock
from tests.fixtures.ibkr_world import IbkrWorld, ibkr_world
from tests.fixtures.permits import permit

RESTING = OrderTerms(
    symbol="AAPL",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    quantity=Decimal(1),
    limit_price=Decimal(100),
)


async def refusal(world: IbkrWorld, **opening: object) -> GatewayError:
    """Open a connection that must be refused, and give the error; its orders are provably not sent."""
    broker = world.open(**opening)  # type: ignore[arg-type]
    with pytest.raises(GatewayError) as caught:
        await broker.authenticate()
    assert isinstance(await broker.submit_order(permit("o-1"), RESTING), NotSent)
    assert world.arrived("POST", "/orders") == []
    await broker.disconnect()
    return caught.value


async def test_the_code_must_be_the_gateways() -> None:
    """Whoever does not know the gateway's access code reaches nothing of it."""
    async with ibkr_world() as world:
        error = await refusal(world, code="another")
        assert error.reason is Reason.BROKER_CREDENTIALS_REFUSED
        assert world.server.journal.arrived == 0


async def test_without_a_code_nobody_connects() -> None:
    """An installation that has set no code lets nobody in, not even with an empty one."""
    async with ibkr_world(access_code="") as world:
        assert (await refusal(world, code="")).reason is Reason.BROKER_CREDENTIALS_REFUSED


def test_credentials_are_needed() -> None:
    """A connection without an account and a code cannot be opened."""
    broker = IbkrBroker(HastyClock(), IbkrConfig(access_code="any"))
    link = BrokerLink(connection_id="c", account_id="a", environment=Environment.PAPER, credentials=None)
    with pytest.raises(GatewayError) as caught:
        broker.open(link)
    assert caught.value.reason is Reason.CONNECTION_NOT_USABLE


async def test_only_the_usernames_own_accounts_are_served() -> None:
    """An account that the gateway's username does not have is refused."""
    async with ibkr_world() as world:
        assert (await refusal(world, account="DU7654321")).reason is Reason.BROKER_CREDENTIALS_REFUSED


@pytest.mark.parametrize("paper", [False, True])
async def test_paper_and_live_are_never_mistaken(*, paper: bool) -> None:
    """A gateway that is logged in live serves no paper connection, and the other way round."""
    wrong = Environment.LIVE if paper else Environment.PAPER
    async with ibkr_world(IbkrOptions(paper=paper, tick_interval_s=None)) as world:
        error = await refusal(world, environment=wrong)
        assert error.reason is Reason.CONNECTION_NOT_USABLE
        right = world.open(environment=Environment.PAPER if paper else Environment.LIVE)
        assert (await right.authenticate()).cash == Decimal(100_000)
        await right.disconnect()


async def test_a_gateway_without_a_login_asks_for_a_person() -> None:
    """Nobody is logged in: that is told, nothing is sent, and after the login everything works without a restart."""
    async with ibkr_world(IbkrOptions(logged_in=False, tick_interval_s=None, asks=frozenset())) as world:
        error = await refusal(world)
        assert error.reason is Reason.BROKER_CREDENTIALS_REFUSED
        assert "log in" in error.message
        world.dialect.session.log_in()
        broker = world.open()
        assert isinstance(await broker.submit_order(permit("o-2"), RESTING), Accepted)
        await broker.disconnect()


async def test_a_login_that_ends_in_between_is_noticed_by_the_order() -> None:
    """The first order after the login's end is answered 401: not sent, and the session is known to be lost."""
    async with ibkr_world() as world:
        broker = world.open()
        assert isinstance(await broker.submit_order(permit("o-1"), RESTING), Accepted)
        world.dialect.session.log_out()
        assert isinstance(await broker.submit_order(permit("o-2"), RESTING), NotSent)
        with pytest.raises(GatewayError) as caught:
            await broker.get_account()
        assert caught.value.reason is Reason.BROKER_CREDENTIALS_REFUSED
        assert len(world.dialect.brokerage.notes) == 1
        await broker.disconnect()


async def test_a_session_that_idled_out_is_made_again() -> None:
    """A query in a session that has died makes a new one, and is answered; suppressions of others do not survive it."""
    async with ibkr_world() as world:
        broker = world.open()
        await broker.authenticate()
        world.dialect.session.idle_out()
        assert (await broker.get_account()).cash == Decimal(100_000)
        assert len(world.arrived("POST", "/ssodh/init")) == 1
        await broker.disconnect()


async def test_an_order_into_a_dead_session_is_not_sent_and_can_be_repeated() -> None:
    """`no bridge` proves that an order did not get through; the next one finds the session made again."""
    async with ibkr_world() as world:
        broker = world.open()
        await broker.get_instrument("AAPL")
        # The contract's rules are asked before an order and would notice first.
        world.server.faults.arm(
            Fault(
                name=FaultName.ERROR_BEFORE,
                method="POST",
                path="/v1/api/iserver/account/*/orders",
                status=400,
                answer='{"error":"Bad Request: no bridge","statusCode":400}',
            )
        )
        assert isinstance(await broker.submit_order(permit("o-1"), RESTING), NotSent)
        assert isinstance(await broker.submit_order(permit("o-1"), RESTING), Accepted)
        assert len(world.dialect.brokerage.notes) == 1
        await broker.disconnect()


async def test_a_competing_session_is_left_alone() -> None:
    """While the username is in use elsewhere nothing is sent and nothing is taken over; the words say what to end."""
    async with ibkr_world() as world:
        world.dialect.session.elsewhere()
        error = await refusal(world)
        assert error.reason is Reason.BROKER_SESSION_DOWN
        assert "another session" in error.message
        assert world.arrived("POST", "/ssodh/init") == []


async def test_a_competing_session_is_taken_over_where_that_is_wanted() -> None:
    """With leave to compete, the session is taken."""
    async with ibkr_world(compete=True) as world:
        world.dialect.session.elsewhere()
        broker = world.open()
        await broker.authenticate()
        (entry,) = world.arrived("POST", "/ssodh/init")
        assert b'"compete": true' in entry.body
        await broker.disconnect()


async def test_suppressed_questions_are_taken_back() -> None:
    """Whoever suppressed a question before us said yes in advance; a new session begins without that."""
    async with ibkr_world() as world:
        world.dialect.session.suppressed.add("o163")
        broker = world.open()
        await broker.authenticate()
        assert world.dialect.session.suppressed == set()
        await broker.disconnect()


async def test_a_failed_login_is_not_hammered() -> None:
    """However many ask, a session that cannot be made is tried once in a while."""
    async with ibkr_world(IbkrOptions(logged_in=False, tick_interval_s=None), again_s=60.0) as world:
        broker = world.open()
        for _ in range(5):
            with pytest.raises(GatewayError):
                await broker.authenticate()
        assert len(world.arrived("POST", "/auth/status")) == 1
        await broker.disconnect()


async def test_many_connections_make_one_session() -> None:
    """Connections that begin at once through one gateway share one making of the session."""
    async with ibkr_world() as world:
        brokers = [world.open() for _ in range(5)]
        await asyncio.gather(*(broker.authenticate() for broker in brokers))
        assert len(world.arrived("GET", "/iserver/accounts")) == 1
        for broker in brokers:
            await broker.disconnect()


async def test_the_session_is_kept_alive_over_a_keep_alive_that_fails() -> None:
    """Keep-alives go out by themselves, one that fails is no end, and they end with the last connection (T9)."""
    async with ibkr_world(tickle_s=0.02) as world:
        one, other = world.open(), world.open()
        await one.authenticate()
        world.server.faults.arm(Fault(name=FaultName.ERROR_BEFORE, method="POST", path="/v1/api/tickle"))
        async with asyncio.timeout(5):
            while len(world.arrived("POST", "/tickle")) < 4:
                await asyncio.sleep(0.01)
        await one.get_account()
        await one.disconnect()
        await other.disconnect()
        before = len(world.arrived("POST", "/tickle"))
        await asyncio.sleep(0.1)
        assert len(world.arrived("POST", "/tickle")) == before


async def test_a_session_taken_elsewhere_ends_the_feed() -> None:
    """The stream tells that the session is gone: the feed is down with that reason, and up again after it is back."""
    async with ibkr_world() as world:
        broker = world.open()
        async with aclosing(broker.subscribe(world.clock.now_ns())) as events, asyncio.timeout(10):
            assert isinstance(await anext(events), FeedUp)
            world.dialect.session.elsewhere()
            world.dialect.stream.tell_status()
            down = await anext(events)
            assert isinstance(down, FeedDown)
            assert "session" in down.why
            world.dialect.session.init()
            while not isinstance(await anext(events), FeedUp):
                pass
        await broker.disconnect()


async def test_who_waits_for_a_session_that_is_given_up_hears_so() -> None:
    """Closing the last connection while the session is being made is a failure for those who wait, no cancellation."""
    async with ibkr_world() as world:
        world.server.faults.arm(Fault(name=FaultName.LATENCY, path="/v1/api/iserver/auth/status", seconds=0.5))
        broker = world.open()
        waiting = asyncio.create_task(broker.authenticate())
        await asyncio.sleep(0.1)
        await broker.disconnect()
        with pytest.raises(GatewayError) as caught:
            await waiting
        assert caught.value.reason is Reason.BROKER_UNREACHABLE
