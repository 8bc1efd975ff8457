"""Tokens that are no longer wanted here end at the broker too, where it lets itself be asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from brokergw.adapters.oauth import AKOYA, COINBASE, TASTYTRADE
from brokergw.adapters.schwab import SCHWAB_OAUTH
from brokergw.desk.connections.card import _AT_BROKER
from brokergw.desk.oauth import revoking as module
from brokergw.model.account import BrokerRevocation
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.oauth import IssuedTokens, OAuthProfile
from brokergw.ports.vault import CredentialsMoved
from brokergw.sim.oauth import MANNERS, Manners
from brokergw.sim.oauth.grants import Memory
from brokergw.transport.oauth.client import TokenClient
from tests.fixtures.oauth_world import (
    EVERYBODY,
    ROTATING,
    ROTATING_MANNERS,
    BrokerSide,
    OAuthWorld,
    broker_side,
    oauth_world,
)
from tests.fixtures.stores import open_for_test


@pytest.fixture
def side() -> Iterator[BrokerSide]:
    """A broker that ends tokens when it is asked to."""
    with broker_side() as opened:
        yield opened


@pytest.fixture
async def world(store_url: str, side: BrokerSide) -> AsyncIterator[OAuthWorld]:
    """One process over each database."""
    async with open_for_test(store_url, side.clock) as store, oauth_world(store, side) as opened:
        yield opened


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(module, "_AGAIN_S", (0.01, 0.01, 0.01))


def fault(world: OAuthWorld, name: str, **more: Any) -> None:
    """Switch a fault of the revocation endpoint on."""
    world.side.sim.control("POST", "faults", {"name": name, "path": world.side.server.manners.revoke_path, **more})


async def told(world: OAuthWorld) -> list[tuple[str, str]]:
    """Read what the audit has of revocations at the broker."""
    wanted = text("SELECT outcome, detail FROM broker_audit_log WHERE action = 'oauth.revoked' ORDER BY time_ns")
    rows = await world.store._reader.query(EVERYBODY, lambda database: database.execute(wanted).all())
    return [(row.outcome, row.detail.rpartition("at_broker=")[2]) for row in rows]


async def test_a_revocation_ends_the_login_at_the_broker(world: OAuthWorld) -> None:
    """Both tokens are named to the broker, the login is over there, and the record says so."""
    connection = (await world.authorize()).connection
    await world.revoke(connection)
    assert await world.at_broker(connection) is BrokerRevocation.ENDED
    grant = world.side.server.memory.grants[0]
    assert grant.ended
    assert world.side.server.account_of(grant.access_token) is None
    assert world.side.revocations == 2
    assert await told(world) == [("OK", "ENDED")]
    assert await world.fields_of(connection) == 0


async def test_what_was_refreshed_last_is_what_ends(world: OAuthWorld) -> None:
    """Not the tokens that the connection began with, but those that were there when it was revoked."""
    connection = (await world.authorize()).connection
    world.side.clock.advance(3_700)
    await world.tokens_of(connection).current()
    await world.revoke(connection)
    assert await world.at_broker(connection) is BrokerRevocation.ENDED
    assert world.side.server.memory.grants[0].ended


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let revocations hang at the broker until it is set."""
    released, revoke = asyncio.Event(), TokenClient.revoke

    async def hangs(self: TokenClient, *given: Any) -> None:
        await released.wait()
        await revoke(self, *given)

    monkeypatch.setattr(TokenClient, "revoke", hangs)
    return released


async def test_a_broker_that_hangs_holds_nothing_up(world: OAuthWorld, hanging: asyncio.Event) -> None:
    """The connection is revoked here at once; while the broker thinks the record says that it was asked."""
    connection = (await world.authorize()).connection
    await world.revoke(connection)
    assert await world.fields_of(connection) == 0
    (known,) = await world.store.connections.list()
    assert known.revoked
    assert known.broker_revocation is BrokerRevocation.ASKED
    hanging.set()
    assert await world.at_broker(connection) is BrokerRevocation.ENDED


@pytest.mark.usefixtures("hanging")
async def test_a_broker_has_its_time_and_no_more(world: OAuthWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never answers is given up, and the person hears that nobody knows."""
    monkeypatch.setattr(module, "WITHIN_S", 0.2)
    connection = (await world.authorize()).connection
    await world.revoke(connection)
    assert await world.at_broker(connection) is BrokerRevocation.UNANSWERED
    assert await told(world) == [("FAILED", "UNANSWERED")]


@pytest.mark.parametrize(("failures", "outcome"), [(3, "ENDED"), (4, "UNANSWERED"), (5, "UNANSWERED")])
async def test_a_failing_broker_is_asked_four_times(world: OAuthWorld, failures: int, outcome: str) -> None:
    """After three failures the fourth try may succeed; after four the person is told that nobody knows."""
    connection = (await world.authorize()).connection
    # The refresh token comes first; what it leaves of the failures the access token would meet.
    world.parts.revoking._profiles = {"alpaca": replace(world.profile, revokes=world.profile.revokes[:1])}
    fault(world, "error_before", count=failures)
    await world.revoke(connection)
    assert await world.at_broker(connection) == outcome


async def test_a_refusal_is_told(world: OAuthWorld) -> None:
    """An application that the broker no longer knows ends nothing, and the person hears of it."""
    connection = (await world.authorize()).connection
    world.side.server._clients = {}
    await world.revoke(connection)
    assert await world.at_broker(connection) is BrokerRevocation.REFUSED
    assert await told(world) == [("REFUSED", "REFUSED")]


async def test_tokens_that_do_not_open_are_told(world: OAuthWorld) -> None:
    """Where the key of the tokens is lost they are destroyed all the same, and nobody is asked."""
    connection = (await world.authorize()).connection
    spoil = text("UPDATE user_broker_credentials SET sealed = 'v2.spoiled'")
    await world.store._writer.run(EVERYBODY, lambda database: database.execute(spoil) and None)
    await world.revoke(connection)
    assert await world.at_broker(connection) is BrokerRevocation.UNREADABLE
    assert world.side.revocations == 0
    assert await world.fields_of(connection) == 0


async def test_authorised_again_the_former_tokens_end(world: OAuthWorld) -> None:
    """The former login is over at the broker, the new one works."""
    connection = (await world.authorize()).connection
    await world.complete(await world.begin(connection_id=connection.connection_id, broker=""))
    assert await world.at_broker(connection) is BrokerRevocation.ENDED
    former, present = world.side.server.memory.grants
    assert (former.ended, present.ended) == (True, False)
    assert (await world.session_of(connection).adapter.get_account()).equity > 0
    assert await told(world) == [("OK", "ENDED")]


async def test_a_refresh_that_comes_back_too_late_is_ended(world: OAuthWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revoked while a refresh is at the broker, its pair is wanted by nobody: it ends there and is stored nowhere."""
    connection = (await world.authorize()).connection
    world.side.clock.advance(3_700)
    answered, released, refresh = asyncio.Event(), asyncio.Event(), TokenClient.refresh

    async def late(self: TokenClient, *given: Any) -> IssuedTokens:
        tokens = await refresh(self, *given)
        answered.set()
        await released.wait()
        return tokens

    monkeypatch.setattr(TokenClient, "refresh", late)
    asking = asyncio.create_task(world.tokens_of(connection).current())
    await answered.wait()
    await world.revoke(connection)
    released.set()
    with pytest.raises((GatewayError, CredentialsMoved)):
        await asking
    assert await world.at_broker(connection) is BrokerRevocation.ENDED
    grant = world.side.server.memory.grants[0]
    assert grant.ended
    assert world.side.server.account_of(grant.access_token) is None
    assert await world.fields_of(connection) == 0


@asynccontextmanager
async def at(url: str, profile: OAuthProfile, manners: Manners) -> AsyncIterator[OAuthWorld]:
    """Open a world at some broker."""
    base = "http://127.0.0.1:8400" if profile.plain_loopback else "https://127.0.0.1:8400"
    with broker_side(manners, profile.broker, base) as side:
        async with open_for_test(url, side.clock) as store, oauth_world(store, side, profile, base=base) as world:
            yield world


@pytest.mark.parametrize(
    ("profile", "requests", "outcome"),
    [(SCHWAB_OAUTH, 0, "NOT_OFFERED"), (TASTYTRADE, 0, "NOT_OFFERED"), (COINBASE, 1, "ENDED"), (AKOYA, 1, "ENDED")],
    ids=["schwab", "tastytrade", "coinbase", "akoya"],
)
async def test_each_broker_is_asked_in_its_own_way(
    sqlite_url: str, profile: OAuthProfile, requests: int, outcome: str
) -> None:
    """A broker that offers it is told of the token that it takes, proved as it wants; the others are not asked."""
    async with at(sqlite_url, profile, MANNERS[profile.broker]) as world:
        connection = (await world.authorize()).connection
        token = world.side.server.memory.grants[0].access_token
        await world.revoke(connection)
        assert await world.at_broker(connection) == outcome
        assert (world.side.revocations if requests else 0) == requests
        if requests:
            assert world.side.server.account_of(token) is None


async def test_access_tokens_that_a_broker_does_not_revoke_are_no_failure(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only refresh tokens are revoked, and that one was, the access token ends with it."""
    manners = replace(ROTATING_MANNERS, revokes=("refresh_token",))
    async with at(sqlite_url, ROTATING, manners) as world:
        connection = (await world.authorize()).connection
        # This server still knows the access token of a login that is over, and refuses its kind.
        monkeypatch.setattr(Memory, "end", lambda _, grant: setattr(grant, "ended", True))
        await world.revoke(connection)
        assert await world.at_broker(connection) is BrokerRevocation.ENDED
        assert [entry["status"] for entry in world.side.sim.journal(path=manners.revoke_path)] == [200, 400]


async def test_a_key_of_an_api_is_nothing_to_revoke(world: OAuthWorld) -> None:
    """What was destroyed of a connection without tokens is asked of nobody, and its card says nothing of it."""
    connection = (await world.authorize()).connection
    gone = text("DELETE FROM user_broker_credentials WHERE field = 'access_token'")
    await world.store._writer.run(EVERYBODY, lambda database: database.execute(gone) and None)
    await world.revoke(connection)
    assert await world.at_broker(connection) is BrokerRevocation.NOTHING
    assert world.side.revocations == 0


def test_the_card_has_words_for_whatever_became_of_them() -> None:
    """Each outcome but none is told in a sentence of its own."""
    assert _AT_BROKER.keys() == set(BrokerRevocation) - {BrokerRevocation.NOTHING}
    assert len(set(_AT_BROKER.values())) == len(_AT_BROKER)


async def test_while_the_record_is_away_the_outcome_waits(world: OAuthWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the broker said is written once the record takes it."""
    monkeypatch.setattr(module, "_RECORD_AGAIN_S", (0.01, 0.01, 0.01))
    connection = (await world.authorize()).connection
    note, failures = world.store.connections.note_broker_revocation, [1, 2]

    async def away(*given: Any) -> None:
        if failures:
            failures.pop()
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "away")
        await note(*given)

    monkeypatch.setattr(world.store.connections, "note_broker_revocation", away)
    await world.revoke(connection)
    assert await world.at_broker(connection) is BrokerRevocation.ENDED
