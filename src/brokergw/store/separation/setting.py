"""Telling PostgreSQL for whom a transaction works; its row security goes by that, and by nothing else.

Two settings are made in each transaction, and end with it: `brokergw.users`, the users' ids as an array, and
`brokergw.everyone`. So nothing is left on a connection for whoever borrows it next, and a transaction that was told
nothing finds no user's row. SQLite knows no row security: there, the conditions of the statements alone decide.

The setting costs no trip to the server of its own. It goes with the BEGIN of a transaction; a statement outside of one
is sent together with it, and the server runs what is sent together in one transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from brokergw.model.whose import Whose
from brokergw.store.encoding.rows import is_storable
from brokergw.store.sql.many import store_error

_WHOSE: Final = "whose"
_TELL: Final = "SELECT set_config('brokergw.users', %s::text[]::text, true), set_config('brokergw.everyone', %s, true)"
_BEGIN: Final = (
    "BEGIN{mode};SELECT set_config('brokergw.users', {users}, true), set_config('brokergw.everyone', {all}, true)"
)
_ON: Final = "on"


def begin(connection: Connection, whose: Whose, *, mode: str = "") -> None:
    """Begin the transaction that works for some users, in one trip; raises SQLAlchemy's errors as a statement does."""
    if connection.dialect.name == "sqlite":
        return
    driver: Any = connection.connection.driver_connection
    text = _BEGIN.format(mode=mode, users=_literal(driver, _array(whose)), all=_literal(driver, _everybody(whose)))
    try:
        _run(driver, text.encode())
    except Exception as error:
        broken = store_error(connection, error)
        if broken is None:
            raise
        raise broken from error


@contextmanager
def together(connection: Connection, whose: Whose) -> Iterator[None]:
    """Let what is executed inside, outside of a transaction, work for some users; fetch the rows afterwards."""
    if connection.dialect.name == "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    try:
        with driver.pipeline():
            driver.cursor().execute(_TELL, _parameters(whose))
            yield
    except Exception as error:
        broken = store_error(connection, error)
        if broken is None:
            raise
        raise broken from error


def tell_each_statement(engine: Engine) -> None:
    """Send each statement outside of a transaction with the setting of its connection's `working_for`."""
    event.listen(engine, "do_execute", _execute)


def working_for(connection: Connection, whose: Whose) -> Connection:
    """Note for whom the statements on a connection are, until it goes back to its pool."""
    return connection.execution_options(**{_WHOSE: whose})


def _execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
    whose = context.execution_options.get(_WHOSE)
    if whose is None or not cursor.connection.autocommit:
        return False
    with cursor.connection.pipeline():
        cursor.connection.cursor().execute(_TELL, _parameters(whose))
        cursor.execute(statement, parameters)
    return True


def _run(driver: Any, text: bytes) -> None:
    from psycopg import errors, pq  # noqa: PLC0415 - a SQLite store does not need the driver

    result = driver.pgconn.exec_(text)
    if result.status != pq.ExecStatus.TUPLES_OK:
        raise errors.error_from_result(result)


def _literal(driver: Any, text: str) -> str:
    from psycopg import pq  # noqa: PLC0415 - a SQLite store does not need the driver

    return pq.Escaping(driver.pgconn).escape_literal(text.encode()).decode()


def _array(whose: Whose) -> str:
    quoted = (user_id.replace("\\", "\\\\").replace('"', '\\"') for user_id in _names(whose))
    return "{" + ",".join(f'"{each}"' for each in quoted) + "}"


def _parameters(whose: Whose) -> tuple[list[str], str]:
    return _names(whose), _everybody(whose)


def _names(whose: Whose) -> list[str]:
    # A name that no row can have finds none, and must not fail its neighbours.
    return [user_id for user_id in sorted(whose.users) if is_storable(user_id)]


def _everybody(whose: Whose) -> str:
    return _ON if whose.everybody else ""
