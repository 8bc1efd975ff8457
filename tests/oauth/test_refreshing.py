"""Refreshes that go wrong, and every broker's own ways."""

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from brokergw.adapters.oauth import AKOYA, COINBASE, CTRADER, TASTYTRADE
from brokergw.adapters.schwab import SCHWAB_OAUTH
from brokergw.desk.oauth.watching import Watching
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.oauth import GrantState, IssuedTokens, OAuthProfile
from brokergw.ports.oauth import GrantBook
from brokergw.sim.oauth import MANNERS
from brokergw.transport.oauth.client import TokenClient
from tests.fixtures.oauth_world import BrokerSide, OAuthWorld, broker_side, needs_of, oauth_world
from tests.fixtures.stores import open_for_test


@pytest.fixture
def side() -> Iterator[BrokerSide]:
    """A broker whose tokens end and change."""
    with broker_side() as opened:
        yield opened


@pytest.fixture
async def world(sqlite_url: str, side: BrokerSide) -> AsyncIterator[OAuthWorld]:
    """One process."""
    async with open_for_test(sqlite_url, side.clock) as store, oauth_world(store, side) as opened:
        yield opened


def fault(world: OAuthWorld, name: str, **more: Any) -> None:
    """Switch a fault of the token endpoint on."""
    world.side.sim.control("POST", "faults", {"name": name, "path": world.side.server.manners.token_path, **more})


async def test_a_lost_reply_gives_the_old_token_one_more_try(world: OAuthWorld) -> None:
    """The answer is lost after the broker has rotated: one more try, then a person is needed, and nothing is sent."""
    connection = (await world.authorize()).connection
    world.side.clock.advance(3_700)
    fault(world, "lost_reply")
    adapter = world.session_of(connection).adapter
    with pytest.raises(GatewayError) as caught:
        await adapter.get_account()
    assert caught.value.reason is Reason.BROKER_CREDENTIALS_REFUSED
    assert "never arrived" in caught.value.message
    assert world.side.token_requests == 3
    with pytest.raises(GatewayError):
        await adapter.get_account()
    assert world.side.token_requests == 3


@pytest.mark.parametrize("name", ["error_before", "connection_reset"])
async def test_a_failing_server_is_asked_again_later(world: OAuthWorld, name: str) -> None:
    """A 5xx or a broken line is tried twice, then left alone until its time, and the grant stays."""
    connection = (await world.authorize()).connection
    world.side.clock.advance(3_700)
    fault(world, name, count=2)
    adapter = world.session_of(connection).adapter
    with pytest.raises(GatewayError) as caught:
        await adapter.get_account()
    assert caught.value.reason is Reason.BROKER_UNREACHABLE
    asked = world.side.token_requests
    with pytest.raises(GatewayError):
        await adapter.get_account()
    assert world.side.token_requests == asked
    world.side.clock.advance(1.5)
    assert (await adapter.get_account()).equity > 0
    assert (await world.grant_of(connection)).tries == 0


async def test_new_tokens_wait_for_the_record(world: OAuthWorld, sqlite_url: str) -> None:
    """While the record is away a new pair is kept and written again; it is used only once it is durable."""

    class Away:
        """A grant book whose first writes fail."""

        def __init__(self, book: GrantBook) -> None:
            self._book = book
            self.left = 3

        def __getattr__(self, name: str) -> Any:
            return getattr(self._book, name)

        async def replace(self, *given: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left >= 0:
                raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "away")
            return await self._book.replace(*given, **named)

    connection = (await world.authorize()).connection
    world.side.clock.advance(3_700)
    book: Any = Away(world.store.grants)
    async with oauth_world(world.store, world.side, book=book) as other:
        assert await other.tokens_of(connection).current()
    assert book.left == -1
    assert world.side.token_requests == 2
    assert (await world.grant_of(connection)).version == 2


async def test_nothing_comes_between_an_answer_and_its_record(world: OAuthWorld) -> None:
    """After the broker's answer the very first thing that happens is the commit of the pair; only then it is used."""
    told: list[str] = []

    class Told(TokenClient):
        """An endpoint that tells of its answer."""

        async def refresh(self, *given: Any) -> IssuedTokens:
            tokens = await super().refresh(*given)
            told.append("answered")
            return tokens

    connection = (await world.authorize()).connection
    world.side.clock.advance(3_700)
    endpoint = Told()
    async with oauth_world(world.store, world.side, endpoint=endpoint) as other:
        holder = other.tokens_of(connection)
        event.listen(world.store._reading, "before_cursor_execute", lambda *_: told.append("read"))
        event.listen(world.store._writing, "begin", lambda _: told.append("written"))
        event.listen(world.store._writing, "commit", lambda _: told.append("durable"))
        token = await holder.current()
        assert token == world.side.server.memory.grants[0].access_token
    await endpoint.close()
    after = told[told.index("answered") + 1 :]
    assert after[:2] == ["written", "durable"]


async def test_the_watch_renews_ahead_and_warns_once(world: OAuthWorld) -> None:
    """A token is renewed at its time by the process that holds the connection; others hear of it by themselves."""
    connection = (await world.authorize()).connection
    session = world.session_of(connection)
    old = await world.tokens_of(connection).current()
    watching = Watching(needs_of(world), world.sessions, world.parts.tokens)
    world.side.clock.advance(3_000)
    await watching.look()
    await _all_done(watching)
    assert world.side.token_requests == 1, "without the lease nothing is renewed"
    session.lease = object()  # type: ignore[assignment]
    await watching.look()
    await _all_done(watching)
    assert world.side.token_requests == 2
    assert await world.tokens_of(connection).current() != old


async def _all_done(watching: Watching) -> None:
    while watching._work:
        await next(iter(watching._work.values()))


@pytest.mark.parametrize(
    "profile", [SCHWAB_OAUTH, CTRADER, TASTYTRADE, COINBASE, AKOYA], ids=lambda profile: str(profile.broker)
)
async def test_each_broker_is_spoken_to_in_its_own_way(
    sqlite_url: str, profile: OAuthProfile, caplog: pytest.LogCaptureFixture
) -> None:
    """Authorised, refreshed and ended, each in its broker's form, with no secret in any log or error."""
    caplog.set_level(logging.DEBUG)
    manners = MANNERS[profile.broker]
    base = "http://127.0.0.1:8400" if profile.plain_loopback else "https://127.0.0.1:8400"
    with broker_side(manners, profile.broker, base) as side:
        async with (
            open_for_test(sqlite_url, side.clock) as store,
            oauth_world(store, side, profile, base=base) as world,
        ):
            connection = (await world.authorize()).connection
            first = await world.tokens_of(connection).current()
            side.clock.advance((manners.access_life_s or 0) + 60)
            second = await world.tokens_of(connection).current()
            assert second != first
            grant = side.server.memory.grants[0]
            secrets = [first, second, grant.refresh_token, "a secret of the application's", *side.server.memory.codes]
            grant.ended = True
            side.clock.advance((manners.access_life_s or 0) + 60)
            with pytest.raises(GatewayError) as caught:
                await world.tokens_of(connection).current()
            assert (await world.grant_of(connection)).state is GrantState.REAUTHORIZATION_REQUIRED
    ours = [each.getMessage() for each in caplog.records if not each.name.startswith("http")]
    told = "\n".join([*ours, str(caught.value), repr(caught.value.__dict__)])
    assert not [secret for secret in secrets if secret in told]


async def test_schwab_takes_https_only(sqlite_url: str) -> None:
    """A plain loopback address is refused for Schwab before anything is begun."""
    with broker_side(MANNERS["schwab"], "schwab") as side:
        async with open_for_test(sqlite_url, side.clock) as store, oauth_world(store, side, SCHWAB_OAUTH) as world:
            with pytest.raises(GatewayError) as caught:
                await world.begin()
    assert caught.value.reason is Reason.FIELD_INVALID


async def test_too_many_attempts_are_refused(world: OAuthWorld) -> None:
    """Twenty may be open, the twenty-first is refused; when they have ended there is room again."""
    for _ in range(20):
        await world.begin()
    with pytest.raises(GatewayError) as caught:
        await world.begin()
    assert caught.value.reason is Reason.OAUTH_ATTEMPTS_EXCEED_LIMIT
    world.side.clock.advance(601)
    await world.begin()


async def test_another_account_is_not_taken(world: OAuthWorld) -> None:
    """Authorised again as somebody else at the broker, a connection stays as it was."""
    connection = (await world.authorize()).connection
    changed = replace(connection, account_label="Paper ****0000")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(world.store.connections), "get", _always(changed))
        begun = await world.begin(connection_id=connection.connection_id, broker="")
        with pytest.raises(GatewayError) as caught:
            await world.complete(begun)
    assert caught.value.reason is Reason.BROKER_ACCOUNT_DIFFERS
    assert (await world.grant_of(connection)).version == 1


def _always(connection: Any) -> Any:
    async def get(*_: Any) -> Any:
        return connection

    return get
