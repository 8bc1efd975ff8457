"""Authorizations that were begun, over a SQL database: each is taken once, by whoever comes first."""

import json
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select

from brokergw.model.account import Environment
from brokergw.model.oauth import Application
from brokergw.model.whose import everyone, only
from brokergw.ports.oauth import Attempt
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.identity.directory import make_user_known
from brokergw.store.tables import OAUTH_ATTEMPTS
from brokergw.store.vault.places import place_of_attempt
from brokergw.store.vault.seal import Seal

_BY_STATE: Final = everyone("a browser that comes back from a broker brings a state, and whose it is only that tells")


class SqlAttempts:
    """Implements `ports.oauth.AttemptBook`."""

    def __init__(self, run: RunsWork, reader: Reader, seal: Seal) -> None:
        self._run = run
        self._reader = reader
        self._seal = seal

    async def begin(self, attempt: Attempt, *, open_max: int) -> bool:
        """Keep an attempt, and forget every user's that are over; False when the user has so many open ones."""
        secrets = {
            "client_id": attempt.application.client_id,
            "client_secret": attempt.application.client_secret,
            "verifier": attempt.verifier,
            "scopes": attempt.scopes,
        }
        sealed = self._seal.close(json.dumps(secrets), place_of_attempt(attempt))
        row = {
            "user_id": attempt.user_id,
            "attempt_id": attempt.attempt_id,
            "connection_id": attempt.connection_id,
            "broker": attempt.broker,
            "environment": attempt.environment.value,
            "redirect_uri": attempt.redirect_uri,
            "sealed": sealed,
            "renews": attempt.renews,
            "create_time_ns": attempt.create_time_ns,
            "end_time_ns": attempt.end_time_ns,
        }

        def work(database: Connection) -> bool:
            make_user_known(database, attempt.user_id, attempt.create_time_ns)
            mine = OAUTH_ATTEMPTS.c.user_id == attempt.user_id
            over = OAUTH_ATTEMPTS.c.end_time_ns <= attempt.create_time_ns
            database.execute(delete(OAUTH_ATTEMPTS).where(mine, over))
            open_now = database.scalar(select(func.count()).select_from(OAUTH_ATTEMPTS).where(mine)) or 0
            if open_now >= open_max:
                return False
            database.execute(insert(OAUTH_ATTEMPTS).values(row))
            return True

        return bool(await self._run(only(attempt.user_id), work))

    async def peek(self, attempt_id: str) -> Attempt | None:
        """Give an attempt that stays."""
        wanted = select(OAUTH_ATTEMPTS).where(OAUTH_ATTEMPTS.c.attempt_id == attempt_id)
        row = await self._reader.query(_BY_STATE, lambda database: database.execute(wanted).one_or_none())
        return None if row is None else self._attempt(row)

    async def take(self, attempt_id: str, user_id: str | None) -> Attempt | None:
        """Remove an attempt and give it; of several who ask at once the database gives it to one."""
        wanted = [OAUTH_ATTEMPTS.c.attempt_id == attempt_id]
        if user_id is not None:
            wanted.append(OAUTH_ATTEMPTS.c.user_id == user_id)
        taken = delete(OAUTH_ATTEMPTS).where(*wanted).returning(*OAUTH_ATTEMPTS.columns)

        whose = _BY_STATE if user_id is None else only(user_id)
        row = await self._run(whose, lambda database: database.execute(taken).one_or_none())
        return None if row is None else self._attempt(row)

    def _attempt(self, row: Any) -> Attempt:
        secrets = json.loads(self._seal.open(row.sealed, place_of_attempt(row)))
        return Attempt(
            attempt_id=row.attempt_id,
            user_id=row.user_id,
            connection_id=row.connection_id,
            broker=row.broker,
            environment=Environment(row.environment),
            redirect_uri=row.redirect_uri,
            application=Application(client_id=secrets["client_id"], client_secret=secrets["client_secret"]),
            verifier=secrets["verifier"],
            scopes=tuple(secrets["scopes"]),
            create_time_ns=row.create_time_ns,
            end_time_ns=row.end_time_ns,
            renews=row.renews,
        )
