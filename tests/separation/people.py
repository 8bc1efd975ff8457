"""Two users with a row each in every table that holds users' rows, written past all rules by the tables' owner."""

from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import BigInteger, Boolean, Table

from brokergw.store.separation.rows import user_tables

ALICE: Final = "usr_alice"
BOB: Final = "usr_bob"


def fill(owner_url: str, *user_ids: str) -> None:
    """Give each user one row in every table of users' rows; what it refers to need not be there."""
    with psycopg.connect(owner_url) as database:
        database.execute("SET session_replication_role = replica")
        for number, user_id in enumerate(user_ids, 1):
            for table in user_tables():
                insert(database, table, row_of(table, user_id, number))


def insert(database: "psycopg.Connection[Any]", table: Table, row: dict[str, Any]) -> None:
    """Insert a row by its columns."""
    names = [sql.Identifier(name) for name in row]
    values = [sql.Placeholder()] * len(row)
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})")
    parts = (sql.Identifier(table.name), sql.SQL(", ").join(names), sql.SQL(", ").join(values))
    database.execute(statement.format(*parts), list(row.values()))


def row_of(table: Table, user_id: str, number: int) -> dict[str, Any]:
    """Make a row of a user's, of no strategy: every other text tells whose it is."""
    made: dict[str, Any] = {}
    for column in table.columns:
        if column.name == "user_id":
            made[column.name] = user_id
        elif column.name == "strategy_id":
            made[column.name] = ""
        elif isinstance(column.type, BigInteger):
            made[column.name] = number
        elif isinstance(column.type, Boolean):
            made[column.name] = True
        else:
            made[column.name] = f"{column.name} of {user_id}"
    return made
