"""Schwab's login, walked with its own adapter: half an hour for a token, seven days for everything, then a person."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.adapters.schwab import SCHWAB_OAUTH, SchwabBroker, SchwabConfig
from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.oauth import DAY_S, GrantState
from brokergw.model.outcome import NotSent
from brokergw.model.terms import OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.sim.dialects.schwab import DEFAULT_LOGIN, SchwabOptions, serve_schwab
from brokergw.sim.oauth import AuthorizationServer, Client
from tests.fixtures.oauth_world import APPLICATION, BrokerSide, MovableClock, OAuthWorld, oauth_world
from tests.fixtures.permits import permit
from tests.fixtures.sim import served_in_thread
from tests.fixtures.stores import open_for_test

BASE = "https://127.0.0.1:8400"
HALF_AN_HOUR_S = 1_800
TERMS = OrderTerms(
    symbol="AAPL",
    side=Side.BUY,
    type=OrderType.MARKET,
    time_in_force=TimeInForce.DAY,
    quantity=Decimal(1),
    position_effect=PositionEffect.OPEN,
)


@pytest.fixture
def side() -> Iterator[BrokerSide]:
    """Run a Schwab whose tokens come from its own authorization server."""
    clock = MovableClock()
    client = Client(
        client_id=APPLICATION.client_id,
        client_secret=APPLICATION.client_secret,
        redirect_uris=(f"{BASE}/oauth/callback/schwab",),
        account=DEFAULT_LOGIN,
    )
    server = AuthorizationServer.named("schwab", client, now_ns=clock.now_ns)
    options = SchwabOptions(tokens={}, authorization=server, now_ns=clock.now_ns, tick_interval_s=None)
    with served_in_thread(lambda: serve_schwab(options=options)) as sim:
        yield BrokerSide(sim, server, clock)


@pytest.fixture
async def world(sqlite_url: str, side: BrokerSide) -> AsyncIterator[OAuthWorld]:
    """Open the gateway's side, with Schwab's adapter behind it."""
    config = replace(SchwabConfig.at(side.sim.url), queries_per_minute=None, orders_per_minute=None)
    factory = SchwabBroker(side.clock, config)
    async with (
        open_for_test(sqlite_url, side.clock) as store,
        oauth_world(store, side, SCHWAB_OAUTH, base=BASE, factory=factory) as opened,
    ):
        yield opened


async def test_a_login_lasts_seven_days_and_its_tokens_half_an_hour(world: OAuthWorld) -> None:
    """Tokens are renewed behind the adapter until the login ends; then a person must come, and nothing is sent."""
    connection = (await world.authorize(environment=Environment.LIVE)).connection
    adapter = world.session_of(connection).adapter
    assert (await adapter.get_account()).masked_number == "****5678"
    assert world.side.token_requests == 1
    world.side.clock.advance(HALF_AN_HOUR_S)
    await adapter.get_account()
    assert world.side.token_requests == 2
    grant = await world.grant_of(connection)
    assert grant.end_time_ns == grant.authorize_time_ns + 7 * DAY_S * 10**9
    world.side.clock.advance(7 * DAY_S)
    with pytest.raises(GatewayError) as caught:
        await adapter.get_account()
    assert caught.value.reason is Reason.BROKER_CREDENTIALS_REFUSED
    assert isinstance(await adapter.submit_order(permit("c-1"), TERMS), NotSent)
    assert (await world.grant_of(connection)).state is GrantState.REAUTHORIZATION_REQUIRED
    assert world.side.sim.journal(method="POST", path="/trader/v1/accounts") == []


async def test_after_a_new_login_the_connection_goes_on(world: OAuthWorld) -> None:
    """A person who logs in again brings the same connection back to life."""
    connection = (await world.authorize(environment=Environment.LIVE)).connection
    world.side.clock.advance(7 * DAY_S)
    with pytest.raises(GatewayError):
        await world.session_of(connection).adapter.get_account()
    await world.complete(await world.begin(connection_id=connection.connection_id, broker=""))
    assert (await world.session_of(connection).adapter.get_account()).currency == "USD"
    assert (await world.grant_of(connection)).active


async def test_a_revoked_token_is_renewed_once_and_what_was_asked_is_asked_again(world: OAuthWorld) -> None:
    """T6: a token that the broker refuses ahead of its time costs one refresh and no question."""
    connection = (await world.authorize(environment=Environment.LIVE)).connection
    adapter = world.session_of(connection).adapter
    await adapter.get_account()
    world.side.server.memory.by_access.clear()
    await adapter.get_positions()
    assert world.side.token_requests == 2
