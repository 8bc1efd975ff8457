"""A person's acts: each is done once, however often it is tried.

Whoever typed a command waits rather than being told to type it again; and who does not know whether it was done had
better not be asked to find out. So each act leaves its name in the transaction that does it. Where nobody knows whether
that is durable it is tried again, and the name tells.
"""

from typing import Any, Final

from sqlalchemy import Connection, text

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.ids import new_id
from brokergw.model.whose import Whose
from brokergw.ports.clock import Clock
from brokergw.store.database.patience import PERSON_TRIES
from brokergw.store.database.work import RunsWork, Work

_KEPT_NS: Final = 86_400_000_000_000
"""How long a name is kept: none is asked for longer than its act is tried."""
_KIND: Final = "act"
_NAME: Final = text("INSERT INTO store_meta (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING")
_FORGET: Final = text(
    "DELETE FROM store_meta WHERE name LIKE 'act\\_%' ESCAPE '\\' AND CAST(value AS BIGINT) < :before"
)
_AGAIN: Final = frozenset({Reason.JOURNAL_UNAVAILABLE, Reason.JOURNAL_OUTCOME_UNKNOWN})


class Acts:
    """Runs small writes as `group.RunsWork` does, over one that may fail, or not know how it ended."""

    def __init__(self, run: RunsWork, clock: Clock) -> None:
        self._run = run
        self._clock = clock

    async def __call__(self, whose: Whose, work: Work) -> Any:
        """Run a write for some users, once; raises what the last of several tries came to."""
        name, now = new_id(_KIND), self._clock.now_ns()
        last: list[Any] = [None]

        def once(database: Connection) -> Any:
            if database.execute(_NAME, {"name": name, "value": str(now)}).rowcount:
                database.execute(_FORGET, {"before": now - _KEPT_NS})
                last[0] = work(database)
            # Otherwise an earlier try is durable, and what it came to is at hand.
            return last[0]

        for _ in range(PERSON_TRIES - 1):
            try:
                return await self._run(whose, once)
            except GatewayError as error:
                if error.reason not in _AGAIN:
                    raise
        return await self._run(whose, once)
