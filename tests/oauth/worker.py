"""One process that needs a connection's token: `python -m tests.oauth.worker`, told what to do by a line of JSON.

It says `ready`, waits for another line, asks for the token as often at once as it is told, and prints one line of JSON:
how many distinct tokens it got, or why it got none. `die` names the point of a refresh at which it kills itself.
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
from dataclasses import replace
from typing import Any

from sqlalchemy import event

from brokergw.desk.oauth.refreshing import OAuthNeeds
from brokergw.desk.oauth.tokens import ConnectionTokens
from brokergw.model.account import Connection, Environment
from brokergw.model.errors import GatewayError
from brokergw.model.oauth import Application, Grant, IssuedTokens, OAuthProfile
from brokergw.model.whose import only
from brokergw.ports.broker import Credentials
from brokergw.ports.oauth import Claim
from brokergw.ports.permit import Permit
from brokergw.store.audit.chain import Chain
from brokergw.store.oauth.grants import SqlGrants
from brokergw.store.open import Store, open_store
from brokergw.transport.oauth.client import TokenClient
from tests.fixtures.oauth_world import ROTATING, Heard, MovableClock, led_to
from tests.fixtures.stores import CREDENTIALS_KEY


def die_as_the_commit_ends(store: Store) -> None:
    """Die once a new pair is durable and nobody has heard of it: neither the writer nor who waits for it."""
    confirm, written = Chain.confirm, [False]

    def noted(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        written[0] = written[0] or statement.startswith("DELETE FROM oauth_grants")

    def dying(chain: Chain) -> None:
        if written[0]:
            _die()
        confirm(chain)

    event.listen(store._writing, "before_cursor_execute", noted)
    Chain.confirm = dying  # type: ignore[assignment,method-assign] # it is there to die


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingClient(TokenClient):
    """A token client of a process that is killed around the request."""

    def __init__(self, die: str) -> None:
        super().__init__()
        self._die = die

    async def refresh(
        self,
        profile: OAuthProfile,
        environment: Environment,
        application: Application,
        refresh_token: str,
        permit: Permit,
    ) -> IssuedTokens:
        """Refresh, and die where it is told."""
        if self._die == "before the request":
            _die()
        tokens = await super().refresh(profile, environment, application, refresh_token, permit)
        if self._die == "after the reply":
            _die()
        return tokens


class DyingBook:
    """A grant book of a process that is killed once the new pair is durable."""

    def __init__(self, book: SqlGrants, die: str) -> None:
        self._book = book
        self._die = die

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    async def claim(self, *given: Any) -> Claim | None:
        """Claim, and die where it is told."""
        if self._die == "before the claim":
            _die()
        return await self._book.claim(*given)

    async def replace(
        self, connection: Connection, credentials: Credentials, grant: Grant, *, since: int | None
    ) -> Connection:
        """Replace, and die where it is told."""
        changed = await self._book.replace(connection, credentials, grant, since=since)
        if self._die == "after the commit":
            _die()
        return changed


async def main(task: dict[str, Any]) -> dict[str, Any]:
    """Do what the task says."""
    clock = MovableClock()
    clock.advance(task["ahead_s"])
    async with open_store(task["store"], clock=clock, credentials_key=CREDENTIALS_KEY) as store:
        if task["die"] == "as the commit ends":
            die_as_the_commit_ends(store)
        client = DyingClient(task["die"])
        book: Any = DyingBook(store.grants, task["die"])
        needs = OAuthNeeds(book, store.connections, client, Heard(), clock)
        connection = await store.connections.get(only(task["user"]), task["connection"])
        assert connection is not None
        tokens = ConnectionTokens(
            connection, led_to(task["sim"], replace(ROTATING, reuse_grace_s=task["grace_s"])), needs
        )
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        try:
            got = await asyncio.gather(*(tokens.current() for _ in range(task["askers"])))
        except GatewayError as error:
            return {"reason": error.reason.value, "message": error.message}
        finally:
            await client.close()
        return {"tokens": sorted({hashlib.sha256(each.encode()).hexdigest() for each in got}), "count": len(got)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))) + "\n")
