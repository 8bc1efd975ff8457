"""The same border in the statements themselves, which on SQLite is the only one."""

from sqlalchemy import ColumnElement, Table, true

from brokergw.model.whose import Whose


def rows_of(whose: Whose, table: Table) -> ColumnElement[bool]:
    """Give the condition on a table's rows to be some users'."""
    if whose.everybody:
        return true()
    if len(whose.users) == 1:
        (user_id,) = whose.users
        return table.c.user_id == user_id
    return table.c.user_id.in_(sorted(whose.users))
