"""Every read of the record with its own conditions on the user taken out: row security alone keeps users apart."""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from brokergw.model.whose import only
from brokergw.ports.audit import AuditQuery
from brokergw.ports.journal import KeyScope, OrderQuery
from brokergw.ports.reconciliations import ReconciliationQuery
from brokergw.ports.vault import Purpose
from brokergw.store import Store
from brokergw.store import open as opening
from brokergw.store.separation.rows import user_tables
from brokergw.store.sql import many
from tests.fixtures.stores import open_for_test
from tests.fixtures.two_roles import owned
from tests.separation.people import ALICE

HERS = f"account_id of {ALICE}"
CONDITION = re.compile(r"(?:coalesce\()?(?:\w+\.)?user_id(?:, ''\))? (?:= %s(?:::\w+)?|IN \([^)]*\))")
BATCHED = re.compile(r"(?:\w+\.)?user_id = column1\b")
OF_USERS = re.compile(rf"\b({'|'.join(table.name for table in user_tables())})\b")

Read = Callable[[Store, str], Awaitable[Any]]

READS: dict[str, Read] = {
    "order": lambda s, u: s.journal.order(only(u), f"order_id of {ALICE}"),
    "order by client id": lambda s, u: s.journal.order_by_client_id(u, HERS, f"client_order_id of {ALICE}"),
    "order by broker id": lambda s, u: s.journal.order_by_broker_id(u, HERS, f"broker_order_id of {ALICE}", ""),
    "order by broker client id": lambda s, u: s.journal.order_by_broker_id(
        u, HERS, "", f"broker_client_order_id of {ALICE}"
    ),
    "fill": lambda s, u: s.journal.fill(u, f"fill_id of {ALICE}"),
    "key": lambda s, u: s.journal.key_of(KeyScope(u, f"method of {ALICE}", f"key of {ALICE}")),
    "orders": lambda s, u: s.journal.orders(OrderQuery(user_id=u)),
    "open orders": lambda s, u: s.journal.open_orders(only(u)),
    "open heads": lambda s, u: s.journal.open_heads(u, HERS),
    "fills": lambda s, u: s.journal.fills(u, (HERS,)),
    "events": lambda s, u: s.journal.events(u, HERS, 0, 10),
    "order events": lambda s, u: s.journal.order_events(u, f"order_id of {ALICE}"),
    "snapshot": lambda s, u: s.journal.snapshot(u, (HERS,)),
    "usage": lambda s, u: s.journal.usage(u),
    "positions": lambda s, u: s.journal.positions_on_record(u, HERS),
    "connection": lambda s, u: s.connections.get(only(u), f"connection_id of {ALICE}"),
    "connection by account": lambda s, u: s.connections.by_account(only(u), HERS),
    "connections": lambda s, u: s.connections.list(u),
    "credentials": lambda s, u: s.connections.credentials(u, f"connection_id of {ALICE}", Purpose.SESSION),
    "reconciliation": lambda s, u: s.reconciliations.get(only(u), f"reconciliation_id of {ALICE}"),
    "latest reconciliation": lambda s, u: s.reconciliations.latest(u, HERS),
    "reconciliations": lambda s, u: s.reconciliations.list(ReconciliationQuery(whose=only(u))),
    "policy": lambda s, u: s.reconciliations.policy(u),
    "authenticator": lambda s, u: s.authenticators.get(u),
    "standing": lambda s, u: s.modes.get(u),
    "keys": lambda s, u: s.keys.list(u),
    "certificates": lambda s, u: s.certificates.list(u),
    "sequences": lambda s, u: s.journal.sequences(only(u), (HERS,)),
    "earliest": lambda s, u: s.journal.earliest(only(u), (HERS,)),
    "roles": lambda s, u: s.roles.of(u),
    "audit": lambda s, u: s.audit.list(AuditQuery(user_id=u)),
}
"""Reads for one user, `u`, by the ids of Alice."""

CHANGES: dict[str, Read] = {
    "revoking a connection": lambda s, u: s.connections.revoke(u, f"connection_id of {ALICE}", 5),
    "settling a reconciliation": lambda s, u: s.reconciliations.settle(u, f"reconciliation_id of {ALICE}", "x", 5, "y"),
    "answering a request": lambda s, u: s.reconciliations.answered(u, HERS, 5),
    "pruning events": lambda s, u: s.journal.prune_events(u, HERS, 5, 5),
}


class Counter:
    """Takes the conditions on the user out of every statement, and counts the rows that it then finds or changes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._batches: list[Any] = []
        self._rows = 0
        self.stripped = 0
        execute = many.execute

        def batched(connection: Connection, pieces: Sequence[many.Piece]) -> list[Any]:
            bare = [(BATCHED.sub("true", text), rows) for text, rows in pieces]
            self.stripped += sum(text != before for (text, _), (before, _) in zip(bare, pieces, strict=True))
            cursors = execute(connection, bare)
            self._batches += [c for c, (text, _) in zip(cursors, bare, strict=True) if _counts(text)]
            return cursors

        monkeypatch.setattr(many, "execute", batched)

    def listen(self, *engines: Engine) -> None:
        """Strip and count what goes through some engines."""
        for engine in engines:
            event.listen(engine, "before_cursor_execute", self._strip, retval=True)
            event.listen(engine, "after_cursor_execute", self._count)

    def rows(self) -> int:
        """Give how many rows were found or changed since the last time."""
        found: int = self._rows + sum(max(0, cursor.rowcount) for cursor in self._batches)
        self._rows, self._batches = 0, []
        return found

    def _strip(self, _c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: Any) -> tuple[str, Any]:
        bare = CONDITION.sub(lambda found: f"({found[0]} OR true)", statement)
        self.stripped += bare != statement
        return bare, parameters

    def _count(self, _c: Any, cursor: Any, statement: str, _p: Any, _x: Any, _many: Any) -> None:
        if _counts(statement):
            self._rows += max(0, cursor.rowcount)


def _counts(statement: str) -> bool:
    return not statement.lstrip().startswith("INSERT") and OF_USERS.search(statement) is not None


async def rows_met(counter: Counter, store: Store, act: Read, user_id: str) -> int:
    """Do something for a user and give how many rows the database let it meet; what became of them does not matter."""
    counter.listen(store._reading, store._writing)
    counter.rows()
    with suppress(Exception):
        await act(store, user_id)
    return counter.rows()


@pytest.mark.parametrize("act", [*READS, *CHANGES])
async def test_row_security_alone_keeps_users_apart(peopled: str, act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a single condition of ours on the user, another's ids meet no row; where no policy binds, they do."""
    wanted = (READS | CHANGES)[act]
    counter = Counter(monkeypatch)
    async with open_for_test(peopled) as store:
        assert await rows_met(counter, store, wanted, "usr_nobody") == 0
        assert counter.stripped > 0
    # The same as the owner, whom nothing binds: there the rows are.
    monkeypatch.setattr(opening, "require_separated", lambda _: None)
    if act in READS:
        async with open_for_test(owned(peopled)) as store:
            assert await rows_met(counter, store, wanted, "usr_nobody") > 0


@pytest.mark.parametrize("act", READS)
async def test_conditions_alone_keep_users_apart(peopled: str, act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the owner, whom no policy binds, each read finds nothing for one user by the ids of another."""
    monkeypatch.setattr(opening, "require_separated", lambda _: None)
    counter = Counter(monkeypatch)
    monkeypatch.setattr("tests.separation.test_without_filters.CONDITION", re.compile("(?!)"))
    monkeypatch.setattr("tests.separation.test_without_filters.BATCHED", re.compile("(?!)"))
    async with open_for_test(owned(peopled)) as store:
        assert await rows_met(counter, store, READS[act], "usr_nobody") == 0
    assert counter.stripped == 0
