"""Refreshes by several processes over one record: one at a time, and none lost that could be kept."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import text

from brokergw.model.account import Connection
from brokergw.model.errors import Reason
from brokergw.model.oauth import GrantState
from brokergw.model.whose import only
from tests.fixtures.oauth_world import (
    ROTATING_MANNERS,
    BrokerSide,
    OAuthWorld,
    broker_side,
    oauth_world,
)
from tests.fixtures.stores import open_for_test

_AHEAD_S = 3_700.0
"""By then every token of the first login has ended."""


@dataclass
class Scene:
    """A connection whose token has ended, and processes that need it."""

    url: str
    side: BrokerSide
    world: OAuthWorld
    connection: Connection

    @contextmanager
    def process(self, *, askers: int = 1, die: str = "", later_s: float = 0.0) -> Iterator["subprocess.Popen[str]"]:
        """Start a process that waits to be let go."""
        task = {
            "store": self.url,
            "sim": self.side.sim.url,
            "user": self.connection.user_id,
            "connection": self.connection.connection_id,
            "askers": askers,
            "die": die,
            "ahead_s": _AHEAD_S + later_s,
            "grace_s": self.side.server.manners.reuse_grace_s,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.oauth.worker", json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
            yield process
        finally:
            process.kill()
            process.communicate()

    def killed(self, die: str) -> None:
        """Have a process die in the middle of a refresh."""
        with self.process(die=die) as process:
            process.communicate("go\n", timeout=30)
            assert process.returncode == -9

    def asks(self, **how: Any) -> dict[str, Any]:
        """Have one process ask for the token, and give what it came to."""
        with self.process(**how) as process:
            return told(process)

    async def claims(self) -> list[float]:
        """Tell how many seconds each claim is good for still, by the database's clock."""
        left = text("SELECT claim_end_time_ns / 1e9 - extract(epoch FROM clock_timestamp()) FROM oauth_grants")
        whose = only(self.connection.user_id)
        rows = await self.world.store._reader.query(whose, lambda database: database.scalars(left).all())
        return [float(row) for row in rows]

    async def age_claims(self) -> None:
        """Make every claim half a minute older."""
        older = text("UPDATE oauth_grants SET claim_end_time_ns = claim_end_time_ns - 31000000000")
        await self.world.store._writer.run(
            only(self.connection.user_id), lambda database: database.execute(older) and None
        )


def told(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Let a process go, and read what it came to."""
    out, _ = process.communicate("go\n", timeout=60)
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer


async def a_scene(url: str, side: BrokerSide) -> AsyncIterator[Scene]:
    """Authorise a connection, and let its token end."""
    async with open_for_test(url, side.clock) as store, oauth_world(store, side) as world:
        connection = (await world.authorize()).connection
        side.clock.advance(_AHEAD_S)
        side.sim.control("DELETE", "journal")
        yield Scene(url, side, world, connection)


@pytest.fixture
async def strict(postgresql_url: str) -> AsyncIterator[Scene]:
    """At a broker whose refresh tokens are good once."""
    with broker_side() as side:
        async for scene in a_scene(postgresql_url, side):
            yield scene


@pytest.fixture
async def forgiving(postgresql_url: str) -> AsyncIterator[Scene]:
    """At a broker whose refresh tokens stay."""
    with broker_side(replace(ROTATING_MANNERS, rotates=False)) as side:
        async for scene in a_scene(postgresql_url, side):
            yield scene


@pytest.fixture
async def lenient(postgresql_url: str) -> AsyncIterator[Scene]:
    """At a broker whose refresh tokens are good once, and half a minute longer for who repeats himself."""
    with broker_side(replace(ROTATING_MANNERS, reuse_grace_s=30)) as side:
        async for scene in a_scene(postgresql_url, side):
            yield scene


async def test_fifty_askers_in_three_processes_make_one_refresh(strict: Scene) -> None:
    """Of fifty who need an ended token in three processes one refresh reaches the broker, and all get its token."""
    with ExitStack() as stack:
        started = [stack.enter_context(strict.process(askers=askers)) for askers in (17, 17, 16)]
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [told(process) for process in started]
    assert sum(answer["count"] for answer in answers) == 50
    assert len({token for answer in answers for token in answer["tokens"]}) == 1
    assert strict.side.token_requests == 1
    assert strict.side.server.memory.grants[0].refreshes == 1


async def test_killed_before_the_claim_nothing_is_lost(strict: Scene) -> None:
    """The next process need not even wait."""
    strict.killed("before the claim")
    assert strict.asks()["count"] == 1
    assert strict.side.token_requests == 1


async def test_killed_as_the_commit_ends_nothing_is_lost(strict: Scene) -> None:
    """The pair is durable though nobody has heard so: the next process takes it from the record."""
    strict.killed("as the commit ends")
    assert strict.side.token_requests == 1
    assert strict.asks()["count"] == 1
    assert strict.side.token_requests == 1


async def test_killed_before_the_commit_a_lenient_broker_gives_the_pair_again(lenient: Scene) -> None:
    """Where a repeat is forgiven for a while, the claim ends in that while, and the next process is given the pair."""
    lenient.killed("after the reply")
    (row,) = await lenient.claims()
    assert row <= 17
    await lenient.age_claims()
    assert lenient.asks()["count"] == 1
    assert lenient.side.token_requests == 2
    assert lenient.side.server.memory.grants[0].refreshes == 1


async def test_killed_before_the_request_nothing_is_lost(strict: Scene) -> None:
    """The next process refreshes with the same token, once the claim has run out and not before."""
    strict.killed("before the request")
    assert strict.side.token_requests == 0
    await strict.age_claims()
    assert strict.asks()["count"] == 1
    assert strict.side.token_requests == 1


async def test_killed_after_the_commit_nothing_is_lost(strict: Scene) -> None:
    """The next process takes the new pair from the record, and asks the broker for nothing."""
    strict.killed("after the commit")
    assert strict.side.token_requests == 1
    assert strict.asks()["count"] == 1
    assert strict.side.token_requests == 1


async def test_killed_before_the_commit_a_forgiving_broker_gives_again(forgiving: Scene) -> None:
    """Where refresh tokens stay, the next process simply refreshes again."""
    forgiving.killed("after the reply")
    await forgiving.age_claims()
    assert forgiving.asks()["count"] == 1
    assert forgiving.side.token_requests == 2


async def test_killed_before_the_commit_a_strict_broker_leaves_a_person(strict: Scene) -> None:
    """Where the pair died with the process, the old token is tried once more, and then the record says the truth."""
    strict.killed("after the reply")
    await strict.age_claims()
    answer = strict.asks()
    assert answer["reason"] == Reason.BROKER_CREDENTIALS_REFUSED
    assert "its answer to an earlier refresh never arrived" in answer["message"]
    assert strict.side.token_requests == 2
    grant = await strict.world.grant_of(strict.connection)
    assert grant.state is GrantState.REAUTHORIZATION_REQUIRED
    assert strict.asks()["reason"] == Reason.BROKER_CREDENTIALS_REFUSED
    assert strict.side.token_requests == 2
    await strict.world.complete(await strict.world.begin(connection_id=strict.connection.connection_id, broker=""))
    assert strict.asks()["count"] == 1
