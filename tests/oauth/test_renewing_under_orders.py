"""Orders that go on while their token is replaced many times, before simulators that end the former one at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

import pytest

from brokergw.adapters.ctrader import CtraderBroker, CtraderConfig
from brokergw.adapters.oauth.ctrader import CTRADER
from brokergw.adapters.schwab import SCHWAB_OAUTH, SchwabBroker, SchwabConfig
from brokergw.model.account import Environment
from brokergw.model.errors import Reason
from brokergw.model.oauth import OAuthProfile
from brokergw.model.outcome import Accepted, NotSent
from brokergw.model.terms import OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.ports.broker import AdapterFactory, BrokerAdapter
from brokergw.sim.dialects.ctrader import DEMO_ACCOUNT, CtraderOptions, serve_ctrader
from brokergw.sim.dialects.schwab import DEFAULT_LOGIN, SchwabOptions, serve_schwab
from brokergw.sim.oauth import MANNERS, AuthorizationServer, Client
from brokergw.sim.server import SimServer
from brokergw.transport.websocket import LinkPolicy
from tests.fixtures.oauth_world import APPLICATION, BrokerSide, MovableClock, OAuthWorld, oauth_world
from tests.fixtures.permits import permit
from tests.fixtures.sim import served_in_thread
from tests.fixtures.stores import open_for_test

BASE = "https://127.0.0.1:8400"
ROUNDS = 6
CALLERS = 4
ORDERS_A_ROUND = 12
WELCOME_AGAIN = frozenset({Reason.BROKER_SESSION_DOWN, Reason.BROKER_UNREACHABLE})
BID = OrderTerms(
    symbol="EUR/USD",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    quantity=Decimal(1000),
    limit_price=Decimal("0.50001"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One broker: who logs in where, its simulator, its adapter, and an order that stays open."""

    profile: OAuthProfile
    account: str
    environment: Environment
    terms: OrderTerms
    serve: Callable[[AuthorizationServer, MovableClock, float | None], Awaitable[SimServer]]
    factory: Callable[[str, MovableClock], AdapterFactory]


def at_ctrader(url: str, clock: MovableClock) -> AdapterFactory:
    """Open cTrader's adapter before a simulator, without its budgets."""
    config = CtraderConfig.at(url, link=LinkPolicy(backoff_first_s=0.01, backoff_max_s=0.02))
    return CtraderBroker(clock, replace(config, requests_per_second=None, history_per_second=None))


def ctrader(server: AuthorizationServer, clock: MovableClock, tick_s: float | None) -> Awaitable[SimServer]:
    """Start cTrader's simulator, which with each tick tells whose token is dead."""
    applications = {APPLICATION.client_id: APPLICATION.client_secret}
    return serve_ctrader(
        options=CtraderOptions(
            applications=applications,
            tokens={},
            authorization=server,
            now_ns=clock.now_ns,
            tick_interval_s=tick_s,
        )
    )


def at_schwab(url: str, clock: MovableClock) -> AdapterFactory:
    """Open Schwab's adapter before a simulator, without its budgets."""
    return SchwabBroker(clock, replace(SchwabConfig.at(url), queries_per_minute=None, orders_per_minute=None))


def schwab(server: AuthorizationServer, clock: MovableClock, tick_s: float | None) -> Awaitable[SimServer]:
    """Start Schwab's simulator."""
    return serve_schwab(
        options=SchwabOptions(tokens={}, authorization=server, now_ns=clock.now_ns, tick_interval_s=tick_s)
    )


CASES = {
    "ctrader": Case(
        profile=CTRADER,
        account=str(DEMO_ACCOUNT.ctid),
        environment=Environment.PAPER,
        terms=BID,
        serve=ctrader,
        factory=at_ctrader,
    ),
    "schwab": Case(
        profile=SCHWAB_OAUTH,
        account=DEFAULT_LOGIN,
        environment=Environment.LIVE,
        terms=replace(
            BID,
            symbol="AAPL",
            quantity=Decimal(1),
            limit_price=Decimal(10),
            position_effect=PositionEffect.OPEN,
        ),
        serve=schwab,
        factory=at_schwab,
    ),
}


@asynccontextmanager
async def opened(case: Case, database_url: str, tick_s: float | None) -> AsyncIterator[OAuthWorld]:
    """Run a broker that ends a token with the next one, and the gateway's side before it."""
    clock, broker = MovableClock(), case.profile.broker
    client = Client(
        client_id=APPLICATION.client_id,
        client_secret=APPLICATION.client_secret,
        redirect_uris=(f"{BASE}/oauth/callback/{broker}",),
        account=case.account,
        scopes=frozenset(case.profile.scopes),
    )
    manners = replace(MANNERS[broker], rotates=True)
    server = AuthorizationServer(manners, {client.client_id: client}, clock.now_ns)
    with served_in_thread(lambda: case.serve(server, clock, tick_s)) as sim:
        side = BrokerSide(sim, server, clock)
        async with (
            open_for_test(database_url, clock) as store,
            oauth_world(store, side, case.profile, base=BASE, factory=case.factory(sim.url, clock)) as world,
        ):
            yield world


@dataclass
class Trading:
    """Callers who send one order after another, and repeat under the same key what they are told to repeat."""

    adapter: BrokerAdapter
    terms: OrderTerms
    placed: list[str] = field(default_factory=list)
    repeated: int = 0
    _numbers: "count[int]" = field(default_factory=count)

    async def go_on(self) -> None:
        """Send orders until the task is cancelled; fails for any answer that loses one."""
        while True:
            await self.one()

    async def one(self) -> None:
        """Place one order, however often that takes."""
        name = f"renewed-{next(self._numbers)}"
        while True:
            outcome = await self.adapter.submit_order(permit(name), self.terms)
            if isinstance(outcome, Accepted):
                assert outcome.order is not None
                self.placed.append(outcome.order.broker_order_id)
                return
            assert isinstance(outcome, NotSent), outcome
            assert outcome.reason in WELCOME_AGAIN, outcome
            self.repeated += 1
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("broker", sorted(CASES))
async def test_no_order_is_lost_to_a_renewal(broker: str, sqlite_url: str) -> None:
    """While tokens are renewed, every order is placed once: at once, or under the same key as its answer says."""
    case = CASES[broker]
    async with opened(case, sqlite_url, 0.05) as world, asyncio.timeout(60):
        connection = (await world.authorize(environment=case.environment)).connection
        adapter = world.session_of(connection).adapter
        trading = Trading(adapter, case.terms)
        await trading.one()
        callers = [asyncio.create_task(trading.go_on()) for _ in range(CALLERS)]
        asked = world.side.token_requests
        for _ in range(ROUNDS):
            due = len(trading.placed) + ORDERS_A_ROUND
            while len(trading.placed) < due and not any(each.done() for each in callers):
                await asyncio.sleep(0.005)
            await world.tokens_of(connection).renew(await world.grant_of(connection))
        for each in callers:
            each.cancel()
        for ending in await asyncio.gather(*callers, return_exceptions=True):
            assert isinstance(ending, asyncio.CancelledError), ending
        assert world.side.token_requests == asked + ROUNDS
        orders = await adapter.get_open_orders()
    at_broker = [order.broker_order_id for order in orders]
    assert set(trading.placed) <= set(at_broker)
    # Where the broker keeps names, no two orders have one.
    names = [order.client_order_id for order in orders if order.client_order_id]
    assert len(set(names)) == len(names)
    # A caller who left in the middle may have placed one more.
    assert len(at_broker) <= len(trading.placed) + CALLERS
    assert len(set(trading.placed)) == len(trading.placed)


@pytest.mark.parametrize("broker", sorted(CASES))
async def test_whatever_meets_a_token_that_was_just_replaced_is_welcome_again(broker: str, sqlite_url: str) -> None:
    """A token that died on the way keeps an order back with its key good; a cancel and a question just go on."""
    case = CASES[broker]
    async with opened(case, sqlite_url, None) as world, asyncio.timeout(60):
        connection = (await world.authorize(environment=case.environment)).connection
        adapter = world.session_of(connection).adapter
        trading = Trading(adapter, case.terms)
        await trading.one()
        kill = world.side.server.memory.by_access.clear

        kill()
        await trading.one()
        assert trading.repeated == 1
        kill()
        assert isinstance(await adapter.cancel_order(trading.placed[0]), Accepted)
        kill()
        assert [order.broker_order_id for order in await adapter.get_open_orders()] == trading.placed[1:]
        await trading.one()
    assert len(trading.placed) == 3
