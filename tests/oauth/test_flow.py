"""The whole way: begun at the gateway, agreed to at the broker, and used by an adapter."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from brokergw.desk.oauth.authorizing import ATTEMPT_S, Beginning
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.oauth import GrantState
from tests.fixtures.oauth_world import BASE, BrokerSide, OAuthWorld, broker_side, oauth_world, visit
from tests.fixtures.stores import open_for_test


@pytest.fixture
def side() -> Iterator[BrokerSide]:
    """A broker whose tokens end and change."""
    with broker_side() as opened:
        yield opened


@pytest.fixture
async def world(store_url: str, side: BrokerSide) -> AsyncIterator[OAuthWorld]:
    """One process over each database."""
    async with open_for_test(store_url, side.clock) as store, oauth_world(store, side) as opened:
        yield opened


async def refused(completing: Awaitable[object]) -> Reason:
    """Give why a completion is refused."""
    with pytest.raises(GatewayError) as caught:
        await completing
    return caught.value.reason


async def test_a_person_authorizes_and_the_adapter_trades(world: OAuthWorld) -> None:
    """After the callback the connection is there with its account, its secrets are sealed, and its adapter gets in."""
    status = await world.authorize()
    session = world.session_of(status.connection)
    account = await session.adapter.get_account()
    assert account.equity > 0
    assert status.connection.account_label == f"Paper {account.masked_number}"
    assert await world.fields_of(status.connection) == 4
    assert (await world.grant_of(status.connection)).active
    assert world.side.token_requests == 1


async def test_fifty_users_of_an_expired_token_make_one_refresh(world: OAuthWorld) -> None:
    """However many wait for a token that has ended, one refresh is on the wire, and all of them get in."""
    status = await world.authorize()
    adapter = world.session_of(status.connection).adapter
    world.side.clock.advance(3_700)
    accounts = await asyncio.gather(*(adapter.get_account() for _ in range(50)))
    assert len({account.masked_number for account in accounts}) == 1
    assert world.side.token_requests == 2
    assert (await world.grant_of(status.connection)).version == 2


async def test_a_token_that_the_broker_refuses_is_renewed_once(world: OAuthWorld) -> None:
    """A 401 ahead of its time makes one refresh, and the question is asked again with what that gave."""
    status = await world.authorize()
    adapter = world.session_of(status.connection).adapter
    await adapter.get_account()
    memory = world.side.server.memory
    memory.by_access.clear()
    await asyncio.gather(*(adapter.get_account() for _ in range(20)))
    assert world.side.token_requests == 2


async def test_a_state_is_good_once(world: OAuthWorld) -> None:
    """The same callback again is refused, and so is its code under a new state."""
    begun = await world.begin()
    callback = world.callback(begun, await visit(begun.authorization_url))
    await world.authorizing.complete(world.caller.user_id, callback)
    assert await refused(world.authorizing.complete(world.caller.user_id, callback)) is Reason.OAUTH_STATE_INVALID
    again = await world.begin()
    stolen = world.callback(again, {"code": callback.code, "state": again.state})
    assert await refused(world.authorizing.complete(world.caller.user_id, stolen)) is Reason.OAUTH_REFUSED


async def test_of_many_who_bring_one_state_one_gets_in(world: OAuthWorld) -> None:
    """Twenty callbacks at once with one state make one exchange."""
    begun = await world.begin()
    callback = world.callback(begun, await visit(begun.authorization_url))
    done = await asyncio.gather(
        *(world.authorizing.complete(world.caller.user_id, callback) for _ in range(20)), return_exceptions=True
    )
    assert sum(not isinstance(each, BaseException) for each in done) == 1
    assert world.side.token_requests == 1


@pytest.mark.parametrize(
    "change",
    [
        {"broker": "schwab"},
        {"state": "A" * 43},
        {"state": ""},
        {"issuer": "https://attacker.test"},
    ],
    ids=["another broker's path", "unknown state", "no state", "another issuer"],
)
async def test_what_is_not_ours_is_refused_without_a_request(world: OAuthWorld, change: dict[str, str]) -> None:
    """A callback that does not fit makes no token request, and is refused in one and the same way."""
    begun = await world.begin()
    callback = replace(world.callback(begun, await visit(begun.authorization_url)), **change)
    assert await refused(world.authorizing.complete(world.caller.user_id, callback)) is Reason.OAUTH_STATE_INVALID
    assert world.side.token_requests == 0


async def test_a_foreign_users_state_is_refused_and_stays(world: OAuthWorld) -> None:
    """Somebody else cannot use a user's state, which still works for the user."""
    begun = await world.begin()
    callback = world.callback(begun, await visit(begun.authorization_url))
    assert await refused(world.authorizing.complete("usr_mallory", callback)) is Reason.OAUTH_STATE_INVALID
    assert (await world.authorizing.complete(world.caller.user_id, callback)).connection.has_key


@pytest.mark.parametrize(("seconds", "good"), [(ATTEMPT_S - 60, True), (ATTEMPT_S, False), (ATTEMPT_S + 5, False)])
async def test_an_attempt_ends_after_ten_minutes(world: OAuthWorld, seconds: float, *, good: bool) -> None:
    """Just before its end a callback is taken, at its end and after it no more."""
    begun = await world.begin()
    world.side.clock.advance(seconds)
    told = await visit(begun.authorization_url)
    completing = world.authorizing.complete(world.caller.user_id, world.callback(begun, told))
    if good:
        await completing
    else:
        assert await refused(completing) is Reason.OAUTH_STATE_INVALID


async def test_an_error_at_the_broker_is_told_and_uses_the_state_up(world: OAuthWorld) -> None:
    """A person who declines is told so; the state does not work again."""
    world.side.server.decision = "access_denied"
    begun = await world.begin()
    callback = world.callback(begun, await visit(begun.authorization_url))
    assert callback.error == "access_denied"
    assert await refused(world.authorizing.complete(world.caller.user_id, callback)) is Reason.OAUTH_REFUSED
    assert await refused(world.authorizing.complete(world.caller.user_id, callback)) is Reason.OAUTH_STATE_INVALID


async def test_a_connection_is_authorized_again(world: OAuthWorld) -> None:
    """After its login is over a connection wants a person; authorised again it works with its own application."""
    status = await world.authorize()
    connection = status.connection
    world.side.server.memory.grants[0].ended = True
    world.side.clock.advance(3_700)
    session = world.session_of(connection)
    with pytest.raises(GatewayError) as caught:
        await session.adapter.get_account()
    assert caught.value.reason is Reason.BROKER_CREDENTIALS_REFUSED
    assert (await world.grant_of(connection)).state is GrantState.REAUTHORIZATION_REQUIRED
    assert [alert.subject for alert in world.heard.alerts] == [connection.connection_id]
    begun = await world.authorizing.begin(world.caller, Beginning(connection_id=connection.connection_id))
    await world.complete(begun)
    assert (await session.adapter.get_account()).equity > 0
    assert (await world.grant_of(connection)).active


async def test_revoking_destroys_grant_and_tokens(world: OAuthWorld) -> None:
    """Nothing of a revoked connection's secrets or grant is left."""
    connection = (await world.authorize()).connection
    await world.store.connections.revoke(connection.user_id, connection.connection_id, 1)
    assert await world.fields_of(connection) == 0
    assert await world.store.grants.get(connection.user_id, connection.connection_id) is None


async def test_no_secret_is_stored_readable(sqlite_url: str, side: BrokerSide) -> None:
    """Neither state, verifier, application nor tokens stand in the database as they are."""
    async with open_for_test(sqlite_url, side.clock) as store, oauth_world(store, side) as world:
        begun = await world.begin()
        await world.authorize()
        grant = side.server.memory.grants[0]
        secrets = [begun.state, grant.access_token, grant.refresh_token, "a secret of the application's"]
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    raw = b"".join(each.read_bytes() for each in path.parent.glob(path.name + "*"))
    assert not [secret for secret in secrets if secret.encode() in raw]
    assert BASE.encode() in raw
