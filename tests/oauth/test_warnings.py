"""Ends ahead over three processes: each is told once, by one of them, and shown by all."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from brokergw.adapters.oauth import CTRADER
from brokergw.adapters.schwab import SCHWAB_OAUTH
from brokergw.desk.oauth.schedule import granted
from brokergw.model.account import Connection, Environment
from brokergw.model.oauth import DAY_S, HOUR_S, Grant, IssuedTokens, OAuthProfile
from brokergw.ports.broker import Credentials
from brokergw.ports.oauth import Claim
from brokergw.store import Store
from tests.conformance.store.making import USER, connection_for
from tests.fixtures.clock import START_NS
from tests.fixtures.stores import open_for_test

NS = 1_000_000_000
ONE_S = 1
TOKENS = Credentials(access_token="a", refresh_token="r", client_id="c", client_secret="s")


class Watcher:
    """A process that watches grants."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._said()

    def look(self, moment_ns: int) -> None:
        """Have it look as of a moment."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{moment_ns}\n")
        self._process.stdin.flush()

    def told(self) -> dict[str, Any]:
        """Read what it has told so far."""
        said: dict[str, Any] = json.loads(self._said())
        return said

    def _said(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        return line


@contextmanager
def watchers(url: str, count: int) -> Iterator[list[Watcher]]:
    """Run processes that all believe that they hold the connection."""
    task = json.dumps({"store": url, "now_ns": START_NS})
    with ExitStack() as stack:
        processes = []
        for _ in range(count):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.oauth.warner", task],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            processes.append(process)
        yield [Watcher(process) for process in processes]


def seen_at(watching: Sequence[Watcher], moment_ns: int) -> tuple[int, set[str]]:
    """Have all look as of a moment at once; gives how often they have told anything, and what their cards say."""
    for each in watching:
        each.look(moment_ns)
    answers = [each.told() for each in watching]
    return sum(len(answer["alerts"]) for answer in answers), {answer["card"] for answer in answers}


async def connected(store: Store, profile: OAuthProfile, life_s: int) -> tuple[Connection, Grant]:
    """Store a connection with a grant of now, whose first refresh is not due within the test."""
    connection = replace(
        connection_for("acc_1"),
        environment=Environment.PAPER,
        broker=profile.broker,
        has_key=True,
        credentials_version=1,
        account_label="Paper",
    )
    bare = Grant(connection_id=connection.connection_id, user_id=USER, version=1, authorize_time_ns=START_NS, tries=0)
    grant = granted(bare, profile, IssuedTokens(access_token="a", life_s=life_s), START_NS, 0.0)
    grant = replace(grant, refresh_time_ns=None)
    await store.grants.open(connection, TOKENS, grant)
    return connection, grant


async def test_schwabs_end_is_told_once_by_three_processes(postgresql_url: str) -> None:
    """Just above 24 hours nobody, from 24 hours on one of them; a renewal changes nothing, a new login is told anew."""
    async with open_for_test(postgresql_url) as store:
        connection, grant = await connected(store, SCHWAB_OAUTH, 1_800)
        assert grant.end_time_ns is not None
        limit = grant.end_time_ns - DAY_S * NS
        with watchers(postgresql_url, 3) as watching:
            assert seen_at(watching, limit - ONE_S * NS) == (0, {""})
            count, (words,) = seen_at(watching, limit)
            assert count == 1
            assert words == "Schwab ends this authorization on 2027-01-22 at 08:00:00 UTC: authorize again"
            assert seen_at(watching, limit + ONE_S * NS) == (1, {words})
            # Whoever renews the token has read the grant before it was told.
            renewed = replace(grant, told_end_time_ns=None)
            connection = await store.grants.replace(connection, TOKENS, renewed, since=1)
            assert seen_at(watching, limit + 2 * ONE_S * NS) == (1, {words})
            later = replace(renewed, authorize_time_ns=limit, end_time_ns=limit + 7 * DAY_S * NS)
            await store.grants.replace(connection, TOKENS, later, since=None)
            assert seen_at(watching, limit + 3 * ONE_S * NS) == (1, {""})
            count, (again,) = seen_at(watching, limit + 6 * DAY_S * NS)
            assert count == 2
            assert again != words


async def test_ctraders_end_is_told_once_and_the_next_one_again(postgresql_url: str) -> None:
    """Of a token that was not renewed one process tells at 48 hours; of the next such token one tells again."""
    life_s = 30 * DAY_S
    async with open_for_test(postgresql_url) as store:
        _, grant = await connected(store, CTRADER, life_s)
        assert grant.access_end_time_ns is not None
        claim = await store.grants.claim(USER, grant.connection_id, 1, 30.0)
        assert isinstance(claim, Claim)
        await store.grants.release(claim, replace(claim.grant, refresh_time_ns=None))
        limit = grant.access_end_time_ns - 48 * HOUR_S * NS
        with watchers(postgresql_url, 3) as watching:
            assert seen_at(watching, limit - ONE_S * NS) == (0, {""})
            count, (words,) = seen_at(watching, limit)
            assert count == 1
            assert words.startswith("cTrader has not renewed the access token, which ends on 2027-02-14")
            # A refresh that fails again has read the grant before the warning, and must not take it back.
            claim = await store.grants.claim(USER, grant.connection_id, 1, 30.0)
            assert claim is not None
            unknowing = replace(claim.grant, refresh_time_ns=None, told_end_time_ns=None)
            await store.grants.release(claim, unknowing)
            assert seen_at(watching, limit + ONE_S * NS) == (1, {words})
            end_ns = grant.access_end_time_ns + 10 * DAY_S * NS
            known = (await store.connections.list())[0]
            await store.grants.replace(known, TOKENS, replace(grant, access_end_time_ns=end_ns, tries=1), since=1)
            assert seen_at(watching, end_ns - 48 * HOUR_S * NS - ONE_S * NS) == (1, {""})
            assert seen_at(watching, end_ns - 48 * HOUR_S * NS)[0] == 2


@pytest.mark.parametrize("told", [START_NS + 5, None])
async def test_an_end_that_is_the_grants_no_more_is_not_told(store: Store, told: int | None) -> None:
    """Who comes with an end that has been put off meanwhile tells nobody."""
    _, grant = await connected(store, SCHWAB_OAUTH, 1_800)
    assert not await store.grants.warned(replace(grant, told_end_time_ns=told), START_NS + 7)
    assert grant.end_time_ns is not None
    assert await store.grants.warned(grant, grant.end_time_ns)
    assert not await store.grants.warned(grant, grant.end_time_ns)
